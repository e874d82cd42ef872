//! How the demo tells what happens: aligned lines for people, or one JSON object a line.

use std::time::Duration;

use serde_json::{Value, json};

use super::ledger::Ledger;
use super::receiver::Heard;
use crate::cli::output::{self, Paint};
use crate::domain::routing::Decided;
use crate::domain::time::millis;

/// Widths of the columns: the time, the app, what happened.
const TIME: usize = 9;
const APP: usize = 12;
const WHAT: usize = 12;

/// An event that was posted, and what the broker said.
pub(super) struct Posted<'a> {
    /// Its id.
    pub(super) event_id: &'a str,
    /// Its type.
    pub(super) event_type: &'a str,
    /// Who sent it.
    pub(super) source: &'a str,
    /// The broker's status.
    pub(super) status: u16,
    /// The broker's answer.
    pub(super) answer: &'a Value,
    /// From the post to the answer.
    pub(super) took: Duration,
}

/// The teller.
pub(super) struct Story {
    json: bool,
    paint: Paint,
    /// The event whose lines come now.
    current: String,
}

impl Story {
    /// Tells in `json`, or to people.
    pub(super) fn new(json: bool) -> Self {
        Self { json, paint: Paint::for_stdout(), current: String::new() }
    }

    /// The broker's answer to a post.
    pub(super) fn posted(&mut self, posted: &Posted<'_>) -> anyhow::Result<()> {
        if self.json {
            return output::json(&json!({
                "what": "answer",
                "eventId": posted.event_id,
                "eventType": posted.event_type,
                "source": posted.source,
                "status": posted.status,
                "elapsedMs": millis(posted.took),
                "answer": posted.answer,
            }));
        }
        self.heading(posted.event_type, posted.source, posted.event_id)?;
        let word = posted.answer["status"].as_str().unwrap_or("refused");
        let what = format!("{} {word}", posted.status);
        let what = if posted.status < 300 { self.paint.good(&what) } else { self.paint.bad(&what) };
        let detail = posted.answer["detail"].as_str().unwrap_or("the event and who gets it are on the disk");
        self.row(Some(posted.took), "broker", &what, what_width(posted.status, word), detail)
    }

    /// What routing decided for one receiver.
    pub(super) fn decided(
        &mut self,
        event_id: &str,
        decided: &Decided,
        delivery: Option<&str>,
    ) -> anyhow::Result<()> {
        let decision = decided.decision.as_str();
        if self.json {
            return output::json(&json!({
                "what": "decision",
                "eventId": event_id,
                "receiver": decided.receiver,
                "decision": decision,
                "detail": decided.detail,
                "deliveryId": delivery,
            }));
        }
        let detail = delivery.or(decided.detail.as_deref()).unwrap_or_default();
        let detail = self.paint.faint(detail);
        self.row(None, decided.receiver.as_str(), decision, decision.len(), &detail)
    }

    /// What a receiver got and answered, `since` the post where that is known.
    pub(super) fn heard(&mut self, heard: &Heard, since: Option<Duration>) -> anyhow::Result<()> {
        if self.json {
            let mut line = serde_json::to_value(heard)?;
            line["what"] = "attempt".into();
            line["afterMs"] = since.map(millis).into();
            return output::json(&line);
        }
        self.heading(&heard.event_type, &heard.source, &heard.event_id)?;
        let what = format!("attempt {}", heard.attempt);
        let answer = match heard.status {
            200..=299 => self.paint.good(&format!("{} delivered  ", heard.status)),
            400..=499 => self.paint.bad(&format!("{} refused    ", heard.status)),
            _ => self.paint.doubtful(&format!("{} tried again", heard.status)),
        };
        let proof = if heard.verified {
            self.paint.good("verified")
        } else {
            self.paint.bad("signature does not hold")
        };
        self.row(since, heard.receiver.as_str(), &what, what.len(), &format!("{answer}  {proof}"))
    }

