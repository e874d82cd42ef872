//! The hub: what Camino itself does with the events that it receives, and what people ask it about them.
//!
//! Events come through `deliver::internal` like any receiver's. Each is handled by every [`Subscriber`] in
//! one transaction of `hub.db` with its inbox row, so that it has its effect once, whatever is delivered
//! again; what a subscriber emits is stored in that transaction and relayed by [`relay`]. Never sees the
//! dispatcher. A crash rolls back what was not committed, and the event comes again.
//!
//! Everything derived follows from events and [`Command`]s in their order: no clock and no randomness is
//! asked, so that a rebuild ends in the same state.

pub mod checksum;
mod command;
pub mod crm;
mod emission;
mod event;
mod file;
mod inbox;
pub mod organizations;
mod reader;
pub mod rebuild;
pub mod relay;
mod schema;
mod subscriber;
pub mod subscriptions;
pub mod tickets;
mod work;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::Notify;

use crate::deliver::Attempt;
use crate::deliver::internal::{self, Host, Verdict};
use crate::store::backup::HUB;
use crate::telemetry::event as happening;
use crate::telemetry::metrics::Metrics;
pub use command::{Command, CommandError};
pub use emission::{Emission, HOPS_MAX};
pub use event::Event;
use inbox::{Inbox, Taken, Taking};
pub use subscriber::{Subscriber, Trouble};
pub use work::Work;

/// The file's name in the store's folder.
pub const FILE: &str = HUB;
/// The type of the event by which a person tries an endpoint out. It changes nothing.
const TRIAL: &str = "camino.endpoint_test";

/// Why the hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is no hub's, or is damaged.
    #[error("{} is damaged ({detail}); move it and its -wal file away, then `camino hub rebuild`", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// A later version of the broker wrote it.
    #[error("{} was written by a later version ({detail}); start that one, or `camino hub rebuild` with this", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// What is newer.
        detail: String,
    },
    /// The file cannot be opened, read or written now.
    #[error("{}: {detail}", path.display())]
    Failed {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// The cursor was not made by this list.
    #[error("the cursor is not one of this list")]
    Cursor,
}

/// How a hub takes events in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// What is emitted waits for the relay.
    Live,
    /// What is emitted was relayed before, so it is only recorded.
    Rebuilding,
}

/// What a transaction did.
struct Done {
    verdicts: Vec<Verdict>,
    emitted: bool,
    taken: Taken,
}

/// The hub. Shared by reference or `Arc`; calls block.
pub struct Hub {
    path: PathBuf,
    file: Mutex<Connection>,
    /// Locked behind `file`.
    inbox: Mutex<Inbox>,
    readers: reader::Readers,
    subscribers: Vec<Box<dyn Subscriber>>,
    metrics: Arc<Metrics>,
    /// Told when there is something to relay.
    emitted: Notify,
    failed: AtomicBool,
    mode: Mode,
}

impl Hub {
    /// Opens `hub.db` in the folder `store`, or makes it, and brings its tables up to date.
    pub fn open(
        store: &Path,
        subscribers: Vec<Box<dyn Subscriber>>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Error> {
        Self::open_as(&store.join(FILE), subscribers, metrics, Mode::Live)
    }

    fn open_as(
        path: &Path,
        subscribers: Vec<Box<dyn Subscriber>>,
        metrics: Arc<Metrics>,
        mode: Mode,
    ) -> Result<Self, Error> {
        let file = file::open(path, &subscribers, mode == Mode::Live)?;
        for subscriber in &subscribers {
            subscriber.opened(&file).map_err(|error| file::error(path, &error))?;
        }
        let inbox = Inbox::read(&file).map_err(|error| file::error(path, &error))?;
        let readers = reader::Readers::open(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            inbox: Mutex::new(inbox),
            readers,
            subscribers,
            metrics,
            emitted: Notify::new(),
            failed: AtomicBool::new(false),
            mode,
        })
    }

    /// The subscribers, in the order in which they see an event.
    pub fn subscribers(&self) -> impl Iterator<Item = &dyn Subscriber> {
        self.subscribers.iter().map(AsRef::as_ref)
    }

