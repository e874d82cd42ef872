//! Labelled tickets that the model is taught by before it sees its first.
//!
//! The training half of the labelled set, and nothing of the other.

use serde::Deserialize;

use super::Ticket;
use super::verdict::{Area, Category, Language, Priority, Sentiment};

/// A ticket and what is right about it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Lesson {
    /// Its name in the set.
    pub id: String,
    /// The app.
    pub source: String,
    /// The title.
    pub subject: String,
    /// The text.
    pub description: String,
    /// What it is.
    pub category: Category,
    /// How pressing it is.
    pub priority: Priority,
    /// How it sounds.
    pub sentiment: Sentiment,
    /// Its language.
    pub language: Language,
    /// Who should look at it.
    pub area: Area,
}

impl Lesson {
    /// What of it is judged.
    pub fn ticket(&self) -> Ticket<'_> {
        Ticket { source: &self.source, subject: &self.subject, description: &self.description }
    }
}

/// The lessons, in a fixed order in which their classes are mixed.
pub fn lessons() -> Vec<Lesson> {
    let read = include_str!("lessons.jsonl").lines().filter_map(|line| serde_json::from_str(line).ok());
    let sorted: Vec<Lesson> = read.collect();
    // The set is sorted by class; a stride that shares no factor with its length meets each once.
    let stride = (37..1_037).find(|stride| !sorted.is_empty() && greatest_common(*stride, sorted.len()) == 1);
    let at = |n: usize| sorted.get(n * stride.unwrap_or(1) % sorted.len().max(1)).cloned();
    (0..sorted.len()).filter_map(at).collect()
}

fn greatest_common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_is_met_once() {
        let lines = include_str!("lessons.jsonl").lines().count();
        let mut ids: Vec<_> = lessons().into_iter().map(|lesson| lesson.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), lines);
    }
}
