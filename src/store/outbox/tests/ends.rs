//! Checkpoints, the end of the log that a start finds, and a committer that ends.

use super::*;
use crate::store::log::{Batch, Compacted, Progress as Stage, RowId, Space, Stats};

#[tokio::test]
async fn a_checkpoint_stands_for_the_commits_before_it() {
    for bench in Bench::each() {
        let bench = Bench { checkpoint_bytes_min: 1, ..bench };
        let outbox = bench.open();
        for n in 0..20 {
            outbox.append(vec![event(&format!("e{n}"), &["x", "y"])]).await.unwrap();
        }
        outbox.claim(0, 6, T0);
        let due = Millis(T0.0 + 5_000);
        outbox.settle((0..5).map(|seq| step(0, seq, 1, Change::Delivered)));
        outbox.settle([step(0, 5, 1, Change::Retry { due })]);
        flush(&outbox, "f").await;
        assert_eq!(rows(&outbox, Space::Meta), 1, "each checkpoint takes the place of the one before");
        outbox.journalled(outbox.tail().head());
        rounds(&outbox, 4).await;
        let left = rows(&outbox, Space::Moves);
        assert!((1..15).contains(&left), "{left} records are left of 22: a checkpoint covers the others");
        let (counts, next) = ([0, 1].map(|lane| outbox.counts(lane).open), outbox.next_seq());
        drop(outbox);
        let outbox = bench.open();
        assert_eq!([0, 1].map(|lane| outbox.counts(lane).open), counts);
        assert_eq!(outbox.next_seq(), next);
        assert_eq!(outbox.claim(0, 100, T0).next_due, Some(due));
        assert_eq!(outbox.load(7).unwrap().unwrap().event_id.as_str(), "e7");
    }
}

#[tokio::test]
async fn the_end_that_the_journal_has_reached_is_found_again() {
    for bench in Bench::each() {
        let bench = Bench { checkpoint_bytes_min: 1, ..bench };
        let outbox = bench.open();
        // Nobody receives it, so once it is journalled only removals are committed.
        outbox.append(vec![event("a", &[])]).await.unwrap();
        let position = outbox.tail().head();
        outbox.journalled(position);
        rounds(&outbox, 4).await;
        assert_eq!(rows(&outbox, Space::Events), 0);
        drop(outbox);
        let outbox = bench.open();
        assert_eq!(outbox.tail().head(), position);
        assert!(outbox.commits_after(position, usize::MAX).unwrap().is_empty());
    }
}

/// A log whose appends panic.
struct Broken(Box<dyn Log>);

impl Log for Broken {
    fn append(&self, _: &Batch) -> Result<(), log::Error> {
        panic!("the engine's thread died")
    }

    fn replay(
        &self,
        space: Space,
        from_commit: u64,
        visit: &mut dyn FnMut(RowId, &[u8]) -> std::ops::ControlFlow<()>,
    ) -> Result<(), log::Error> {
        self.0.replay(space, from_commit, visit)
    }

    fn read(&self, row: RowId) -> Result<Option<Vec<u8>>, log::Error> {
        self.0.read(row)
    }

    fn stats(&self) -> Result<Stats, log::Error> {
        self.0.stats()
    }

    fn compact(
        &self,
        progress: &mut dyn FnMut(Stage) -> std::ops::ControlFlow<()>,
    ) -> Result<Compacted, log::Error> {
        self.0.compact(progress)
    }

    fn close(&self) -> Result<(), log::Error> {
        self.0.close()
    }
}

#[tokio::test]
async fn a_panic_of_the_committer_fails_the_outbox_for_everybody() {
    for bench in Bench::each() {
        let outbox = bench.open_with(|inner| Box::new(Broken(inner)));
        assert!(matches!(outbox.append(vec![event("a", &["x"])]).await, Err(Error::Failed)));
        outbox.failure().await;
        assert!(matches!(outbox.refusal(), Some(Error::Failed)));
        let late = outbox.append(vec![event("b", &["x"])]).await;
        assert!(matches!(late, Err(Error::Failed | Error::Closed)));
        outbox.close_log().unwrap();
    }
}

#[tokio::test]
async fn a_closed_log_is_read_until_it_is_given_back() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![event("a", &["x"])]).await.unwrap();
        outbox.close();
        assert_eq!(rows(&outbox, Space::Moves), 1);
        outbox.close_log().unwrap();
        assert!(outbox.stats().is_err());
        assert_eq!(bench.open().counts(0).open, 1, "the directory is free again");
    }
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_alone() {
    for bench in Bench::each() {
        let outbox = bench.open();
        let many = (0..=pack::EVENTS_MAX).map(|n| event(&format!("e{n}"), &[])).collect();
        assert!(matches!(outbox.append(many).await, Err(Error::Encode(_))));
        let names: Vec<String> = (0..=usize::from(LaneId::MAX)).map(|n| format!("app-{n}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert!(matches!(outbox.append(vec![event("all", &names)]).await, Err(Error::Encode(_))));
        assert!(matches!(&outbox.append(vec![event("a", &["x"])]).await.unwrap()[..], [Appended::New(_)]));
        assert_eq!(outbox.lanes(), [slug("x")]);
    }
}

#[tokio::test]
async fn a_delivery_ends_although_its_attempts_cannot_be_counted_any_more() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![event("a", &["x"])]).await.unwrap();
        outbox.claim(0, 1, T0);
        outbox.settle([step(0, 0, u16::MAX, Change::Retry { due: T0 })]);
        flush(&outbox, "f").await;
        outbox.claim(0, 1, T0);
        outbox.settle([step(0, 0, u16::MAX, Change::Delivered)]);
        flush(&outbox, "g").await;
        assert_eq!((outbox.counts(0).open, outbox.counts(0).claimed), (0, 0));
    }
}