    /// Runs a query over a snapshot of what is committed.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        self.readers.read(&self.path, query)
    }

    /// Resolves when something was emitted since the last time.
    async fn emission(&self) {
        self.emitted.notified().await;
    }

    /// The map is whole between any two calls, so a poisoned lock still guards good data.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SQLite's error as ours. After a failed write or sync nobody knows what the disk holds.
    fn judge(&self, error: &rusqlite::Error) -> Error {
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::SystemIoFailure) {
            self.failed.store(true, Ordering::Release);
        }
        file::error(&self.path, error)
    }

    fn check_failed(&self) -> Result<(), Error> {
        if !self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        let detail = "failed on the disk; it takes nothing until a restart".to_owned();
        Err(Error::Failed { path: self.path.clone(), detail })
    }

    /// Tells the subscribers and the relay that a transaction is durable.
    fn committed(&self, file: &Connection, emitted: bool) -> Result<(), Error> {
        for subscriber in &self.subscribers {
            subscriber.committed(file).map_err(|error| self.judge(&error))?;
        }
        if emitted && self.mode == Mode::Live {
            self.emitted.notify_one();
        }
        Ok(())
    }

    /// Takes `events` in, in one durable transaction.
    fn take(&self, events: &[Result<Event<'_>, String>]) -> Result<Vec<Verdict>, Error> {
        self.check_failed()?;
        let mut file = self.lock();
        let mut inbox = self.inbox.lock().unwrap_or_else(PoisonError::into_inner);
        let done = match self.attempt(&mut file, inbox.begin(), events, false) {
            // One of them was refused. Again, so that it takes nothing of the others with it.
            Ok(None) => self.attempt(&mut file, inbox.begin(), events, true),
            done => done,
        };
        match done {
            Ok(Some(Done { verdicts, emitted, taken })) => {
                inbox.committed(taken);
                self.committed(&file, emitted)?;
                Ok(verdicts)
            }
            Ok(None) => {
                Ok(events.iter().map(|_| Verdict::Failed("the hub could not begin".to_owned())).collect())
            }
            Err(error) => match self.judge(&error) {
                error @ (Error::Damaged { .. } | Error::Newer { .. }) => Err(error),
                error if self.failed.load(Ordering::Acquire) => Err(error),
                error => Ok(events.iter().map(|_| Verdict::Failed(error.to_string())).collect()),
            },
        }
    }

    /// One transaction. Unless `careful`, the first refusal rolls it back and gives `None`.
    fn attempt(
        &self,
        file: &mut Connection,
        mut inbox: Taking<'_>,
        events: &[Result<Event<'_>, String>],
        careful: bool,
    ) -> rusqlite::Result<Option<Done>> {
        let tx = file.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let (mut verdicts, mut emitted, mut seq) = (Vec::with_capacity(events.len()), false, 0);
        for event in events {
            let event = match event {
                Ok(event) => event,
                Err(reason) => {
                    verdicts.push(Verdict::Refused(reason.clone()));
                    continue;
                }
            };
            seq = seq.max(event.seq);
            if careful {
                tx.execute_batch("SAVEPOINT event")?;
            }
            match self.one(&tx, &mut inbox, event) {
                Ok(emits) => {
                    emitted |= emits;
                    verdicts.push(Verdict::Taken);
                }
                Err(Trouble::Sql(error)) if is_ours(&error) => return Err(error),
                Err(_) if !careful => return Ok(None),
                Err(trouble) => {
                    tx.execute_batch("ROLLBACK TO event")?;
                    inbox.forget(event);
                    verdicts.push(Verdict::Refused(trouble.to_string()));
                }
            }
            if careful {
                tx.execute_batch("RELEASE event")?;
            }
        }
        tx.prepare_cached("UPDATE progress SET seq = max(seq, ?1)")?.execute([seq.cast_signed()])?;
        let taken = inbox.end(&tx)?;
        tx.commit()?;
        Ok(Some(Done { verdicts, emitted, taken }))
    }

    /// One event, for all subscribers. True if anything was emitted.
    fn one(&self, tx: &Transaction<'_>, inbox: &mut Taking<'_>, event: &Event<'_>) -> Result<bool, Trouble> {
        if event.event_type.as_str() == TRIAL {
            return Ok(false);
        }
        if !inbox.add(tx, event)? || (event.source.is_hub() && emission::is_own(tx, event.event_id.as_str())?)
        {
            return Ok(false);
        }
        let mut work = Work::of_event(tx, event, self.mode == Mode::Live, &self.metrics);
        for subscriber in &self.subscribers {
            let name = subscriber.name();
            let handled = catch_unwind(AssertUnwindSafe(|| subscriber.handle(&mut work, event)));
            handled
                .unwrap_or_else(|panic| Err(Trouble::Refused(panicked(panic.as_ref()))))
                .map_err(|trouble| trouble.in_subscriber(name))?;
        }
        Ok(work.has_emitted())
    }

    /// The names of all tables that follow from events, each with its columns.
    fn derived(&self) -> Vec<(&'static str, &'static str)> {
        let own =
            [("inbox", "source, event_id"), ("emissions", emission::DERIVED), ("hops", "correlation, hops")];
        let theirs = self.subscribers.iter().flat_map(|subscriber| subscriber.derived().iter().copied());
        own.into_iter().chain(theirs).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Host for Hub {
    fn handle(&self, events: &[Attempt]) -> Result<Vec<Verdict>, internal::Error> {
        let events: Vec<_> = events.iter().map(Event::of_attempt).collect();
        let verdicts = self.take(&events).map_err(|error| internal::Error(error.to_string()))?;
        happening::HubCommitted {
            taken: verdicts.iter().filter(|verdict| **verdict == Verdict::Taken).count(),
            refused: verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Refused(_))).count(),
            failed: verdicts.iter().filter(|verdict| matches!(verdict, Verdict::Failed(_))).count(),
        }
        .emit(&self.metrics);
        Ok(verdicts)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Whether it is the disk's doing and not the event's.
fn is_ours(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode as Code;
    matches!(
        error.sqlite_error_code(),
        Some(
            Code::SystemIoFailure
                | Code::DiskFull
                | Code::CannotOpen
                | Code::ReadOnly
                | Code::PermissionDenied
                | Code::OutOfMemory
                | Code::DatabaseBusy
                | Code::DatabaseLocked
                | Code::DatabaseCorrupt
                | Code::NotADatabase
        )
    )
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.as_deref().unwrap_or("no message"))
}

#[cfg(test)]
mod tests;
