//! What operators read and do, whoever asks for it: the management API and the pages are made of it.
//!
//! Never learns how it was asked: who calls comes in as a [`Principal`], and what is wrong goes out as a
//! [`Problem`]. A change is durable, with its line in the audit log, before it is answered.

pub mod again;
pub mod blocking;
mod dismissal;
pub mod endpoints;
pub mod filters;
pub mod journal;
pub mod keys;
pub mod live;
pub mod names;
pub mod refusals;
pub mod replays;
pub mod steering;

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use serde_json::Value;
use tokio::sync::{Notify, Semaphore, oneshot};

use crate::domain::id::AppSlug;
use crate::http::failures::Failures;
use crate::http::page::{Page, Paging};
use crate::http::problem::{Code, Problem};
use crate::hub::crm::reading::Found;
use crate::hub::subscriptions::Access;
use crate::hub::{Command, CommandError, Hub};
use crate::outbox::Intake;
use crate::runtime::clock::Clock;
use crate::runtime::entropy::Entropy;
use crate::runtime::task::{TaskKind, Tasks};
use crate::store::control::audit::{Actor, Entry, Page as AuditPage};
use crate::store::control::key::{Principal, Scope};
use crate::store::control::{self, Control};
use crate::store::journal::Reader;
pub use again::release_learned;
pub use dismissal::dismiss_older;
use live::Live;
pub use replays::carry_out_replays;
use steering::Steering;

/// Changes carried out at a time; more wait.
const CHANGES_MAX: usize = 256;
/// Reads carried out at a time: they share their threads with what ingest and deliveries read.
const READS_MAX: usize = 16;
/// Reads that wait for their turn; more are refused.
const READS_WAITING_MAX: usize = 256;
/// When to ask again after that.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What it works with.
pub struct Parts {
    /// Keys, overlays, audit.
    pub control: Arc<Control>,
    /// Changes of endpoints.
    pub steering: Steering,
    /// The way into the outbox.
    pub intake: Intake,
    /// Events, deliveries, attempts.
    pub journal: Arc<Reader>,
    /// Organizations, contacts, and what happened to them.
    pub hub: Arc<Hub>,
    /// Answers about features, from memory.
    pub access: Access,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For new keys and secrets.
    pub entropy: Arc<dyn Entropy>,
    /// Carries out what was asked, whether or not the caller waits for it.
    pub tasks: Tasks,
}

/// The broker as its operators see it; clones share it.
#[derive(Clone)]
pub struct Operations {
    /// What it works with.
    pub parts: Arc<Parts>,
    changes: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    reads_waiting: Arc<Semaphore>,
    /// A replay has begun or was cancelled.
    replays: Arc<Notify>,
    live: Arc<Live>,
    /// Refused changes that were recorded, by address.
    refusals: Arc<Failures>,
}

