//! Judges a run: what was acknowledged against what the receivers took.
//!
//! A pure function, so that its own tests can show it failing on runs that went wrong.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter, Result};

use camino_broker::domain::id::{AppSlug, DeliveryId, EventId};

use crate::load::Ledger;
use crate::receiver::Inbox;

/// What a run came to.
#[derive(Debug, Default)]
pub struct Verdict {
    pub posted: usize,
    pub accepted: usize,
    /// Copies taken by receivers, duplicates included.
    pub delivered: usize,
    /// Copies beyond an event's first at a receiver.
    pub duplicates: usize,
    /// By receiver and incarnation: events that it delivered and a later one delivered again.
    pub repeated: BTreeMap<(&'static str, u32), u64>,
    /// What must never be, one line each.
    pub faults: Vec<String>,
}

/// Judges what `receivers` took of what was posted.
pub fn judge(ledger: &Ledger, receivers: &[(&'static str, Inbox)]) -> Verdict {
    let mut verdict = Verdict {
        posted: ledger.len(),
        accepted: ledger.values().filter(|(_, acked)| *acked).count(),
        ..Verdict::default()
    };
    for (receiver, inbox) in receivers {
        for id in
            ledger.iter().filter(|(id, (_, acked))| *acked && !inbox.contains_key(*id)).map(|(id, _)| id)
        {
            verdict.faults.push(format!("{id} was acknowledged and never came to {receiver}"));
        }
        for (id, copies) in inbox {
            verdict.delivered += copies.len();
            verdict.duplicates += copies.len() - 1;
            let Some((event, _)) = ledger.get(id) else {
                verdict.faults.push(format!("{id} came to {receiver} and nobody posted it"));
                continue;
            };
            let expected = delivery_id(event.source, id, receiver);
            for copy in copies {
                let mut fault =
                    |what: &str| verdict.faults.push(format!("{id} at {receiver}: {what}: {copy:?}"));
                if copy.delivery_id != expected {
                    fault("another delivery id");
                }
                if copy.webhook_id != *id {
                    fault("another webhook-id");
                }
                if copy.body != event.body {
                    fault("another body");
                }
            }
            for pair in copies.windows(2) {
                if pair[0].incarnation == pair[1].incarnation {
                    verdict.faults.push(format!("{id} came to {receiver} twice from one process"));
                }
                *verdict.repeated.entry((*receiver, pair[0].incarnation)).or_default() += 1;
            }
        }
    }
    verdict
}

fn delivery_id(source: &str, event: &str, receiver: &str) -> String {
    let slug = |text| AppSlug::new(text).unwrap();
    DeliveryId::derive(&slug(source), &EventId::new(event).unwrap(), &slug(receiver), 0).to_string()
}

impl Verdict {
    /// Fails the test if anything was found that must never be.
    pub fn assert_clean(&self) {
        assert!(self.faults.is_empty(), "{self}:\n{}", self.faults.join("\n"));
    }

    /// Most events that one death of a process made one receiver get again.
    pub fn repeated_max(&self) -> u64 {
        self.repeated.values().copied().max().unwrap_or_default()
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self { posted, accepted, delivered, duplicates, .. } = self;
        let most = self.repeated_max();
        write!(f, "posted {posted}, accepted {accepted}, delivered {delivered}, ")?;
        write!(f, "duplicates {duplicates}, at most {most} at a receiver by one kill")
    }
}

mod tests {
    use super::*;
    use crate::load::Event;
    use crate::receiver::Taken;

    const RECEIVER: &str = "hoja";

    /// Events, and whether they were acknowledged.
    type Posted = [(&'static str, bool)];
    /// Events, and the incarnation that delivered them.
    type Came = [(&'static str, u32)];
    type Change = fn(&mut Taken);

    fn run(events: &Posted, taken: &Came) -> (Ledger, Inbox) {
        let posted = |id: &str| Event::forged(id, "colectiva");
        let ledger = events.iter().map(|(id, acked)| ((*id).to_owned(), (posted(id), *acked))).collect();
        let mut inbox = Inbox::new();
        for (id, incarnation) in taken {
            inbox.entry((*id).to_owned()).or_default().push(Taken {
                incarnation: *incarnation,
                delivery_id: delivery_id("colectiva", id, RECEIVER),
                webhook_id: (*id).to_owned(),
                body: posted(id).body,
            });
        }
        (ledger, inbox)
    }

    fn faults(events: &Posted, taken: &Came) -> Vec<String> {
        let (ledger, inbox) = run(events, taken);
        judge(&ledger, &[(RECEIVER, inbox)]).faults
    }

    #[test]
    fn a_good_run_has_no_faults() {
        let events = [("a", true), ("b", true), ("c", false), ("d", false)];
        let (ledger, inbox) = run(&events, &[("a", 1), ("b", 1), ("b", 2), ("c", 3)]);
        let verdict = judge(&ledger, &[(RECEIVER, inbox)]);
        verdict.assert_clean();
        assert_eq!((verdict.accepted, verdict.delivered, verdict.duplicates), (2, 4, 1));
        assert_eq!(verdict.repeated, BTreeMap::from([((RECEIVER, 1), 1)]));
    }

    #[test]
    fn each_thing_that_must_not_be_is_found() {
        let cases: [(&Posted, &Came, &str); 3] = [
            (&[("a", true), ("b", true)], &[("a", 1)], "b was acknowledged and never came to hoja"),
            (&[("a", true)], &[("a", 1), ("b", 1)], "b came to hoja and nobody posted it"),
            (&[("a", true)], &[("a", 2), ("a", 2)], "a came to hoja twice from one process"),
        ];
        for (events, taken, fault) in cases {
            assert_eq!(faults(events, taken), [fault]);
        }
    }

    #[test]
    fn a_copy_that_is_not_the_same_is_found() {
        let change: [(Change, &str); 3] = [
            (|copy| copy.delivery_id = "dlv_other".to_owned(), "another delivery id"),
            (|copy| copy.webhook_id = "other".to_owned(), "another webhook-id"),
            (|copy| copy.body = "{}".into(), "another body"),
        ];
        for (change, what) in change {
            let (ledger, mut inbox) = run(&[("a", true)], &[("a", 1), ("a", 2)]);
            change(&mut inbox.get_mut("a").unwrap()[1]);
            let faults = judge(&ledger, &[(RECEIVER, inbox)]).faults;
            assert!(matches!(&faults[..], [fault] if fault.contains(what)), "{faults:?}");
        }
    }
}
