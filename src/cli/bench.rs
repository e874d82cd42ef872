//! `camino bench`: what this machine can do at most, and what of it the broker leaves, in one run.
//!
//! A generator and a receiver of its own, each a process, so that they are measured apart: first the
//! generator posts straight to the receiver, then the same posts go through the broker, which is this
//! binary's `serve` with a config made up for it. Talks to nobody outside this machine, and exits 1
//! if a single accepted event is missing at a receiver. Runs that are repeated or compared each have
//! workers, a store and a ceiling of their own.

mod body;
mod broker;
mod campaign;
mod comparison;
mod disk;
mod figure;
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

use serde::Serialize;

use super::failure::Failure;
use super::folder::Folder;
use super::output;
use crate::app::signals::{Asked, Signals};
use crate::runtime::entropy::OsEntropy;
use campaign::{Campaign, Case};
use comparison::Comparison;
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
    let campaign = Campaign::of(args)?;
    let place = Place::take(args.store.as_deref())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let reports = runtime.block_on(async {
        let mut signals = Signals::listen()?;
        tokio::select! {
            reports = Box::pin(measure_all(&campaign, &place)) => reports,
            () = stopped(&mut signals) => Err(interrupted()),
        }
    })?;
    if let [report] = &reports[..] {
        show(args, report, || table::lines(report))?;
        return verdict(report);
    }
    let verdicts = reports.iter().map(verdict).collect::<anyhow::Result<Vec<_>>>();
    if let Some(comparison) = Comparison::new(&campaign, reports) {
        show(args, &comparison, || comparison.lines())?;
    }
    verdicts.map(|_| ExitCode::SUCCESS)
}

fn show(args: &Args, found: &impl Serialize, lines: impl FnOnce() -> Vec<String>) -> anyhow::Result<()> {
    if args.json {
        return output::json(found);
    }
    lines().iter().try_for_each(|line| output::line(line))?;
    Ok(())
}

/// One run after the other.
async fn measure_all(campaign: &Campaign, place: &Place) -> anyhow::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for (number, case) in (1..).zip(campaign.order()) {
        let case = &campaign.cases[case];
        let folder = place.of_run(number, campaign.runs())?;
        let machine = Machine::here(&folder);
        announce(case, &machine, (campaign.runs() > 1).then(|| (number, campaign.runs())));
        reports.push(Box::pin(measure(&case.plan, &folder, machine)).await?);
        place.leave(&folder);
    }
    Ok(reports)
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
fn announce(case: &Case, machine: &Machine, run: Option<(usize, usize)>) {
    let run = run.map_or_else(String::new, |(number, all)| format!(", run {number} of {all}"));
    let name = if case.name.is_empty() { String::new() } else { format!("{}: ", case.name) };
    output::say(&format!("camino bench{run}: {name}{}", case.plan.in_words()));
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

    /// The folder of one run of so many; one alone has all of it.
    fn of_run(&self, number: usize, runs: usize) -> std::io::Result<PathBuf> {
        if runs == 1 {
            return Ok(self.path().to_owned());
        }
        let path = self.path().join(format!("run-{number}"));
        std::fs::create_dir(&path)?;
        Ok(path)
    }

    /// After a run: what is not kept makes room for the next one.
    fn leave(&self, folder: &Path) {
        if let Self::Temporary(all) = self
            && folder != all.path()
        {
            // What stays behind goes with the whole.
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}
