//! `camino explain`: why each receiver did, does or does not get an event.

use std::path::Path;
use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::broker::{self, Broker, escaped};
use super::output::{self, Paint};

/// Which event.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The event's id.
    event: String,
    /// Its source, where two sources have an event of that id.
    #[arg(long, value_name = "APP")]
    source: Option<String>,
    #[command(flatten)]
    broker: broker::Args,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.broker, config)?;
    let query = args.source.as_ref().map(|source| format!("?source={}", escaped(source))).unwrap_or_default();
    let event = escaped(&args.event);
    let ask = |rest: &str| broker.ask(Method::GET, &format!("/v1/events/{event}{rest}{query}"), None);
    let (event, explained, deliveries) = (ask("")?, ask("/explain")?, ask("/deliveries")?);
    if args.json {
        let whole = json!({
            "eventId": explained["eventId"],
            "decisions": explained["decisions"],
            "deliveries": deliveries["items"],
        });
        output::json(&whole)?;
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::for_stdout();
    let word = |name: &str| event[name].as_str().unwrap_or("-").to_owned();
    let heading = format!("{} from {}  {}", word("eventType"), word("source"), word("eventId"));
    output::line(&paint.strong(&heading))?;
    output::line(&format!("  accepted {}  {}", word("acceptedAt"), word("status")))?;
    if let (Some(reason), "quarantined") = (event["reason"].as_str(), word("status").as_str()) {
        let meant = event["didYouMean"].as_str().map(|name| format!("; did its sender mean {name}?"));
        output::line(&format!("  held: {reason}{}", meant.unwrap_or_default()))?;
    }
    for decision in explained["decisions"].as_array().into_iter().flatten() {
        output::line(&decision_line(decision))?;
        let receiver = decision["receiver"].as_str();
        let own = |delivery: &&Value| delivery["receiver"].as_str() == receiver;
        for delivery in deliveries["items"].as_array().into_iter().flatten().filter(own) {
            output::line(&delivery_line(delivery, paint))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn decision_line(decision: &Value) -> String {
    let word = |name: &str| decision[name].as_str().unwrap_or_default();
    format!("  {:<18}{:<13}{}", word("receiver"), word("decision"), word("detail"))
}

fn delivery_line(delivery: &Value, paint: Paint) -> String {
    let word = |name: &str| delivery[name].as_str().unwrap_or_default();
    let state = match word("state") {
        state @ "delivered" => paint.good(state),
        state @ "dead" => paint.bad(state),
        state => paint.doubtful(state),
    };
    let attempts = delivery["attempts"].as_u64().unwrap_or_default();
    let mut line = format!("    {}  {state}  {attempts} attempts", word("deliveryId"));
    for (label, name) in
        [("reason", "reason"), ("error", "lastError"), ("next", "nextAttemptAt"), ("at", "deliveredAt")]
    {
        if !word(name).is_empty() {
            line = format!("{line}  {label} {}", word(name));
        }
    }
    if let Some(status) = delivery["lastStatus"].as_u64() {
        line = format!("{line}  last status {status}");
    }
    line
}
