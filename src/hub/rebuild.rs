//! A new hub out of the journal: every event that the hub was given, in the order of acceptance, and every
//! command at its place among them.
//!
//! Emits nothing. The new file takes the old one's place only when it is whole; a crash before that leaves
//! the old one and a file that the next rebuild overwrites. The broker must be stopped.

use std::collections::VecDeque;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};

use super::checksum::Sum;
use super::command::Command;
use super::event::{Event, Raw};
use super::{Error, FILE, Hub, Mode, Subscriber, emission, file};
use crate::deliver::internal::Verdict;
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;
use crate::store::journal::{self, Reader};
use crate::telemetry::metrics::Metrics;

/// Events of one transaction.
const BATCH: usize = 1_024;

/// Why there is no new hub; the old one is as it was.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The hub.
    #[error(transparent)]
    Hub(#[from] Error),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] journal::Error),
    /// A file could not be moved.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// What the hub had is not in the journal any more.
    #[error(
        "the journal no longer has {missing} events that the hub has had; `--incomplete` rebuilds without them"
    )]
    Incomplete {
        /// How many.
        missing: u64,
    },
    /// A command cannot be carried out again.
    #[error("the command {id} cannot be carried out again: {reason}")]
    Command {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
}

/// What a rebuild did.
#[derive(Clone, Debug)]
pub struct Rebuilt {
    /// Events taken in.
    pub events: u64,
    /// Commands carried out.
    pub commands: u64,
    /// Events that the new hub refuses; they are dead letters if the broker asks again.
    pub refused: u64,
    /// The tables before, if there was a hub.
    pub before: Option<Vec<Sum>>,
    /// The tables now.
    pub after: Vec<Sum>,
}

/// How to rebuild.
pub struct Plan<'a> {
    /// The store's folder.
    pub store: &'a Path,
    /// Who takes part: two of each, for the old file and the new.
    pub subscribers: &'a dyn Fn() -> Vec<Box<dyn Subscriber>>,
    /// Counts that nobody reads.
    pub metrics: Arc<Metrics>,
    /// Go on though the journal lacks events.
    pub incomplete: bool,
    /// Compare only: the old file stays.
    pub dry: bool,
    /// Told events done and events in all.
    pub progress: &'a mut dyn FnMut(u64, u64),
}

/// What is carried over from the old file: nothing of it follows from events.
#[derive(Default)]
struct Carried {
    commands: VecDeque<(u64, Command)>,
    waiting: Vec<String>,
    inbox: u64,
    sums: Option<Vec<Sum>>,
    /// The old file, to ask what it had taken in before it could say so.
    old: Option<Connection>,
}

impl Carried {
    /// Whether an event belongs into the new hub: it arrived, or at least the old one has it.
    fn has(&self, event: &journal::Delivered) -> rusqlite::Result<bool> {
        let Some(old) = self.old.as_ref().filter(|_| !event.is_settled) else { return Ok(event.is_settled) };
        let sql = "SELECT 1 FROM inbox WHERE source = ?1 AND event_id = ?2";
        old.prepare_cached(sql)?.exists([event.source.as_str(), event.event_id.as_str()])
    }
}

/// Builds a new hub out of `journal`.
pub fn rebuild(journal: &Reader, plan: &mut Plan<'_>) -> Result<Rebuilt, Failure> {
    let (path, fresh) = (plan.store.join(FILE), plan.store.join("hub.db.new"));
    remove(&fresh)?;
    let mut carried = if path.exists() { carry(&path, plan)? } else { Carried::default() };
    let hub = Hub::open_as(&fresh, (plan.subscribers)(), Arc::clone(&plan.metrics), Mode::Rebuilding)?;
    let total = journal.delivered_count(&AppSlug::hub())?;
    let (mut from, mut events, mut refused, mut commands) = (0, 0, 0, 0);
    loop {
        let mut batch = journal.delivered(&AppSlug::hub(), from, BATCH)?;
        let Some(last) = batch.last() else { break };
        from = last.seq + 1;
        let had = batch.iter().map(|event| carried.has(event)).collect::<Result<Vec<_>, _>>();
        let mut had = had.map_err(|error| Failure::Hub(file::error(&path, &error)))?.into_iter();
        batch.retain(|_| had.next().unwrap_or(false));
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            // Commands that came before the next event go first.
            commands += carry_out(&hub, &mut carried.commands, rest[0].seq)?;
            let until = carried.commands.front().map_or(u64::MAX, |(after, _)| *after);
            let (now, later) = rest.split_at(rest.partition_point(|event| event.seq <= until).max(1));
            let (taken, not) = take(&hub, now)?;
            (events, refused, rest) = (events + taken, refused + not, later);
            (plan.progress)(events + refused, total.max(events));
        }
    }
    commands += carry_out(&hub, &mut carried.commands, u64::MAX)?;
    let after = hub.checksums()?;
    let held = after.iter().find(|sum| sum.table == "inbox").map_or(0, |sum| sum.rows);
    if held < carried.inbox && !plan.incomplete {
        drop(hub);
        remove(&fresh)?;
        return Err(Failure::Incomplete { missing: carried.inbox - held });
    }
    let Carried { waiting, sums: before, old, .. } = carried;
    drop(old);
    finish(hub, &fresh, &path, &waiting, plan.dry)?;
    Ok(Rebuilt { events, commands, refused, before, after })
}

