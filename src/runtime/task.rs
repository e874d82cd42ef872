//! Supervised tasks: whatever runs has a name, an owner, a stop contract and a stated consequence of
//! failure.
//!
//! Stopping has two steps. The soft token asks: stop taking work, finish what you hold. Those that
//! are not done when the bound passes are cut by the hard token; what can't be cut (a blocked
//! thread) is reported as an orphan, never waited for. A panic is caught and counts as a failure.

mod crew;
mod kind;

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
pub use crew::Crew;
pub use kind::{OnCancel, OnFailure, TaskKind};

/// Time that cut tasks have to let go before they count as orphans.
const CUT_GRACE: Duration = Duration::from_secs(1);

/// Why something can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system gave no thread.
    #[error("cannot start the thread of {task}: {reason}")]
    Thread {
        /// The task's name.
        task: &'static str,
        /// What the system said.
        reason: std::io::Error,
    },
}

/// How a task failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{task} failed: {reason}")]
pub struct Failure {
    /// The task's name.
    pub task: &'static str,
    /// Its error, its panic's message, or that it ended unasked.
    pub reason: String,
}

/// How a stop went; both lists hold names of tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Not done within the bound, so cut.
    pub cut: Vec<&'static str>,
    /// Not even gone after the cut.
    pub orphans: Vec<&'static str>,
}

/// What a task may end with: nothing, or a result whose error is a failure.
pub trait Ending: Send + 'static {
    /// The failure's reason, if it is one.
    fn failure(self) -> Option<String>;
}

impl Ending for () {
    fn failure(self) -> Option<String> {
        None
    }
}

impl<E: std::fmt::Display + Send + 'static> Ending for Result<(), E> {
    fn failure(self) -> Option<String> {
        self.err().map(|error| error.to_string())
    }
}

/// The owner of all tasks; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    soft: CancellationToken,
    hard: CancellationToken,
    running: Mutex<Running>,
    count: watch::Sender<usize>,
    failed: watch::Sender<Option<Failure>>,
}

#[derive(Debug, Default)]
struct Running {
    next: u64,
    tasks: BTreeMap<u64, TaskKind>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            soft: CancellationToken::new(),
            hard: CancellationToken::new(),
            running: Mutex::default(),
            count: watch::Sender::new(0),
            failed: watch::Sender::new(None),
        }
    }
}

impl Tasks {
    /// No tasks yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop taking work and to finish; a task of [`OnCancel::Finish`] must watch it.
    pub fn soft(&self) -> CancellationToken {
        self.shared.soft.clone()
    }

    /// Says that what is still running is being dropped.
    pub fn hard(&self) -> CancellationToken {
        self.shared.hard.clone()
    }

    /// Runs `future` as a task of `kind`. After a stop it still starts, and sees its token at once.
    #[expect(clippy::disallowed_methods, reason = "the one room that starts tasks")]
    pub fn spawn<F>(&self, kind: TaskKind, future: F)
    where
        F: Future + Send + 'static,
        F::Output: Ending,
    {
        let entry = self.enter(kind);
        tokio::spawn(async move {
            let shared = &entry.shared;
            let end = tokio::select! {
                biased;
                () = shared.hard.cancelled() => End::Cut,
                () = shared.soft.cancelled(), if kind.on_cancel() == OnCancel::Abort => End::Cut,
                end = caught(future) => end,
            };
            entry.finish(end);
        });
    }

    /// Runs `body` on its own thread as a task of `kind`. It can't be cut: it must end by itself
    /// when the soft token is cancelled.
    pub fn thread<B, E>(&self, kind: TaskKind, body: B) -> Result<(), Error>
    where
        B: FnOnce() -> E + Send + 'static,
        E: Ending,
    {
        let entry = self.enter(kind);
        let run = move || {
            let end = End::of(catch_unwind(AssertUnwindSafe(body)));
            entry.finish(end);
        };
        let started = std::thread::Builder::new().name(kind.name().to_owned()).spawn(run);
        started.map(drop).map_err(|reason| Error::Thread { task: kind.name(), reason })
    }

