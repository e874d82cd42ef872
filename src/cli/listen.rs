//! `camino listen`: forwards events to a URL on this machine, in order, each at least once.
//!
//! Its place is a file that is replaced as a whole after each 2xx and at no other time: killed at any
//! moment and started again, it repeats at most the one event that was on its way, and leaves none out.
//! Never forwards an event before the one in front of it has been taken.

mod forward;
mod place;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use http::{Method, Uri};
use serde_json::Value;

use self::forward::{Forward, Tried};
use self::place::{Place, Saved, Stands, Terms};
use super::broker::{self, Broker, escaped};
use super::failure::Failure;
use super::follow::{Begin, Follow, Select};
use super::output::{self, Paint};
use super::{credential, when};
use crate::domain::secret::Secret;
use crate::domain::time::Millis;
use crate::runtime::entropy::{Entropy as _, OsEntropy};

/// What to forward, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where to, such as http://localhost:3000/webhooks.
    #[arg(value_name = "URL")]
    target: Uri,
    #[command(flatten)]
    select: Select,
    /// The secret to sign with, as text, env:NAME or file:PATH; one is made and kept unless given.
    #[arg(long, value_name = "SECRET")]
    secret: Option<String>,
    /// The file that keeps the place; by default one for this broker, URL and filter in the user's folder
    /// for such things.
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// The first time, begin with what was accepted then: a time, or how long ago, such as 2h. With what
    /// comes now unless given; a place that was kept goes before it.
    #[arg(long, value_name = "TIME", value_parser = when::parse)]
    since: Option<Millis>,
    /// Stop when everything that there is has been forwarded.
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
    if !matches!(args.target.scheme_str(), Some("http" | "https")) || args.target.authority().is_none() {
        let mend = "write it as http://localhost:PORT/PATH";
        return Err(Failure::new(format!("{} is no URL to forward to", args.target), mend).into());
    }
    let broker = Broker::find(&args.broker, config)?;
    let terms = Terms::new(broker.base(), &args.target, &args.select.named());
    let path = match &args.state {
        Some(path) => path.clone(),
        None => place::default_path(&terms)?,
    };
    let (mut place, saved) = Place::open(&path, terms)?;
    let given = args.secret.as_deref().map(credential::read).transpose()?;
    let (secret, is_new) = secret(given.as_ref(), saved.as_ref())?;
    let made = saved.as_ref().and_then(|saved| saved.secret.clone());
    let kept = made.or_else(|| given.is_none().then(|| secret.reveal().to_owned()));
    let mut with = vec![("body", "true")];
    // Without a receiver each event comes once, however often it is made again for one of them.
    with.extend(args.select.receiver.is_some().then_some(("again", "true")));
    let is_resumed = saved.is_some();
    let begin = match (saved, args.since) {
        (Some(Saved { stands: Stands::At(cursor), .. }), _) => Begin::Place(cursor),
        (Some(Saved { stands: Stands::Since(time), .. }), _) => Begin::Since(time),
        (None, Some(since)) => Begin::Since(since.rfc3339()),
        (None, None) => Begin::End,
    };
    if let Some(receiver) = &args.select.receiver {
        warn_of_no_endpoint(&broker, receiver);
    }
    let mut follow = Follow::new(&broker, &args.select, &with, begin.clone());
    // Kept before anything comes: killed now, it goes on from here, and signs with the same secret.
    match begin {
        Begin::End => place.keep(Stands::At(follow.page()?.next), kept.as_deref())?,
        Begin::Since(time) => place.keep(Stands::Since(time), kept.as_deref())?,
        Begin::Place(cursor) => place.keep(Stands::At(cursor), kept.as_deref())?,
    }
    greet(args, &path, is_resumed, is_new.then_some(&secret));
    let mut forward = Forward::new(&broker, args.target.clone(), secret)?;
    let paint = Paint::for_stdout();
    loop {
        let page = follow.page()?;
        let last = page.items.len().saturating_sub(1);
        for (at, event) in page.items.iter().enumerate() {
            for delivery in forward::deliveries(event, args.select.receiver.is_some()) {
                forward.until_taken(event, delivery, |tried| tell(args, event, tried, paint))?;
            }
            // What comes behind the page's last event goes with it.
            let cursor = if at == last { page.next.as_str() } else { text(event, "after") };
            place.keep(Stands::At(cursor.to_owned()), kept.as_deref())?;
        }
        if page.items.is_empty() {
            place.keep(Stands::At(page.next), kept.as_deref())?;
        }
        if !page.more {
            if args.once {
                return Ok(ExitCode::SUCCESS);
            }
            follow.rest();
        }
    }
}

/// The secret to sign with, and whether it was made just now.
fn secret(given: Option<&Secret>, saved: Option<&Saved>) -> anyhow::Result<(Secret, bool)> {
    if let Some(secret) = given {
        return Ok((secret.clone(), false));
    }
    if let Some(kept) = saved.and_then(|saved| saved.secret.as_deref()) {
        let kept = Secret::new(kept).map_err(|error| {
            let mend = "remove that file to begin anew, or give one with --secret";
            Failure::new(format!("the secret in the file of --state {error}"), mend)
        })?;
        return Ok((kept, false));
    }
    let mut entropy = [0; 32];
    OsEntropy.fill(&mut entropy);
    Ok((Secret::from_entropy(&entropy), true))
}

/// A receiver without an endpoint gets no deliveries, and there would be nothing to forward.
fn warn_of_no_endpoint(broker: &Broker, receiver: &str) {
    let answer = broker.call(Method::GET, &format!("/v1/endpoints/{}", escaped(receiver)), None);
    if answer.is_ok_and(|answer| answer.status == 404) {
        output::say(&format!(
            "{receiver} has no endpoint at the broker, so no deliveries are made for it; without --receiver \
             every event is forwarded"
        ));
    }
}

fn greet(args: &Args, path: &Path, is_resumed: bool, made: Option<&Secret>) {
    let from = match (is_resumed, &args.since) {
        (true, _) => "from where it was".to_owned(),
        (false, Some(since)) => format!("from {} on", since.rfc3339()),
        (false, None) => "from now on".to_owned(),
    };
    output::say(&format!("forwarding to {} {from}; the place is kept in {}", args.target, path.display()));
    if is_resumed && args.since.is_some() {
        output::say("--since is for the first time; remove that file to begin anew");
    }
    if let Some(secret) = made {
        output::say(&format!("signed with a secret that is kept there too: {}", secret.reveal()));
    }
}

fn tell(args: &Args, event: &Value, tried: &Tried<'_>, paint: Paint) -> anyhow::Result<()> {
    if args.json {
        return output::json(&tried.json(event));
    }
    let end = match (tried.status, tried.is_taken()) {
        (Some(status), true) => paint.good(&status.to_string()),
        (Some(status), false) => paint.bad(&status.to_string()),
        (None, _) => paint.bad("---"),
    };
    let took = tried.took.as_millis();
    let mut line = format!(
        "{}  {end}  {took:>5} ms  {:<28}  {:<14}  {}",
        paint.faint(&when::shown(&tried.at.rfc3339(), tried.at)),
        text(event, "eventType"),
        text(event, "source"),
        text(event, "eventId"),
    );
    if let Some(error) = tried.error {
        line = format!("{line}  {error}");
    }
    if let Some(pause) = tried.again_in {
        line = format!("{line}  again in {} ms", pause.as_millis());
    }
    Ok(output::line(&line)?)
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or("-")
}
