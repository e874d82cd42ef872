//! `camino send`: signs one event and posts it to a broker.
//!
//! Sends the bytes as they are: what is signed is what is in the file, to the last line end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use http::Uri;
use serde_json::Value;

use super::failure::Failure;
use super::{client, credential, input, output, registry, sample};
use crate::config::{Config, process_vars};
use crate::domain::catalog::Lookup;
use crate::domain::event;
use crate::domain::id::{AppSlug, EventType};
use crate::domain::secret::Secret;
use crate::domain::signature::Scheme;
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::entropy::OsEntropy;

/// Where events are posted.
const INGEST_PATH: &str = "/v1/events";

/// What to send, and where.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["file", "event"]))]
pub(super) struct Args {
    /// The body to send, envelope and all; `-` for stdin.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Send the registry's example of this type, under a new id, instead of a file.
    #[arg(long, value_name = "TYPE", requires = "source")]
    event: Option<EventType>,
    /// The app that the example comes from.
    #[arg(long, value_name = "APP", conflicts_with = "file")]
    source: Option<AppSlug>,
    /// The organization that the example is about.
    #[arg(long, value_name = "ORG", default_value = "org_demo", conflicts_with = "file")]
    organization: String,
    /// A registry folder for the example, instead of the one that the config names or the one in the binary.
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    registry: Option<PathBuf>,
    /// The broker; the config's `server.listen` unless given.
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// The source's signing secret as text, env:NAME or file:PATH; the config's unless given.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// Sign by Standard Webhooks instead of the ecosystem's scheme.
    #[arg(long)]
    standard: bool,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let clock = SystemClock::new();
    let settings = match (&args.secret, &args.url, config) {
        (Some(_), Some(_), None) => Config::default(),
        _ => Config::load(config, process_vars())?,
    };
    let body = body(args, &settings, &clock)?;
    let envelope = event::parse(&body).ok();
    let source = envelope.as_ref().map(|envelope| envelope.source.clone());
    let id = envelope.map_or_else(|| sample::uuid(&OsEntropy), |envelope| envelope.event_id.to_string());
    let secret = match &args.secret {
        Some(text) => credential::read(text)?,
        None => configured(&settings, source.as_ref())?,
    };
    let scheme = if args.standard { Scheme::Standard } else { Scheme::Ecosystem };
    let headers = sample::signed_headers(scheme, &secret, &id, clock.now(), &body)?;
    let url = ingest(args.url.as_ref(), &settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(client::post(&url, headers, Bytes::from(body), &clock))?;
    tell(&answer, args.json)
}

fn body(args: &Args, settings: &Config, clock: &dyn Clock) -> anyhow::Result<Vec<u8>> {
    if let Some(file) = &args.file {
        return Ok(input::read(file)?);
    }
    // The command line asks for one of the two, and for the source beside the type.
    let (Some(name), Some(source)) = (&args.event, &args.source) else {
        anyhow::bail!("give --file, or --event and --source");
    };
    let catalog = registry::open(args.registry.as_deref().or(settings.registry.path.as_deref()))?;
    let event = match catalog.lookup(name.as_str()) {
        Lookup::Known(event) | Lookup::Incomplete(event) => event,
        Lookup::Unknown { did_you_mean } => return Err(registry::unknown(name, did_you_mean).into()),
    };
    let Some(data) = &event.example else {
        let mend = "write the body yourself and give it with --file";
        return Err(Failure::new(format!("the registry has no example of {name}"), mend).into());
    };
    let id = sample::uuid(&OsEntropy);
    Ok(sample::envelope(&id, &event.event_type, source, &args.organization, clock.now(), data))
}

/// The newest signing secret that the config has for `source`.
fn configured(settings: &Config, source: Option<&AppSlug>) -> Result<Secret, Failure> {
    let mend = "give it with --secret: a text, env:NAME or file:PATH";
    let Some(source) = source else {
        return Err(Failure::new(
            "the body is no envelope, so it names no source to take a secret from",
            mend,
        ));
    };
    let secret = settings.apps.get(source).and_then(|app| app.signing_secrets.first());
    secret.cloned().ok_or_else(|| {
        Failure::new(format!("the config has no apps.{source}.signing_secrets to sign with"), mend)
    })
}

/// The address to post to: a URL without a path means the broker there.
fn ingest(url: Option<&Uri>, settings: &Config) -> anyhow::Result<Uri> {
    let Some(url) = url else {
        return Ok(format!("{}{INGEST_PATH}", super::broker::local(settings)?).parse()?);
    };
    let (Some("http" | "https"), Some(authority)) = (url.scheme_str(), url.authority()) else {
        let mend = "write it as http://HOST:PORT or https://HOST";
        return Err(Failure::new(format!("{url} is no address of a broker"), mend).into());
    };
    match url.path() {
        "" | "/" => {
            let scheme = url.scheme_str().unwrap_or("http");
            Ok(format!("{scheme}://{authority}{INGEST_PATH}").parse()?)
        }
        _ => Ok(url.clone()),
    }
}

fn tell(answer: &client::Answer, json: bool) -> anyhow::Result<ExitCode> {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if json {
        output::json(&body)?;
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default();
    if !(200..300).contains(&answer.status) {
        let what = format!("{} {}: {}", answer.status, text("code"), text("detail"));
        if answer.status == 401 {
            let mend = "is it the secret that the broker has for this source (apps.SOURCE.signing_secrets)?";
            return Err(Failure::new(what, mend).into());
        }
        anyhow::bail!("{}", what.trim_end_matches([':', ' ']));
    }
    if json {
        return Ok(ExitCode::SUCCESS);
    }
    output::line(&format!("{} {}  {}", answer.status, text("status"), text("eventId")))?;
    if let Some(reason) = body["reason"].as_str() {
        let nearest = body["didYouMean"].as_str();
        let nearest = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        output::line(&format!("  held: {reason}{nearest}"))?;
    }
    let deliveries = body["deliveries"].as_array().into_iter().flatten();
    let cell = |delivery: &Value, name: &str| delivery[name].as_str().unwrap_or_default().to_owned();
    let rows: Vec<[String; 2]> = deliveries
        .map(|delivery| [format!("  {}", cell(delivery, "receiver")), cell(delivery, "deliveryId")])
        .collect();
    output::aligned(&rows).iter().try_for_each(|line| output::line(line))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_without_a_path_means_the_broker_there() {
        let mut settings = Config::default();
        settings.server.listen = "0.0.0.0:9000".parse().unwrap();
        for (given, wanted) in [
            (None, "http://127.0.0.1:9000/v1/events"),
            (Some("http://10.0.0.1:8080"), "http://10.0.0.1:8080/v1/events"),
            (Some("https://camino.example/"), "https://camino.example/v1/events"),
            (Some("https://a.example/hooks?x=1"), "https://a.example/hooks?x=1"),
        ] {
            let given: Option<Uri> = given.map(|text| text.parse().unwrap());
            assert_eq!(ingest(given.as_ref(), &settings).unwrap(), wanted);
        }
        let file: Uri = "localhost:8080".parse().unwrap();
        assert!(ingest(Some(&file), &settings).is_err());
    }

    #[test]
    fn the_secret_is_the_newest_of_the_source() {
        let mut settings = Config::default();
        let source = AppSlug::new("baul").unwrap();
        assert!(configured(&settings, None).is_err() && configured(&settings, Some(&source)).is_err());
        let app = settings.apps.entry(source.clone()).or_default();
        app.signing_secrets = vec![Secret::new("new").unwrap(), Secret::new("old").unwrap()];
        assert_eq!(configured(&settings, Some(&source)).unwrap().reveal(), "new");
    }
}
