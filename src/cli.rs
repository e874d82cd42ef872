//! The command line: data to stdout, talk to stderr, exit codes 0 done, 1 failed, 2 usage.
//!
//! One file per verb below. Never decides anything about events.

mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A durable webhook broker: one signed event in, every receiver served.
#[derive(Debug, Parser)]
#[command(name = "camino", version, about)]
struct Cli {
    /// The settings; `config.toml` in the working directory if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the broker (the default).
    Serve,
}

/// Runs the command line that this process was started with.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.verb.unwrap_or(Verb::Serve) {
        Verb::Serve => serve::run(cli.config.as_deref()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

/// One line on stderr.
#[expect(clippy::print_stderr, reason = "the command line talks on stderr")]
fn complain(error: &anyhow::Error) {
    eprintln!("camino: {error:#}");
}
