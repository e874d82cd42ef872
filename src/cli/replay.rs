//! `camino replay`: many deliveries made again at a running broker. Counts first, and makes nothing
//! without `--yes`.
//!
//! Ended early, it leaves the replay going: the broker carries it out, not this process.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use http::Method;
use serde_json::{Map, Value};

use super::broker::{self, Broker, escaped};
use super::failure::Failure;
use super::output;
use super::when;
use crate::domain::time::Millis;

/// Between two looks at a replay under way.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What to make again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    select: Select,
    /// Make them; without it they are only counted.
    #[arg(long)]
    yes: bool,
    /// Don't wait for the end.
    #[arg(long)]
    detach: bool,
    #[command(flatten)]
    call: broker::Call,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the replays, newest first.
    List,
    /// Show one replay.
    Show {
        /// Its id.
        id: String,
    },
    /// Stop a replay; what it has made stays.
    Cancel {
        /// Its id.
        id: String,
    },
}

/// Which deliveries, and how.
#[derive(Debug, clap::Args)]
struct Select {
    /// Those to this app; also what it never got because it had no endpoint.
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
    /// Those that ended so: delivered, dead or cancelled.
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// Those of events accepted then or later: a time, or how long ago, such as 2h.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Millis>,
    /// Those of events accepted then or earlier.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    until: Option<Millis>,
    /// Under new ids, so that receivers don't skip them.
    #[arg(long)]
    as_new: bool,
    /// Most deliveries made a second; 100 unless given.
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
}

impl Select {
    /// By the names of the API.
    fn named(&self) -> impl Iterator<Item = (&'static str, String)> {
        let texts = [
            ("receiver", &self.receiver),
            ("source", &self.source),
            ("eventType", &self.event_type),
            ("organization", &self.organization),
            ("state", &self.state),
        ];
        let times = [("since", self.since), ("until", self.until)];
        let times = times.into_iter().filter_map(|(name, at)| Some((name, at?.rfc3339())));
        texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?))).chain(times)
    }

    fn body(&self, is_dry: bool) -> Value {
        let mut body: Map<String, Value> =
            self.named().map(|(name, text)| (name.to_owned(), text.into())).collect();
        body.insert("dryRun".to_owned(), is_dry.into());
        body.insert("asNew".to_owned(), self.as_new.into());
        if let Some(rate) = self.rate {
            body.insert("ratePerSecond".to_owned(), rate.into());
        }
        body.into()
    }
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.call.broker, config)?;
    let answer = match &args.action {
        None => return replay(args, &broker),
        Some(Action::List) => broker.ask(Method::GET, "/v1/replays?limit=100", None)?,
        Some(Action::Show { id }) => {
            broker.ask(Method::GET, &format!("/v1/replays/{}", escaped(id)), None)?
        }
        Some(Action::Cancel { id }) => {
            broker.ask(Method::POST, &format!("/v1/replays/{}/cancel", escaped(id)), None)?
        }
    };
    if args.call.json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    match answer["items"].as_array() {
        Some(items) => {
            for item in items {
                output::line(&summary(item))?;
            }
            if items.is_empty() {
                output::say("there is no replay yet");
            }
        }
        None => output::line(&summary(&answer))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn replay(args: &Args, broker: &Broker) -> anyhow::Result<ExitCode> {
    if args.yes && args.select.named().next().is_none() {
        let mend = "say which: --receiver, --source, --type, --organization, --state, --since or --until";
        return Err(Failure::new("this would make every delivery again that there ever was", mend).into());
    }
    let ways = Ways { yes: args.yes, detach: args.detach, json: args.call.json };
    make(broker, |is_dry| args.select.body(is_dry), ways)
}

/// How a replay is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ways {
    /// It is made, not only counted.
    pub(super) yes: bool,
    /// Its end is not waited for.
    pub(super) detach: bool,
    /// The answer is JSON.
    pub(super) json: bool,
}

/// Counts what `body` asks for, and has it made if that is wanted. `body` is told whether to count only.
pub(super) fn make(broker: &Broker, body: impl Fn(bool) -> Value, ways: Ways) -> anyhow::Result<ExitCode> {
    let counted = broker.ask(Method::POST, "/v1/replays", Some(&body(true)))?;
    let matched = counted["matched"].as_u64().unwrap_or_default();
    if !ways.yes || matched == 0 {
        if ways.json {
            output::json(&counted)?;
        } else {
            output::line(&format!("{} would be made again", deliveries(matched)))?;
            if matched > 0 {
                output::say("nothing was made; --yes makes them");
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut job = broker.ask(Method::POST, "/v1/replays", Some(&body(false)))?;
    let id = job["replayId"].as_str().unwrap_or_default().to_owned();
    let matched = job["matched"].as_u64().unwrap_or_default();
    output::say(&format!("{id}: {}; the broker makes them, with or without this", deliveries(matched)));
    let mut shown = 0;
    while !ways.detach && job["state"] == "running" {
        broker.wait(LOOK_EVERY);
        job = broker.ask(Method::GET, &format!("/v1/replays/{}", escaped(&id)), None)?;
        let done = job["done"].as_u64().unwrap_or_default();
        if done != shown {
            shown = done;
            output::say(&format!("{id}: {done} of {matched}"));
        }
    }
    if ways.json {
        output::json(&job)?;
    } else {
        output::line(&summary(&job))?;
    }
    let is_cancelled = job["state"] == "cancelled";
    Ok(if is_cancelled { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

pub(super) fn deliveries(count: u64) -> String {
    format!("{count} {}", if count == 1 { "delivery" } else { "deliveries" })
}

/// One line: which, where it stands, what was asked.
fn summary(job: &Value) -> String {
    let word = |name: &str| job[name].as_str().unwrap_or("-");
    let count = |name: &str| job[name].as_u64().unwrap_or_default();
    let asked = job["asked"].as_object().into_iter().flatten().filter_map(|(name, value)| match value {
        Value::String(text) => Some(format!("{name}={text}")),
        Value::Bool(true) => Some(name.clone()),
        Value::Number(number) => Some(format!("{name}={number}")),
        _ => None,
    });
    let asked: Vec<String> = asked.collect();
    format!(
        "{}  {}  {:<9}  {} of {} made, {} left out  {}",
        word("replayId"),
        word("createdAt"),
        word("state"),
        count("done"),
        count("matched"),
        count("skipped"),
        asked.join(" "),
    )
}
