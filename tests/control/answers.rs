//! Kept answers: the same request gets the same answer, and runs once.

use std::sync::Barrier;

use camino_broker::domain::time::Millis;
use camino_broker::store::control::answers::{
    ANSWER_BYTES_MAX, Answer, Begin, IN_FLIGHT_MAX, KEEP, Request, Ticket,
};
use camino_broker::store::control::key::KeyId;
use camino_broker::store::control::{Control, Error};

use super::fixture::{NOW, later, open, store};

fn request<'a>(principal: &'a KeyId, path: &'a str, body: u8) -> Request<'a> {
    Request { key: "0192f0c1", method: "POST", path, principal, body_digest: [body; 32] }
}

fn answer(status: u16, body: &[u8]) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer { status, headers, body: Some(body.to_vec()) }
}

fn fresh(begin: Begin) -> Ticket {
    match begin {
        Begin::Fresh(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_repeated_request_gets_the_first_answer_also_after_a_restart() {
    let store = store();
    let control = open(&store);
    let (me, other) = (KeyId::admin(), KeyId::parse("key_0000000000000000").unwrap());
    let begin = |control: &Control, request: Request<'_>, at| control.begin(&request, at).unwrap();
    let ticket = fresh(begin(&control, request(&me, "/v1/replays", 1), NOW));
    assert!(matches!(begin(&control, request(&me, "/v1/replays", 1), NOW), Begin::InFlight));
    assert!(matches!(begin(&control, request(&me, "/v1/replays", 2), NOW), Begin::Mismatch));
    control.finish(ticket, &answer(202, b"{}"), NOW).unwrap();
    drop(control);

    let control = open(&store);
    let end = NOW.plus(KEEP);
    for at in [NOW, end] {
        match begin(&control, request(&me, "/v1/replays", 1), at) {
            Begin::Replay(kept) => assert_eq!(kept, answer(202, b"{}")),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(begin(&control, request(&me, "/v1/replays", 2), NOW), Begin::Mismatch));
    // Another path, another principal, a day later: another request.
    fresh(begin(&control, request(&me, "/v1/keys", 1), NOW));
    fresh(begin(&control, request(&other, "/v1/replays", 1), NOW));
    let ticket = fresh(begin(&control, request(&me, "/v1/replays", 2), Millis(end.0 + 1)));
    control.finish(ticket, &answer(200, b"new"), Millis(end.0 + 1)).unwrap();
    assert!(matches!(begin(&control, request(&me, "/v1/replays", 2), Millis(end.0 + 1)), Begin::Replay(_)));
}

#[test]
fn a_failed_or_abandoned_request_may_come_again() {
    let store = store();
    let control = open(&store);
    let me = KeyId::admin();
    let begin = || fresh(control.begin(&request(&me, "/v1/keys", 1), NOW).unwrap());
    control.finish(begin(), &answer(503, b"later"), NOW).unwrap();
    control.abandon(begin());
    drop(begin());
    control.finish(begin(), &answer(499, b"never"), NOW).unwrap();
    assert!(matches!(control.begin(&request(&me, "/v1/keys", 1), NOW).unwrap(), Begin::Replay(_)));
}

#[test]
fn requests_in_flight_are_bounded() {
    let store = store();
    let control = open(&store);
    let me = KeyId::admin();
    let paths: Vec<String> = (0..IN_FLIGHT_MAX).map(|n| n.to_string()).collect();
    let mut tickets: Vec<Ticket> =
        paths.iter().map(|path| fresh(control.begin(&request(&me, path, 1), NOW).unwrap())).collect();
    assert!(matches!(control.begin(&request(&me, "/v1/keys", 1), NOW), Err(Error::Busy)));
    assert!(matches!(control.begin(&request(&me, "0", 1), NOW), Ok(Begin::InFlight)));
    tickets.pop();
    fresh(control.begin(&request(&me, "/v1/keys", 1), NOW).unwrap());
}

#[test]
fn old_answers_are_purged_in_slices() {
    let store = store();
    let control = open(&store);
    let me = KeyId::admin();
    for (n, path) in ["/a", "/b", "/c", "/d"].into_iter().enumerate() {
        let at = later(n as u64);
        let ticket = fresh(control.begin(&request(&me, path, 1), at).unwrap());
        control.finish(ticket, &answer(200, b"x"), at).unwrap();
    }
    let now = later(3).plus(KEEP);
    assert_eq!(control.purge_answers(now, 2).unwrap(), 2);
    assert_eq!(control.purge_answers(now, 2).unwrap(), 1);
    assert_eq!(control.purge_answers(now, 2).unwrap(), 0);
    assert!(matches!(control.begin(&request(&me, "/d", 1), now).unwrap(), Begin::Replay(_)));
}

#[test]
fn of_many_at_once_one_is_fresh() {
    let store = store();
    let control = open(&store);
    let me = KeyId::admin();
    let start = Barrier::new(8);
    let begins: Vec<Begin> = std::thread::scope(|scope| {
        let begin = || {
            start.wait();
            control.begin(&request(&me, "/v1/keys", 1), NOW).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |which: fn(&Begin) -> bool| begins.iter().filter(|begin| which(begin)).count();
    assert_eq!(count(|begin| matches!(begin, Begin::Fresh(_))), 1);
    assert_eq!(count(|begin| matches!(begin, Begin::InFlight)), 7);
}

#[test]
fn a_long_answer_is_kept_without_its_body() {
    let store = store();
    let control = open(&store);
    let me = KeyId::admin();
    for (path, bytes, kept) in
        [("/fits", ANSWER_BYTES_MAX - 100, true), ("/too-long", ANSWER_BYTES_MAX, false)]
    {
        let ticket = fresh(control.begin(&request(&me, path, 1), NOW).unwrap());
        control.finish(ticket, &answer(200, &vec![b'x'; bytes]), NOW).unwrap();
        match control.begin(&request(&me, path, 1), NOW).unwrap() {
            Begin::Replay(answer) => assert_eq!((answer.status, answer.body.is_some()), (200, kept)),
            other => panic!("{other:?}"),
        }
    }
}