    /// Resolves when a task failed whose failure must stop the process.
    pub async fn failed(&self) -> Failure {
        let mut failed = self.shared.failed.subscribe();
        match failed.wait_for(Option::is_some).await.map(|failure| failure.clone()) {
            Ok(Some(failure)) => failure,
            // The sender lives in `self`, so the wait can't end without a failure.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Names of the tasks that run now.
    pub fn running(&self) -> Vec<&'static str> {
        self.shared.lock().tasks.values().map(|kind| kind.name()).collect()
    }

    /// Stops everything: asks, waits at most `bound`, cuts, and tells what didn't go. A second call
    /// finds less to do and answers the same way.
    pub async fn drain(&self, clock: &dyn Clock, bound: Duration) -> Drained {
        self.shared.soft.cancel();
        let cut = if self.idle_within(clock, bound).await { Vec::new() } else { self.running() };
        self.shared.hard.cancel();
        let orphans = if self.idle_within(clock, CUT_GRACE).await { Vec::new() } else { self.running() };
        Drained { cut, orphans }
    }

    async fn idle_within(&self, clock: &dyn Clock, bound: Duration) -> bool {
        let mut count = self.shared.count.subscribe();
        tokio::select! {
            biased;
            _ = count.wait_for(|count| *count == 0) => true,
            () = clock.sleep(bound) => false,
        }
    }

    fn enter(&self, kind: TaskKind) -> Entry {
        let mut running = self.shared.lock();
        let id = running.next;
        running.next += 1;
        running.tasks.insert(id, kind);
        self.shared.count.send_replace(running.tasks.len());
        Entry { shared: Arc::clone(&self.shared), id, kind }
    }
}

impl Shared {
    /// The map is whole between any two calls, so a poisoned lock still guards good data.
    fn lock(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a task came to its end.
enum End {
    Done,
    Cut,
    Failed(String),
}

impl End {
    fn of<E: Ending>(result: std::thread::Result<E>) -> Self {
        match result {
            Ok(ending) => ending.failure().map_or(Self::Done, Self::Failed),
            Err(panic) => {
                let text = panic
                    .downcast_ref::<&str>()
                    .map(|text| (*text).to_owned())
                    .or_else(|| panic.downcast_ref::<String>().cloned());
                Self::Failed(format!("panicked: {}", text.as_deref().unwrap_or("no message")))
            }
        }
    }
}

/// Polls `future` to its end; a panic ends it as a failure.
async fn caught<F>(future: F) -> End
where
    F: Future,
    F::Output: Ending,
{
    let mut future = pin!(future);
    poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(ending)) => Poll::Ready(End::of(Ok(ending))),
        Err(panic) => Poll::Ready(End::of::<()>(Err(panic))),
    })
    .await
}

/// A running task's place in the list; leaving it is the last thing a task does, however it ends.
struct Entry {
    shared: Arc<Shared>,
    id: u64,
    kind: TaskKind,
}

impl Entry {
    fn finish(self, end: End) {
        let fatal = self.kind.on_failure() == OnFailure::ShutDown;
        let needs_asking = fatal && self.kind.on_cancel() != OnCancel::Follow;
        let reason = match end {
            End::Failed(reason) => reason,
            End::Done if needs_asking && !self.shared.soft.is_cancelled() => {
                "ended though nobody asked".to_owned()
            }
            End::Done | End::Cut => return,
        };
        let failure = Failure { task: self.kind.name(), reason };
        tracing::error!(task.name = failure.task, task.fatal = fatal, error = %failure.reason, "task failed");
        if fatal {
            // Only the first one is the cause.
            self.shared.failed.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(failure);
                is_first
            });
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut running = self.shared.lock();
        running.tasks.remove(&self.id);
        self.shared.count.send_replace(running.tasks.len());
    }
}

#[cfg(test)]
mod tests;
