//! What is kept for a person, and how it is let go of: once.

use super::index::Kept;
use super::record::{FURTHER, Replay};
use super::*;
use crate::domain::id::DeliveryId;

fn quarantined(id: &str, accepted_at: Millis) -> StoredEvent {
    let admission = Admission::Quarantined { reason: QuarantineReason::UnknownType, did_you_mean: None };
    StoredEvent { accepted_at, admission, ..event(id, &[]) }
}

fn further(id: &str) -> StoredEvent {
    StoredEvent { generation: FURTHER, proof: Proof::Internal, ..event(id, &["x"]) }
}

#[tokio::test]
async fn what_is_kept_is_told_by_age() {
    for bench in Bench::each() {
        let outbox = bench.open();
        let later = |ms: u64| Millis(T0.0 + ms);
        outbox.append(vec![event("a", &["x", "y"])]).await.unwrap();
        outbox.append(vec![quarantined("q", later(10))]).await.unwrap();
        let last = StoredEvent { accepted_at: later(20), ..event("b", &["x"]) };
        outbox.append(vec![last]).await.unwrap();
        outbox.claim(0, 10, T0);
        outbox.claim(1, 10, T0);
        outbox.settle([
            step(0, 0, 1, Change::Dead(Reason::Rejected)),
            step(1, 0, 1, Change::Dead(Reason::Rejected)),
            step(0, 2, 1, Change::Dead(Reason::Rejected)),
        ]);
        flush(&outbox, "f").await;
        let first = [Kept::Dead { seq: 0, lane: 0 }, Kept::Dead { seq: 0, lane: 1 }];
        let all = [first[0], first[1], Kept::Quarantined { seq: 1 }, Kept::Dead { seq: 2, lane: 0 }];
        for (until, limit, wanted) in [
            (T0, 10, &all[..0]),
            (later(1), 10, &all[..2]),
            (later(11), 10, &all[..3]),
            (later(21), 10, &all[..]),
            (later(21), 1, &all[..1]),
        ] {
            assert_eq!(outbox.kept_before(until, limit).unwrap(), wanted, "before {until:?}");
        }
    }
}

#[tokio::test]
async fn a_quarantined_event_is_released_once() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![quarantined("q", T0)]).await.unwrap();
        let release = || outbox.append_instead(further("q"), step(0, 0, 0, Change::Released));
        // Both at once: each judged by itself would find it in quarantine.
        let (one, other) = tokio::join!(release(), release());
        let released = [one.unwrap(), other.unwrap()];
        assert_eq!(released.iter().flatten().count(), 1);
        assert_eq!(release().await.unwrap(), None);
        assert_eq!((outbox.quarantined(), outbox.counts(0).open), (0, 1));
        let head = outbox.tail().head();
        let commit = &outbox.commits_after(head - 1, usize::MAX).unwrap()[0];
        assert_eq!((commit.record.heads.len(), commit.record.moves.len()), (1, 1), "in one commit");
    }
}

#[tokio::test]
async fn a_dead_delivery_is_retried_once() {
    for bench in Bench::each() {
        let outbox = bench.open();
        outbox.append(vec![event("a", &["x"])]).await.unwrap();
        outbox.claim(0, 1, T0);
        outbox.settle([step(0, 0, 1, Change::Dead(Reason::Rejected))]);
        flush(&outbox, "f").await;
        let of = DeliveryId::derive(&slug("colectiva"), &EventId::new("a").unwrap(), &slug("x"), 0);
        let retry = || {
            let event = StoredEvent { replay: Some(Replay { of, as_new: false }), ..further("a") };
            outbox.append_instead(event, step(0, 0, 1, Change::Dismissed))
        };
        let (one, other) = tokio::join!(retry(), retry());
        assert_eq!([one.unwrap(), other.unwrap()].iter().flatten().count(), 1);
        assert_eq!(retry().await.unwrap(), None, "it is dead no more");
        assert_eq!((outbox.counts(0).dead, outbox.counts(0).open), (0, 1));
    }
}
