//! `camino tail`: what the broker accepts and delivers, as it happens.
//!
//! Reads only. A broker that goes away is waited for, and nothing in between is left out.

use std::collections::VecDeque;
use std::path::Path;
use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::broker::{self, Broker, escaped};
use super::follow::{Begin, Follow, Select};
use super::output::{self, Paint};
use super::when;
use crate::domain::time::Millis;
use crate::runtime::clock::Clock as _;

/// Deliveries that are not over and are looked at again; the oldest makes room.
const OPEN_MAX: usize = 256;
/// Of those, how many are asked for between two pages.
const ASKED_MAX: usize = 32;

/// What to show.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    select: Select,
    /// Only events with this in their id, correlation id or organization.
    #[arg(long, value_name = "TEXT")]
    q: Option<String>,
    /// Begin with what was accepted then, such as 2027-01-01T00:00:00Z or 15m (ago); with what comes now
    /// unless given.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Millis>,
    /// One line for each delivery, and again whenever it changes, instead of one for each event.
    #[arg(long)]
    deliveries: bool,
    /// Stop at the end of what there is.
    #[arg(long)]
    once: bool,
    #[command(flatten)]
    broker: broker::Args,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.broker, config)?;
    let begin = args.since.map_or(Begin::End, |since| Begin::Since(since.rfc3339()));
    let mut with: Vec<(&str, &str)> = Vec::new();
    with.extend(args.q.as_deref().map(|q| ("q", q)));
    // A delivery that was made again is a delivery like the first.
    with.extend(args.deliveries.then_some(("again", "true")));
    let mut follow = Follow::new(&broker, &args.select, &with, begin);
    let mut tail = Tail { broker: &broker, args, paint: Paint::for_stdout(), open: VecDeque::new() };
    loop {
        let page = follow.page()?;
        for event in &page.items {
            tail.event(event)?;
        }
        tail.look_again()?;
        if !page.more {
            if args.once {
                return Ok(ExitCode::SUCCESS);
            }
            follow.rest();
        }
    }
}

struct Tail<'a> {
    broker: &'a Broker,
    args: &'a Args,
    paint: Paint,
    /// Deliveries that were shown and are not over, the one to ask for next in front.
    open: VecDeque<Value>,
}

impl Tail<'_> {
    fn event(&mut self, event: &Value) -> anyhow::Result<()> {
        if !self.args.deliveries {
            return if self.args.json {
                output::json(event)
            } else {
                Ok(output::line(&event_line(event, self.paint, self.broker.clock().now()))?)
            };
        }
        for delivery in event["made"].as_array().into_iter().flatten() {
            self.delivery(delivery)?;
            if !is_over(delivery) {
                if self.open.len() == OPEN_MAX {
                    self.open.pop_front();
                }
                self.open.push_back(delivery.clone());
            }
        }
        Ok(())
    }

    fn delivery(&self, delivery: &Value) -> anyhow::Result<()> {
        if self.args.json {
            return output::json(delivery);
        }
        Ok(output::line(&delivery_line(delivery, self.paint, self.broker.clock().now()))?)
    }

    /// Shows what has become of some of the open ones.
    fn look_again(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.open.len().min(ASKED_MAX) {
            let Some(before) = self.open.pop_front() else { break };
            let id = before["deliveryId"].as_str().unwrap_or_default();
            let answer = self.broker.call(Method::GET, &format!("/v1/deliveries/{}", escaped(id)), None);
            // Away or busy, which the pages say; or past its retention, and of no interest any more.
            let answer = match answer {
                Ok(answer) if answer.status < 500 && answer.status != 429 => answer,
                _ => {
                    self.open.push_front(before);
                    break;
                }
            };
            let Ok(now) = Broker::judged(&answer) else { continue };
            if ["state", "attempts", "reason"].iter().any(|name| now[name] != before[name]) {
                self.delivery(&now)?;
            }
            if !is_over(&now) {
                self.open.push_back(now);
            }
        }
        Ok(())
    }
}

fn is_over(delivery: &Value) -> bool {
    !matches!(delivery["state"].as_str(), Some("pending" | "parked"))
}

fn painted(state: &str, text: &str, paint: Paint) -> String {
    match state {
        "delivered" => paint.good(text),
        "dead" => paint.bad(text),
        _ => paint.doubtful(text),
    }
}

/// When, what, from whom, for whom, and what became of it so far.
fn event_line(event: &Value, paint: Paint, now: Millis) -> String {
    let word = |name: &str| event[name].as_str().unwrap_or("-");
    let mut ends: Vec<String> = Vec::new();
    for delivery in event["made"].as_array().into_iter().flatten() {
        let word = |name: &str| delivery[name].as_str().unwrap_or("-");
        let text = format!("{} {}", word("receiver"), word("state"));
        ends.push(painted(word("state"), &text, paint));
    }
    if word("status") == "quarantined" {
        ends.push(paint.doubtful(&format!("held: {}", word("reason"))));
    }
    if ends.is_empty() {
        ends.push(paint.faint("nobody"));
    }
    format!(
        "{}  {:<28}  {:<14}  {:<14}  {}  {}",
        paint.faint(&when::shown(word("acceptedAt"), now)),
        word("eventType"),
        word("source"),
        word("organizationId"),
        word("eventId"),
        ends.join(", "),
    )
}

fn delivery_line(delivery: &Value, paint: Paint, now: Millis) -> String {
    let word = |name: &str| delivery[name].as_str().unwrap_or("-");
    let state = painted(word("state"), &format!("{:<9}", word("state")), paint);
    let mut line = format!(
        "{}  {:<14}  {state}  {:<28}  {:<14}  {}",
        paint.faint(&when::shown(word("acceptedAt"), now)),
        word("receiver"),
        word("eventType"),
        word("source"),
        word("deliveryId"),
    );
    for (label, value) in [
        ("attempts", &delivery["attempts"]),
        ("status", &delivery["lastStatus"]),
        ("reason", &delivery["reason"]),
        ("next", &delivery["nextAttemptAt"]),
    ] {
        line = match value {
            Value::String(text) => format!("{line}  {label} {text}"),
            Value::Number(number) if *value != json!(0) => format!("{line}  {label} {number}"),
            _ => line,
        };
    }
    line
}
