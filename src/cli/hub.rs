//! `camino hub`: work on the hub's file while the broker is stopped.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::failure::Failure;
use super::output;
use crate::app::rebuild::{self, Wish};
use crate::app::{Error, Ports};
use crate::config::{Config, process_vars};
use crate::hub::rebuild::{Failure as Broken, Rebuilt};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::entropy::OsEntropy;
use crate::telemetry::log;

/// What to do with the hub.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Make the hub anew of the journal's events, emitting nothing, and compare it with the one there was.
    Rebuild(Args),
}

/// How to rebuild.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Compare only: leave the hub as it is, and exit 1 if the two differ.
    #[arg(long)]
    check: bool,
    /// Go on though the journal no longer has all that the hub has had.
    #[arg(long)]
    incomplete: bool,
    /// The result as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(verb: &Verb, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let Verb::Rebuild(args) = verb;
    let config = Config::load(config, process_vars())?;
    log::init("warn", log::Format::Text)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ports = Ports { clock: Arc::clone(&clock), entropy: Arc::new(OsEntropy) };
    let wish = Wish { incomplete: args.incomplete, dry: args.check };
    let mut bar = Bar::new(Arc::clone(&clock));
    let rebuilt = rebuild::run(&config, &ports, wish, &mut |done, all| bar.tell(done, all));
    bar.end();
    let rebuilt = rebuilt.map_err(mended)?;
    let took = bar.elapsed();
    let same = rebuilt.before.as_ref().map(|before| *before == rebuilt.after);
    if args.json {
        output::json(&as_json(&rebuilt, same, took))?;
    } else {
        tell(&rebuilt, same, took)?;
    }
    Ok(if args.check && same == Some(false) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn mended(error: Error) -> anyhow::Error {
    match error {
        Error::Log(crate::store::log::Error::Locked { .. }) => {
            let what = "the store is in use: a rebuild needs the broker stopped";
            Failure::new(what, "stop it, rebuild, and start it again").into()
        }
        Error::Rebuild(error @ Broken::Incomplete { .. }) => {
            Failure::new(error.to_string(), "nothing was changed; `[journal] retention_hub` keeps them")
                .into()
        }
        error => error.into(),
    }
}

fn as_json(rebuilt: &Rebuilt, same: Option<bool>, took: Duration) -> Value {
    let before = |table: &str| {
        let sums = rebuilt.before.as_ref()?;
        Some(&sums.iter().find(|sum| sum.table == table)?.checksum)
    };
    let tables: Vec<Value> = rebuilt
        .after
        .iter()
        .map(|sum| {
            json!({
                "table": sum.table, "rows": sum.rows, "checksum": sum.checksum, "before": before(sum.table),
            })
        })
        .collect();
    json!({
        "events": rebuilt.events,
        "commands": rebuilt.commands,
        "refused": rebuilt.refused,
        "elapsedMs": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        "eventsPerSecond": rate(rebuilt.events, took),
        "same": same,
        "tables": tables,
    })
}

fn tell(rebuilt: &Rebuilt, same: Option<bool>, took: Duration) -> io::Result<()> {
    let paint = output::Paint::for_stdout();
    for sum in &rebuilt.after {
        let before = rebuilt.before.as_ref().and_then(|sums| sums.iter().find(|old| old.table == sum.table));
        let verdict = match before {
            None => paint.faint("new"),
            Some(old) if old == sum => paint.good("same"),
            Some(old) => paint.bad(&format!("differs: {} rows, {}", old.rows, old.checksum)),
        };
        output::line(&format!("{:<18} {:>10} rows  {}  {verdict}", sum.table, sum.rows, sum.checksum))?;
    }
    let ending = match same {
        None => "there was no hub before",
        Some(true) => "the same state as before",
        Some(false) => "not the state there was before",
    };
    output::line("")?;
    output::line(&format!(
        "{} events and {} commands, {} refused, {} events/s: {ending}",
        rebuilt.events,
        rebuilt.commands,
        rebuilt.refused,
        rate(rebuilt.events, took),
    ))
}

fn rate(events: u64, took: Duration) -> u64 {
    let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
    events.saturating_mul(1000) / elapsed_ms
}

/// How far it is, on stderr: a line that is written over, where a person looks.
struct Bar {
    clock: Arc<dyn Clock>,
    started: Duration,
    told: u64,
    shown: bool,
}

impl Bar {
    const WIDTH: usize = 30;

    fn new(clock: Arc<dyn Clock>) -> Self {
        let shown = io::stderr().is_terminal();
        Self { started: clock.monotonic(), clock, told: 0, shown }
    }

    fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.started)
    }

    fn tell(&mut self, done: u64, all: u64) {
        let percent = (done * 100).checked_div(all.max(1)).unwrap_or(0).min(100);
        if !self.shown || percent == self.told {
            return;
        }
        self.told = percent;
        let filled = Self::WIDTH * usize::try_from(percent).unwrap_or(0) / 100;
        let (full, rest) = ("#".repeat(filled), ".".repeat(Self::WIDTH - filled));
        let rate = rate(done, self.elapsed());
        // With stderr gone there is nobody left to tell.
        let _ = write!(io::stderr(), "\r[{full}{rest}] {percent:>3} %  {done} of {all} events, {rate}/s ");
    }

    fn end(&self) {
        if self.shown && self.told > 0 {
            let _ = writeln!(io::stderr());
        }
    }
}
