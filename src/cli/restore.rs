//! `camino restore`: puts a backup back into an empty store, checked.
//!
//! Works on files, with no broker running. Never overwrites anything.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use super::failure::Failure;
use super::output;
use crate::config::{Config, process_vars};
use crate::store::backup::{self, Error, Restored};
use crate::store::control::sealing;
use crate::store::log::{self, EngineKind};

/// What is put back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The backup's folder.
    dir: PathBuf,
    /// What was put back as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let settings = Config::load(config, process_vars())?;
    let store = &settings.store;
    let restored =
        backup::restore(&args.dir, &store.path, store.engine.into(), &store.secret_key, store.free_bytes_min)
            .map_err(|error| Failure::new(error.to_string(), mend(&error)))?;
    let Restored { manifest, outbox, keys_missing } = &restored;
    if args.json {
        output::json(&json!({
            "store": store.path.to_string_lossy(),
            "takenAt": manifest.taken_at,
            "takenFrom": manifest.engine,
            "engine": EngineKind::from(store.engine),
            "commit": outbox.head,
            "journalled": manifest.journal.position,
            "open": outbox.open,
            "dead": outbox.dead,
            "keysMissing": keys_missing,
        }))?;
    } else {
        output::line(&format!(
            "restored {} as of {}: commit {}, deliveries open {}, dead {}",
            std::path::absolute(&store.path)?.display(),
            manifest.taken_at,
            outbox.head,
            outbox.open,
            outbox.dead
        ))?;
    }
    for name in keys_missing {
        let file = store.path.join(sealing::FILE);
        output::say(&format!(
            "before the start: secrets in it are sealed with the key {name}; bring it back as {}, or set \
             store.secret_key to it",
            file.display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// What the person at the terminal can do about `error`.
pub(super) fn mend(error: &Error) -> &'static str {
    match error {
        Error::NotEmpty { .. } => {
            "nothing was changed: move what is there away, or give the store another place (store.path)"
        }
        Error::HalfRestored { .. } => {
            "nothing was changed: empty the folder, keep its secret.key and admin.key, and restore again"
        }
        Error::NoStore { .. } => {
            "nothing was changed: give the store another place (store.path), and restore the backup there"
        }
        Error::Unfinished { .. } => {
            "nothing was changed: take another backup, or name the folder of a whole one"
        }
        Error::Log(log::Error::Format { .. }) => {
            "nothing was left in the store: put it back with the version of Camino that took it"
        }
        Error::Manifest { .. }
        | Error::Altered { .. }
        | Error::Unfit(_)
        | Error::Log(log::Error::Damaged { .. }) => {
            "nothing was left in the store: take another copy of the backup, or another backup"
        }
        Error::NoRoom { .. } => {
            "nothing was changed: make room, or give the store another place (store.path)"
        }
        _ => "nothing was left in the store; check that store.path can be written",
    }
}
