//! `camino dead`: what failed for good. Grouped by cause, shown one by one, made again.
//!
//! Many are made again only when told to, and counted first. A terminal delivery never reopens: each retry
//! is a new delivery.

mod cause;

use std::path::Path;
use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use self::cause::Cause;
use super::broker::{self, Broker, escaped};
use super::failure::Failure;
use super::output::{self, Paint};
use super::replay::{self, Ways, deliveries};
use super::when;
use crate::domain::time::Millis;

/// Pages that are read for the groups.
const PAGES_MAX: usize = 40;

/// What to do with dead letters.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    select: Select,
    /// Each by itself, newest first, instead of by cause.
    #[arg(long)]
    each: bool,
    #[command(flatten)]
    call: broker::Call,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show one with its attempts and what the receiver answered.
    Show {
        /// The delivery's id.
        id: String,
    },
    /// Have some made again: those named, or those of a filter, which are only counted without --yes.
    Retry {
        /// Deliveries by their ids.
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        #[command(flatten)]
        select: Select,
        /// Make them; without it those of a filter are only counted.
        #[arg(long)]
        yes: bool,
        /// Don't wait for the end.
        #[arg(long)]
        detach: bool,
        /// Most made a second; 100 unless given.
        #[arg(long, value_name = "N")]
        rate: Option<u32>,
    },
}

/// Which dead letters.
#[derive(Debug, Default, clap::Args)]
#[group(skip)]
struct Select {
    /// Those to this app.
    #[arg(long, value_name = "APP")]
    receiver: Option<String>,
    /// Those of events from this app.
    #[arg(long, value_name = "APP")]
    source: Option<String>,
    /// Those of events of this type.
    #[arg(long = "type", alias = "event-type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Those of events of this organization.
    #[arg(long, value_name = "ORG")]
    organization: Option<String>,
    /// Those that died of this, such as rejected, exhausted or expired.
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,
    /// Those of events accepted then or later: a time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Millis>,
    /// Those of events accepted then or earlier.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<Millis>,
}

impl Select {
    /// By the names of the API.
    fn named(&self) -> Vec<(&'static str, String)> {
        let times = [("since", self.since), ("until", self.until)];
        [
            ("receiver", &self.receiver),
            ("source", &self.source),
            ("eventType", &self.event_type),
            ("organization", &self.organization),
            ("reason", &self.reason),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.clone()?)))
        .chain(times.into_iter().filter_map(|(name, at)| Some((name, at?.rfc3339()))))
        .collect()
    }
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.call.broker, config)?;
    let json = args.call.json;
    match &args.action {
        None => list(&broker, args),
        Some(Action::Show { id }) => show(&broker, id, json),
        Some(Action::Retry { ids, select, yes, detach, rate }) => {
            let named = select.named();
            let ways = Ways { yes: *yes, detach: *detach, json };
            match (ids.as_slice(), named.as_slice()) {
                ([], []) => {
                    let mend = "name them by ID, or say which: --receiver, --source, --type, \
                                --organization, --reason, --since or --until";
                    Err(Failure::new("there is nothing said about which to make again", mend).into())
                }
                (ids, []) => retry_all(&broker, ids, json),
                ([], _) if select.reason.is_some() => retry_listed(&broker, select, ways),
                ([], named) => replay::make(&broker, |is_dry| asked(named, *rate, is_dry), ways),
                _ => Err(Failure::new("there are ids and filters", "give the one or the other").into()),
            }
        }
    }
}

/// A replay of the dead letters that `named` selects.
fn asked(named: &[(&str, String)], rate: Option<u32>, is_dry: bool) -> Value {
    let mut body = json!({ "state": "dead", "dryRun": is_dry });
    for (name, value) in named {
        body[*name] = value.as_str().into();
    }
    if let Some(rate) = rate {
        body["ratePerSecond"] = rate.into();
    }
    body
}

/// All that match, newest first; says so if there are more than it reads.
fn found(broker: &Broker, select: &Select) -> anyhow::Result<Vec<Value>> {
    let query: Vec<String> =
        select.named().iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let join = if query.is_empty() { "" } else { "?" };
    let path = format!("/v1/dead-letters{join}{}", query.join("&"));
    let (items, is_cut) = broker.items(&path, PAGES_MAX)?;
    if is_cut {
        output::say(&format!("there are more than the newest {}; a filter narrows them", items.len()));
    }
    Ok(items)
}

