//! Triage: what a support ticket is about, how pressing it is and who should look at it, told from its words.
//!
//! Pure and deterministic: the same text and the same lessons give the same verdict, in Spanish and in English. A
//! linear model: a written vocabulary gives it its first weights, labelled tickets (`lessons`) and people's
//! corrections move them, each by a bounded step. Never asks a network; who does stands in `hub::tickets`.

mod cue;
pub mod escalation;
mod language;
mod lesson;
mod model;
mod negation;
mod text;
mod verdict;

#[cfg(test)]
mod tests;

pub use lesson::{Lesson, lessons};
pub use model::Triage;
pub use verdict::{Area, Category, Language, Priority, Sentiment, Verdict};

/// Letters of a description that are read; what matters is said in the beginning.
pub const TEXT_CHARS_MAX: usize = 4_000;

/// What is judged of a ticket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticket<'a> {
    /// The app that it was opened in.
    pub source: &'a str,
    /// Its title.
    pub subject: &'a str,
    /// What the person wrote.
    pub description: &'a str,
}
