//! The command line: data to stdout, talk to stderr, exit codes 0 done, 1 failed, 2 usage.
//!
//! One file per verb below. Never decides anything about events.

mod backup;
mod bench;
mod broker;
mod client;
mod credential;
mod dead;
mod demo;
mod doctor;
mod endpoints;
mod explain;
mod failure;
mod folder;
mod follow;
mod hub;
mod input;
mod keys;
mod listen;
mod output;
mod ready;
mod registry;
mod replay;
mod restore;
mod sample;
mod send;
mod serve;
mod shell;
mod tail;
mod verify;
mod when;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

use failure::Failure;

/// A durable webhook broker: one signed event in, every receiver served.
#[derive(Debug, Parser)]
#[command(name = "camino", version, about)]
struct Cli {
    /// The settings; by default the file in CAMINO_CONFIG, or `config.toml`.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the broker (the default).
    Serve,
    /// Say whether the broker takes events, by the exit code.
    Ready(ready::Args),
    /// Show where events go and how it goes there; pause, resume, test, rotate, cap.
    Endpoints(endpoints::Args),
    /// Show what the broker accepts and delivers, as it happens.
    Tail(tail::Args),
    /// Forward events to a URL on this machine, signed anew, in order, from where it was.
    Listen(listen::Args),
    /// Show what failed for good, by cause, and have it made again.
    Dead(dead::Args),
    /// Say why each receiver does or does not get an event.
    Explain(explain::Args),
    /// Have many deliveries made again, by filter.
    Replay(replay::Args),
    /// Make, list and revoke keys.
    Keys(keys::Args),
    /// Copy the store of a running broker into a folder of its host.
    Backup(backup::Args),
    /// Put a backup back into an empty store.
    Restore(restore::Args),
    /// Look a store over while no broker uses it.
    Doctor(doctor::Args),
    /// See it work: a broker, seven receivers and four events, all on this machine.
    Demo(demo::Args),
    /// Measure it on this machine, beside the same load with nothing between.
    Bench(bench::Args),
    /// A part of `bench` that is measured apart, so it is a process of its own.
    #[command(hide = true)]
    BenchWorker(bench::WorkerArgs),
    /// Sign an event and post it to a broker.
    Send(send::Args),
    /// Say whether a request proves where it comes from, and if not, why.
    Verify(verify::Args),
    /// Rebuild the hub from the journal, with the broker stopped.
    #[command(subcommand)]
    Hub(hub::Verb),
    /// Look at a registry, check it, compare it, write it out.
    #[command(subcommand)]
    Registry(registry::Verb),
    /// Write what a shell completes this command line by.
    Completions(shell::Completions),
    /// Write the manual.
    Man(shell::Man),
}

/// Runs the command line that this process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    if let (Some(_), Some(verb)) = (&cli.config, cli.verb.as_ref().and_then(reads_no_config)) {
        let text = format!("`camino {verb}` reads no config, so `--config` has no meaning here");
        Cli::command().error(clap::error::ErrorKind::ArgumentConflict, text).exit();
    }
    let config = cli.config.or_else(named_config);
    let config = config.as_deref();
    let outcome = match cli.verb.unwrap_or(Verb::Serve) {
        Verb::Serve => serve::run(config),
        Verb::Ready(args) => ready::run(&args, config),
        Verb::Endpoints(args) => endpoints::run(&args, config),
        Verb::Tail(args) => tail::run(&args, config),
        Verb::Listen(args) => listen::run(&args, config),
        Verb::Dead(args) => dead::run(&args, config),
        Verb::Explain(args) => explain::run(&args, config),
        Verb::Replay(args) => replay::run(&args, config),
        Verb::Keys(args) => keys::run(&args, config),
        Verb::Backup(args) => backup::run(&args, config),
        Verb::Restore(args) => restore::run(&args, config),
        Verb::Doctor(args) => doctor::run(&args, config),
        Verb::Demo(args) => demo::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::BenchWorker(args) => bench::work(&args),
        Verb::Send(args) => send::run(&args, config),
        Verb::Verify(args) => verify::run(&args),
        Verb::Hub(verb) => hub::run(&verb, config),
        Verb::Registry(verb) => registry::run(verb, config),
        Verb::Completions(args) => shell::completions(&args, &Cli::command()),
        Verb::Man(args) => shell::man(&args, Cli::command()),
    };
    outcome.unwrap_or_else(|error| {
        complain(&error);
        ExitCode::FAILURE
    })
}

/// The name of a verb that has nothing to read there.
fn reads_no_config(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Demo(_) => Some("demo"),
        Verb::Verify(_) => Some("verify"),
        Verb::Completions(_) => Some("completions"),
        Verb::Man(_) => Some("man"),
        _ => None,
    }
}

/// The file that the environment names, as a service's unit or a container does.
fn named_config() -> Option<PathBuf> {
    std::env::var_os("CAMINO_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// One line on stderr, and the mend, where it is known apart, on one of its own.
fn complain(error: &anyhow::Error) {
    let is_hung_up = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    // Whoever read our output has gone and wants to hear no more.
    if error.downcast_ref().is_some_and(is_hung_up) {
        return;
    }
    output::say(&format!("camino: {}", told(error)));
    if let Some(failure) = error.downcast_ref::<Failure>() {
        output::say(&format!("  {}", failure.mend));
    }
}

/// The error with its causes, but for those that it tells itself.
fn told(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |told, cause| {
        if told.is_empty() {
            cause
        } else if told.contains(&cause) {
            told
        } else {
            format!("{told}: {cause}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_once() {
        let error =
            anyhow::anyhow!("no such file").context("cannot use tls.pem: no such file").context("no start");
        assert_eq!(told(&error), "no start: cannot use tls.pem: no such file");
    }
}
