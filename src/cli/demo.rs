//! `camino demo`: the real broker in this process, real receivers on loopback, real events over HTTP.
//!
//! Nothing of it outlives the process: the store is in a folder of its own that is removed at the end,
//! the ports are free ones and the secrets are made up. It never reads a config.

mod ledger;
mod receiver;
mod stage;
mod story;
mod timeline;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::Uri;
use serde_json::Value;
use tokio::sync::mpsc;

use super::failure::Failure;
use super::folder::Folder;
use super::{client, output, sample};
use crate::app::signals::{Asked, Signals};
use crate::app::{App, Ports};
use crate::domain::catalog::Catalog;
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::domain::signature::Scheme;
use crate::outbox::admission;
use crate::outbox::directory::Snapshot;
use crate::registry::embedded;
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::entropy::{Entropy, OsEntropy};
use crate::telemetry::log;
use ledger::Ledger;
use receiver::Heard;
use stage::{FAILURES, SCENES, Stage, UNSTEADY};
use story::{Posted, Story};

/// How long all deliveries together may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests that wait to be told.
const HEARD_MAX: usize = 256;
/// The organization that the events are about.
const ORGANIZATION: &str = "org_demo";

/// What the demo can be told.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Stop when all has arrived, instead of staying up until Ctrl-C; exits 1 if anything is missing.
    #[arg(long)]
    once: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    log::init("warn", log::Format::Text)?;
    let folder = Folder::make("demo", &OsEntropy).map_err(|error| {
        let what = format!("cannot make a folder in {}: {error}", std::env::temp_dir().display());
        Failure::new(what, "set TMPDIR to a folder that can be written")
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(play(args, &folder));
    runtime.shutdown_background();
    ended
}

async fn play(args: &Args, folder: &Folder) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let catalog = embedded::catalog()?;
    let (heard_in, heard) = mpsc::channel(HEARD_MAX);
    let stage = Stage::set(&catalog, folder.path(), &clock, entropy.as_ref(), &heard_in).await?;
    let ports = Ports { clock: Arc::clone(&clock), entropy: Arc::clone(&entropy) };
    let app = App::build(stage.config.clone(), ports).await?;
    let (address, stopper) = (app.address(), app.stopper());
    introduce(&stage, &format!("http://{address}"), folder);
    let mut show = Show {
        url: format!("http://{address}/v1/events").parse()?,
        story: Story::new(args.json),
        ledger: Ledger::default(),
        posted_at: BTreeMap::new(),
        stage,
        catalog,
        heard,
        clock,
        entropy,
    };
    let mut broker = Box::pin(app.run(Signals::none()));
    let outcome = tokio::select! {
        ended = &mut broker => {
            ended?;
            anyhow::bail!("the broker stopped by itself");
        }
        outcome = show.run() => outcome,
        () = stopped(&mut signals) => Err(interrupted()),
    };
    if outcome.is_ok() && !args.once {
        show.say_where_to_look(&format!("http://{address}"));
        tokio::select! {
            ended = &mut broker => return Ok(ended.map(|()| ExitCode::SUCCESS)?),
            told = show.go_on() => told?,
            () = stopped(&mut signals) => {}
        }
    }
    stopper.cancel();
    broker.await?;
    show.stage.listeners.shutdown().await;
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

fn interrupted() -> anyhow::Error {
    Failure::new("stopped before all had arrived", "it takes a few seconds: let it run to its summary").into()
}

fn introduce(stage: &Stage, url: &str, folder: &Folder) {
    let receivers = stage.receivers.iter().map(|slug| match slug.as_str() {
        UNSTEADY => format!("{slug} (down at first: {FAILURES} times 503)"),
        _ => slug.to_string(),
    });
    output::say(&format!("broker     {url}, its store in {} until the end", folder.path().display()));
    output::say(&format!("receivers  {}", receivers.collect::<Vec<_>>().join(", ")));
}

/// The events on their way.
struct Show {
    url: Uri,
    story: Story,
    ledger: Ledger,
    /// When each event was posted, by its id.
    posted_at: BTreeMap<String, Duration>,
    stage: Stage,
    catalog: Catalog,
    heard: mpsc::Receiver<Heard>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

impl Show {
    /// Posts each event and follows it to its receivers.
    async fn run(&mut self) -> anyhow::Result<()> {
        let began = self.clock.monotonic();
        let mut patience = self.clock.sleep(PATIENCE);
        let before = timeline::access(self).await?;
        for (event_type, source) in SCENES {
            let event_id = self.post(event_type, source).await?;
            while !self.ledger.is_over(&event_id) {
                tokio::select! {
                    Some(heard) = self.heard.recv() => self.take(&heard)?,
                    () = &mut patience => return self.end(began),
                }
            }
        }
        let told = tokio::select! {
            told = timeline::show(self, &before) => told?,
            () = &mut patience => false,
        };
        self.end(began)?;
        let mend = "the broker's log says what the hub refused";
        let missing = || Failure::new("the hub does not show what it was given", mend).into();
        told.then_some(()).ok_or_else(missing)
    }

    /// Tells whatever else arrives, until nobody asks any more.
    async fn go_on(&mut self) -> anyhow::Result<()> {
        while let Some(heard) = self.heard.recv().await {
            self.take(&heard)?;
        }
        Ok(())
    }

    fn take(&mut self, heard: &Heard) -> anyhow::Result<()> {
        self.ledger.hear(heard);
        let posted_at = self.posted_at.get(&heard.event_id);
        let since = posted_at.map(|posted_at| heard.at.saturating_sub(*posted_at));
        self.story.heard(heard, since)
    }

    fn end(&self, began: Duration) -> anyhow::Result<()> {
        self.story.summary(&self.ledger, self.clock.monotonic().saturating_sub(began))?;
        let missing = self.ledger.missing();
        if missing.is_empty() && self.ledger.events() == SCENES.len() {
            return Ok(());
        }
        let mend = "the lines above name each answer; with a busy machine, try again";
        Err(Failure::new(format!("did not arrive: {}", missing.join(", ")), mend).into())
    }

    /// Posts one event, tells the answer and the decisions, and returns its id.
    async fn post(&mut self, event_type: &str, source: &str) -> anyhow::Result<String> {
        let event = self.catalog.event(event_type).context("the registry has no such type")?;
        let source = AppSlug::new(source)?;
        let secret = self.stage.signing_secret(&source).context("the source has no secret")?;
        let (event_id, now) = (sample::uuid(self.entropy.as_ref()), self.clock.now());
        let data = stage::data(event, now);
        let body = sample::envelope(&event_id, &event.event_type, &source, ORGANIZATION, now, &data);
        let headers = sample::signed_headers(Scheme::Ecosystem, secret, &event_id, now, &body)?;
        let posted_at = self.clock.monotonic();
        self.posted_at.insert(event_id.clone(), posted_at);
        let answer = client::post(&self.url, headers, Bytes::from(body), self.clock.as_ref()).await?;
        let took = self.clock.monotonic().saturating_sub(posted_at);
        let json: Value = serde_json::from_slice(&answer.body)?;
        self.story.posted(&Posted {
            event_id: &event_id,
            event_type,
            source: source.as_str(),
            status: answer.status,
            answer: &json,
            took,
        })?;
        let promised = deliveries(&json);
        // What the hub gets shows on the timeline.
        let across: Vec<_> = promised.iter().filter(|(receiver, _)| !receiver.is_hub()).cloned().collect();
        self.ledger.promise(&event_id, event_type, &across);
        let directory = Snapshot::new(&self.stage.config, &BTreeMap::new());
        for decided in admission::route(event, &source, &directory) {
            let delivery = promised.iter().find(|(receiver, _)| *receiver == decided.receiver);
            anyhow::ensure!(
                answer.status == 202 && delivery.is_some() == decided.decision.delivers(),
                "the broker's answer {} does not promise what the registry routes to {}",
                answer.status,
                decided.receiver,
            );
            self.story.decided(&event_id, &decided, delivery.map(|(_, id)| id.as_str()))?;
        }
        Ok(event_id)
    }

    fn say_where_to_look(&self, url: &str) {
        let (event_type, source) = SCENES[0];
        let secret = self.stage.config.apps.get(source).and_then(|app| app.signing_secrets.first());
        let secret = secret.map(Secret::reveal).unwrap_or_default();
        let key = self.stage.config.server.admin_key.as_ref().map(Secret::reveal).unwrap_or_default();
        output::say(&format!(
            "\nThe broker stays up until Ctrl-C, and this goes on telling what arrives. Look around:\n  \
             curl {url}/metrics\n  \
             curl -H 'Authorization: Bearer {key}' '{url}/api/crm/contacts?q=ana'\n  \
             curl -H 'Authorization: Bearer {key}' '{url}{}'\n  curl {url}/readyz\n  curl {url}/api/ecosystem/webhooks\n  \
             camino send --event {event_type} --source {source} --url {url} --secret {secret}",
            timeline::access_path(),
        ));
    }
}

/// The deliveries that an answer promises.
fn deliveries(answer: &Value) -> Vec<(AppSlug, String)> {
    let promised = answer["deliveries"].as_array().into_iter().flatten();
    promised
        .filter_map(|delivery| {
            let receiver = AppSlug::new(delivery["receiver"].as_str()?).ok()?;
            Some((receiver, delivery["deliveryId"].as_str()?.to_owned()))
        })
        .collect()
}
