//! `/v1/backup`: takes a backup of the store onto the broker's host, and says how it goes.
//!
//! One at a time, on a thread for blocking work; a stop breaks it off. What is remembered of the last one lives in memory and
//! ends with the process; the backup itself says by its list whether it is whole. Never sends a byte of
//! the store over HTTP.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, Parts, blocking};
use crate::http::json::object;
use crate::http::problem::{Code, Problem};
use crate::runtime::task::TaskKind;
use crate::store::backup::{self, Manifest, Source, Stage};
use crate::store::control::audit::{Actor, Entry};
use crate::store::control::key::Scope;
use crate::store::log::EngineKind;

/// Longest name of a folder.
pub(super) const DIR_BYTES_MAX: usize = 4_000;

/// What there is to back up, beside what every handler has.
#[derive(Clone, Debug)]
pub struct Store {
    /// The store's folder.
    pub path: PathBuf,
    /// The outbox's engine.
    pub engine: EngineKind,
    /// What must stay free on a disk.
    pub free_bytes_min: u64,
}

/// The backup under way or the last one; clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Backups(Arc<Mutex<Option<Backup>>>);

#[derive(Clone, Debug)]
struct Backup {
    dir: PathBuf,
    began: String,
    state: Shown,
}

#[derive(Clone, Debug)]
enum Shown {
    Running(Stage),
    Done(Box<Manifest>),
    Failed(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    dir: PathBuf,
}

impl Backups {
    fn lock(&self) -> MutexGuard<'_, Option<Backup>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins one into `dir`, unless one is under way.
    fn begin(&self, dir: &Path, began: String) -> Result<(), Problem> {
        let mut last = self.lock();
        if let Some(Backup { state: Shown::Running(_), dir, .. }) = &*last {
            let detail =
                format!("a backup into {} is under way; GET /v1/backup says how it goes", dir.display());
            return Err(Problem::new(Code::StateConflict, detail));
        }
        *last = Some(Backup { dir: dir.to_owned(), began, state: Shown::Running(Stage::Control) });
        Ok(())
    }

    fn say(&self, state: Shown) {
        if let Some(backup) = &mut *self.lock() {
            backup.state = state;
        }
    }

    fn shown(&self) -> Value {
        self.lock().as_ref().map_or_else(|| json!({ "state": "none" }), view)
    }
}

/// `POST /v1/backup {dir}`: begins one into the folder `dir` of the broker's host, where nothing may be.
pub(super) async fn begin(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    let Wanted { dir } = object(&body)?;
    if !dir.is_absolute() || dir.as_os_str().len() > DIR_BYTES_MAX {
        let detail = "`dir` must be an absolute path on the broker's host";
        return Err(Problem::new(Code::RequestInvalid, detail).with("field", "dir".into()));
    }
    let now = admin.parts.clock.now();
    admin.backups.begin(&dir, now.rfc3339())?;
    let entry = admin.entry(&caller, "backup.begin", &dir.to_string_lossy());
    let control = admin.parts.control.clone();
    let recorded = blocking::run(move || control.record(&entry)).await;
    if let Err(error) = recorded {
        admin.backups.say(Shown::Failed("it was not begun: the audit log took no entry".to_owned()));
        return Err(blocking::control_problem(&error));
    }
    let actor = Actor::from(&*caller);
    let this = admin.clone();
    admin.parts.tasks.spawn(TaskKind::Backup, run(this, dir, actor));
    Ok((StatusCode::ACCEPTED, Json(admin.backups.shown())))
}

/// `GET /v1/backup`: the one under way, or how the last one ended.
pub(super) async fn show(State(admin): State<Admin>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    admin.allow(&headers, Scope::Admin)?;
    Ok(Json(admin.backups.shown()))
}

async fn run(admin: Admin, dir: PathBuf, actor: Actor) {
    let (parts, backups) = (Arc::clone(&admin.parts), admin.backups.clone());
    let store = admin.store.clone();
    // If the thread panics: nobody is told for ever that it runs.
    let taken = tokio::task::spawn_blocking(move || take(&parts, &store, &backups, &dir, actor)).await;
    if let Err(panic) = taken {
        admin.backups.say(Shown::Failed("it broke off; the log says why".to_owned()));
        std::panic::resume_unwind(panic.into_panic());
    }
}

fn take(parts: &Parts, store: &Store, backups: &Backups, dir: &Path, actor: Actor) {
    let source = Source {
        store: &store.path,
        outbox: &parts.intake.store,
        control: &parts.control,
        engine: store.engine,
        free_bytes_min: store.free_bytes_min,
        stop: &parts.tasks.soft(),
    };
    let taken = backup::take(&source, dir, parts.clock.now(), &mut |stage| {
        backups.say(Shown::Running(stage));
    });
    let (action, detail, state) = match taken {
        Ok(manifest) => {
            tracing::info!(dir = %dir.display(), bytes = manifest.bytes(), "a backup was taken");
            let detail = json!({ "commit": manifest.outbox.commit, "bytes": manifest.bytes() });
            ("backup.done", detail, Shown::Done(Box::new(manifest)))
        }
        Err(error) => {
            tracing::error!(dir = %dir.display(), error = %error, "the backup failed");
            ("backup.failed", json!({ "error": error.to_string() }), Shown::Failed(error.to_string()))
        }
    };
    let entry = Entry::new(parts.clock.now(), actor, action, &dir.to_string_lossy()).detail(detail);
    if let Err(error) = parts.control.record(&entry) {
        tracing::error!(error = %error, "the audit log took no entry of the backup's end");
    }
    backups.say(state);
}

fn view(backup: &Backup) -> Value {
    let mut json =
        json!({ "state": "running", "dir": backup.dir.to_string_lossy(), "beganAt": backup.began });
    match &backup.state {
        Shown::Running(stage) => {
            json["stage"] = stage.as_str().into();
            if let Stage::Outbox(rows) = stage {
                json["rows"] = (*rows).into();
            }
        }
        Shown::Done(manifest) => {
            json["state"] = "done".into();
            json["bytes"] = manifest.bytes().into();
            json["files"] = manifest.files.len().into();
            json["outbox"] = json!(manifest.outbox);
            json["journal"] = json!(manifest.journal);
            json["control"] = json!(manifest.control);
        }
        Shown::Failed(why) => {
            json["state"] = "failed".into();
            json["error"] = why.as_str().into();
        }
    }
    json
}