    /// What the hub knows of a customer, the first event first.
    pub(super) fn timeline(&self, contact: &Value, entries: &[Value]) -> anyhow::Result<()> {
        if self.json {
            for entry in entries.iter().rev() {
                let mut line = entry.clone();
                line["what"] = "timeline".into();
                output::json(&line)?;
            }
            return Ok(());
        }
        let word = |json: &Value| json.as_str().unwrap_or_default().to_owned();
        let name = self.paint.strong(&word(&contact["name"]));
        let id = self.paint.faint(&word(&contact["contactId"]));
        output::line("")?;
        output::line(&format!("the hub's timeline of {name}  {id}"))?;
        for entry in entries.iter().rev() {
            let (source, summary) = (word(&entry["source"]), word(&entry["summary"]["en"]));
            output::line(&format!("{:>TIME$}  {source:APP$}  {summary}", ""))?;
        }
        Ok(())
    }

    /// What may be used, before the events and after them.
    pub(super) fn access(&self, before: &Value, after: &Value) -> anyhow::Result<()> {
        let said = [("before", before), ("after", after)];
        if self.json {
            return said.into_iter().try_for_each(|(when, answer)| {
                let mut line = answer.clone();
                line["what"] = "featureAccess".into();
                line["when"] = when.into();
                output::json(&line)
            });
        }
        let word = |json: &Value, name: &str| json[name].as_str().unwrap_or("none").to_owned();
        let feature = self.paint.strong(&word(after, "feature"));
        output::line("")?;
        output::line(&format!("{feature} of {} for {}", word(after, "app"), word(after, "organizationId")))?;
        for (when, answer) in said {
            let is_allowed = answer["allowed"] == true;
            let what = if is_allowed { "allowed" } else { "not allowed" };
            let painted = if is_allowed { self.paint.good(what) } else { self.paint.bad(what) };
            let (reason, state) = (word(answer, "reason"), word(answer, "state"));
            let rest = format!("{reason}, plan {}, subscription {state}", word(answer, "planId"));
            self.row(None, when, &painted, what.len(), &rest)?;
        }
        Ok(())
    }

    /// How it went.
    pub(super) fn summary(&self, ledger: &Ledger, took: Duration) -> anyhow::Result<()> {
        let (deliveries, arrived) = (ledger.deliveries(), ledger.arrived());
        if self.json {
            return output::json(&json!({
                "what": "summary",
                "events": ledger.events(),
                "deliveries": deliveries,
                "arrived": arrived,
                "attempts": ledger.attempts(),
                "missing": ledger.missing(),
                "elapsedMs": millis(took),
            }));
        }
        let text = format!(
            "{} events, {deliveries} deliveries: {arrived} arrived and verified, in {} attempts and {} ms",
            ledger.events(),
            ledger.attempts(),
            millis(took),
        );
        let all = arrived == deliveries;
        output::line("")?;
        Ok(output::line(&if all { self.paint.good(&text) } else { self.paint.bad(&text) })?)
    }

    /// Names the event, unless the lines before were about it too.
    fn heading(&mut self, event_type: &str, source: &str, event_id: &str) -> anyhow::Result<()> {
        if self.current == event_id {
            return Ok(());
        }
        event_id.clone_into(&mut self.current);
        output::line("")?;
        let (event_type, event_id) = (self.paint.strong(event_type), self.paint.faint(event_id));
        Ok(output::line(&format!("{event_type} from {source}  {event_id}"))?)
    }

    /// One line; `what` may be painted, so its width comes with it.
    fn row(
        &self,
        time: Option<Duration>,
        app: &str,
        what: &str,
        width: usize,
        rest: &str,
    ) -> anyhow::Result<()> {
        let time = time.map(|span| format!("+{} ms", millis(span))).unwrap_or_default();
        let time = self.paint.faint(&format!("{time:>TIME$}"));
        let gap = " ".repeat(WHAT.saturating_sub(width));
        Ok(output::line(&format!("{time}  {app:APP$}  {what}{gap}  {rest}"))?)
    }
}

fn what_width(status: u16, word: &str) -> usize {
    format!("{status} {word}").len()
}
