//! What people get to read.

use std::collections::BTreeSet;
use std::time::Duration;

use camino_broker::domain::id::{AppSlug, DeliveryId, EventId, EventType};
use camino_broker::domain::outcome::Reason;
use camino_broker::domain::routing::{DriftNote, QuarantineReason};
use camino_broker::domain::time::Millis;
use camino_broker::store::journal::{
    Error, Filter, Found, Page, Reader, Retention, ShownReason, ShownState, Writer,
};
use camino_broker::store::log::EngineKind;
use camino_broker::store::outbox::Outbox;
use camino_broker::store::outbox::index::Kept;
use camino_broker::store::outbox::record::{Admission, Change, Replay};

use super::bench::{Bench, T0, again, append, dead, delivered, dismissed, event, failed, settle, slug};

pub fn nobody(_: &AppSlug) -> Option<&'static str> {
    None
}

fn only_y(receiver: &AppSlug) -> Option<&'static str> {
    (receiver.as_str() == "y").then_some("paused")
}

fn to(receiver: &str) -> Filter {
    Filter { receiver: Some(slug(receiver)), ..Filter::default() }
}

/// All pages of a list, joined.
fn all<T>(mut page: impl FnMut(Option<&str>) -> Result<Page<T>, Error>) -> Vec<T> {
    let (mut items, mut cursor) = (Vec::new(), None);
    loop {
        let Page { items: more, next } = page(cursor.as_deref()).unwrap();
        items.extend(more);
        match next {
            Some(next) => cursor = Some(next),
            None => return items,
        }
    }
}

