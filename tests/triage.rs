//! How good the classifier is, on tickets that it has not been shown: prints confusion tables, and holds the line.
//!
//! `cargo test --test triage -- --nocapture` shows them. The split and the labelling rules stand in
//! `tests/fixtures/README.md`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop there")]

use std::collections::BTreeMap;
use std::fmt::Write as _;

use camino_broker::domain::triage::{Area, Category, Language, Lesson, Priority, Sentiment, Triage, lessons};
use sha2::{Digest as _, Sha256};

fn labelled() -> Vec<Lesson> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tickets.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn is_for_training(id: &str) -> bool {
    Sha256::digest(format!("camino-tickets-1:{id}"))[0] % 2 == 0
}

/// How often what was right (rows) was taken for what (columns).
struct Confusion {
    name: &'static str,
    labels: Vec<&'static str>,
    counts: BTreeMap<(&'static str, &'static str), usize>,
}

impl Confusion {
    fn new(name: &'static str, labels: Vec<&'static str>) -> Self {
        Self { name, labels, counts: BTreeMap::new() }
    }

    fn add(&mut self, right: &'static str, said: &'static str) {
        *self.counts.entry((right, said)).or_default() += 1;
    }

    fn accuracy(&self) -> f64 {
        let right: usize = self.counts.iter().filter(|((a, b), _)| a == b).map(|(_, count)| count).sum();
        let all: usize = self.counts.values().sum();
        f64::from(u32::try_from(right).unwrap()) / f64::from(u32::try_from(all).unwrap())
    }

    fn table(&self) -> String {
        let mut table = format!("\n{} {:.3}\n{:>14}", self.name, self.accuracy(), "right \\ said");
        for label in &self.labels {
            write!(table, "{label:>14}").unwrap();
        }
        for right in &self.labels {
            write!(table, "\n{right:>14}").unwrap();
            for said in &self.labels {
                write!(table, "{:>14}", self.counts.get(&(*right, *said)).unwrap_or(&0)).unwrap();
            }
        }
        table
    }
}

#[test]
fn the_classifier_is_taught_by_the_training_half_alone() {
    let training: Vec<_> = labelled().into_iter().filter(|ticket| is_for_training(&ticket.id)).collect();
    let mut taught = lessons();
    taught.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(taught, training);
}

#[test]
fn the_held_out_half_is_classified() {
    let triage = Triage::taught();
    let mut category = Confusion::new("category", Category::ALL.iter().map(|label| label.as_str()).collect());
    let mut priority = Confusion::new("priority", Priority::ALL.iter().map(|label| label.as_str()).collect());
    let mut sentiment =
        Confusion::new("sentiment", Sentiment::ALL.iter().map(|label| label.as_str()).collect());
    let mut language = Confusion::new("language", Language::ALL.iter().map(|label| label.as_str()).collect());
    let mut area = Confusion::new("area", Area::ALL.iter().map(|label| label.as_str()).collect());
    for ticket in labelled().into_iter().filter(|ticket| !is_for_training(&ticket.id)) {
        let said = triage.classify(&ticket.ticket());
        category.add(ticket.category.as_str(), said.category.as_str());
        priority.add(ticket.priority.as_str(), said.priority.as_str());
        sentiment.add(ticket.sentiment.as_str(), said.sentiment.as_str());
        language.add(ticket.language.as_str(), said.language.as_str());
        area.add(ticket.area.as_str(), said.area.as_str());
    }
    let tables: Vec<_> =
        [&category, &priority, &sentiment, &language, &area].into_iter().map(Confusion::table).collect();
    println!("{}", tables.join("\n"));
    assert!(category.accuracy() >= 0.80, "{}", category.table());
    assert!(priority.accuracy() >= 0.70, "{}", priority.table());
    assert!(language.accuracy() >= 0.95, "{}", language.table());
}