fn list(broker: &Broker, args: &Args) -> anyhow::Result<ExitCode> {
    let letters = found(broker, &args.select)?;
    let paint = Paint::for_stdout();
    if letters.is_empty() && !args.call.json {
        output::say("no dead letters");
        return Ok(ExitCode::SUCCESS);
    }
    if args.each {
        if args.call.json {
            letters.iter().try_for_each(output::json)?;
            return Ok(ExitCode::SUCCESS);
        }
        let rows: Vec<[String; 6]> = letters.iter().map(row).collect();
        output::aligned(&rows).iter().try_for_each(|line| output::line(line))?;
        return Ok(ExitCode::SUCCESS);
    }
    let causes = Cause::group(&letters);
    if args.call.json {
        output::json(&json!({ "total": letters.len(), "causes": causes }))?;
        return Ok(ExitCode::SUCCESS);
    }
    for cause in &causes {
        output::line(&cause.heading(paint))?;
        cause.details().iter().try_for_each(|line| output::line(&format!("  {line}")))?;
    }
    output::say(
        "`camino dead show ID` shows one; `camino dead retry --receiver APP` counts an app's, and with --yes has \
         them made again",
    );
    Ok(ExitCode::SUCCESS)
}

fn row(letter: &Value) -> [String; 6] {
    let word = |name: &str| letter[name].as_str().unwrap_or("-").to_owned();
    let status = letter["lastStatus"].as_u64().map(|status| format!(" {status}")).unwrap_or_default();
    [
        word("acceptedAt"),
        word("receiver"),
        format!("{}{status}", word("reason")),
        word("eventType"),
        word("source"),
        word("deliveryId"),
    ]
}

fn show(broker: &Broker, id: &str, json: bool) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/deliveries/{}", escaped(id));
    let delivery = broker.ask(Method::GET, &path, None)?;
    let attempts = broker.ask(Method::GET, &format!("{path}/attempts"), None)?;
    if json {
        output::json(&json!({ "delivery": delivery, "attempts": attempts["items"] }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let paint = Paint::for_stdout();
    let word = |name: &str| delivery[name].as_str().unwrap_or("-");
    let state = match word("state") {
        state @ "dead" => paint.bad(state),
        state => state.to_owned(),
    };
    let heading = format!("{} from {} to {}", word("eventType"), word("source"), word("receiver"));
    output::line(&format!("{}  {state}: {}", paint.strong(&heading), word("reason")))?;
    output::line(&format!("  event {}  accepted {}", word("eventId"), word("acceptedAt")))?;
    for attempt in attempts["items"].as_array().into_iter().flatten() {
        let word = |name: &str| attempt[name].as_str();
        let number = |name: &str| attempt[name].as_u64().unwrap_or_default();
        let status = attempt["status"].as_u64().map_or("-".to_owned(), |status| status.to_string());
        let started = word("startedAt").unwrap_or("-");
        let error = word("error").or(word("reason")).unwrap_or_default();
        let took = number("durationMs");
        output::line(&format!("  attempt {}  {started}  {status:>3}  {took} ms  {error}", number("number")))?;
        for line in word("excerpt").unwrap_or_default().lines() {
            output::line(&format!("    {}", paint.faint(line)))?;
        }
    }
    if word("state") == "dead" {
        output::say(&format!("`camino dead retry {id}` has it made again"));
    }
    Ok(ExitCode::SUCCESS)
}

/// By the reason: replays know none, so each is asked for.
fn retry_listed(broker: &Broker, select: &Select, ways: Ways) -> anyhow::Result<ExitCode> {
    let letters = found(broker, select)?;
    let ids: Vec<String> =
        letters.iter().rev().filter_map(|letter| Some(letter["deliveryId"].as_str()?.to_owned())).collect();
    if ways.yes {
        return retry_all(broker, &ids, ways.json);
    }
    if ways.json {
        output::json(&json!({ "matched": ids.len(), "state": "dry_run", "done": 0 }))?;
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{} would be made again", deliveries(ids.len() as u64)))?;
    if !ids.is_empty() {
        output::say("nothing was made; --yes makes them");
    }
    Ok(ExitCode::SUCCESS)
}

/// One by one; those that can't be are told, and hold up no other.
fn retry_all(broker: &Broker, ids: &[String], json: bool) -> anyhow::Result<ExitCode> {
    let mut failed = 0;
    for id in ids {
        let answer = broker.call(Method::POST, &format!("/v1/deliveries/{}/retry", escaped(id)), None)?;
        match Broker::judged(&answer) {
            Ok(made) if json => output::json(&made)?,
            Ok(made) => {
                let word = |name: &str| made[name].as_str().unwrap_or("-");
                output::line(&format!("{id}  {}  as {}", word("state"), word("deliveryId")))?;
            }
            // Nothing that one of them is the reason for.
            Err(error) if answer.status != 404 && answer.status != 409 => return Err(error),
            Err(error) => {
                failed += 1;
                output::say(&format!("{id}: {error}"));
            }
        }
    }
    if failed == 0 {
        return Ok(ExitCode::SUCCESS);
    }
    let what = format!("{failed} of {} could not be made again", deliveries(ids.len() as u64));
    Err(Failure::new(what, "each says why above; what else was asked for was made").into())
}
