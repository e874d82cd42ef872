//! The CRM: contacts, their timeline, the pipeline, deadlines, products, receivables and alerts.
//!
//! Every event lands on a timeline: on those of the contacts that it is about, else on its organization's.
//! Of two writings of one thing the one with the later time of its own wins, whichever came first. Nobody
//! is ever deleted here: a request for deletion marks.

mod alerts;
mod contacts;
mod deals;
mod duplicates;
mod fold;
mod lines;
mod parties;
pub mod reading;
mod receivables;
mod records;
mod schema;
pub(in crate::hub) mod timeline;

use serde_json::Value;

use super::command::Command;
use super::event::Event;
use super::subscriber::{Subscriber, Trouble};
use super::work::Work;
use lines::Lines;

/// The subscriber.
pub struct Crm {
    lines: Lines,
}

impl Crm {
    /// Ready to take events.
    pub fn new() -> Self {
        Self { lines: Lines::new() }
    }
}

impl Default for Crm {
    fn default() -> Self {
        Self::new()
    }
}

impl Subscriber for Crm {
    fn name(&self) -> &'static str {
        "crm"
    }

    fn steps(&self) -> &'static [&'static str] {
        schema::STEPS
    }

    fn derived(&self) -> &'static [(&'static str, &'static str)] {
        schema::DERIVED
    }

    fn handle(&self, work: &mut Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
        let line = self.lines.of(event);
        let mut concerned = Vec::new();
        for party in parties::of(event) {
            if let Some(contact) = contacts::take(work, event, &party)?
                && !concerned.contains(&contact)
            {
                concerned.push(contact);
            }
        }
        let papers = records::papers(event);
        match concerned.first() {
            Some(contact) => records::remember(work, contact, &papers)?,
            None => concerned.extend(records::owner(work, &papers)?),
        }
        timeline::add(work, event, &line, &concerned)?;
        let contact = concerned.first().map(String::as_str);
        match event.event_type.as_str() {
            "deadline.created" | "deadline.changed" => records::deadline(work, event, contact)?,
            "product.created" | "product.updated" | "product.deleted" => records::product(work, event)?,
            "invoice.paid" | "invoice.failed" => receivables::take(work, event, contact)?,
            _ => deals::take(work, event, contact)?,
        }
        alerts::take(work, event, &line)
    }

    fn command(&self, work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
        match command.kind.as_str() {
            "crm.merge" => duplicates::merge(work, command),
            "crm.request_deletion" => contacts::request_deletion(work, command),
            "crm.deal" => deals::change(work, command),
            "crm.receivable" => receivables::change(work, command),
            _ => Err(Trouble::Refused(format!("there is no command `{}`", command.kind))),
        }
    }
}

/// A field of a command's body.
fn asked<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    command.body.get(name)?.as_str()
}
