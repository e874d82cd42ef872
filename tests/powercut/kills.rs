//! A kill between a write and its sync, and the power cut after the next start.
//!
//! What a killed process wrote is seen by the next one, synced or not. It must be on the disk before anything
//! is answered, or removed, on the strength of it.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::broker::{Broker, Engine, OUTBOX_LOG};
use crate::client::{Connection, get, until};
use crate::cuts::{Tally, cut};
use crate::dice::{Dice, seed};
use crate::disk::{Disk, Survivors};
use crate::interposer::Call;
use crate::load::{Event, SENDERS, post};
use crate::recording::{Recording, Stage, worth_compacting};
use crate::trace::Step;

/// Cuts of one life.
const CUTS: usize = 8;
const KEYS: &str = "/v1/keys";

fn new_key() -> Value {
    json!({ "name": "a key", "scopes": ["read"] })
}

fn event(id: &str) -> Event {
    Event::of_size(&SENDERS[0], id, 100)
}

/// Cuts the power at some instants of the last process's life at which `wanted` has just happened, and at its end.
async fn cut_the_last_life(recording: &Recording, wanted: fn(&Step) -> bool, is_strict: bool) {
    let steps = &recording.trace.steps;
    let start = steps.iter().rposition(|step| matches!(step, Step::Start)).unwrap();
    let mut instants: Vec<usize> =
        (start + 1..steps.len()).filter(|at| wanted(&steps[*at - 1])).chain([steps.len()]).collect();
    let every = instants.len().div_ceil(CUTS);
    instants = instants.into_iter().step_by(every).collect();
    let mut tally = Tally::default();
    cut(recording, &instants, |_| is_strict, &mut Dice::new(seed()), &mut tally).await;
    assert!(tally.faults.is_empty(), "{}", tally.faults.join("\n"));
}

fn is_answer(step: &Step) -> bool {
    matches!(step, Step::Sent { .. })
}

/// A first life that makes one key and takes one event, which it returns, and is killed in a call for
/// `part` of the disk because of `provoke`.
async fn killed(
    stage: &Stage,
    call: Call,
    part: &str,
    provoke: impl AsyncFnOnce(&mut Connection, &Broker),
) -> Event {
    let flag = stage.folder().join("flag");
    let mut first = stage.spawn(|interposer| interposer.failing(call, part, None, &flag));
    first.ready().await.unwrap();
    let (status, made) = first.ask(Method::POST, KEYS, &new_key()).await.unwrap();
    assert!(status.is_success(), "{made}");
    let mut connection = Connection::open(first.address).await.unwrap();
    let before = event("before");
    assert_eq!(post(&mut connection, &before).await.unwrap().0, StatusCode::ACCEPTED);
    until("it arrives", async || {
        stage.receivers.iter().all(|receiver| receiver.inbox().contains_key(&before.id)).then_some(())
    })
    .await;
    std::fs::write(&flag, "").unwrap();
    provoke(&mut connection, &first).await;
    assert_eq!(first.ended().await.code(), None, "{}", first.log());
    std::fs::remove_file(&flag).unwrap();
    before
}

/// A life that was killed between the write of an event and its sync, and the begin of the next, which answers that it is
/// known. `None` if a commit before the event's was the one that was cut short.
async fn answered_after_a_kill(engine: Engine) -> Option<Recording> {
    let stage = Stage::new(engine).await;
    let cut_short = event("cut-short");
    let before = killed(&stage, Call::Sync, OUTBOX_LOG, async |connection, _| {
        assert!(post(connection, &cut_short).await.is_err(), "killed before its sync");
    })
    .await;
    let mut second = stage.spawn(|interposer| interposer);
    second.ready().await.unwrap();
    let mut connection = Connection::open(second.address).await.unwrap();
    let (status, answer) = post(&mut connection, &cut_short).await.unwrap();
    assert!(status.is_success(), "{status} {answer:?}");
    drop(second);
    (status == StatusCode::OK).then(|| stage.recording(&[before, cut_short]))
}

#[tokio::test]
async fn a_repeat_answered_after_a_kill_survives_a_power_cut() {
    for engine in Engine::ALL {
        let mut recording = None;
        for _ in 0..10 {
            recording = answered_after_a_kill(engine).await;
            if recording.is_some() {
                break;
            }
        }
        cut_the_last_life(&recording.expect("it is seen"), is_answer, true).await;
    }
}

