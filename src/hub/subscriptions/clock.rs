//! The clock's word: trials that end, renewals that nobody paid, last days.
//!
//! Each is a command with the instant that it acts for, and moves the subscription's timer on in its
//! transaction. So it is said once: a crash before that repeats it, one after it finds nothing due.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::reading;
use crate::domain::time::Millis;
use crate::hub::work::derive;
use crate::hub::{Command, CommandError, Error, Hub};
use crate::runtime::clock::Clock;

/// How often it looks, at least.
const EVERY: Duration = Duration::from_secs(30);
/// What it says at a time.
const BATCH_MAX: usize = 256;

/// Says what is due, again and again, until it is dropped.
pub async fn run(hub: Arc<Hub>, clock: Arc<dyn Clock>) {
    loop {
        let now = clock.now();
        let asked = Arc::clone(&hub);
        let said = tokio::task::spawn_blocking(move || say(&asked, now)).await;
        let wait = match said {
            Ok(Ok(Said { is_more: true, .. })) => continue,
            Ok(Ok(Said { next, .. })) => next.map_or(EVERY, |next| next.since(now).min(EVERY)),
            Ok(Err(error)) => {
                tracing::warn!(error = %error, "what is due of subscriptions could not be said; it waits");
                EVERY
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };
        clock.sleep(wait.max(Duration::from_millis(100))).await;
    }
}

/// What was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// How many things.
    pub count: usize,
    /// Whether more is due already.
    pub is_more: bool,
    /// When the next is due.
    pub next: Option<Millis>,
}

/// Says what is due by `now`.
pub fn say(hub: &Hub, now: Millis) -> Result<Said, Error> {
    let (due, next) = hub.read(|file| reading::due(file, now, BATCH_MAX))?;
    let mut count = 0;
    for due in due {
        let (at, told_at) = (due.at.0.to_string(), due.told_at.0.to_string());
        let id =
            derive(&["clock", &due.subscription, due.timer.as_str(), &at, &told_at]).simple().to_string();
        let command = Command {
            id: format!("clk_{id}"),
            at: due.at,
            actor: "camino".to_owned(),
            organization: due.organization,
            correlation: format!("cid_{}", &id[..24]),
            kind: "subscriptions.ring".to_owned(),
            body: json!({ "subscription": due.subscription, "timer": due.timer.as_str() }),
        };
        match hub.command(&command) {
            Ok(_) => count += 1,
            // An event came first.
            Err(CommandError::Conflict(_) | CommandError::Missing(_)) => {}
            Err(CommandError::Invalid(reason)) => tracing::error!(reason, "the clock was not understood"),
            Err(CommandError::Hub(error)) => return Err(error),
        }
    }
    // Whatever could not be said waits for the next look, so that nothing goes round in circles.
    Ok(Said { count, is_more: count > 0, next })
}