/// Reads what the old file knows that no event says.
fn carry(path: &Path, plan: &Plan<'_>) -> Result<Carried, Failure> {
    let old = Hub::open_as(path, (plan.subscribers)(), Arc::clone(&plan.metrics), Mode::Live)?;
    let sums = old.checksums()?;
    let (commands, waiting) = old.read(|file| Ok((commands(file)?, emission::waiting_ids(file)?)))?;
    let inbox = sums.iter().find(|sum| sum.table == "inbox").map_or(0, |sum| sum.rows);
    drop(old);
    Ok(Carried { commands, waiting, inbox, sums: Some(sums), old: Some(file::open_reader(path)?) })
}

fn commands(file: &Connection) -> rusqlite::Result<VecDeque<(u64, Command)>> {
    let sql =
        "SELECT after_seq, id, at_ms, actor, organization, correlation, kind, body FROM commands ORDER BY n";
    let mut statement = file.prepare(sql)?;
    let rows = statement.query_map((), |row| {
        let body: String = row.get(7)?;
        let command = Command {
            id: row.get(1)?,
            at: Millis(row.get::<_, i64>(2)?.cast_unsigned()),
            actor: row.get(3)?,
            organization: row.get(4)?,
            correlation: row.get(5)?,
            kind: row.get(6)?,
            body: serde_json::from_str(&body).unwrap_or_default(),
        };
        Ok((row.get::<_, i64>(0)?.cast_unsigned(), command))
    })?;
    rows.collect()
}

/// Carries the commands out that came before the event `seq`.
fn carry_out(hub: &Hub, commands: &mut VecDeque<(u64, Command)>, seq: u64) -> Result<u64, Failure> {
    let mut done = 0;
    while let Some((after, command)) = commands.pop_front_if(|(after, _)| *after < seq) {
        let failed = |reason: String| Failure::Command { id: command.id.clone(), reason };
        let mut file = hub.lock();
        let tx = file
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| failed(error.to_string()))?;
        hub.carry_out(&tx, &command, Some(after)).map_err(|trouble| failed(trouble.to_string()))?;
        tx.commit().map_err(|error| failed(error.to_string()))?;
        done += 1;
    }
    Ok(done)
}

fn take(hub: &Hub, batch: &[journal::Delivered]) -> Result<(u64, u64), Failure> {
    let events: Vec<_> = batch
        .iter()
        .map(|event| {
            Event::read(Raw {
                seq: event.seq,
                source: &event.source,
                event_id: &event.event_id,
                event_type: &event.event_type,
                correlation: &event.correlation,
                tenant: event.tenant.as_deref(),
                body: &event.body,
            })
        })
        .collect();
    let (mut taken, mut refused) = (0, 0);
    for verdict in hub.take(&events)? {
        match verdict {
            Verdict::Taken => taken += 1,
            Verdict::Refused(_) => refused += 1,
            Verdict::Failed(detail) => {
                return Err(Error::Failed { path: hub.path.clone(), detail }.into());
            }
        }
    }
    Ok((taken, refused))
}

/// Makes the new file durable and puts it in the old one's place.
fn finish(hub: Hub, fresh: &Path, path: &Path, waiting: &[String], dry: bool) -> Result<(), Failure> {
    let failed = |error: rusqlite::Error| Failure::Hub(file::error(fresh, &error));
    {
        let file = hub.lock();
        for event_id in waiting {
            emission::wait_again(&file, event_id).map_err(failed)?;
        }
        file.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
        file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", (), |_| Ok(())).map_err(failed)?;
    }
    drop(hub);
    if dry {
        return remove(fresh);
    }
    let named = |path: &Path| {
        let path = path.to_path_buf();
        move |reason| Failure::File { path, reason }
    };
    fs::File::open(fresh).and_then(|file| file.sync_all()).map_err(named(fresh))?;
    // The changes of the old file must not be taken for changes of the new one.
    remove(path)?;
    fs::rename(fresh, path).map_err(named(path))?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(named(folder))
}

/// Removes a database with what lies beside it.
fn remove(path: &Path) -> Result<(), Failure> {
    for suffix in ["-wal", "-shm", ""] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        let path = PathBuf::from(name);
        match fs::remove_file(&path) {
            Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::File { path, reason });
            }
            _ => {}
        }
    }
    Ok(())
}