#[tokio::test]
async fn what_the_journal_had_before_a_kill_is_not_forgotten_by_a_power_cut() {
    let stage = Stage::new(Engine::Sled).await;
    let cut_short = event("cut-short");
    let before = killed(&stage, Call::Sync, "/journal.db", async |connection, _| {
        // The outbox doesn't wait for the journal.
        let _ = post(connection, &cut_short).await;
    })
    .await;
    let mut second = stage.spawn(|interposer| interposer);
    second.ready().await.unwrap();
    until("the outbox holds nothing", async || {
        let (_, page) = get(second.address, "/metrics").await.ok()?;
        let page = String::from_utf8(page.to_vec()).unwrap();
        page.lines().any(|line| line == "camino_store_bytes{kind=\"payloads\"} 0").then_some(())
    })
    .await;
    drop(second);
    cut_the_last_life(&stage.recording(&[before, cut_short]), is_answer, true).await;
}

#[tokio::test]
async fn a_key_that_is_listed_after_a_kill_survives_a_power_cut() {
    let stage = Stage::new(Engine::Sled).await;
    let before = killed(&stage, Call::Sync, "/control.db-wal", async |_, broker| {
        let made = broker.ask(Method::POST, KEYS, &new_key()).await;
        assert!(made.is_err(), "killed before its sync");
    })
    .await;
    let mut second = stage.spawn(|interposer| interposer);
    second.ready().await.unwrap();
    let wanted = second.ask(Method::GET, KEYS, &Value::Null).await.unwrap().1;
    assert_eq!(wanted["items"].as_array().unwrap().len(), 2, "it is seen");
    drop(second);
    let recording = stage.recording(&[before]);
    let image = tempfile::tempdir().unwrap();
    let mut disk = Disk::new(&recording.trace);
    recording.trace.steps.iter().for_each(|step| disk.apply(step));
    disk.write(&image.path().join("disk"), &mut Survivors::None);
    let mut third = stage.on(image.path());
    third.ready().await.unwrap();
    assert_eq!(third.ask(Method::GET, KEYS, &Value::Null).await.unwrap().1, wanted);
}

/// The new generation's name in the format file was written and maybe not kept, so the old one must stay.
#[tokio::test]
async fn a_kill_in_the_switch_of_a_compaction_and_a_power_cut_leave_a_generation() {
    for engine in Engine::ALL {
        let stage = Stage::new(engine).await;
        let mut posted = Vec::new();
        let before = killed(&stage, Call::Rename, "/outbox/format$", async |connection, _| {
            let store = stage.folder().join("disk/data");
            let mut events = worth_compacting(&stage.receivers[0], &store);
            until("a compaction", async || {
                posted.push(events.next().unwrap());
                post(connection, posted.last().unwrap()).await.err()
            })
            .await;
        })
        .await;
        posted.push(before);
        let mut second = stage.spawn(|interposer| interposer);
        second.ready().await.unwrap();
        drop(second);
        let removed = |step: &Step| matches!(step, Step::Unlink { .. } | Step::RemoveDir { .. });
        cut_the_last_life(&stage.recording(&posted), removed, false).await;
    }
}

/// sled writes a snapshot as it is opened, and trips over a half one.
#[tokio::test]
async fn a_kill_in_sleds_snapshot_leaves_a_store_that_opens() {
    let stage = Stage::new(Engine::Sled).await;
    let mut first = stage.spawn(|interposer| interposer);
    first.ready().await.unwrap();
    let mut connection = Connection::open(first.address).await.unwrap();
    let event = event("before");
    assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::ACCEPTED);
    drop(first);
    let flag = stage.folder().join("flag");
    std::fs::write(&flag, "").unwrap();
    let mut second = stage.spawn(|interposer| interposer.failing(Call::Write, "/snap.", None, &flag));
    assert_eq!(second.ended().await.code(), None, "{}", second.log());
    let mut third = stage.on(stage.folder());
    third.ready().await.unwrap();
    let mut connection = Connection::open(third.address).await.unwrap();
    assert_eq!(post(&mut connection, &event).await.unwrap().0, StatusCode::OK);
    drop(third);
    cut_the_last_life(&stage.recording(&[event]), |_| true, false).await;
}
