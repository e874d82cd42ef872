//! The live tail: events as the journal takes them in, to whoever listens, as server-sent events.
//!
//! One task reads for all, and nothing else waits for it. Bounded: so many listeners, so many frames that wait
//! for each; one that reads too slowly is told and cut, and may come back with the id of the last frame it
//! had, which is its event's place in the journal. Whose key or session is ended is cut at once; whose runs out,
//! with the next heartbeat. A crash or a stop ends every stream; what came meanwhile is caught up on, as far as it
//! is not too much.

mod listeners;
mod tail;

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::json;

use super::names::Names;
use super::{Operations, allow, journal};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::store::control::key::{Fingerprint, Scope};
use crate::store::journal::{EventRow, Filter};
pub(super) use listeners::Live;
pub use tail::Tail;

/// Between two looks at the journal.
const EVERY: Duration = Duration::from_millis(250);
/// Between two signs of life.
const BEAT_EVERY: Duration = Duration::from_secs(15);
/// Most events of one look, and of what one listener catches up on.
const STRETCH_MAX: usize = 2_000;
const PAGE: usize = 500;
/// When a listener that was refused should come back.
const CROWDED_SPAN: Duration = Duration::from_secs(10);

/// Which events somebody listens for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    source: Option<String>,
    event_type: Option<String>,
    organization: Option<String>,
    receiver: Option<String>,
    /// The last one that they had.
    after: Option<u64>,
}

impl Parameters for Wanted {
    const NAMES: &'static [&'static str] = &["source", "eventType", "organization", "receiver", "after"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        let wrong = |_| Problem::new(Code::RequestInvalid, "`after` must be the id of an earlier frame");
        let after = given.get("after").map(|after| after.parse().map_err(wrong)).transpose()?;
        Ok(Self {
            source: text("source"),
            event_type: text("eventType"),
            organization: text("organization"),
            receiver: text("receiver"),
            after,
        })
    }
}

impl Wanted {
    /// With the place that a browser gives when it comes back; it knows better than the path.
    #[must_use]
    pub fn again(mut self, headers: &HeaderMap) -> Self {
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
        self.after = last.and_then(|last| last.parse().ok()).or(self.after);
        self
    }

    /// Whether nothing was had before.
    pub fn is_first(&self) -> bool {
        self.after.is_none()
    }

    /// The names that are listened for.
    pub fn names(&self) -> Names<'_> {
        Names {
            receiver: self.receiver.as_deref(),
            source: self.source.as_deref(),
            event_type: self.event_type.as_deref(),
        }
    }

    fn takes(&self, event: &EventRow) -> bool {
        let fits = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|wanted| wanted == is);
        fits(&self.source, &event.source)
            && fits(&self.event_type, &event.event_type)
            && fits(&self.organization, &event.organization_id)
            && self
                .receiver
                .as_deref()
                .is_none_or(|wanted| event.receivers.iter().any(|to| to.as_str() == wanted))
    }
}

/// Events in their order.
#[derive(Debug, Default)]
struct Stretch {
    events: Vec<EventRow>,
    /// Whether there were too many, and the first ones are left out.
    is_cut: bool,
}

/// Begins a stream for whoever has `key`, as long as `holds` says so too: what came after the last one they had, then
/// what comes.
pub async fn follow(
    ops: &Operations,
    key: Fingerprint,
    holds: impl Fn() -> bool + Send + 'static,
    wanted: Wanted,
) -> Result<Tail, Problem> {
    let reached = ops.parts.journal.reached();
    let (tail, from) = ops.live.join(key, Box::new(holds), wanted.clone(), reached)?;
    // What ended between the look at the request and the place would be noticed with the next heartbeat only.
    recheck(ops);
    tail.waiting.catch_up([Bytes::from_static(b"retry: 1000\n\n")]);
    if let Some(after) = wanted.after {
        let missed = between(ops, after.saturating_add(1), from).await?;
        let events = missed.events.iter().filter(|event| wanted.takes(event));
        tail.waiting.catch_up(missed.is_cut.then(gap).into_iter().chain(events.map(frame)));
    }
    Ok(tail)
}

/// Ends the streams of those who may not listen any more; to be called whenever something that let them ends.
pub fn recheck(ops: &Operations) {
    let at = ops.parts.clock.now();
    ops.live.recheck(|key| {
        let caller = ops.parts.control.recognize(key, at);
        caller.is_some_and(|caller| allow(&caller, Scope::Read).is_ok())
    });
}

/// Tells listeners what comes, until the process stops.
pub async fn tell(ops: Operations) {
    let (stop, clock) = (ops.parts.tasks.soft(), Arc::clone(&ops.parts.clock));
    let mut beaten = clock.monotonic();
    loop {
        if ops.live.is_alone() {
            tokio::select! {
                () = ops.live.came.notified() => {}
                () = stop.cancelled() => break,
            }
        }
        tokio::select! {
            () = clock.sleep(EVERY) => {}
            () = stop.cancelled() => break,
        }
        look(&ops).await;
        let now = clock.monotonic();
        if now.saturating_sub(beaten) >= BEAT_EVERY {
            beaten = now;
            recheck(&ops);
            ops.live.beat();
        }
    }
    ops.live.stop();
}

async fn look(ops: &Operations) {
    let (from, reached) = (ops.live.next(), ops.parts.journal.reached());
    if reached <= from {
        return;
    }
    match between(ops, from, reached).await {
        Ok(stretch) => ops.live.deliver(&stretch, reached),
        Err(problem) => tracing::warn!(problem = problem.detail(), "the live tail is held up"),
    }
}

/// The events from `from` to before `below`, the last ones if there are too many.
async fn between(ops: &Operations, from: u64, below: u64) -> Result<Stretch, Problem> {
    if from >= below {
        return Ok(Stretch::default());
    }
    let parked = ops.why_parked();
    let stretch = journal::read(ops, move |reader| {
        let (mut found, mut cursor) = (Stretch::default(), None::<String>);
        loop {
            let page = reader.events(&Filter::default(), cursor.as_deref(), PAGE, &parked)?;
            for event in page.items.into_iter().filter(|event| event.seq < below) {
                if event.seq < from {
                    return Ok(found);
                }
                if found.events.len() == STRETCH_MAX {
                    found.is_cut = true;
                    return Ok(found);
                }
                found.events.push(event);
            }
            match page.next {
                Some(next) => cursor = Some(next),
                None => return Ok(found),
            }
        }
    });
    let mut stretch = stretch.await?;
    stretch.events.reverse();
    Ok(stretch)
}

/// An event as a frame. JSON has no line breaks, so one line holds it.
fn frame(event: &EventRow) -> Bytes {
    format!("id: {}\nevent: event\ndata: {}\n\n", event.seq, json!(event)).into()
}

/// Says that some were left out.
fn gap() -> Bytes {
    Bytes::from_static(
        b"event: gap\ndata: {\"reason\":\"too many to catch up on; GET /v1/events has them\"}\n\n",
    )
}

#[cfg(test)]
mod tests;
