//! What a verb says when it could not be done: what happened, and how to mend it.

/// A failure in two lines.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Failure {
    what: String,
    /// What the person at the terminal can do.
    pub(super) mend: String,
}

impl Failure {
    /// `what` went wrong, and `mend` would help.
    pub(super) fn new(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into() }
    }
}
