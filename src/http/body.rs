//! Reading a request's body within bounds of size and time.
//!
//! A body over the bound is not simply dropped: some of the rest is read and thrown away, so that
//! the client gets to see the answer instead of a broken connection.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as _;

use super::problem::{Code, Problem};
use crate::runtime::clock::Clock;

/// Most bytes of a refused body that are read and thrown away.
pub const DISCARD_BYTES_MAX: usize = 8 << 20;
/// Longest time for that.
pub const DISCARD_SPAN_MAX: Duration = Duration::from_secs(2);
/// Bytes of each body that no [`Budget`] counts, so that small events pass while large ones queue up.
pub const UNCOUNTED_BYTES: usize = 16 << 10;
/// Longest time for a body within its bound.
pub const READ_SPAN_MAX: Duration = Duration::from_secs(30);

/// By how much the memory of a body grows whose length was not announced.
const GROWTH_BYTES: usize = 64 << 10;
/// When to try again where bodies are too many.
const CROWDED_SPAN: Duration = Duration::from_secs(2);

/// Memory for the bodies of all requests at once, beyond [`UNCOUNTED_BYTES`] of each.
#[derive(Debug)]
pub struct Budget {
    left: AtomicUsize,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { left: AtomicUsize::new(bytes) }
    }

    /// Nothing of it yet.
    pub fn share(&self) -> Share<'_> {
        Share { budget: self, taken: 0 }
    }
}

/// What one request has of a [`Budget`]; dropped, it goes back.
#[derive(Debug)]
pub struct Share<'a> {
    budget: &'a Budget,
    taken: usize,
}

impl Share<'_> {
    /// Sees to it that a body of `length` bytes is covered.
    fn cover(&mut self, length: usize) -> Result<(), Error> {
        let more = length.saturating_sub(UNCOUNTED_BYTES + self.taken);
        let take = |left: usize| left.checked_sub(more);
        self.budget
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .map_err(|_| Error::Crowded)?;
        self.taken += more;
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.left.fetch_add(self.taken, Ordering::Relaxed);
    }
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// More bytes than allowed.
    #[error("the body has more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// The connection or the encoding broke.
    #[error("the body broke off")]
    Broken,
    /// All bodies together are too much for the memory.
    #[error("too many large bodies at once; nothing was accepted")]
    Crowded,
    /// It took longer than [`READ_SPAN_MAX`].
    #[error("the body took longer than {} s", READ_SPAN_MAX.as_secs())]
    Slow,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::TooLarge { .. } => Code::BodyTooLarge,
            Error::Broken => Code::BodyUnreadable,
            Error::Slow => Code::BodyTimeout,
            Error::Crowded => Code::Overloaded,
        };
        let problem = Self::new(code, error.to_string());
        if error == Error::Crowded { problem.retry_after(CROWDED_SPAN) } else { problem }
    }
}

/// Reads `body` whole, at most `bytes_max` bytes. A body of one piece is not copied.
pub async fn read_capped(body: Body, bytes_max: usize, clock: &dyn Clock) -> Result<Bytes, Error> {
    let budget = Budget::new(bytes_max);
    read_shared(body, bytes_max, &mut budget.share(), clock).await
}

/// As [`read_capped`], within what `share` gets of a common budget.
pub async fn read_shared(
    mut body: Body,
    bytes_max: usize,
    share: &mut Share<'_>,
    clock: &dyn Clock,
) -> Result<Bytes, Error> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    let read = if announced > bytes_max {
        Err(Error::TooLarge { bytes_max })
    } else {
        tokio::select! {
            biased;
            read = read_pieces(&mut body, announced, bytes_max, share) => read,
            () = clock.sleep(READ_SPAN_MAX) => Err(Error::Slow),
        }
    };
    if matches!(read, Err(Error::TooLarge { .. } | Error::Crowded)) {
        discard(&mut body, clock).await;
    }
    read
}

async fn read_pieces(
    body: &mut Body,
    announced: usize,
    bytes_max: usize,
    share: &mut Share<'_>,
) -> Result<Bytes, Error> {
    let mut first = Bytes::new();
    let mut joined: Vec<u8> = Vec::new();
    while let Some(piece) = next_piece(body).await? {
        let length = first.len().max(joined.len()) + piece.len();
        if length > bytes_max {
            return Err(Error::TooLarge { bytes_max });
        }
        share.cover(length)?;
        if first.is_empty() {
            first = piece;
            continue;
        }
        if joined.capacity() < length {
            // Exactly: growing by halves would hold up to twice of what the budget counts.
            let wanted = announced.max(length + GROWTH_BYTES).min(bytes_max);
            joined.reserve_exact(wanted - joined.len());
        }
        if joined.is_empty() {
            joined.extend_from_slice(&first);
        }
        joined.extend_from_slice(&piece);
    }
    // A piece is a slice of the connection's read buffer. Kept, it would hold all of that (8 KiB for an
    // event of 1 KiB) for as long as the event is cached, and cost the connection a new one each time.
    Ok(if joined.is_empty() { Bytes::copy_from_slice(&first) } else { joined.into() })
}

