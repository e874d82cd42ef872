//! `camino endpoints`: where events go, how it goes, and what an operator changes about it.

use std::path::Path;
use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::broker::{self, Broker, escaped};
use super::output::{self, Paint};
use super::{credential, failure::Failure};

/// What to do with endpoints.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    call: broker::Call,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show all endpoints with their health (the default).
    List,
    /// Show one endpoint.
    Show(App),
    /// Hold its deliveries back; they wait and are not tried.
    Pause(App),
    /// Send what waits; also enables one that was disabled.
    Resume(App),
    /// Send one signed test event now, and show what the receiver answered; exits 1 if it was not taken.
    Test(App),
    /// Give it a new secret, shown this once; the one before signs along until the next change.
    Rotate {
        #[command(flatten)]
        app: App,
        /// The new secret as text, env:NAME or file:PATH; one is made unless given.
        #[arg(long, value_name = "SECRET")]
        secret: Option<String>,
    },
    /// Cap the deliveries a second, and with it how fast a backlog drains.
    DrainRate {
        #[command(flatten)]
        app: App,
        /// How many, or `config` for what the config says.
        #[arg(value_name = "N", value_parser = rate)]
        rate: Rate,
    },
    /// Drop all changes made here: the config alone is in force again.
    Reset(App),
}

/// Which endpoint.
#[derive(Debug, clap::Args)]
#[group(skip)]
struct App {
    /// The app.
    app: String,
}

impl App {
    fn path(&self, rest: &str) -> String {
        format!("/v1/endpoints/{}{rest}", escaped(&self.app))
    }
}

/// A cap; `None` goes back to the config.
#[derive(Clone, Copy, Debug)]
struct Rate(Option<u32>);

fn rate(text: &str) -> Result<Rate, String> {
    match text {
        "config" => Ok(Rate(None)),
        text => text.parse().map(|n| Rate(Some(n))).map_err(|_| "write a whole number, or `config`".into()),
    }
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.call.broker, config)?;
    let post = |path: String, body: Option<&Value>| broker.ask(Method::POST, &path, body);
    let answer = match args.action.as_ref().unwrap_or(&Action::List) {
        Action::List => json!({ "items": broker.items("/v1/endpoints", usize::MAX)?.0, "next": null }),
        Action::Show(app) => broker.ask(Method::GET, &app.path(""), None)?,
        Action::Pause(app) => post(app.path("/pause"), None)?,
        Action::Resume(app) => post(app.path("/resume"), None)?,
        Action::Test(app) => post(app.path("/test"), None)?,
        Action::Reset(app) => post(app.path("/reset"), None)?,
        Action::Rotate { app, secret } => {
            let body = match secret {
                Some(text) => json!({ "secret": credential::read(text)?.reveal() }),
                None => json!({}),
            };
            post(app.path("/rotate-secret"), Some(&body))?
        }
        Action::DrainRate { app, rate } => {
            broker.ask(Method::PATCH, &app.path(""), Some(&json!({ "ratePerSecond": rate.0 })))?
        }
    };
    let is_test = matches!(args.action, Some(Action::Test(_)));
    let is_well = !is_test || answer["outcome"] == "delivered";
    if args.call.json {
        output::json(&answer)?;
    } else {
        tell(args.action.as_ref(), &answer)?;
    }
    if is_well {
        return Ok(ExitCode::SUCCESS);
    }
    if args.call.json {
        return Ok(ExitCode::FAILURE);
    }
    let what = format!("{} did not take the test event", word(&answer, "app"));
    Err(Failure::new(what, advice(&answer)).into())
}

fn tell(action: Option<&Action>, answer: &Value) -> anyhow::Result<()> {
    let paint = Paint::for_stdout();
    match action {
        None | Some(Action::List) => list(answer, paint),
        Some(Action::Test(_)) => Ok(output::line(&test_line(answer, paint))?),
        Some(Action::Rotate { .. }) => {
            output::line(&format!("{}  {}", word(answer, "app"), word(answer, "secret")))?;
            output::say(
                "the secret is shown this once: give it to the receiver; the one before signs along until the \
                 next change",
            );
            if let Some(note) = answer["note"].as_str() {
                output::say(note);
            }
            Ok(())
        }
        Some(_) => show(answer, paint),
    }
}

