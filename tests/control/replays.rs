//! Replay jobs in `control.db`: begun with their audit entry, moved on, ended, cancelled, found again.

use camino_broker::domain::time::Millis;
use camino_broker::store::control::Error;
use camino_broker::store::control::audit::{Actor, Entry};
use camino_broker::store::control::replays::{Asked, EndedAs, NewReplay, Progress, RUNNING_MAX, State};

use crate::fixture::open;

fn entry(at: u64) -> Entry {
    Entry::new(Millis(at), Actor::broker(), "replays.begin", "")
}

fn new(id: &str) -> NewReplay {
    let asked = Asked { state: Some(EndedAs::Dead), since: Some(Millis(5_000)), ..Asked::default() };
    NewReplay { replay_id: id.to_owned(), asked, below: 90, matched: 7 }
}

#[test]
fn a_job_goes_on_after_a_restart_where_it_was() {
    let store = tempfile::tempdir().unwrap();
    let control = open(&store);
    let begun = control.begin_replay(&new("rpl_1"), entry(1)).unwrap();
    assert_eq!((begun.state, begun.cursor, begun.below, begun.matched), (State::Running, 0, 90, 7));
    let progress = Progress { cursor: 40, done: 3, skipped: 1, ended_at: None };
    assert!(control.advance_replay("rpl_1", progress).unwrap());
    drop(control);
    let control = open(&store);
    let running = control.running_replays().unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!((running[0].cursor, running[0].done, running[0].skipped), (40, 3, 1));
    assert_eq!(running[0].asked, new("").asked);
    let progress = Progress { cursor: 90, done: 6, skipped: 1, ended_at: Some(Millis(9)) };
    assert!(control.advance_replay("rpl_1", progress).unwrap());
    assert!(control.running_replays().unwrap().is_empty());
    let done = control.replay("rpl_1").unwrap();
    assert_eq!((done.state, done.ended_at), (State::Done, Some(Millis(9))));
    assert!(!control.advance_replay("rpl_1", progress).unwrap(), "what has ended stays as it is");
    assert_eq!(control.audit(None, 9).unwrap().items[0].entry.target, "rpl_1");
}

#[test]
fn a_cancelled_job_moves_no_further_and_is_cancelled_once() {
    let store = tempfile::tempdir().unwrap();
    let control = open(&store);
    control.begin_replay(&new("rpl_1"), entry(1)).unwrap();
    for _ in 0..2 {
        let entry = Entry::new(Millis(2), Actor::broker(), "replays.cancel", "rpl_1");
        assert_eq!(control.cancel_replay("rpl_1", &entry).unwrap().state, State::Cancelled);
    }
    assert_eq!(control.audit(None, 9).unwrap().items.len(), 2, "begun and cancelled");
    let progress = Progress { cursor: 1, done: 1, skipped: 0, ended_at: None };
    assert!(!control.advance_replay("rpl_1", progress).unwrap());
    let job = control.replay("rpl_1").unwrap();
    assert_eq!((job.state, job.ended_at), (State::Cancelled, Some(Millis(2))));
    assert_eq!((job.cursor, job.done), (1, 1), "what it had made before it heard of that counts");
    let unknown = control.replay("rpl_2").unwrap_err();
    assert!(matches!(unknown, Error::UnknownReplay(id) if id == "rpl_2"));
}

#[test]
fn only_so_many_run_and_the_list_goes_page_by_page() {
    let store = tempfile::tempdir().unwrap();
    let control = open(&store);
    for n in 0..RUNNING_MAX {
        control.begin_replay(&new(&format!("rpl_{n}")), entry(n.into())).unwrap();
    }
    let refused = control.begin_replay(&new("rpl_more"), entry(99)).unwrap_err();
    assert!(matches!(refused, Error::TooManyReplays));
    let first = control.replays(None, 10).unwrap();
    assert_eq!((first.items.len(), first.items[0].replay_id.as_str()), (10, "rpl_15"));
    let second = control.replays(first.next, 10).unwrap();
    assert_eq!((second.items.len(), second.next), (6, None));
}
