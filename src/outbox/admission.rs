//! Whether an event is let in and who gets it: type, sender, schema, routing, in this order.
//!
//! Decides over one registry snapshot and one directory snapshot; never looks at a clock or a store.

use crate::config::{SchemaCheck, SenderCheck as SenderRule};
use crate::domain::catalog::{Catalog, EventDef, Lookup, SenderCheck, sender_allowed};
use crate::domain::event::Envelope;
use crate::domain::id::{AppSlug, EventType};
use crate::domain::routing::{Decided, Decision, DriftNote, QuarantineReason, decide};
use crate::domain::schema::Drift;
use crate::store::outbox::record::Admission;

use super::directory::Snapshot;

/// What is let in.
#[derive(Clone, Debug, PartialEq)]
pub struct Admitted {
    /// Routed or held.
    pub admission: Admission,
    /// For each receiver of the type.
    pub decisions: Vec<Decided>,
    /// Where it departs from the registry.
    pub drift: Vec<DriftNote>,
    /// Whether the registry has the type.
    pub registered: bool,
}

/// What is not.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// The source is not among the type's senders, and the list is complete.
    SenderNotAllowed {
        /// Who may send it.
        senders: Vec<AppSlug>,
    },
    /// `data` does not fit, and the policy is `reject`.
    SchemaMismatch(Vec<Drift>),
}

/// How strict to be.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// With undeclared senders.
    pub senders: SenderRule,
    /// With `data` that does not fit.
    pub schema: SchemaCheck,
}

/// Lets `envelope` in, or not.
pub fn admit(
    envelope: &Envelope<'_>,
    catalog: &Catalog,
    directory: &Snapshot,
    rules: Rules,
) -> Result<Admitted, Refusal> {
    let mut drift = Vec::new();
    if !envelope.has_uuid() {
        drift.push(note("eventId", "is not a UUID"));
    }
    let (event, reason, did_you_mean) = match catalog.lookup(envelope.event_type.as_str()) {
        Lookup::Known(event) => (Some(event), None, None),
        Lookup::Incomplete(event) => (Some(event), Some(QuarantineReason::TypeIncomplete), None),
        Lookup::Unknown { did_you_mean } => (None, Some(QuarantineReason::UnknownType), did_you_mean),
    };
    let registered = event.is_some();
    if let Some(reason) = reason {
        drift.push(note("eventType", reason.as_str()));
        let admission = Admission::Quarantined { reason, did_you_mean };
        return Ok(Admitted { admission, decisions: Vec::new(), drift, registered });
    }
    if let Some(event) = event {
        check_sender(event, &envelope.source, rules.senders, &mut drift)?;
        check_schema(event, envelope.data, rules.schema, &mut drift)?;
    }
    let decisions = event.map_or_else(Vec::new, |event| route(event, &envelope.source, directory));
    Ok(Admitted { admission: Admission::Routed, decisions, drift, registered })
}

/// The same for an event that the hub emits: nothing of it is refused, and the hub does not get it back.
pub fn admit_emitted(envelope: &Envelope<'_>, catalog: &Catalog, directory: &Snapshot) -> Admitted {
    let rules = Rules { senders: SenderRule::Warn, schema: SchemaCheck::Warn };
    let mut admitted = match admit(envelope, catalog, directory, rules) {
        Ok(admitted) => admitted,
        // Neither rule refuses anything.
        Err(_) => Admitted {
            admission: Admission::Routed,
            decisions: Vec::new(),
            drift: Vec::new(),
            registered: false,
        },
    };
    for decided in admitted.decisions.iter_mut().filter(|decided| decided.receiver.is_hub()) {
        decided.decision = Decision::OwnEvent;
        decided.detail = Some("the hub does not get back what it emitted itself".to_owned());
    }
    admitted
}

/// The decision for each receiver of `event`.
pub fn route(event: &EventDef, source: &AppSlug, directory: &Snapshot) -> Vec<Decided> {
    event
        .receivers
        .iter()
        .map(|receiver| {
            let standing = directory.standing(receiver, source, &event.event_type);
            decide(source, receiver, standing)
        })
        .collect()
}

/// The decision for one receiver that asks for a type that is not its own by the registry.
pub fn route_one(
    event_type: &EventType,
    source: &AppSlug,
    receiver: &AppSlug,
    directory: &Snapshot,
) -> Decided {
    decide(source, receiver, directory.standing(receiver, source, event_type))
}

fn check_sender(
    event: &EventDef,
    source: &AppSlug,
    rule: SenderRule,
    drift: &mut Vec<DriftNote>,
) -> Result<(), Refusal> {
    match (sender_allowed(event, source), rule) {
        (SenderCheck::Declared, _) => {}
        (SenderCheck::UndeclaredComplete, SenderRule::Enforce) => {
            return Err(Refusal::SenderNotAllowed { senders: event.senders.clone() });
        }
        (SenderCheck::UndeclaredComplete | SenderCheck::UndeclaredOpen, _) => {
            drift.push(note("source", "is not among the type's declared senders"));
        }
    }
    Ok(())
}

fn check_schema(
    event: &EventDef,
    data: &str,
    rule: SchemaCheck,
    drift: &mut Vec<DriftNote>,
) -> Result<(), Refusal> {
    let (Some(schema), SchemaCheck::Warn | SchemaCheck::Reject) = (&event.schema, rule) else {
        return Ok(());
    };
    // What is valid JSON but no value of ours (a number out of range) departs from every schema.
    let found = match serde_json::from_str(data) {
        Ok(value) => schema.check(&value),
        Err(error) => vec![Drift { field: "/".to_owned(), problem: error.to_string() }],
    };
    if rule == SchemaCheck::Reject && !found.is_empty() {
        return Err(Refusal::SchemaMismatch(found));
    }
    drift.extend(
        found.into_iter().map(|found| note(&format!("data{}", dotted(&found.field)), &found.problem)),
    );
    Ok(())
}

/// `/items/*/sku` as `.items.*.sku`; the root is nothing.
fn dotted(pointer: &str) -> String {
    if pointer == "/" { String::new() } else { pointer.replace('/', ".") }
}

fn note(field: &str, problem: &str) -> DriftNote {
    DriftNote { field: field.to_owned(), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
