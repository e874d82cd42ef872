//! The live tail without a journal: who gets what, who is cut, and what is told of it.

use http_body_util::BodyExt as _;

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

fn listen(live: &Live, wanted: Wanted) -> Tail {
    let (frames, rest) = mpsc::channel(FRAMES_MAX);
    let lagged = Arc::new(AtomicBool::new(false));
    let key = Fingerprint::of("key");
    live.state().listeners.push(Listener { wanted, key, frames, lagged: Arc::clone(&lagged) });
    Tail { first: VecDeque::new(), rest, lagged, is_over: false }
}

async fn text(tail: Tail) -> String {
    String::from_utf8(tail.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

fn stretch(events: impl IntoIterator<Item = EventRow>) -> Stretch {
    Stretch { events: events.into_iter().collect(), is_cut: false }
}

#[tokio::test]
async fn a_listener_gets_what_it_wants_in_order_and_each_frame_on_its_lines() {
    let live = Live::default();
    let wanted = Wanted { source: Some("caracol".to_owned()), ..Wanted::default() };
    let tail = listen(&live, wanted);
    live.deliver(&stretch([event(1, "caracol"), event(2, "hoja"), event(3, "caracol")]), 4);
    assert_eq!(live.state().next, 4);
    live.state().listeners.clear();
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
    let live = Live::default();
    let (slow, other) = (
        listen(&live, Wanted::default()),
        listen(&live, Wanted { source: Some("hoja".to_owned()), ..Wanted::default() }),
    );
    live.deliver(&stretch((0..=FRAMES_MAX as u64).map(|seq| event(seq, "caracol"))), 2_000);
    assert_eq!(live.state().listeners.len(), 1);
    let text = text(slow).await;
    assert!(text.ends_with(std::str::from_utf8(&lagged()).unwrap()));
    drop(other);
    live.beat(|_| true);
    assert!(live.state().listeners.is_empty(), "one that is gone is let go of");
}

#[tokio::test]
async fn a_key_that_no_longer_holds_is_cut_by_the_heartbeat() {
    let live = Live::default();
    let tail = listen(&live, Wanted::default());
    live.beat(|_| true);
    live.beat(|_| false);
    assert_eq!(text(tail).await, ": here\n\n");
}

#[test]
fn a_browser_that_comes_back_says_where_it_was() {
    let mut headers = HeaderMap::new();
    let wanted = Wanted { after: Some(3), ..Wanted::default() };
    assert_eq!(wanted.clone().again(&headers).after, Some(3));
    headers.insert("last-event-id", "7".parse().unwrap());
    assert_eq!(wanted.again(&headers).after, Some(7));
}
