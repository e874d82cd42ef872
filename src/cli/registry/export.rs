//! `camino registry export`: the registry in the binary as files.
//!
//! Never writes over anything: the folder must be new or empty. A crash leaves a part of the files,
//! which `camino registry check` tells.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::registry::embedded;

/// Where to, and how to tell.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The folder; it is made if it is not there.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let dir = args.dir.as_path();
    let failed = |error: &std::io::Error| {
        Failure::new(format!("cannot write to {}: {error}", dir.display()), "name a new or an empty folder")
    };
    let files = write(dir).map_err(|error| failed(&error))?;
    if args.json {
        output::json(&json!({ "path": dir, "files": files }))?;
    } else {
        output::line(&format!("{files} files in {}", dir.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(dir: &Path) -> std::io::Result<usize> {
    fs::create_dir_all(dir)?;
    if fs::read_dir(dir)?.next().is_some() {
        return Err(std::io::Error::other("there is something in it already"));
    }
    let mut files = 0;
    for (name, text) in embedded::files() {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap_or(dir))?;
        File::create_new(path)?.write_all(text.as_bytes())?;
        files += 1;
    }
    Ok(files)
}
