//! Events on their way to the committer, with what is worked out before they reach its one thread.
//!
//! Digests cost the caller, who is one of many, and not the thread that everybody waits for.

use tokio::sync::oneshot;

use super::dedupe::{self, Key};
use super::record::{Move, StoredEvent};
use super::{Appended, Error, pack};
use crate::domain::id::CorrelationId;

/// What an event counts for in the queue besides its body.
const EVENT_BYTES: usize = 512;
/// Most bytes of one request: what a pack's offsets can name, with room for what stands beside bodies.
const REQUEST_BYTES_MAX: usize = 1 << 30;

/// An event as it arrives.
pub(super) struct Arrival {
    pub(super) event: StoredEvent,
    /// `None` for a further generation, which is no repeat of anything.
    pub(super) stamp: Option<Stamp>,
}

/// How an event is recognized when it comes again.
pub(super) struct Stamp {
    pub(super) key: Key,
    pub(super) body: [u8; 16],
    /// Whether its correlation id is the one derived from its name.
    pub(super) derived: bool,
}

impl Arrival {
    fn new(event: StoredEvent) -> Self {
        let stamp = (event.generation == 0).then(|| Stamp {
            key: dedupe::key(&event.source, &event.event_id),
            body: dedupe::body_digest(&event.body),
            derived: event.correlation == CorrelationId::derive(&event.source, &event.event_id),
        });
        Self { event, stamp }
    }
}

pub(super) type Reply = oneshot::Sender<Result<Vec<Appended>, Error>>;
pub(super) type Answer = oneshot::Receiver<Result<Vec<Appended>, Error>>;

/// Events to append together, and who waits for the answer.
pub(super) struct Request {
    pub(super) events: Vec<Arrival>,
    /// A move of the same commit. If it would change nothing any more, the events are not appended and the
    /// answer is empty.
    pub(super) instead_of: Option<Move>,
    /// What it counts for in the queue.
    pub(super) bytes: usize,
    pub(super) reply: Reply,
}

impl Request {
    /// A request and where its answer arrives; refused alone if no commit could ever hold it.
    pub(super) fn new(events: Vec<StoredEvent>, instead_of: Option<Move>) -> Result<(Self, Answer), Error> {
        let bytes = events.iter().map(|event| event.body.len() + EVENT_BYTES).sum();
        if events.len() > pack::EVENTS_MAX || bytes > REQUEST_BYTES_MAX {
            let detail = format!("{} events of {bytes} bytes are too many for one commit", events.len());
            return Err(Error::Encode(detail));
        }
        let events = events.into_iter().map(Arrival::new).collect();
        let (reply, answer) = oneshot::channel();
        Ok((Self { events, instead_of, bytes, reply }, answer))
    }

    pub(super) fn refuse(self, error: Error) {
        // A client that went away has no use for its answer.
        let _ = self.reply.send(Err(error));
    }
}

/// Requests that a commit has made durable, with their answers.
pub(super) struct Answered {
    pub(super) reply: Reply,
    pub(super) answers: Vec<Appended>,
}

impl Answered {
    pub(super) fn send(self) {
        // As above; the event stays accepted.
        let _ = self.reply.send(Ok(self.answers));
    }
}
