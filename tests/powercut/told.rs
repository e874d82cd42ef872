//! What the broker has told the world by some instant: a promise, once the power is cut.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;

use crate::trace::{Step, Trace};

pub struct Told<'t> {
    trace: &'t Trace,
    receivers: Vec<(&'static str, SocketAddr)>,
    /// Events that were answered 202, or 200 to a repeat.
    pub accepted: BTreeSet<String>,
    /// API keys that were handed out, by id.
    pub keys: BTreeMap<String, String>,
    /// API keys that were said to be revoked.
    pub revoked: BTreeSet<String>,
    /// Event and receiver that said yes to it.
    pub delivered: BTreeSet<(String, &'static str)>,
    /// By connection, the delivery that no answer came to yet.
    under_way: HashMap<u32, (String, &'static str)>,
}

impl<'t> Told<'t> {
    pub fn new(trace: &'t Trace, receivers: &[(&'static str, SocketAddr)]) -> Self {
        Self {
            trace,
            receivers: receivers.to_vec(),
            accepted: BTreeSet::new(),
            keys: BTreeMap::new(),
            revoked: BTreeSet::new(),
            delivered: BTreeSet::new(),
            under_way: HashMap::new(),
        }
    }

    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Start => self.under_way.clear(),
            Step::Sent { fd, head } => {
                let text = String::from_utf8_lossy(&self.trace.bytes[head.clone()]);
                let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
                if head.starts_with("POST ") {
                    let delivery = self.delivery(head);
                    self.under_way.insert(*fd, delivery);
                } else {
                    self.answered(head, body);
                }
            }
            Step::Received { fd } => self.delivered.extend(self.under_way.remove(fd)),
            _ => {}
        }
    }

    fn delivery(&self, head: &str) -> (String, &'static str) {
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).expect("the header is there").1
        };
        let host: SocketAddr = header("host").parse().unwrap();
        let receiver = self.receivers.iter().find(|(_, address)| *address == host).unwrap().0;
        (header("webhook-id").to_owned(), receiver)
    }

    fn answered(&mut self, head: &str, body: &str) {
        let Ok(body) = serde_json::from_str::<serde_json::Value>(body) else {
            assert!(!head.starts_with("HTTP/1.1 202"), "an answer in two pieces: {head}");
            return;
        };
        let text = |name: &str| body[name].as_str().map(ToOwned::to_owned);
        if matches!(body["status"].as_str(), Some("accepted" | "duplicate")) {
            self.accepted.extend(text("eventId"));
        }
        if let (Some(id), Some(key)) = (text("keyId"), text("key")) {
            self.keys.insert(id, key);
        } else if body["revoked"] == true {
            let key = self.keys.remove(body["keyId"].as_str().unwrap());
            self.revoked.extend(key);
        }
    }
}

/// Whether this is the answer to an event.
pub fn is_ack(step: &Step, bytes: &[u8]) -> bool {
    matches!(step, Step::Sent { head, .. } if bytes[head.clone()].starts_with(b"HTTP/1.1 202"))
}
