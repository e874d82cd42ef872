//! The live tail: events as the journal takes them in, to whoever listens, as server-sent events.
//!
//! One task reads for all, and nothing else waits for it. Bounded: so many listeners, so many frames that wait
//! for each; one that reads too slowly is told and cut, and may come back with the id of the last frame it
//! had, which is its event's place in the journal. A key that no longer holds is cut with the next heartbeat.
//! A crash or a stop ends every stream; what came meanwhile is caught up on, as far as it is not too much.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use super::{Operations, allow, journal};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::store::control::key::{Fingerprint, Scope};
use crate::store::journal::{EventRow, Filter};

/// Listeners at a time.
const LISTENERS_MAX: usize = 64;
/// Frames that may wait for one listener.
const FRAMES_MAX: usize = 1_024;
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

/// Whoever listens.
#[derive(Default)]
pub(super) struct Live {
    state: Mutex<State>,
    came: Notify,
}

#[derive(Default)]
struct State {
    /// The first event that nobody was told of yet.
    next: u64,
    listeners: Vec<Listener>,
}

struct Listener {
    wanted: Wanted,
    key: Fingerprint,
    frames: mpsc::Sender<Bytes>,
    lagged: Arc<AtomicBool>,
}

impl Listener {
    /// Hands `frame` over; false once the listener is gone or too slow.
    fn take(&self, frame: Bytes) -> bool {
        match self.frames.try_send(frame) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(_)) => {
                self.lagged.store(true, Ordering::Release);
                false
            }
        }
    }
}

impl Live {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands over what came until `reached`.
    fn deliver(&self, stretch: &Stretch, reached: u64) {
        let frames: Vec<(&EventRow, Bytes)> =
            stretch.events.iter().map(|event| (event, frame(event))).collect();
        let mut state = self.state();
        state.next = reached;
        state.listeners.retain(|listener| {
            (!stretch.is_cut || listener.take(gap()))
                && frames
                    .iter()
                    .filter(|(event, _)| listener.wanted.takes(event))
                    .all(|(_, frame)| listener.take(frame.clone()))
        });
    }

    /// Gives a sign of life to those whose key `holds`, and lets go of the others.
    fn beat(&self, holds: impl Fn(Fingerprint) -> bool) {
        self.state()
            .listeners
            .retain(|listener| holds(listener.key) && listener.take(Bytes::from_static(b": here\n\n")));
    }
}

/// Events in their order.
#[derive(Debug, Default)]
struct Stretch {
    events: Vec<EventRow>,
    /// Whether there were too many, and the first ones are left out.
    is_cut: bool,
}

/// Begins a stream for whoever has `key`: what came after the last one they had, then what comes.
pub async fn follow(ops: &Operations, key: Fingerprint, wanted: Wanted) -> Result<Tail, Problem> {
    let (frames, rest) = mpsc::channel(FRAMES_MAX);
    let lagged = Arc::new(AtomicBool::new(false));
    let from = {
        let mut state = ops.live.state();
        // Within the lock: the task that stops has let go of all listeners by then, or will.
        if ops.parts.tasks.soft().is_cancelled() {
            return Err(Problem::new(Code::Draining, "the broker is stopping").retry_after(CROWDED_SPAN));
        }
        state.listeners.retain(|listener| !listener.frames.is_closed());
        if state.listeners.len() >= LISTENERS_MAX {
            let problem = Problem::new(Code::Overloaded, "too many listen to the stream already");
            return Err(problem.retry_after(CROWDED_SPAN));
        }
        if state.listeners.is_empty() {
            state.next = ops.parts.journal.reached();
        }
        let lagged = Arc::clone(&lagged);
        state.listeners.push(Listener { wanted: wanted.clone(), key, frames, lagged });
        state.next
    };
    ops.live.came.notify_one();
    let mut first = VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]);
    if let Some(after) = wanted.after {
        let missed = between(ops, after.saturating_add(1), from).await?;
        first.extend(missed.is_cut.then(gap));
        first.extend(missed.events.iter().filter(|event| wanted.takes(event)).map(frame));
    }
    Ok(Tail { first, rest, lagged, is_over: false })
}

/// Tells listeners what comes, until the process stops.
pub async fn tell(ops: Operations) {
    let (stop, clock) = (ops.parts.tasks.soft(), Arc::clone(&ops.parts.clock));
    let mut beaten = clock.monotonic();
    loop {
        let is_alone = ops.live.state().listeners.is_empty();
        if is_alone {
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
            let at = clock.now();
            ops.live.beat(|key| {
                let caller = ops.parts.control.recognize(key, at);
                caller.is_some_and(|caller| allow(&caller, Scope::Read).is_ok())
            });
        }
    }
    ops.live.state().listeners.clear();
}

async fn look(ops: &Operations) {
    let (from, reached) = (ops.live.state().next, ops.parts.journal.reached());
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

/// Says why the stream ends here.
fn lagged() -> Bytes {
    Bytes::from_static(
        b"event: lagged\ndata: {\"reason\":\"read too slowly; come back with Last-Event-ID\"}\n\n",
    )
}

/// One listener's stream.
pub struct Tail {
    first: VecDeque<Bytes>,
    rest: mpsc::Receiver<Bytes>,
    lagged: Arc<AtomicBool>,
    is_over: bool,
}

impl hyper::body::Body for Tail {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if let Some(frame) = this.first.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if this.is_over {
            return Poll::Ready(None);
        }
        let next = ready!(this.rest.poll_recv(context));
        this.is_over = next.is_none();
        let is_cut = this.is_over && this.lagged.load(Ordering::Acquire);
        let next = next.or_else(|| is_cut.then(lagged));
        Poll::Ready(next.map(|frame| Ok(Frame::data(frame))))
    }
}

impl IntoResponse for Tail {
    fn into_response(self) -> Response {
        // A proxy that collects answers would keep the stream to itself.
        let headers = [
            (CONTENT_TYPE.as_str(), "text/event-stream"),
            (CACHE_CONTROL.as_str(), "no-store"),
            ("x-accel-buffering", "no"),
        ];
        (headers, Body::new(self)).into_response()
    }
}

#[cfg(test)]
mod tests;
