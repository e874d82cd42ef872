//! Which deliveries the broker promised, and which of them have arrived.
//!
//! Counts by the broker's own promise (the 202) and the receivers' own books, and by nothing between.

use std::collections::BTreeSet;

use super::receiver::Heard;
use crate::domain::id::AppSlug;

/// One promised delivery.
#[derive(Clone, Debug)]
struct Promised {
    event_id: String,
    event_type: String,
    receiver: AppSlug,
    delivery_id: String,
    last: Option<Heard>,
}

impl Promised {
    fn has_arrived(&self) -> bool {
        self.last.as_ref().is_some_and(|heard| heard.verified && (200..300).contains(&heard.status))
    }

    /// Whether nothing more will come: it arrived, or it was refused for good.
    fn is_over(&self) -> bool {
        self.has_arrived() || self.last.as_ref().is_some_and(|heard| (400..500).contains(&heard.status))
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    promised: Vec<Promised>,
    events: BTreeSet<String>,
    attempts: usize,
}

impl Ledger {
    /// An event was accepted with these deliveries.
    pub(super) fn promise(&mut self, event_id: &str, event_type: &str, deliveries: &[(AppSlug, String)]) {
        self.events.insert(event_id.to_owned());
        self.promised.extend(deliveries.iter().map(|(receiver, delivery_id)| Promised {
            event_id: event_id.to_owned(),
            event_type: event_type.to_owned(),
            receiver: receiver.clone(),
            delivery_id: delivery_id.clone(),
            last: None,
        }));
    }

    /// A receiver got something.
    pub(super) fn hear(&mut self, heard: &Heard) {
        let fits = |promised: &&mut Promised| {
            promised.event_id == heard.event_id
                && promised.receiver == heard.receiver
                && promised.delivery_id == heard.delivery_id
        };
        if let Some(promised) = self.promised.iter_mut().find(fits) {
            self.attempts += 1;
            // What has arrived stays arrived, whatever a repeat is answered.
            if !promised.has_arrived() {
                promised.last = Some(heard.clone());
            }
        }
    }

    /// Whether every delivery of the event has come to its end.
    pub(super) fn is_over(&self, event_id: &str) -> bool {
        self.promised.iter().filter(|promised| promised.event_id == event_id).all(Promised::is_over)
    }

    /// Events accepted.
    pub(super) fn events(&self) -> usize {
        self.events.len()
    }

    /// Deliveries promised.
    pub(super) fn deliveries(&self) -> usize {
        self.promised.len()
    }

    /// Deliveries that arrived, verified.
    pub(super) fn arrived(&self) -> usize {
        self.promised.iter().filter(|promised| promised.has_arrived()).count()
    }

    /// Attempts that reached a receiver.
    pub(super) fn attempts(&self) -> usize {
        self.attempts
    }

    /// What did not arrive, in words.
    pub(super) fn missing(&self) -> Vec<String> {
        let missing = self.promised.iter().filter(|promised| !promised.has_arrived());
        missing
            .map(|promised| {
                let last = promised.last.as_ref().map_or_else(
                    || "no attempt reached it".to_owned(),
                    |heard| format!("it answered {}", heard.status),
                );
                format!("{} to {} ({last})", promised.event_type, promised.receiver)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn heard(receiver: &str, status: u16, verified: bool) -> Heard {
        Heard {
            receiver: AppSlug::new(receiver).unwrap(),
            event_id: "evt_1".to_owned(),
            event_type: "a.b".to_owned(),
            source: "c".to_owned(),
            delivery_id: format!("dlv_{receiver}"),
            attempt: "1".to_owned(),
            status,
            verified,
            at: Duration::ZERO,
        }
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::default();
        let to = |slug: &str| (AppSlug::new(slug).unwrap(), format!("dlv_{slug}"));
        ledger.promise("evt_1", "a.b", &[to("baul"), to("mancha")]);
        ledger
    }

    #[test]
    fn an_event_is_over_when_each_delivery_arrived_or_was_refused() {
        let mut ledger = ledger();
        ledger.hear(&heard("baul", 503, true));
        ledger.hear(&heard("mancha", 200, true));
        assert!(!ledger.is_over("evt_1"));
        assert_eq!(ledger.missing(), ["a.b to baul (it answered 503)"]);
        ledger.hear(&heard("baul", 200, true));
        assert!(ledger.is_over("evt_1"));
        assert_eq!((ledger.arrived(), ledger.attempts(), ledger.missing().len()), (2, 3, 0));
    }

    #[test]
    fn a_refusal_ends_it_and_is_named() {
        let mut ledger = ledger();
        ledger.hear(&heard("baul", 401, false));
        ledger.hear(&heard("mancha", 200, true));
        assert!(ledger.is_over("evt_1"));
        assert_eq!(ledger.missing(), ["a.b to baul (it answered 401)"]);
    }

    #[test]
    fn what_nobody_promised_counts_for_nothing() {
        let mut ledger = ledger();
        ledger.hear(&heard("colectiva", 200, true));
        ledger.hear(&Heard { delivery_id: "dlv_other".to_owned(), ..heard("baul", 200, true) });
        assert_eq!((ledger.arrived(), ledger.attempts()), (0, 0));
        assert_eq!(ledger.missing()[0], "a.b to baul (no attempt reached it)");
    }
}