impl Operations {
    /// Over `parts`.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts: Arc::new(parts),
            changes: Arc::new(Semaphore::new(CHANGES_MAX)),
            reads: Arc::new(Semaphore::new(READS_MAX)),
            reads_waiting: Arc::new(Semaphore::new(READS_WAITING_MAX)),
            replays: Arc::default(),
            live: Arc::default(),
            refusals: Arc::default(),
        }
    }

    /// Says why a receiver's deliveries are parked, if they are.
    pub fn why_parked(&self) -> impl Fn(&AppSlug) -> Option<&'static str> + Send + 'static {
        let board = self.parts.steering.dispatch.board().clone();
        move |receiver| board.get(receiver).parked()
    }

    /// The line that the audit log keeps of what `caller` does.
    pub fn entry(&self, caller: &Principal, action: &str, target: &str) -> Entry {
        Entry::new(self.parts.clock.now(), Actor::from(caller), action, target)
    }

    /// Runs `change` in a task of its own, which ends whether or not its caller waits for it.
    pub async fn whole<T: Send + 'static>(
        &self,
        change: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Problem> {
        let failed = || Problem::new(Code::Internal, "the change broke off; the log says why");
        let slot = Arc::clone(&self.changes).acquire_owned().await.map_err(|_| failed())?;
        let (done, answer) = oneshot::channel();
        self.parts.tasks.spawn(TaskKind::Change, async move {
            let outcome = change.await;
            drop(slot);
            // Whoever asked may have gone.
            let _ = done.send(outcome);
        });
        answer.await.map_err(|_| failed())
    }

    /// Runs a read off the threads that serve, when its turn comes. It holds its place until it has ended, also
    /// where nobody waits for it any more.
    pub(crate) async fn in_turn<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let busy = || {
            let detail = "too many reads wait for their turn; ask again in a moment";
            Problem::new(Code::Overloaded, detail).retry_after(READ_AGAIN_AFTER)
        };
        let waiting = Arc::clone(&self.reads_waiting).try_acquire_owned().map_err(|_| busy())?;
        let place = Arc::clone(&self.reads).acquire_owned().await.map_err(|_| busy())?;
        drop(waiting);
        Ok(blocking::run(move || {
            let answer = read();
            drop(place);
            answer
        })
        .await)
    }

    /// Runs a read of the hub off the threads that serve.
    pub async fn hub_read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        let hub = Arc::clone(&self.parts.hub);
        self.in_turn(move || hub.read(query)).await?.map_err(|error| {
            tracing::error!(error = %error, "the hub could not be read");
            Problem::new(Code::Internal, "the hub could not be read; the log says why")
        })
    }

    /// One page of a list of the hub.
    pub async fn hub_list<T: Send + 'static>(
        &self,
        paging: Paging,
        query: impl FnOnce(&Connection, (Option<&str>, usize)) -> rusqlite::Result<Option<Found<T>>>
        + Send
        + 'static,
    ) -> Result<Page<T>, Problem> {
        let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
        let found = self.hub_read(move |file| query(file, (cursor.as_deref(), limit))).await?;
        let wrong = || Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page");
        found.map(|found| Page { items: found.items, next: found.next }).ok_or_else(wrong)
    }

    /// Has the hub carry out `kind` for `caller`, about a thing of `organization`.
    pub async fn hub_command(
        &self,
        caller: &Principal,
        organization: String,
        kind: &'static str,
        body: Value,
    ) -> Result<Value, Problem> {
        let mut entropy = [0; 16];
        self.parts.entropy.fill(&mut entropy);
        let id = format!("cmd_{}", hex::encode(entropy));
        let entry = self.entry(caller, kind, &organization).detail(body.clone());
        let command = Command {
            correlation: format!("cid_{}", hex::encode(&entropy[..12])),
            at: self.parts.clock.now(),
            actor: caller.key_id.to_string(),
            organization,
            kind: kind.to_owned(),
            body,
            id,
        };
        let (hub, control) = (Arc::clone(&self.parts.hub), Arc::clone(&self.parts.control));
        blocking::run(move || {
            // Two files, so the line comes first: what is refused then has one more line, and no change is without.
            control.record(&entry).map_err(|error| blocking::control_problem(&error))?;
            hub.command(&command).map_err(refused)
        })
        .await
    }

    /// Calls the control store off the threads that serve.
    pub async fn on_control<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Control) -> Result<T, control::Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let control = Arc::clone(&self.parts.control);
        blocking::run(move || call(&control)).await.map_err(|error| blocking::control_problem(&error))
    }
}

fn refused(error: CommandError) -> Problem {
    match error {
        CommandError::Invalid(reason) => Problem::new(Code::RequestInvalid, reason),
        CommandError::Missing(reason) => Problem::new(Code::NotFound, reason),
        CommandError::Conflict(reason) => Problem::new(Code::StateConflict, reason),
        CommandError::Hub(error) => {
            tracing::error!(error = %error, "the hub could not be changed");
            Problem::new(Code::StoreFailing, "the hub did not take this; the log says why")
        }
    }
}

/// Refuses `caller` unless its key has `scope` over everybody's things.
pub fn allow(caller: &Principal, scope: Scope) -> Result<(), Problem> {
    if !caller.allows(scope) {
        let detail = format!("this needs a key with the scope `{}`", scope.as_str());
        return Err(Problem::new(Code::ScopeMissing, detail));
    }
    if caller.organizations.is_some() {
        let detail = "this key is bound to organizations, and opens nothing but what is theirs below /api";
        return Err(Problem::new(Code::ScopeMissing, detail));
    }
    Ok(())
}

/// The cursor of a list that goes back by number.
fn before(cursor: Option<String>) -> Result<Option<i64>, Problem> {
    let wrong = |_| Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page");
    cursor.map(|cursor| cursor.parse::<i64>()).transpose().map_err(wrong)
}

/// What operators did, newest first.
pub async fn audit(ops: &Operations, cursor: Option<String>, limit: usize) -> Result<AuditPage, Problem> {
    let before = before(cursor)?;
    ops.on_control(move |control| control.audit(before, limit)).await
}
