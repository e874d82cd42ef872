//! `camino completions` and `camino man`: what a shell and `man` know of this command line.
//!
//! Made of the same definitions that read it, so that they never tell of something else.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Command;
use clap_complete::Shell;

use super::failure::Failure;
use super::output;

/// For which shell.
#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell that asks; such as `camino completions bash > /etc/bash_completion.d/camino`.
    #[arg(value_enum)]
    shell: Shell,
}

/// Which page, and where to.
#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// The verb whose page is written, such as `replay` or `keys create`; the first page unless given.
    #[arg(value_name = "VERB", conflicts_with = "dir")]
    verbs: Vec<String>,
    /// Write every page into this folder instead of one to stdout.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the completions.
pub(super) fn completions(args: &Completions, command: &Command) -> anyhow::Result<ExitCode> {
    // A script would offer hidden verbs as well.
    let mut open = Command::new("camino")
        .version(env!("CARGO_PKG_VERSION"))
        .args(command.get_arguments().cloned())
        .subcommands(shown(command).cloned());
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut open, "camino", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes one page of the manual, or all.
pub(super) fn man(args: &Man, mut command: Command) -> anyhow::Result<ExitCode> {
    command.build();
    if let Some(dir) = &args.dir {
        let failed = |error: std::io::Error| {
            Failure::new(format!("cannot write to {}: {error}", dir.display()), "--dir takes a folder")
        };
        fs::create_dir_all(dir).map_err(failed)?;
        let count = pages(&command, dir).map_err(failed)?;
        output::say(&format!("{count} pages in {}", dir.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let mut found = &command;
    for verb in &args.verbs {
        found = found.get_subcommands().find(|other| other.get_name() == verb).ok_or_else(|| {
            let names: Vec<&str> = shown(found).map(Command::get_name).collect();
            let whole = found.get_bin_name().unwrap_or(found.get_name());
            let what = format!("`{whole}` has no verb `{verb}`");
            Failure::new(what, format!("there are: {}", names.join(", ")))
        })?;
    }
    std::io::stdout().write_all(&page(found)?)?;
    Ok(ExitCode::SUCCESS)
}

fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help")
}

/// Writes the page of `command` and of everything below it; says how many.
fn pages(command: &Command, dir: &Path) -> std::io::Result<usize> {
    fs::write(dir.join(format!("{}.1", name(command))), page(command)?)?;
    shown(command).try_fold(1, |count, verb| Ok(count + pages(verb, dir)?))
}

fn page(command: &Command) -> std::io::Result<Vec<u8>> {
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone().display_name(name(command))).render(&mut text)?;
    Ok(text)
}

/// Such as `camino-keys-create`, which is what `man` is asked for.
fn name(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).replace(' ', "-")
}
