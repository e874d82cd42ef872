//! A disk that is nearly full: what is still written, and what waits for room.

use std::sync::mpsc;
use std::time::Duration;

use super::queue::{COMMIT_MOVES_MAX, WAITING_BYTES_MAX};
use super::*;
use crate::store::log::Space;

/// Too little for anything but removals.
const NONE: u64 = 10;
/// Too little for events.
const LITTLE: u64 = 500;
/// Only a committer that hangs is waited for so long.
const PATIENCE: Duration = Duration::from_secs(60);

impl Bench {
    fn free(&self, bytes: u64) {
        self.free_bytes.store(bytes, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn settles_are_written_while_events_are_refused() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![event("a", &["x"])]).await.unwrap();
        outbox.claim(0, 1, T0);
        bench.free(LITTLE);
        outbox.settle([step(0, 0, 1, Change::Delivered)]);
        assert!(matches!(outbox.append(vec![event("b", &["x"])]).await, Err(Error::DiskFull { .. })));
        outbox.append(Vec::new()).await.unwrap();
        assert_eq!(outbox.counts(0).open, 0);
    }
}

#[tokio::test]
async fn without_room_removals_go_on_and_the_rest_waits() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![event("over", &[])]).await.unwrap();
        outbox.append(vec![event("a", &["x"]), event("b", &["x"])]).await.unwrap();
        assert_eq!(outbox.available().await, [0]);
        outbox.claim(0, 1, T0);
        bench.free(NONE);
        rounds(&outbox, 1).await;
        outbox.settle([step(0, 1, 1, Change::Delivered)]);
        let mut parked = Parked::default();
        parked.begin(T0);
        outbox.park(0, parked.clone());
        outbox.journalled(outbox.tail().head());
        rounds(&outbox, 3).await;
        assert_eq!(rows(&outbox, Space::Events), 1, "the pack that nothing needs is gone");
        assert_eq!((outbox.counts(0).open, outbox.parked(0)), (2, Parked::default()));
        let claims = outbox.claim(0, 1, T0);
        assert_eq!(claims, Claims::default(), "what cannot be settled is not claimed");
        bench.free(ROOM);
        flush(&outbox, "f").await;
        assert_eq!((outbox.counts(0).open, outbox.parked(0)), (1, parked), "nothing was lost");
        assert_eq!(outbox.available().await, [0], "it is told that there is room");
        assert_eq!(outbox.claim(0, 1, T0).deliveries.len(), 1);
    }
}

#[tokio::test]
async fn what_waited_for_room_is_written_in_bounded_commits() {
    for bench in Bench::each() {
        let outbox = bench.open();
        let count = 3 * COMMIT_MOVES_MAX as u64;
        for first in (0..count).step_by(512) {
            let events = (first..first + 512).map(|n| event(&format!("e{n}"), &["x"]));
            outbox.append(events.collect()).await.unwrap();
        }
        outbox.claim(0, usize::try_from(count).unwrap(), T0);
        bench.free(NONE);
        rounds(&outbox, 1).await;
        let last = outbox.tail().head();
        for first in (0..count).step_by(512) {
            outbox.settle((first..first + 512).map(|seq| step(0, seq, 1, Change::Delivered)));
            rounds(&outbox, 1).await;
        }
        bench.free(ROOM);
        rounds(&outbox, 4).await;
        assert_eq!(outbox.counts(0).open, 0);
        let commits = outbox.commits_after(last, usize::MAX).unwrap();
        let moves: Vec<usize> = commits.iter().map(|commit| commit.record.moves.len()).collect();
        assert!(moves.iter().all(|moves| *moves <= COMMIT_MOVES_MAX), "{moves:?}");
    }
}

#[tokio::test]
async fn it_closes_without_room() {
    for bench in Bench::each() {
        let outbox = Arc::new(bench.open());
        outbox.append(vec![event("a", &["x"])]).await.unwrap();
        outbox.claim(0, 1, T0);
        bench.free(NONE);
        rounds(&outbox, 1).await;
        outbox.settle([step(0, 0, 1, Change::Delivered)]);
        let (closed, end) = mpsc::channel();
        let closing = Arc::clone(&outbox);
        tokio::task::spawn_blocking(move || {
            closing.close();
            drop(closing);
            closed.send(()).unwrap();
        });
        end.recv_timeout(PATIENCE).expect("it closes");
        assert!(outbox.refusal().is_some_and(|error| matches!(error, Error::DiskFull { .. })), "no failure");
        drop(outbox);
        bench.free(ROOM);
        assert_eq!(bench.open().counts(0).open, 1, "it is delivered once more");
    }
}

#[test]
fn what_waits_is_bounded_by_its_bytes() {
    let queue = Queue::default();
    let large = |id: &str, bytes: usize| {
        let mut event = event(id, &["x"]);
        event.body = vec![0; bytes].into();
        Request::new(vec![event], None).unwrap()
    };
    let (alone, _answer) = large("alone", WAITING_BYTES_MAX + 1);
    queue.push(alone).expect("a single one may be larger");
    let (next, _answer) = large("next", 1);
    assert!(matches!(queue.push(next), Err(Error::Busy)));
    assert_eq!(queue.take(0, || Duration::ZERO).unwrap().requests.len(), 1);
    let (next, _answer) = large("next", 1);
    queue.push(next).expect("room again");
}
