//! `camino keys`: who may do what, at a running broker.

use std::path::Path;
use std::process::ExitCode;

use http::Method;
use serde_json::{Value, json};

use super::broker::{self, Broker, escaped};
use super::output;
use super::when;
use crate::domain::time::Millis;

/// What to do with keys.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    call: broker::Call,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Make a key; it is shown this once.
    Create {
        /// What it is for.
        name: String,
        /// What it may do: read, operate, admin, events:write (repeatable).
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<String>,
        /// The app that it may post events for, with events:write.
        #[arg(long, value_name = "APP")]
        source: Option<String>,
        /// An organization whose things it sees, and nobody else's (repeatable); everybody's without it.
        #[arg(long = "organization", value_name = "ID")]
        organizations: Vec<String>,
        /// When it ends: a time, or how long from now, such as 90d; never unless given.
        #[arg(long, value_name = "TIME", value_parser = when::parse_ahead)]
        expires_at: Option<Millis>,
    },
    /// Show all keys, without their text.
    List,
    /// Refuse a key from now on.
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
    },
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let broker = Broker::find(&args.call.broker, config)?;
    let answer = match &args.action {
        Action::Create { name, scopes, source, organizations, expires_at } => {
            let mut body = json!({ "name": name, "scopes": scopes });
            if let Some(source) = source {
                body["source"] = source.as_str().into();
            }
            if !organizations.is_empty() {
                body["organizations"] = json!(organizations);
            }
            if let Some(time) = expires_at {
                body["expiresAt"] = time.rfc3339().into();
            }
            broker.ask(Method::POST, "/v1/keys", Some(&body))?
        }
        Action::List => json!({ "items": broker.items("/v1/keys", usize::MAX)?.0, "next": null }),
        Action::Revoke { id } => broker.ask(Method::DELETE, &format!("/v1/keys/{}", escaped(id)), None)?,
    };
    if args.call.json {
        output::json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    match &args.action {
        Action::Create { .. } => {
            output::line(&format!("{}  {}", text(&answer, "keyId"), text(&answer, "key")))?;
            output::say("the key is shown this once; keep it where secrets are kept");
        }
        Action::List => {
            for key in answer["items"].as_array().into_iter().flatten() {
                output::line(&row(key))?;
            }
        }
        Action::Revoke { id } => output::line(&format!("{id}  revoked"))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or("-")
}

fn row(key: &Value) -> String {
    let scopes: Vec<&str> =
        key["scopes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let state = match (&key["revokedAt"], &key["expiresAt"]) {
        (Value::String(at), _) => format!("revoked {at}"),
        (_, Value::String(at)) => format!("until {at}"),
        _ => "no end".to_owned(),
    };
    let (id, name, source) = (text(key, "keyId"), text(key, "name"), text(key, "source"));
    format!("{id:<22}  {name:<20}  {:<16}  {source:<16}  {state}", scopes.join(","))
}