/// 3,000 events to x, every 100th to y too; x got most, failed some; of y the first is dead.
pub async fn many(bench: &Bench) -> (Outbox, Reader) {
    let outbox = bench.outbox();
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    for hundred in 0..30 {
        let events = (0..100).map(|n| {
            let receivers: &[&str] = if n == 0 { &["x", "y"] } else { &["x"] };
            let mut event = event(&format!("e{:04}", hundred * 100 + n), receivers);
            event.accepted_at = Millis(T0.0 + 1_000 * (hundred * 100 + n));
            event.organization = format!("org-{}", n % 7);
            event
        });
        append(&outbox, events.collect()).await;
    }
    outbox.claim(0, 3_000, T0);
    outbox.claim(1, 3_000, T0);
    outbox.settle((0..2_900).filter(|seq| seq % 500 != 7).map(|seq| delivered(0, seq, 1)));
    settle(&outbox, vec![failed(0, 7, 1), dead(0, 507, 1), dead(1, 0, 1), failed(1, 100, 1)]).await;
    writer.follow(&outbox).unwrap();
    (outbox, reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_list_pages_to_its_end_without_a_repeat() {
    let bench = Bench::new(EngineKind::Redb);
    let (outbox, reader) = many(&bench).await;
    assert_eq!(reader.lag(&outbox), 0);
    let list = |filter: &Filter, limit| {
        all(|cursor| reader.deliveries(filter, cursor, limit, &nobody))
            .into_iter()
            .map(|row| (row.seq, row.lane))
            .collect::<Vec<_>>()
    };
    let in_state = |filter: Filter, state| list(&Filter { state: Some(state), ..filter }, 37);
    let everything = list(&Filter::default(), 37);
    assert_eq!(everything.len(), 3_030);
    assert_eq!(everything.iter().collect::<BTreeSet<_>>().len(), 3_030);
    assert!(everything.is_sorted_by(|a, b| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1)));
    assert_eq!(list(&to("y"), 7).len(), 30);
    assert_eq!(list(&to("nobody"), 7).len(), 0);
    // x: 100 never settled at the end, and each 500th + 7.
    assert_eq!(in_state(to("x"), ShownState::Pending).len(), 100 + 5);
    assert_eq!(in_state(to("x"), ShownState::Delivered).len(), 2_894);
    assert_eq!(in_state(Filter::default(), ShownState::Dead), [(507, 0), (0, 1)]);
    assert_eq!(in_state(to("y"), ShownState::Pending).len(), 29);
    assert_eq!(in_state(to("y"), ShownState::Cancelled).len(), 0);
    let of_reason = Filter { reason: Some(ShownReason::Attempt(Reason::Status)), ..Filter::default() };
    assert_eq!(list(&of_reason, 1), [(100, 1), (7, 0)]);
    let events = all(|cursor| reader.events(&Filter::default(), cursor, 100, &nobody));
    assert_eq!(events.len(), 3_000);
    assert!(events.is_sorted_by(|a, b| a.seq > b.seq));
    assert_eq!(all(|cursor| reader.events(&to("y"), cursor, 4, &nobody)).len(), 30);
    assert!(matches!(reader.deliveries(&to("x"), Some("zz"), 5, &nobody), Err(Error::Cursor)));
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_hold_together() {
    let bench = Bench::new(EngineKind::Redb);
    let (_outbox, reader) = many(&bench).await;
    let ids = |filter: Filter| -> Vec<String> {
        let rows = all(|cursor| reader.deliveries(&filter, cursor, 500, &nobody));
        rows.into_iter().map(|row| row.event_id).collect()
    };
    let at = |seconds: u64| Some(Millis(T0.0 + 1_000 * seconds));
    let span = Filter { since: at(1_200), until: at(1_203), ..to("x") };
    assert_eq!(ids(span.clone()), ["e1203", "e1202", "e1201", "e1200"]);
    // 1200..=1203 are the first four of their hundred, and so are their organizations.
    assert_eq!(ids(Filter { organization: Some("org-2".to_owned()), ..span.clone() }), ["e1202"]);
    assert_eq!(ids(Filter { q: Some("203".to_owned()), ..span }), ["e1203"]);
    assert_eq!(ids(Filter { q: Some("e2000".to_owned()), ..Filter::default() }), ["e2000", "e2000"]);
    let correlation = reader.event(&EventId::new("e2001").unwrap(), None, &nobody).unwrap();
    let Found::One(row) = correlation else { panic!("{correlation:?}") };
    assert_eq!(ids(Filter { q: Some(row.correlation_id), ..Filter::default() }), ["e2001"]);
    assert!(ids(Filter { source: Some(slug("comal")), ..Filter::default() }).is_empty());
    let other = EventType::new("other.type").unwrap();
    assert!(ids(Filter { event_type: Some(other), ..Filter::default() }).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_parked_receiver_is_shown_as_parked() {
    let bench = Bench::new(EngineKind::Redb);
    let (_outbox, reader) = many(&bench).await;
    let count = |filter: Filter, state| {
        let filter = Filter { state: Some(state), ..filter };
        let rows = all(|cursor| reader.deliveries(&filter, cursor, 10, &only_y));
        assert!(rows.iter().all(|row| row.state == state));
        rows.len()
    };
    assert_eq!(count(to("y"), ShownState::Pending), 0);
    assert_eq!(count(Filter::default(), ShownState::Parked), 29);
    assert_eq!(count(Filter::default(), ShownState::Pending), 105);
    let waits = |word, state| {
        let filter = Filter { reason: Some(ShownReason::Waits(word)), state, ..Filter::default() };
        let rows = all(|cursor| reader.deliveries(&filter, cursor, 10, &only_y));
        assert!(rows.iter().all(|row| row.reason.as_deref() == Some(word) && row.receiver == "y"));
        rows.len()
    };
    // One of the 29 was tried before, and says why it failed.
    assert_eq!(waits("paused", None), 28);
    assert_eq!(waits("paused", Some(ShownState::Parked)), 28);
    assert_eq!(waits("paused", Some(ShownState::Pending)), 0);
    assert_eq!(waits("breaker_open", None), 0);
    let of = |state, receiver: Option<&str>| {
        let receiver = receiver.map(slug);
        let filter = Filter { state: Some(state), receiver, ..Filter::default() };
        all(|cursor| reader.events(&filter, cursor, 10, &only_y)).len()
    };
    assert_eq!((of(ShownState::Parked, None), of(ShownState::Parked, Some("x"))), (29, 0));
    assert_eq!((of(ShownState::Dead, None), of(ShownState::Dead, Some("y"))), (2, 1));
    assert_eq!((of(ShownState::Delivered, None), of(ShownState::Cancelled, None)), (2_894, 0));
    let stats = reader.stats(&only_y).unwrap();
    assert_eq!((stats.events, stats.quarantined), (3_000, 0));
    let y = &stats.receivers[1];
    assert_eq!((y.receiver.as_str(), y.deliveries.parked, y.deliveries.pending), ("y", 29, 0));
    assert_eq!((stats.deliveries.delivered, stats.deliveries.dead), (2_894, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_is_found_by_its_id_and_tells_its_attempts() {
    let bench = Bench::new(EngineKind::Sled);
    let outbox = bench.outbox();
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    let first = event("a", &["x", "y"]);
    append(&outbox, vec![first.clone()]).await;
    let mut other = event("a", &["x"]);
    other.source = slug("comal");
    append(&outbox, vec![other]).await;
    settle(&outbox, vec![delivered(0, 0, 1), failed(1, 0, 1), dead(1, 0, 2)]).await;
    let dead_id = first.delivery_id(&slug("y"));
    let mut retry = again(&first, 1, &["y"]);
    retry.replay = Some(Replay { of: dead_id, as_new: false });
    let retried = retry.delivery_id(&slug("y"));
    append(&outbox, vec![retry]).await;
    settle(&outbox, vec![delivered(1, 2, 1)]).await;
    writer.follow(&outbox).unwrap();

    let at_once = reader.delivery(first.delivery_id(&slug("x")), &nobody).unwrap().unwrap();
    assert_eq!((at_once.attempts, at_once.last_status), (1, Some(200)));
    let json = serde_json::to_value(&at_once).unwrap();
    assert_eq!(json["deliveredAt"], "2026-04-16T12:00:01.000Z");
    assert_eq!(json["deliveryId"], first.delivery_id(&slug("x")).to_string());
    assert_eq!(json["state"], "delivered");
    assert!(json["nextAttemptAt"].is_null() && json.get("seq").is_none());
    let attempts = reader.attempts(first.delivery_id(&slug("x"))).unwrap().unwrap();
    assert_eq!((attempts.len(), attempts[0].duration_ms), (1, 40));
    assert_eq!(attempts[0].started_at, Millis(T0.0 + 960));

    let row = reader.delivery(dead_id, &nobody).unwrap().unwrap();
    assert_eq!((row.state, row.reason.as_deref()), (ShownState::Dead, Some("rejected")));
    assert_eq!((row.attempts, row.last_error.as_deref()), (2, Some("no room")));
    let attempts = reader.attempts(dead_id).unwrap().unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.number).collect::<Vec<_>>(), [1, 2]);
    let row = reader.delivery(retried, &nobody).unwrap().unwrap();
    assert_eq!((row.replay_of, row.generation, row.seq), (Some(dead_id), 1, 2));
    assert!(reader.delivery(DeliveryId::from_bytes([7; 16]), &nobody).unwrap().is_none());

    let id = EventId::new("a").unwrap();
    assert!(
        matches!(reader.event(&id, None, &nobody).unwrap(), Found::Ambiguous(sources) if sources.len() == 2)
    );
    let Found::One(found) = reader.event(&id, Some(&first.source), &nobody).unwrap() else { panic!() };
    assert_eq!(
        (found.seq, found.status, found.correlation_id.as_str()),
        (0, "routed", first.correlation.as_str())
    );
    assert_eq!(reader.event_deliveries(0, &nobody).unwrap().len(), 3);
    assert_eq!(reader.events(&Filter::default(), None, 10, &nobody).unwrap().items.len(), 2);
    let explained = reader.explain(0).unwrap().unwrap();
    let codes: Vec<_> = explained.decisions.iter().map(|row| (&*row.receiver, &*row.decision)).collect();
    assert_eq!(codes, [("x", "queued"), ("y", "queued")]);
    assert_eq!(reader.body(0).unwrap().as_deref(), Some(&first.body[..]));
    assert_eq!(reader.body(2).unwrap(), reader.body(0).unwrap(), "a retry shows the event's bytes");
    let letters = reader.dead_letters(&Filter::default(), None, 10, &nobody).unwrap();
    assert_eq!(letters.items.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn drift_is_counted_by_field() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = bench.outbox();
    let drifting = (0..3).map(|n| {
        let mut event = event(&format!("e{n}"), &[]);
        event.drift.push(DriftNote { field: "data.amount".to_owned(), problem: format!("is {n}") });
        if n == 0 {
            event.drift.push(DriftNote { field: "eventId".to_owned(), problem: "is no UUID".to_owned() });
        }
        event
    });
    append(&outbox, drifting.collect()).await;
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    writer.follow(&outbox).unwrap();
    let rows = all(|cursor| reader.drift(&Filter::default(), cursor, 1));
    assert_eq!(rows.len(), 2);
    assert_eq!((rows[0].field.as_str(), rows[0].count, rows[0].problem.as_str()), ("data.amount", 3, "is 2"));
    assert_eq!(rows[1].count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_takes_what_is_old_and_gives_its_space_back() {
    let bench = Bench::new(EngineKind::Redb);
    let (outbox, reader) = many(&bench).await;
    drop(reader);
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    let day = Duration::from_secs(86_400);
    let retention = Retention { keep_events: day, keep_dead: day * 3, keep_for: None };
    let purge = |writer: &mut Writer, now| {
        let mut events = 0;
        loop {
            let purged = writer.purge(now, &retention, 500).unwrap();
            events += purged.events;
            if !purged.more {
                return events;
            }
        }
    };
    assert_eq!(purge(&mut writer, Millis(T0.0 + 1_000)), 0, "nothing is old");
    let before = std::fs::metadata(bench.path()).unwrap().len();
    // Old and over: all but the last 100, what failed of x, and those of y that wait or are dead.
    let gone = purge(&mut writer, Millis(T0.0 + 3_000_000).plus(day));
    assert_eq!(gone, 2_900 - 6 - 29);
    assert_eq!(
        std::fs::metadata(bench.path()).unwrap().len(),
        bench.count("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").cast_unsigned()
    );
    let after = std::fs::metadata(bench.path()).unwrap().len();
    assert!(after * 4 < before, "{after} of {before} bytes are left");
    let stats = reader.stats(&nobody).unwrap();
    assert_eq!(stats.events, 3_000 - gone as u64);
    assert_eq!(all(|cursor| reader.events(&Filter::default(), cursor, 500, &nobody)).len(), 3_000 - gone);
    assert_eq!(bench.count("SELECT count(*) FROM bodies"), i64::try_from(3_000 - gone).unwrap());
    let letters = || reader.dead_letters(&Filter::default(), None, 10, &nobody).unwrap().items.len();
    assert_eq!(letters(), 2);
    let late = Millis(T0.0 + 3_000_000).plus(day * 30);
    purge(&mut writer, late);
    assert_eq!(letters(), 2, "what the outbox keeps for a person is not purged, whatever its age");
    let dead = || {
        let kept = outbox.kept_before(late, 1_000).unwrap();
        let dead = kept.into_iter().filter_map(|kept| match kept {
            Kept::Dead { seq, lane } => Some(dismissed(lane, seq)),
            Kept::Waiting { .. } => None,
            Kept::Quarantined { .. } => panic!("none is in quarantine"),
        });
        dead.collect::<Vec<_>>()
    };
    let gone = dead();
    settle(&outbox, gone).await;
    writer.follow(&outbox).unwrap();
    assert_eq!(dead(), []);
    assert_eq!((letters(), purge(&mut writer, late)), (0, 2), "dismissed, they are over");
    assert_eq!(reader.deliveries(&to("x"), None, 500, &nobody).unwrap().items.len(), 100 + 28 + 5);
    let in_segments = "SELECT sum(deliveries) FROM segments";
    let listed = all(|cursor| reader.deliveries(&Filter::default(), cursor, 500, &nobody)).len();
    assert_eq!(bench.count(in_segments), i64::try_from(listed).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_quarantine_is_listed_until_it_is_released() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = bench.outbox();
    let (mut writer, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    writer.begin(&outbox).unwrap();
    let meant = EventType::new("payment.received").unwrap();
    let held = |id: &str| {
        let mut event = event(id, &[]);
        let (reason, did_you_mean) = (QuarantineReason::UnknownType, Some(meant.clone()));
        event.admission = Admission::Quarantined { reason, did_you_mean };
        event
    };
    append(&outbox, vec![held("a"), held("b"), held("c")]).await;
    writer.follow(&outbox).unwrap();
    let ids = || {
        let rows = all(|cursor| reader.quarantine(cursor, 2));
        rows.into_iter().map(|row| row.event_id).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ["c", "b", "a"]);
    let row = reader.quarantine(None, 1).unwrap().items.remove(0);
    assert_eq!((row.status, row.reason.as_deref()), ("quarantined", Some("unknown_type")));
    assert_eq!(row.did_you_mean.as_deref(), Some("payment.received"));

    append(&outbox, vec![again(&held("b"), 1, &["x"])]).await;
    let mut released = delivered(0, 1, 1);
    (released.change, released.note) = (Change::Released, None);
    settle(&outbox, vec![released]).await;
    writer.follow(&outbox).unwrap();
    assert_eq!(ids(), ["c", "a"]);
    let b = EventId::new("b").unwrap();
    let Found::One(row) = reader.event(&b, None, &nobody).unwrap() else { panic!() };
    assert_eq!(row.status, "released");
    let explained = reader.explain(row.seq).unwrap().unwrap();
    assert_eq!((explained.event_id.as_str(), explained.decisions.len()), ("b", 1));
    assert_eq!(reader.stats(&nobody).unwrap().quarantined, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_looks_at_so_many_events_and_goes_on_with_its_cursor() {
    let bench = Bench::new(EngineKind::Redb);
    let outbox = bench.outbox();
    append(&outbox, vec![event("a", &["x"])]).await;
    bench.catch_up(&outbox);
    let many = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
        INSERT INTO events (seq, key, generation, standing, held, accepted_at, source, type, results,
            event_id, organization, timestamp, proof, route)
        SELECT i, i, 0, standing, held, accepted_at, source, type, results,
            'e' || i, 'other', timestamp, proof, route
        FROM n, events WHERE seq = 0";
    assert_eq!(bench.sql().execute(many, ()).unwrap(), 60_000);
    let (_, reader) = camino_broker::store::journal::open(&bench.path()).unwrap();
    let filter = Filter { organization: Some("org-1".to_owned()), ..Filter::default() };
    let first = reader.deliveries(&filter, None, 10, &nobody).unwrap();
    assert_eq!(first.items.len(), 0);
    let second = reader.deliveries(&filter, first.next.as_deref(), 10, &nobody).unwrap();
    assert_eq!((second.items.len(), second.next), (1, None));
}
