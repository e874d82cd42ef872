//! What the writer makes of commits.

use std::sync::Arc;
use std::time::Duration;

use camino_broker::domain::routing::QuarantineReason;
use camino_broker::runtime::clock::SystemClock;
use camino_broker::store::journal::{Error, Retention};
use camino_broker::store::log::EngineKind;
use camino_broker::store::outbox::Outbox;
use camino_broker::store::outbox::record::{Admission, Change};
use tokio_util::sync::CancellationToken;

use super::bench::{Bench, again, append, dead, delivered, event, failed, settle};

/// Every kind of fate, in some commits.
async fn fates(outbox: &Outbox) {
    let first = event("a", &["x", "y"]);
    append(outbox, vec![first.clone(), event("b", &["x"]), event("c", &[])]).await;
    outbox.claim(0, 10, super::bench::T0);
    outbox.claim(1, 10, super::bench::T0);
    settle(outbox, vec![delivered(0, 0, 1), failed(1, 0, 1), failed(1, 0, 2), delivered(1, 0, 3)]).await;
    settle(outbox, vec![dead(0, 1, 1)]).await;
    let mut held = event("d", &[]);
    held.admission = Admission::Quarantined { reason: QuarantineReason::UnknownType, did_you_mean: None };
    append(outbox, vec![held]).await;
    let seq = append(outbox, vec![again(&event("b", &[]), 1, &["x"])]).await[0];
    settle(outbox, vec![delivered(0, seq, 1)]).await;
    let mut dismissed = dead(0, 1, 1);
    dismissed.change = Change::Dismissed;
    settle(outbox, vec![dismissed]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrived_at_once_has_no_row() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = bench.outbox();
    fates(&outbox).await;
    let mut writer = bench.writer();
    writer.begin(&outbox).unwrap();
    writer.follow(&outbox).unwrap();
    assert_eq!(writer.position(), outbox.tail().head());
    assert_eq!(bench.count("SELECT count(*) FROM events"), 5);
    assert_eq!(bench.count("SELECT count(*) FROM bodies"), 4, "a further delivery brings no body");
    assert_eq!(bench.count("SELECT count(*) FROM deliveries WHERE seq = 0 AND lane = 0"), 0);
    assert_eq!(bench.count("SELECT count(*) FROM deliveries"), 2);
    assert_eq!(bench.count("SELECT state FROM deliveries WHERE seq = 0 AND lane = 1"), 1);
    assert_eq!(bench.count("SELECT count(*) FROM attempts WHERE seq = 0"), 3);
    assert_eq!(bench.count("SELECT state FROM deliveries WHERE seq = 1"), 4, "dismissed");
    assert_eq!(bench.count("SELECT deliveries FROM segments WHERE lane = 0"), 3);
    assert_eq!(bench.count("SELECT sum(waiting) FROM segments"), 0);
    assert_eq!(bench.count("SELECT n FROM tallies WHERE lane = -1 AND state = 0"), 4);
    assert_eq!(bench.count("SELECT n FROM tallies WHERE lane = -1 AND state = 1"), 1, "one is held");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_first_start_nothing_is_shown_by_halves() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = bench.outbox();
    append(&outbox, vec![event("a", &["x"])]).await;
    settle(&outbox, vec![failed(0, 0, 1)]).await;
    let mut writer = bench.writer();
    writer.begin(&outbox).unwrap();
    assert_eq!(bench.count("SELECT count(*) FROM deliveries"), 0, "an attempt without its answer");
    writer.follow(&outbox).unwrap();
    assert_eq!(bench.count("SELECT count(*) FROM deliveries WHERE last_status IS NOT NULL"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_and_resuming_anywhere_leaves_the_same_content() {
    for engine in EngineKind::ALL {
        let (whole, halting) = (Bench::new(engine), Bench::new(engine));
        let outbox = whole.outbox();
        let mut writer = whole.writer();
        writer.begin(&outbox).unwrap();
        fates(&outbox).await;
        writer.follow(&outbox).unwrap();

        let outbox = halting.outbox();
        let mut writer = halting.writer();
        writer.begin(&outbox).unwrap();
        append(&outbox, vec![event("a", &["x", "y"]), event("b", &["x"]), event("c", &[])]).await;
        writer.follow(&outbox).unwrap();
        drop(writer);
        outbox.close();
        drop(outbox);
        let outbox = halting.outbox();
        resumed_fates(&halting, &outbox).await;
        let (whole, halting) = (rows(&whole), rows(&halting));
        let differing = whole.iter().filter(|row| !halting.contains(row)).collect::<Vec<_>>();
        assert!(whole == halting, "{engine:?}: {differing:?}");
    }
}

/// The rest of [`fates`], with another writer after each step.
async fn resumed_fates(bench: &Bench, outbox: &Outbox) {
    let mut dismissed = dead(0, 1, 1);
    dismissed.change = Change::Dismissed;
    for step in [delivered(0, 0, 1), failed(1, 0, 1), failed(1, 0, 2), delivered(1, 0, 3), dead(0, 1, 1)] {
        settle(outbox, vec![step]).await;
        bench.catch_up(outbox);
    }
    let mut held = event("d", &[]);
    held.admission = Admission::Quarantined { reason: QuarantineReason::UnknownType, did_you_mean: None };
    append(outbox, vec![held]).await;
    let seq = append(outbox, vec![again(&event("b", &[]), 1, &["x"])]).await[0];
    bench.catch_up(outbox);
    settle(outbox, vec![delivered(0, seq, 1), dismissed]).await;
    bench.catch_up(outbox);
}

/// All content but the position, which counts commits, and counts of nothing.
fn rows(bench: &Bench) -> Vec<String> {
    let says_nothing = |row: &str| row.starts_with("tallies") && row.ends_with("Integer(0)]");
    bench.content().into_iter().filter(|row| !row.starts_with("progress") && !says_nothing(row)).collect()
}

fn stopped() -> CancellationToken {
    let stop = CancellationToken::new();
    stop.cancel();
    stop
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_journal_is_rebuilt_from_what_the_outbox_holds() {
    for engine in EngineKind::ALL {
        let bench = Bench::new(engine);
        let outbox = bench.outbox();
        append(&outbox, vec![event("0", &["x"])]).await;
        append(&outbox, vec![event("1", &["x", "y"])]).await;
        outbox.claim(0, 10, super::bench::T0);
        settle(&outbox, vec![delivered(0, 0, 1), dead(0, 1, 1)]).await;
        let mut held = event("d", &[]);
        held.admission = Admission::Quarantined { reason: QuarantineReason::UnknownType, did_you_mean: None };
        append(&outbox, vec![held]).await;
        bench.catch_up(&outbox);
        append(&outbox, vec![event("2", &["x", "y"])]).await;
        bench.catch_up(&outbox);
        let before = rows(&bench);
        outbox.close();
        drop(outbox);
        for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
            // The companions go with the last connection.
            let _ = std::fs::remove_file(bench.dir.path().join(name));
        }
        let outbox = bench.outbox();
        bench.catch_up(&outbox);
        let of_table = |rows: &[String], table: &str| -> Vec<String> {
            rows.iter().filter(|row| row.starts_with(table)).cloned().collect()
        };
        let after = rows(&bench);
        assert!(of_table(&before, "receivers") == of_table(&after, "receivers"), "{engine:?}");
        let of_dead = "SELECT count(*) FROM deliveries WHERE seq = 1 AND state = 2 AND reason IS NOT NULL";
        assert_eq!(bench.count(of_dead), 1, "what is dead is there, with its reason");
        assert_eq!(bench.count("SELECT count(*) FROM events WHERE held = 1"), 1);
        assert_eq!(bench.count("SELECT n FROM tallies WHERE lane = -1 AND state = 1"), 1, "still held");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_or_foreign_file_is_one_clear_error() {
    let bench = Bench::new(EngineKind::Redb);
    std::fs::write(bench.path(), vec![b'x'; 9_000]).unwrap();
    let error = camino_broker::store::journal::open(&bench.path()).err().unwrap();
    assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("journal.db") && text.contains("away"), "{text}");

    let (old, new) = (Bench::new(EngineKind::Redb), Bench::new(EngineKind::Redb));
    let outbox = old.outbox();
    fates(&outbox).await;
    let mut writer = old.writer();
    let retention = Retention { keep_events: Duration::MAX, keep_dead: Duration::MAX, keep_for: None };
    writer.run(&outbox, &SystemClock::new(), &retention, &stopped()).unwrap();
    assert_eq!(writer.position(), outbox.tail().head(), "a stop comes after all there is");
    let error = writer.begin(&new.outbox()).err().unwrap();
    assert!(matches!(error, Error::Foreign { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_loop_follows_while_events_come_and_lets_the_outbox_forget() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = Arc::new(bench.outbox());
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    let stop = CancellationToken::new();
    let follower = {
        let (outbox, stop) = (Arc::clone(&outbox), stop.clone());
        tokio::task::spawn_blocking(move || {
            let retention =
                Retention { keep_events: Duration::MAX, keep_dead: Duration::MAX, keep_for: None };
            writer.run(&outbox, &SystemClock::new(), &retention, &stop)
        })
    };
    for round in 0..20 {
        let events = (0..50).map(|n| event(&format!("e{round}-{n}"), &["x", "y"]));
        let seqs = append(&outbox, events.collect()).await;
        outbox.claim(0, 50, super::bench::T0);
        outbox.claim(1, 50, super::bench::T0);
        outbox.settle(seqs.iter().map(|seq| delivered(0, *seq, 1)));
        outbox.settle(seqs.iter().map(|seq| delivered(1, *seq, 1)));
    }
    append(&outbox, vec![event("last", &[])]).await;
    stop.cancel();
    follower.await.unwrap().unwrap();
    assert_eq!(reader.lag(&outbox), 0);
    // What was settled after the stop is taken in by the next start.
    outbox.close();
    let outbox = bench_again(&bench, outbox);
    bench.catch_up(&outbox);
    assert_eq!(bench.count("SELECT count(*) FROM events"), 1_001);
    assert_eq!(bench.count("SELECT count(*) FROM deliveries"), 0);
    assert_eq!(bench.count("SELECT sum(waiting) FROM segments"), 0);
    assert_eq!(bench.count("SELECT sum(n) FROM tallies WHERE lane >= 0 AND state = 1"), 2_000);
    append(&outbox, vec![event("more", &[])]).await;
    append(&outbox, vec![event("and-more", &[])]).await;
    let (_, held_bytes) = outbox.stats().unwrap();
    assert!(held_bytes < 2_000, "{held_bytes} bytes are held");
}

/// The same outbox, opened anew.
fn bench_again(bench: &Bench, outbox: Arc<Outbox>) -> Outbox {
    drop(outbox);
    bench.outbox()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_put_back_from_a_copy_gets_what_is_held() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = bench.outbox();
    append(&outbox, vec![event("a", &["x"])]).await;
    bench.catch_up(&outbox);
    let copy = bench.dir.path().join("copy.db");
    bench.sql().execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    // Large notes bring a checkpoint, so that the records before it go.
    for round in 1..=40 {
        let mut note = dead(0, round, 1);
        if let Some(note) = &mut note.note {
            note.excerpt = Some("x".repeat(150_000));
        }
        append(&outbox, vec![event(&format!("b{round}"), &["x"])]).await;
        outbox.claim(0, 10, super::bench::T0);
        settle(&outbox, vec![note]).await;
    }
    bench.catch_up(&outbox);
    for n in 0..3 {
        append(&outbox, vec![event(&format!("c{n}"), &[])]).await;
    }
    outbox.close();
    let outbox = bench_again(&bench, Arc::new(outbox));
    let first = outbox.commits_after(0, 1).unwrap()[0].number;
    assert!(first > 10, "the outbox still has commit {first}");
    std::fs::remove_file(bench.path()).unwrap();
    let _ = std::fs::remove_file(bench.dir.path().join("journal.db-wal"));
    std::fs::rename(copy, bench.path()).unwrap();
    bench.catch_up(&outbox);
    assert_eq!(bench.count("SELECT count(*) FROM events"), 41 + 3);
    assert_eq!(bench.count("SELECT n FROM tallies WHERE lane = 0 AND state = 2"), 40);
}
