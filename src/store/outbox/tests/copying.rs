//! Copies of an outbox at work: what is held for them, and what they hold.

use super::*;
use crate::store::log::{EngineKind, RowsWriter, Space, restore_rows};
use crate::store::outbox::copying::{inspect, read_copy};

#[tokio::test]
async fn while_held_nothing_is_removed_that_the_journal_lacked() {
    for bench in Bench::each() {
        let outbox = bench.open();
        // Nobody receives them, so each is over at once.
        outbox.append(vec![event("before", &[])]).await.unwrap();
        outbox.journalled(outbox.tail().head());
        let hold = outbox.hold();
        outbox.append(vec![event("after", &[])]).await.unwrap();
        outbox.journalled(outbox.tail().head());
        rounds(&outbox, 4).await;
        assert_eq!(rows(&outbox, Space::Events), 1, "what the journal lacked is kept");
        drop(hold);
        rounds(&outbox, 4).await;
        assert_eq!(rows(&outbox, Space::Events), 0, "and let go of afterwards");
    }
}

#[tokio::test]
async fn of_two_holds_the_older_one_counts() {
    for bench in Bench::each() {
        let outbox = bench.open();
        let older = outbox.hold();
        outbox.append(vec![event("a", &[])]).await.unwrap();
        outbox.journalled(outbox.tail().head());
        drop(outbox.hold());
        rounds(&outbox, 4).await;
        assert_eq!(rows(&outbox, Space::Events), 1);
        drop(older);
        rounds(&outbox, 4).await;
        assert_eq!(rows(&outbox, Space::Events), 0);
    }
}

#[tokio::test]
async fn a_copy_is_an_outbox_with_the_same_deliveries_and_ids() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![event("a", &["x", "y"]), event("b", &["x"])]).await.unwrap();
        outbox.claim(0, 1, T0);
        outbox.settle([step(0, 0, 1, Change::Delivered)]);
        outbox.append(Vec::new()).await.unwrap();
        let copy = bench.dir.path().join("outbox.rows");
        let mut rows = RowsWriter::create(&copy).unwrap();
        outbox.copy_to(&mut rows, &mut |_| std::ops::ControlFlow::Continue(())).unwrap().unwrap();
        assert_eq!(read_copy(&copy).unwrap().1, outbox.tail().head());
        for engine in EngineKind::ALL {
            let dir = bench.dir.path().join(format!("in-{engine}"));
            restore_rows(&dir, engine, &copy).unwrap();
            let log = log::open(&dir, engine, log::Options::default()).unwrap();
            let found = inspect(log.as_ref()).unwrap();
            assert_eq!((found.open, found.receivers, found.next_seq), (2, 2, 2));
            assert_eq!((found.head, found.dedupe.fresh), (outbox.tail().head(), 2));
        }
    }
}

#[tokio::test]
async fn a_hold_ends_before_the_disk_is_full() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.journalled(outbox.tail().head());
        let hold = outbox.hold();
        outbox.append(vec![event("after", &[])]).await.unwrap();
        outbox.journalled(outbox.tail().head());
        bench.free_bytes.store(ROOM / 7, Ordering::Relaxed);
        rounds(&outbox, 4).await;
        assert!(hold.is_kept());
        assert_eq!(rows(&outbox, Space::Events), 1);
        // Far above what must stay free: ingest goes on.
        bench.free_bytes.store(ROOM / 9, Ordering::Relaxed);
        rounds(&outbox, 4).await;
        assert!(!hold.is_kept());
        assert_eq!(rows(&outbox, Space::Events), 0, "what is over goes");
        bench.free_bytes.store(ROOM, Ordering::Relaxed);
        assert!(!hold.is_kept(), "once given up it stays so");
        assert!(outbox.hold().is_kept(), "and the next one is another");
    }
}