fn list(answer: &Value, paint: Paint) -> anyhow::Result<()> {
    let endpoints = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if endpoints.is_empty() {
        output::say("no app has an endpoint; `[apps.NAME] endpoint` in the config gives it one");
        return Ok(());
    }
    let names = ["app", "health", "pending", "retrying", "in flight", "dead", "cap/s", "url"];
    let mut rows = vec![names.map(str::to_owned)];
    rows.extend(endpoints.iter().map(|endpoint| {
        // Under the last letter of its heading.
        let number = |column: usize, name: &str| {
            let text = endpoint[name].as_u64().map_or("-".to_owned(), |n| n.to_string());
            format!("{text:>width$}", width = names[column].len())
        };
        [
            word(endpoint, "app").to_owned(),
            health(endpoint).1,
            number(2, "pending"),
            number(3, "retrying"),
            number(4, "inFlight"),
            number(5, "dead"),
            number(6, "ratePerSecond"),
            endpoint["url"].as_str().unwrap_or("in this broker").to_owned(),
        ]
    }));
    // Painted after the columns are set: a colour has no width.
    let lines = output::aligned(&rows);
    for (at, line) in lines.iter().enumerate() {
        let painted = match at.checked_sub(1).map(|at| health(&endpoints[at]).0) {
            None => paint.faint(line),
            Some(Health::Good) => line.clone(),
            Some(Health::Doubtful) => paint.doubtful(line),
            Some(Health::Bad) => paint.bad(line),
        };
        output::line(&painted)?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Good,
    Doubtful,
    Bad,
}

/// How an endpoint does, in one word or two.
fn health(endpoint: &Value) -> (Health, String) {
    let has = |name: &str| endpoint[name].as_u64().is_some_and(|count| count > 0);
    match (word(endpoint, "state"), word(endpoint, "breaker")) {
        ("active", "closed") if has("retrying") => (Health::Doubtful, "retrying".to_owned()),
        ("active", "closed") if has("dead") => (Health::Doubtful, "dead letters".to_owned()),
        ("active", "closed") => (Health::Good, "good".to_owned()),
        ("active", breaker) => (Health::Bad, format!("breaker {}", breaker.replace('_', " "))),
        (state @ "disabled", _) => (Health::Bad, state.to_owned()),
        (state, _) => (Health::Doubtful, state.to_owned()),
    }
}

fn show(endpoint: &Value, paint: Paint) -> anyhow::Result<()> {
    let (health, words) = health(endpoint);
    let words = match health {
        Health::Good => paint.good(&words),
        Health::Doubtful => paint.doubtful(&words),
        Health::Bad => paint.bad(&words),
    };
    output::line(&format!("{}  {words}", paint.strong(word(endpoint, "app"))))?;
    for (name, value) in endpoint.as_object().into_iter().flatten().filter(|(name, _)| *name != "app") {
        let text = match value {
            Value::Null => "-".to_owned(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        output::line(&format!("  {name:<15}{text}"))?;
    }
    Ok(())
}

fn test_line(report: &Value, paint: Paint) -> String {
    let outcome = match word(report, "outcome") {
        outcome @ "delivered" => paint.good(outcome),
        _ => paint.bad("not taken"),
    };
    let took = report["durationMs"].as_u64().unwrap_or_default();
    let mut line = format!("{}  {outcome}  {took} ms", word(report, "app"));
    if let Some(status) = report["status"].as_u64() {
        line = format!("{line}  status {status}");
    }
    for name in ["reason", "error", "answer"] {
        let text =
            report[name].as_str().filter(|text| !text.is_empty() && (name, *text) != ("reason", "status"));
        if let Some(text) = text {
            line = format!("{line}  {name} {}", text.replace(['\n', '\r'], " "));
        }
    }
    line
}

fn advice(report: &Value) -> &'static str {
    match (report["status"].as_u64(), report["reason"].as_str()) {
        (Some(401 | 403), _) => "has the receiver the secret that this endpoint signs with?",
        (Some(404 | 410), _) => "is the path of its address the one that takes webhooks?",
        (Some(500..), _) => "it is up, and failed: its own log says why",
        (Some(_), _) => "its answer says what it did not like",
        (_, Some("blocked_address")) => "`[delivery] allowed_networks` opens private networks",
        _ => "is the receiver up, and its address right? `camino endpoints show APP` has it",
    }
}

fn word<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or("-")
}
