//! Traces: a span for each event that came in and for each attempt to deliver it, sent by OTLP.
//!
//! Off unless `telemetry.otlp_endpoint` is set; then `traceparent` is passed on as it came. On, every
//! attempt passes its own span on, so that a receiver's spans hang below it. Spans wait in a bounded
//! queue and are thrown away when it is full: nothing waits for a collector, and nothing is retried.
//! A crash or a stop loses the spans of its last second. Never holds a body or a secret.
//!
//! OTLP is written here by hand, as JSON over HTTP: the crates of OpenTelemetry would add seventeen
//! packages (among them h2 and prost) to say the same twenty fields.

mod otlp;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::domain::time::Millis;
use crate::domain::trace::TraceContext;
use crate::runtime::entropy::Entropy;
use crate::telemetry::Metrics;
pub use otlp::{Error, Exporter, Options};

/// Spans that wait to be sent at most.
const WAITING_MAX: usize = 8 * 1024;

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Work within the process.
    Internal,
    /// A request that came in.
    Server,
    /// A request that went out.
    Client,
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A span that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Where it stands; what is passed on.
    pub context: TraceContext,
    parent: Option<u64>,
    started_at: Millis,
}

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// How it began.
    pub begun: Begun,
    /// What it was.
    pub name: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// How long it took.
    pub elapsed: Duration,
    /// What is known of it, under the names that the log uses.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did.
    pub failure: Option<&'static str>,
}

/// Begins and takes spans; clones share it. By default it is off and costs nothing.
#[derive(Clone, Default)]
pub struct Tracer {
    on: Option<Arc<On>>,
}

struct On {
    waiting: mpsc::Sender<Ended>,
    entropy: Arc<dyn Entropy>,
    share: f64,
    metrics: Arc<Metrics>,
}

impl On {
    fn root(&self) -> TraceContext {
        let [upper, lower, span_id] = [(); 3].map(|()| self.entropy.u64());
        TraceContext::root(u128::from(upper) << 64 | u128::from(lower), span_id, self.share)
    }
}

impl Tracer {
    /// A tracer that makes no spans.
    pub fn off() -> Self {
        Self::default()
    }

    /// A tracer that keeps `share` (0 to 1) of the traces that begin here, and what it hands its spans to.
    pub fn on(share: f64, entropy: Arc<dyn Entropy>, metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Ended>) {
        let (waiting, spans) = mpsc::channel(WAITING_MAX);
        (Self { on: Some(Arc::new(On { waiting, entropy, share, metrics })) }, spans)
    }

    /// Begins a span under the `traceparent` that was given, or a trace of its own where there is none that
    /// can be read. `None` while it is off.
    pub fn begin(&self, parent: Option<&str>, now: Millis) -> Option<Begun> {
        let on = self.on.as_deref()?;
        let parent = parent.and_then(TraceContext::parse);
        let context = parent.map_or_else(|| on.root(), |parent| parent.child(on.entropy.u64()));
        Some(Begun { context, parent: parent.map(|parent| parent.span_id), started_at: now })
    }

    /// Hands a span over to be sent, if its trace is kept; `ended` is called only then.
    pub fn end(&self, begun: Option<Begun>, ended: impl FnOnce(Begun) -> Ended) {
        let (Some(on), Some(begun)) = (self.on.as_deref(), begun) else { return };
        if begun.context.is_sampled && on.waiting.try_send(ended(begun)).is_err() {
            on.metrics.trace_spans.with_label_values(&["dropped"]).inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::entropy::OsEntropy;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn tracer(share: f64) -> (Tracer, mpsc::Receiver<Ended>, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::new().unwrap());
        let (tracer, spans) = Tracer::on(share, Arc::new(OsEntropy), Arc::clone(&metrics));
        (tracer, spans, metrics)
    }

    fn ended(begun: Begun) -> Ended {
        let (elapsed, attributes) = (Duration::ZERO, Vec::new());
        Ended { begun, name: "deliver", kind: Kind::Client, elapsed, attributes, failure: None }
    }

    #[test]
    fn off_there_are_no_spans() {
        let tracer = Tracer::off();
        assert_eq!(tracer.begin(Some(PARENT), Millis(0)), None);
        tracer.end(None, |_| panic!("there is none"));
    }

    #[test]
    fn a_span_hangs_below_the_one_that_caused_it() {
        let (tracer, mut spans, _) = tracer(0.0);
        let parent = TraceContext::parse(PARENT).unwrap();
        let begun = tracer.begin(Some(PARENT), Millis(7)).unwrap();
        assert_eq!((begun.context.trace_id, begun.parent), (parent.trace_id, Some(parent.span_id)));
        assert!(begun.context.span_id != parent.span_id && begun.context.is_sampled, "its sender decides");
        tracer.end(Some(begun), ended);
        assert_eq!(spans.try_recv().unwrap().begun, begun);
    }

    #[test]
    fn what_can_not_be_read_begins_a_trace_and_the_share_decides() {
        for (share, kept) in [(1.0, true), (0.0, false)] {
            let (tracer, mut spans, _) = tracer(share);
            for parent in [None, Some("00-what")] {
                let begun = tracer.begin(parent, Millis(7)).unwrap();
                assert_eq!((begun.parent, begun.context.is_sampled), (None, kept));
                tracer.end(Some(begun), ended);
                assert_eq!(spans.try_recv().is_ok(), kept);
            }
        }
    }

    #[test]
    fn what_finds_no_room_is_thrown_away_and_counted() {
        let (tracer, _spans, metrics) = tracer(1.0);
        for _ in 0..=WAITING_MAX {
            tracer.end(tracer.begin(None, Millis(0)), ended);
        }
        assert_eq!(metrics.trace_spans.with_label_values(&["dropped"]).get(), 1);
    }
}
