//! `camino bench`: what this machine can do at most, and what of it the broker leaves, in one run.
//!
//! A generator and a receiver of its own, each a process, so that they are measured apart: first the
//! generator posts straight to the receiver, then the same posts go through the broker, which is this
//! binary's `serve` with a config made up for it. Talks to nobody outside this machine, and exits 1
//! if a single accepted event is missing at a receiver.

mod body;
mod broker;
mod disk;
mod generator;
mod histogram;
mod ledger;
mod lines;
mod number;
mod outage;
mod pace;
mod plan;
mod port;
mod progress;
mod protocol;
mod raw;
mod receiver;
mod report;
mod rig;
mod soak;
mod stage;
mod stopwatch;
mod table;
mod trial;
mod usage;
mod wire;
mod worker;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::failure::Failure;
use super::folder::Folder;
use super::output;
use crate::app::signals::{Asked, Signals};
use crate::runtime::entropy::OsEntropy;
pub(super) use plan::Args;
use plan::Plan;
use report::{Machine, Report};
use rig::Rig;

/// Which worker to be.
#[derive(Debug, clap::Args)]
pub(super) struct WorkerArgs {
    role: WorkerRole,
}

/// The workers.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum WorkerRole {
    Generator,
    Receiver,
}

impl WorkerRole {
    fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Receiver => "receiver",
        }
    }
}

/// Runs a worker, which only the bench starts.
pub(super) fn work(args: &WorkerArgs) -> anyhow::Result<ExitCode> {
    match args.role {
        WorkerRole::Generator => generator::run()?,
        WorkerRole::Receiver => receiver::run()?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let plan = Plan::of(args)?;
    let place = Place::take(args.store.as_deref())?;
    let machine = Machine::here(place.path());
    announce(&plan, &machine);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            report = Box::pin(measure(&plan, place.path(), machine)) => report,
            () = stopped(&mut signals) => Err(interrupted()),
        }
    })?;
    if args.json {
        output::json(&report)?;
    } else {
        table::lines(&report).iter().try_for_each(|line| output::line(line))?;
    }
    verdict(&report)
}

async fn measure(plan: &Plan, folder: &Path, machine: Machine) -> anyhow::Result<Report> {
    let mut rig = Rig::start().await?;
    let floor = raw::floor(&mut rig, plan, folder).await?;
    let raw = raw::ceiling(&mut rig, plan).await?;
    let found = if plan.down {
        outage::run(&mut rig, plan, folder).await?
    } else {
        trial::run(&mut rig, plan, folder).await?
    };
    Ok(Report::new(plan, machine, floor, raw, found))
}

/// What makes the numbers worth less is said before they are there.
fn announce(plan: &Plan, machine: &Machine) {
    output::say(&format!("camino bench: {}", plan.in_words()));
    if let Some([one, five, fifteen]) = machine.load_average {
        output::say(&format!("load average {one} {five} {fifteen} on {} cores", machine.cores));
    }
    if machine.is_debug() {
        output::say("warning: this is a debug build, several times slower than a release build");
    }
    if machine.syncs_are_free {
        output::say("warning: the store is on a tmpfs, where a sync costs nothing and a power cut all");
    }
}

fn verdict(report: &Report) -> anyhow::Result<ExitCode> {
    let broker = &report.broker;
    if broker.missing > 0 {
        let what = format!("{} of {} deliveries did not arrive", broker.missing, broker.expected);
        return Err(Failure::new(
            what,
            "what was accepted must arrive: run it again with --store to keep the data",
        )
        .into());
    }
    if broker.lost_posts() > 0 {
        let what = format!("{} events were not accepted, so the rates are too low", broker.lost_posts());
        return Err(Failure::new(what, "`refused` has the statuses; a full disk answers 503").into());
    }
    Ok(ExitCode::SUCCESS)
}

async fn stopped(signals: &mut Signals) {
    while signals.next().await != Asked::Stop {}
}

fn interrupted() -> anyhow::Error {
    Failure::new("stopped before there was anything to report", "--messages takes a smaller number").into()
}

/// Where the files of the run are.
enum Place {
    Temporary(Folder),
    Given(PathBuf),
}

impl Place {
    /// The folder `given`, which stays, or a new one, which does not.
    fn take(given: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = given else {
            let folder = Folder::make("bench", &OsEntropy).map_err(|error| {
                let what = format!("cannot make a folder in {}: {error}", std::env::temp_dir().display());
                Failure::new(what, "--store names another place")
            })?;
            return Ok(Self::Temporary(folder));
        };
        let unusable = |why: &dyn std::fmt::Display| {
            let what = format!("cannot use {}: {why}", path.display());
            Failure::new(what, "--store takes an empty folder, or one to be made")
        };
        std::fs::create_dir_all(path).map_err(|error| unusable(&error))?;
        let mut entries = std::fs::read_dir(path).map_err(|error| unusable(&error))?;
        if entries.next().is_some() {
            return Err(unusable(&"it is not empty").into());
        }
        Ok(Self::Given(path.canonicalize()?))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Temporary(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}
