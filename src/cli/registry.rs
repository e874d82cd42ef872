//! `camino registry`: look at a registry, check it, compare it, write it out.
//!
//! A file per verb below; what they tell comes from `crate::registry`.

mod check;
mod diff;
mod export;
mod list;
mod show;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::failure::Failure;
use crate::config::{Config, process_vars};
use crate::domain::catalog::Catalog;
use crate::domain::id::EventType;
use crate::registry::{Error, Problem, Source, load};

/// What to do with a registry.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Verb {
    /// Say everything that is wrong with it; exits 1 if it cannot be used.
    Check(check::Args),
    /// List the event types with their senders and receivers.
    List(list::Args),
    /// Show one event type: who, what shape, an example.
    Show(show::Args),
    /// Say what changes from one registry to another, and whether it may hurt somebody.
    Diff(diff::Args),
    /// Write the registry in the binary to a folder, to change it there.
    Export(export::Args),
}

/// Which registry.
#[derive(Debug, clap::Args)]
struct Which {
    /// A registry folder, instead of the one of `--config` or the one in the binary.
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
}

/// Runs the verb. A config that was named says which registry is meant, unless `--path` does.
pub(super) fn run(mut verb: Verb, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let which = match &mut verb {
        Verb::Check(args) => Some(&mut args.which),
        Verb::List(args) => Some(&mut args.which),
        Verb::Show(args) => Some(&mut args.which),
        Verb::Diff(_) | Verb::Export(_) => None,
    };
    if let (Some(which), Some(config)) = (which, config)
        && which.path.is_none()
    {
        which.path = Config::load(Some(config), process_vars())?.registry.path;
    }
    match verb {
        Verb::Check(args) => check::run(&args),
        Verb::List(args) => list::run(&args),
        Verb::Show(args) => show::run(&args),
        Verb::Diff(args) => diff::run(&args),
        Verb::Export(args) => export::run(&args),
    }
}

/// The registry in `path`, or the one in the binary.
pub(super) fn open(path: Option<&Path>) -> Result<Catalog, Failure> {
    load::load(&source(path)).map_err(|error| match error {
        Error::Invalid(problems) => {
            let mend = format!("`camino registry check {}` lists all", option(path));
            Failure::new(unusable(path, &problems), mend)
        }
        other @ (Error::Watch { .. } | Error::Restless) => Failure::new(other.to_string(), "try again"),
    })
}

/// What is wrong with the registry in `path`, in one line.
pub(super) fn unusable(path: Option<&Path>, problems: &[Problem]) -> String {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    let more = match problems.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    format!("the registry {} cannot be used: {first}{more}", name(path))
}

/// That there is no such type.
pub(super) fn unknown(name: &EventType, nearest: Option<EventType>) -> Failure {
    let mend = nearest.map_or_else(
        || "`camino registry list` shows all types".to_owned(),
        |nearest| format!("did you mean {nearest}? `camino registry list` shows all types"),
    );
    Failure::new(format!("the registry has no event type {name}"), mend)
}

fn source(path: Option<&Path>) -> Source {
    path.map_or(Source::Embedded, |path| Source::Dir(path.to_owned()))
}

fn name(path: Option<&Path>) -> String {
    path.map_or_else(|| "in the binary".to_owned(), |path| path.display().to_string())
}

fn option(path: Option<&Path>) -> String {
    path.map(|path| format!("--path {}", path.display())).unwrap_or_default()
}