/// The next bytes; trailers are skipped.
async fn next_piece(body: &mut Body) -> Result<Option<Bytes>, Error> {
    while let Some(frame) = body.frame().await {
        if let Ok(piece) = frame.map_err(|_| Error::Broken)?.into_data() {
            return Ok(Some(piece));
        }
    }
    Ok(None)
}

async fn discard(body: &mut Body, clock: &dyn Clock) {
    let read_on = async {
        let mut left = DISCARD_BYTES_MAX;
        while let Ok(Some(piece)) = next_piece(body).await {
            left = left.saturating_sub(piece.len());
            if left == 0 {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        () = read_on => {}
        () = clock.sleep(DISCARD_SPAN_MAX) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    use super::*;
    use crate::http::server::fixture::{InstantClock, StillClock};

    const PIECE_BYTES: usize = 64 << 10;

    /// `left` pieces, then the end or a hang; counts what is read.
    struct Pieces {
        left: usize,
        hangs: bool,
        read: Arc<AtomicUsize>,
    }

    impl hyper::body::Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            if self.left == 0 {
                return if self.hangs { Poll::Pending } else { Poll::Ready(None) };
            }
            self.left -= 1;
            self.read.fetch_add(PIECE_BYTES, Ordering::Relaxed);
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(vec![b'x'; PIECE_BYTES])))))
        }
    }

    async fn read(pieces: usize, hangs: bool, bytes_max: usize) -> (Result<usize, Error>, usize) {
        let read = Arc::new(AtomicUsize::new(0));
        let body = Body::new(Pieces { left: pieces, hangs, read: Arc::clone(&read) });
        let clock: &dyn Clock = if hangs { &InstantClock } else { &StillClock };
        let length = read_capped(body, bytes_max, clock).await.map(|bytes| bytes.len());
        (length, read.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn a_body_up_to_the_bound_is_read_whole() {
        for pieces in [0, 1, 2, 16] {
            assert_eq!(read(pieces, false, 16 * PIECE_BYTES).await.0, Ok(pieces * PIECE_BYTES));
        }
        let whole = read_capped(Body::from("abc"), 3, &StillClock).await;
        assert_eq!(whole, Ok(Bytes::from_static(b"abc")));
        let announced = read_capped(Body::from("abcd"), 3, &StillClock).await;
        assert_eq!(announced, Err(Error::TooLarge { bytes_max: 3 }));
    }

    #[tokio::test]
    async fn a_body_holds_no_buffer_that_it_was_read_into() {
        let buffer = Bytes::from(vec![b'x'; 8 << 10]);
        let read = read_capped(Body::from(buffer.slice(..100)), 1 << 10, &StillClock).await;
        assert_eq!(read, Ok(buffer.slice(..100)));
        assert!(buffer.is_unique());
    }

    #[tokio::test]
    async fn the_rest_of_a_body_over_the_bound_is_thrown_away_up_to_a_bound() {
        let bytes_max = PIECE_BYTES;
        let too_large = Err(Error::TooLarge { bytes_max });
        assert_eq!(read(20, false, bytes_max).await, (too_large, 20 * PIECE_BYTES));
        let (result, bytes) = read(1_000, false, bytes_max).await;
        assert_eq!(result, too_large);
        assert_eq!(bytes, 2 * PIECE_BYTES + DISCARD_BYTES_MAX);
    }

    #[tokio::test]
    async fn large_bodies_share_a_budget_and_small_ones_need_none() {
        let (budget, bytes_max) = (Budget::new(PIECE_BYTES), 16 * PIECE_BYTES);
        let read = async |share: &mut Share<'_>, bytes: usize| {
            read_shared(Body::from(vec![b'x'; bytes]), bytes_max, share, &StillClock).await
        };
        let (mut first, mut second) = (budget.share(), budget.share());
        assert!(read(&mut first, PIECE_BYTES + UNCOUNTED_BYTES).await.is_ok());
        assert_eq!(read(&mut second, UNCOUNTED_BYTES + 1).await, Err(Error::Crowded));
        assert!(read(&mut second, UNCOUNTED_BYTES).await.is_ok());
        drop(first);
        assert!(read(&mut second, PIECE_BYTES).await.is_ok());
        drop(second);
        assert_eq!(budget.left.into_inner(), PIECE_BYTES);
    }

    #[tokio::test]
    async fn a_body_that_stalls_is_given_up() {
        assert_eq!(read(1, true, 16 * PIECE_BYTES).await.0, Err(Error::Slow));
        assert_eq!(read(2, true, PIECE_BYTES).await.0, Err(Error::TooLarge { bytes_max: PIECE_BYTES }));
    }
}
