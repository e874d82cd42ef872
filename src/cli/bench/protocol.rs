//! What the bench and its two workers say to each other: one JSON value a line.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::histogram::Histogram;

/// What the generator is told to post.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Load {
    /// Who gets it.
    pub(super) target: SocketAddr,
    /// The path of the posts.
    pub(super) path: String,
    /// What the posts are signed with.
    pub(super) secret: String,
    /// Tells apart the ids of runs.
    pub(super) run: u32,
    /// Bytes of an event.
    pub(super) size: usize,
    /// Events a post; more than one go as a batch.
    pub(super) batch: u64,
    /// Connections, each with one post at a time.
    pub(super) connections: usize,
    /// Events a second; `None` means as fast as they are answered.
    pub(super) rate: Option<u64>,
    /// Events in all, at most.
    pub(super) messages: Option<u64>,
    /// Seconds, at most.
    pub(super) seconds: Option<u64>,
}

/// What the generator says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum FromGenerator {
    /// It takes loads.
    Ready,
    /// Events that were accepted so far.
    Progress(u64),
    /// The load is posted.
    Posted(Posted),
}

/// How a load went.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Posted {
    /// Events that were accepted.
    pub(super) accepted: u64,
    /// Events that were answered otherwise, by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// Events without an answer.
    pub(super) unanswered: u64,
    /// When the first post was due, in nanoseconds since the epoch.
    pub(super) began_ns: u64,
    /// When the last answer came.
    pub(super) ended_ns: u64,
    /// From when a post was due to its answer.
    pub(super) answer: Histogram,
    /// From when a post was due to when it went out.
    pub(super) late: Histogram,
}

/// What the receiver is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum ToReceiver {
    /// Forget all arrivals, hang up on everybody, and behave like this; answer with a
    /// [`FromReceiver::Listening`].
    Behave(Manner),
    /// Answer with a [`FromReceiver::Tally`].
    Tally,
    /// Answer with a [`FromReceiver::Latency`].
    Latency,
    /// Hang up on everybody and listen no more.
    Close,
    /// Listen again, at the same addresses.
    Open,
}

/// How endpoints behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manner {
    /// How many there are.
    pub(super) endpoints: usize,
    /// The last so many never answer.
    pub(super) hanging: usize,
    /// Requests of a hundred that are answered 503.
    pub(super) fail_percent: u64,
}

/// What the receiver says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum FromReceiver {
    /// It can be told things.
    Ready {
        /// Where nobody listens, nor will.
        refusing: SocketAddr,
    },
    /// Where each endpoint is. The broker keeps its connections by address, so endpoints at one address
    /// would share what each has for itself.
    Listening(Vec<SocketAddr>),
    /// It is as told.
    Done,
    /// The counts so far.
    Tally(Tally),
    /// From when an event was sent to its arrival.
    Latency(Histogram),
}

/// The counts of arrivals; each event counts once for each endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Events that arrived.
    pub(super) arrived: u64,
    /// Arrivals beyond the first.
    pub(super) repeated: u64,
    /// Requests that were answered with an error on purpose.
    pub(super) failed: u64,
    /// Requests that are no event of this run.
    pub(super) strange: u64,
    /// When the first one arrived, in nanoseconds since the epoch.
    pub(super) first_ns: u64,
    /// When the last one arrived.
    pub(super) last_ns: u64,
}
