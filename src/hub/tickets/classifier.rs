//! Who can judge a ticket: the offline classifier, which always can, and a hosted one, which may not.

use std::future::Future;
use std::pin::Pin;

use crate::domain::triage::{Ticket, Triage, Verdict};

/// Why a classifier has no verdict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Late,
    /// It could not be reached.
    #[error("it could not be reached: {0}")]
    Unreachable(String),
    /// It answered with an error.
    #[error("it answered {0}")]
    Status(u16),
    /// Its answer is no verdict.
    #[error("its answer is no verdict: {0}")]
    Nonsense(String),
}

/// What a classifier came to, and what that took.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// The verdict.
    pub verdict: Result<Verdict, Error>,
    /// Who gave it: `offline` or `hosted`.
    pub by: &'static str,
    /// Tokens of a hosted model, whether its answer was of use or not.
    pub tokens: u64,
}

/// A judgement on its way.
pub type Judging<'a> = Pin<Box<dyn Future<Output = Judged> + Send + 'a>>;

/// Judges tickets.
pub trait Classifier: Send + Sync + 'static {
    /// What to make of `ticket`. Ends within a bound of its own.
    fn classify<'a>(&'a self, ticket: Ticket<'a>) -> Judging<'a>;
}

/// The classifier that needs nobody.
#[derive(Clone, Debug)]
pub struct Offline(pub Triage);

impl Classifier for Offline {
    fn classify<'a>(&'a self, ticket: Ticket<'a>) -> Judging<'a> {
        let verdict = Ok(self.0.classify(&ticket));
        Box::pin(std::future::ready(Judged { verdict, by: "offline", tokens: 0 }))
    }
}

/// One classifier, and another for when it has no verdict.
pub struct Fallback<A, B> {
    /// Who is asked first.
    pub first: A,
    /// Who is asked then.
    pub second: B,
}

impl<A: Classifier, B: Classifier> Classifier for Fallback<A, B> {
    fn classify<'a>(&'a self, ticket: Ticket<'a>) -> Judging<'a> {
        Box::pin(async move {
            let first = self.first.classify(ticket).await;
            let Err(error) = &first.verdict else { return first };
            tracing::warn!(by = first.by, error = %error, "a ticket was not classified; another classifier does it");
            let second = self.second.classify(ticket).await;
            Judged { tokens: first.tokens + second.tokens, ..second }
        })
    }
}
