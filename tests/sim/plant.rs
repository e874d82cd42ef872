//! Bugs planted at the seams of the code under test, to prove that the simulation can fail.

/// A planted bug, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    None,
    /// The result of an attempt that was given up is taken for the one under way, and the store takes
    /// every settle as it comes.
    NoFence,
    /// A settle does not count its attempt.
    AttemptUncounted,
    /// A settle counts its attempt but does not charge it.
    ChargeUncounted,
    /// Deliveries given back untried are forgotten.
    ReleaseForgotten,
    /// Nobody hears of a retry when its commit becomes visible.
    SilentRetry,
    /// A claim is answered before its results are marked as claimed.
    ClaimedTwice,
    /// The scheduler hears of no keys.
    Unordered,
    /// After a start the scheduler does not hear of the keys of what was tried before.
    Unprimed,
}
