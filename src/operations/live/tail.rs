//! One listener's stream: the frames that wait for it, until it reads them, is cut, or goes.
//!
//! Never holds more than its bounds, and nothing but the reason once it is cut: who does not read costs a place
//! and no memory. The place is free when the tail is dropped, however it came to its end.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::body::Frame;

use super::listeners::Live;

/// Frames that may wait for one listener, beside what it catches up on.
pub(super) const FRAMES_MAX: usize = 1_024;

/// What waits for one listener.
#[derive(Default)]
pub(super) struct Waiting {
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// What it catches up on.
    first: VecDeque<Bytes>,
    /// What came since it listens.
    rest: VecDeque<Bytes>,
    is_over: bool,
    reader: Option<Waker>,
}

impl Queue {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// Ends the stream with `last`, and forgets the rest.
    fn cut(&mut self, last: Option<Bytes>) {
        self.first = last.into_iter().collect();
        self.rest = VecDeque::new();
        self.is_over = true;
        self.wake();
    }
}

impl Waiting {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.queue().is_over
    }

    /// Puts `frames` behind those that it catches up on, ahead of what came since.
    pub(super) fn catch_up(&self, frames: impl IntoIterator<Item = Bytes>) {
        let mut queue = self.queue();
        if !queue.is_over {
            queue.first.extend(frames);
            queue.wake();
        }
    }

    /// Hands `frame` over, or cuts the listener that has too many unread.
    pub(super) fn take(&self, frame: Bytes) {
        let mut queue = self.queue();
        if queue.is_over {
            return;
        }
        if queue.rest.len() == FRAMES_MAX {
            queue.cut(Some(lagged()));
        } else {
            queue.rest.push_back(frame);
            queue.wake();
        }
    }

    /// Ends the stream here and now.
    pub(super) fn cut(&self) {
        self.queue().cut(None);
    }

    /// Ends the stream after what waits.
    pub(super) fn close(&self) {
        let mut queue = self.queue();
        queue.is_over = true;
        queue.wake();
    }
}

/// Says why the stream ends here.
pub(super) fn lagged() -> Bytes {
    Bytes::from_static(
        b"event: lagged\ndata: {\"reason\":\"read too slowly; come back with Last-Event-ID\"}\n\n",
    )
}

/// One listener's stream. It keeps its place until it is dropped.
pub struct Tail {
    pub(super) live: Arc<Live>,
    pub(super) waiting: Arc<Waiting>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.live.leave(&self.waiting);
    }
}

impl hyper::body::Body for Tail {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut queue = self.waiting.queue();
        let next = queue.first.pop_front().or_else(|| queue.rest.pop_front());
        if next.is_none() && !queue.is_over {
            queue.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
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
