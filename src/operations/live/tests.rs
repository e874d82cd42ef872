//! The live tail without a journal: who gets what, who is cut, and what is told of it.

use std::sync::atomic::{AtomicBool, Ordering};

use http_body_util::BodyExt as _;

use super::tail::{FRAMES_MAX, lagged};
use super::*;
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;
use crate::store::journal::StateCounts;

fn event(seq: u64, source: &str) -> EventRow {
    EventRow {
        event_id: format!("event-{seq}"),
        event_type: "payment.completed".to_owned(),
        source: source.to_owned(),
        organization_id: "org_1".to_owned(),
        correlation_id: "cid\n1".to_owned(),
        tenant_id: None,
        accepted_at: Millis(seq),
        timestamp: Millis(seq),
        proof: "ecosystem".to_owned(),
        status: "routed",
        reason: None,
        did_you_mean: None,
        deliveries: StateCounts::default(),
        seq,
        receivers: vec![AppSlug::new("mancha").unwrap()],
    }
}

fn join(live: &Arc<Live>, key: &str, wanted: Wanted) -> Result<Tail, Problem> {
    live.join(Fingerprint::of(key), Box::new(|| true), wanted, 0).map(|(tail, _)| tail)
}

fn listen(live: &Arc<Live>, wanted: Wanted) -> Tail {
    join(live, "key", wanted).unwrap()
}

async fn text(tail: Tail) -> String {
    String::from_utf8(tail.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn stretch(events: impl IntoIterator<Item = EventRow>) -> Stretch {
    Stretch { events: events.into_iter().collect(), is_cut: false }
}

fn ids(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

#[tokio::test]
async fn a_listener_gets_what_it_wants_in_order_and_each_frame_on_its_lines() {
    let live = Arc::new(Live::default());
    let wanted = Wanted { source: Some("caracol".to_owned()), ..Wanted::default() };
    let tail = listen(&live, wanted);
    live.deliver(&stretch([event(1, "caracol"), event(2, "hoja"), event(3, "caracol")]), 4);
    assert_eq!(live.next(), 4);
    live.stop();
    assert!(join(&live, "key", Wanted::default()).is_err(), "nobody joins what has stopped");
    let text = text(tail).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[1], lines[3]), (8, "id: 1", "event: event", ""));
    assert_eq!(lines[4], "id: 3");
    assert!(lines[2].starts_with("data: {\"eventId\":\"event-1\""), "{text}");
}

#[test]
fn a_listener_may_ask_for_what_one_receiver_gets() {
    let wanted = |receiver: &str| Wanted { receiver: Some(receiver.to_owned()), ..Wanted::default() };
    let event = event(1, "caracol");
    assert!(wanted("mancha").takes(&event) && !wanted("baul").takes(&event));
}

#[tokio::test]
async fn one_that_reads_too_slowly_is_told_and_cut_and_no_other() {
    let live = Arc::new(Live::default());
    let slow = listen(&live, Wanted::default());
    let other = listen(&live, Wanted { source: Some("hoja".to_owned()), ..Wanted::default() });
    slow.waiting.catch_up([Bytes::from_static(b"what was missed")]);
    live.deliver(&stretch((0..=FRAMES_MAX as u64).map(|seq| event(seq, "caracol"))), 2_000);
    live.beat();
    assert!(slow.waiting.is_over() && !other.waiting.is_over());
    assert_eq!(live.places(), 2, "it keeps its place while it is there");
    let said = text(slow).await;
    assert_eq!(said.as_bytes(), lagged(), "what it did not read is forgotten");
    assert_eq!(live.places(), 1);
    live.stop();
    assert_eq!(text(other).await, ": here\n\n");
    assert_eq!(live.places(), 0);
}

#[tokio::test]
async fn one_who_may_not_listen_any_more_hears_nothing_that_waits() {
    let live = Arc::new(Live::default());
    let is_in = Arc::new(AtomicBool::new(true));
    let holds = Arc::clone(&is_in);
    let key = Fingerprint::of("key");
    let holds = Box::new(move || holds.load(Ordering::Relaxed));
    let (session, _) = live.join(key, holds, Wanted::default(), 0).unwrap();
    let (same_key, other) =
        (listen(&live, Wanted::default()), join(&live, "other", Wanted::default()).unwrap());
    live.recheck(|_| true);
    live.beat();
    is_in.store(false, Ordering::Relaxed);
    live.recheck(|_| true);
    assert_eq!(text(session).await, "", "its session is over");
    assert!(!same_key.waiting.is_over());
    live.recheck(|held| held != key);
    assert_eq!(text(same_key).await, "", "the key is revoked");
    assert!(!other.waiting.is_over());
    // One that waits is woken.
    let (read, ()) = tokio::join!(text(other), async { live.recheck(|_| false) });
    assert_eq!(read, ": here\n\n", "and what it had read before is all there is");
}

#[tokio::test]
async fn one_that_comes_while_the_journal_is_read_gets_nothing_twice() {
    let live = Arc::new(Live::default());
    let early = listen(&live, Wanted::default());
    live.deliver(&stretch([event(1, "caracol")]), 2);
    drop(early);
    // Somebody reads from 2 on; meanwhile the first one comes back, to a journal that has reached 4.
    let (late, from) = live.join(Fingerprint::of("key"), Box::new(|| true), Wanted::default(), 4).unwrap();
    assert_eq!(from, 4, "until there it catches up by itself");
    let cut = Stretch { is_cut: true, ..stretch([event(2, "caracol"), event(3, "caracol")]) };
    live.deliver(&cut, 4);
    live.deliver(&stretch([event(2, "caracol")]), 3);
    assert_eq!(live.next(), 4, "never back");
    live.deliver(&stretch([event(4, "caracol")]), 5);
    live.stop();
    let text = text(late).await;
    assert_eq!(ids(&text), ["4"], "{text}");
    assert!(!text.contains("event: gap"), "{text}");
}

#[test]
fn one_key_leaves_places_for_others_however_it_takes_them() {
    let live = Arc::new(Live::default());
    let mut own: Vec<Tail> = (0..8).map(|_| listen(&live, Wanted::default())).collect();
    assert!(join(&live, "key", Wanted::default()).is_err());
    let other = join(&live, "other", Wanted::default());
    assert!(other.is_ok());
    live.recheck(|_| false);
    assert!(join(&live, "key", Wanted::default()).is_err(), "a place is free once nobody holds it");
    own.pop();
    assert!(join(&live, "key", Wanted::default()).is_ok());
}

#[test]
fn a_browser_that_comes_back_says_where_it_was() {
    let mut headers = HeaderMap::new();
    let wanted = Wanted { after: Some(3), ..Wanted::default() };
    assert_eq!(wanted.clone().again(&headers).after, Some(3));
    headers.insert("last-event-id", "7".parse().unwrap());
    assert_eq!(wanted.again(&headers).after, Some(7));
}
