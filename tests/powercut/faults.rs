//! A disk that fails under the running broker: what the client gets, what is kept, what the log says.

use std::fs;
use std::path::Path;
use std::process::Command;

use http::{Method, StatusCode};
use rustix::io::Errno;
use serde_json::Value;

use crate::broker::{Broker, Engine, NotReady, OUTBOX_LOG};
use crate::client::{Connection, get, until};
use crate::cuts::{Tally, cut};
use crate::dice::Dice;
use crate::interposer::Call;
use crate::load::{Event, RECEIVERS, SENDERS, post};
use crate::recording::Stage;
use crate::trace::Step;

/// What a client's post came to: the status, and the code of a problem.
async fn posted(connection: &mut Connection, event: &Event) -> (StatusCode, String) {
    let (status, body) = post(connection, event).await.expect("an answer, also to what is refused");
    let body: Value = serde_json::from_slice(&body).unwrap();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

async fn accepted(broker: &Broker, id: &str) -> Event {
    let mut connection = Connection::open(broker.address).await.unwrap();
    let event = Event::of_size(&SENDERS[0], id, 100);
    assert_eq!(posted(&mut connection, &event).await.0, StatusCode::ACCEPTED);
    event
}

async fn arrived(stage: &Stage, events: &[Event]) {
    until("it arrives", async || {
        let all = |inbox: &crate::receiver::Inbox| events.iter().all(|event| inbox.contains_key(&event.id));
        stage.receivers.iter().all(|receiver| all(&receiver.inbox())).then_some(())
    })
    .await;
}

/// The outbox's log fails: the client gets 503, the process ends with 1, the log says so, what was acknowledged
/// is there at the next start and would be after a power cut, and no sync is tried again.
async fn the_log_fails(engine: Engine, call: Call, error: Errno, says: &str) {
    let stage = Stage::new(engine).await;
    let flag = stage.folder().join("flag");
    let mut broker = stage.spawn(|interposer| interposer.failing(call, OUTBOX_LOG, Some(error), &flag));
    broker.ready().await.unwrap();
    let kept = accepted(&broker, "kept").await;
    arrived(&stage, std::slice::from_ref(&kept)).await;
    let mut connection = Connection::open(broker.address).await.unwrap();
    fs::write(&flag, "").unwrap();
    let refused = Event::of_size(&SENDERS[0], "refused", 100);
    let answer = posted(&mut connection, &refused).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, "store.failing".to_owned()), "{}", broker.log());
    let status = broker.ended().await;
    let log = broker.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(
        log.contains("the store has failed; nothing more is acknowledged") && log.contains(says),
        "{log}"
    );

    let recording = stage.recording(&[kept.clone(), refused.clone()]);
    let steps = &recording.trace.steps;
    let failed = steps.iter().position(|step| matches!(step, Step::Fault)).unwrap();
    let again = steps[failed + 1..].iter().filter(|step| matches!(step, Step::Fault)).count();
    assert!(again == 0 || matches!(call, Call::Write), "no sync is tried again");
    let mut tally = Tally::default();
    cut(&recording, &[failed, steps.len()], |_| true, &mut Dice::new(0), &mut tally).await;
    assert!(tally.faults.is_empty(), "{}", tally.faults.join("\n"));

    fs::remove_file(&flag).unwrap();
    let mut broker = stage.spawn(|interposer| interposer);
    broker.ready().await.unwrap();
    let mut connection = Connection::open(broker.address).await.unwrap();
    assert_eq!(posted(&mut connection, &kept).await.0, StatusCode::OK);
    assert!(posted(&mut connection, &refused).await.0.is_success());
    arrived(&stage, &[kept, refused]).await;
}

#[tokio::test]
async fn an_io_error_on_a_write_is_503_and_the_end() {
    for engine in Engine::ALL {
        the_log_fails(engine, Call::Write, Errno::IO, "Input/output error").await;
    }
}

#[tokio::test]
async fn an_io_error_on_a_sync_is_503_and_the_end_and_the_sync_is_not_tried_again() {
    for engine in Engine::ALL {
        the_log_fails(engine, Call::Sync, Errno::IO, "Input/output error").await;
    }
}

#[tokio::test]
async fn a_disk_that_is_full_in_the_middle_of_a_write_is_503_and_the_end() {
    for engine in Engine::ALL {
        the_log_fails(engine, Call::Write, Errno::NOSPC, "No space left on device").await;
    }
}

#[tokio::test]
async fn a_store_that_turns_read_only_is_503_and_the_end() {
    for engine in Engine::ALL {
        the_log_fails(engine, Call::Write, Errno::ROFS, "Read-only file system").await;
    }
}

/// The engine behind the log fails when rows go down to it: nothing is acknowledged that is not in the log, and nothing of
/// the log is given up.
#[tokio::test]
async fn an_engine_that_fails_behind_the_log_is_503_and_the_end() {
    for (engine, call) in [(Engine::Sled, Call::Sync), (Engine::Redb, Call::Write)] {
        let stage = Stage::new(engine).await;
        let flag = stage.folder().join("flag");
        let mut broker =
            stage.spawn(|interposer| interposer.failing(call, engine.rows(), Some(Errno::IO), &flag));
        broker.ready().await.unwrap();
        fs::write(&flag, "").unwrap();
        let mut connection = Connection::open(broker.address).await.unwrap();
        let mut events = Vec::new();
        // Until a segment of the log is full, and the next one half.
        let refused = loop {
            let event = Event::of_size(&SENDERS[0], &format!("e{}", events.len()), 30_000);
            let (status, code) = posted(&mut connection, &event).await;
            if status != StatusCode::ACCEPTED {
                break (status, code);
            }
            events.push(event);
            assert!(events.len() < 100, "{}", broker.log());
        };
        assert_eq!(refused, (StatusCode::SERVICE_UNAVAILABLE, "store.failing".to_owned()));
        assert_eq!(broker.ended().await.code(), Some(1), "{}", broker.log());
        assert!(broker.log().contains("Input/output error"), "{}", broker.log());
        let recording = stage.recording(&events);
        let mut tally = Tally::default();
        cut(&recording, &[recording.trace.steps.len()], |_| true, &mut Dice::new(0), &mut tally).await;
        assert!(tally.faults.is_empty(), "{}", tally.faults.join("\n"));
        fs::remove_file(&flag).unwrap();
        let mut broker = stage.spawn(|interposer| interposer);
        broker.ready().await.unwrap();
        arrived(&stage, &events).await;
    }
}

/// The journal follows; nobody waits for it, and it catches up once there is room.
#[tokio::test]
async fn a_journal_without_room_holds_nobody_up_and_catches_up() {
    let stage = Stage::new(Engine::Sled).await;
    let flag = stage.folder().join("flag");
    let full = Some(Errno::NOSPC);
    let mut broker = stage.spawn(|interposer| interposer.failing(Call::Write, "/journal.db", full, &flag));
    broker.ready().await.unwrap();
    fs::write(&flag, "").unwrap();
    let event = accepted(&broker, "unwritten").await;
    arrived(&stage, std::slice::from_ref(&event)).await;
    until("it says so", async || broker.log().contains("it will try again").then_some(())).await;
    fs::remove_file(&flag).unwrap();
    listed_as_delivered(&broker, &event).await;
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
}

async fn listed_as_delivered(broker: &Broker, event: &Event) {
    let path = format!("/v1/events/{}/deliveries", event.id);
    until("the journal has it", async || {
        let (_, page) = broker.ask(Method::GET, &path, &Value::Null).await.unwrap();
        let items = page["items"].as_array()?;
        let delivered = items.iter().filter(|item| item["state"] == "delivered").count();
        (delivered == RECEIVERS.len()).then_some(())
    })
    .await;
}

/// A sync that failed may have thrown pages away, so the journal doesn't try again either.
#[tokio::test]
async fn an_io_error_on_a_sync_of_the_journal_ends_the_process_and_loses_nothing() {
    let stage = Stage::new(Engine::Sled).await;
    let flag = stage.folder().join("flag");
    let mut broker =
        stage.spawn(|interposer| interposer.failing(Call::Sync, "/journal.db", Some(Errno::IO), &flag));
    broker.ready().await.unwrap();
    fs::write(&flag, "").unwrap();
    let event = accepted(&broker, "unwritten").await;
    let status = broker.ended().await;
    let log = broker.log();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("journal.db"), "{log}");
    fs::remove_file(&flag).unwrap();
    let recording = stage.recording(std::slice::from_ref(&event));
    let mut tally = Tally::default();
    cut(&recording, &[recording.trace.steps.len()], |_| true, &mut Dice::new(0), &mut tally).await;
    assert!(tally.faults.is_empty(), "{}", tally.faults.join("\n"));
    let mut broker = stage.spawn(|interposer| interposer);
    broker.ready().await.unwrap();
    arrived(&stage, std::slice::from_ref(&event)).await;
    listed_as_delivered(&broker, &event).await;
}

/// Ends by itself with 1 and this in its log, before it has ever been ready.
async fn refuses_to_start(mut broker: Broker, says: &[&str]) {
    let NotReady(status, log) = broker.ready().await.unwrap_err();
    assert_eq!(status.code(), Some(1), "{log}");
    for words in says {
        assert!(log.contains(words), "{words:?} is not in\n{log}");
    }
}

#[tokio::test]
async fn a_read_only_store_refuses_to_start_and_says_why() {
    for engine in Engine::ALL {
        let stage = Stage::new(engine).await;
        let mut broker = stage.spawn(|interposer| interposer);
        broker.ready().await.unwrap();
        broker.terminate();
        broker.ended().await;
        let flag = stage.folder().join("flag");
        fs::write(&flag, "").unwrap();
        let broker =
            stage.spawn(|interposer| interposer.failing(Call::Open, "/data/", Some(Errno::ROFS), &flag));
        refuses_to_start(broker, &["Read-only file system", "check that store.path can be written"]).await;
    }
}

/// A removed file can still be written and synced, and all of it is gone with the process.
#[tokio::test]
async fn a_store_that_vanishes_under_the_running_broker_is_503_and_the_end() {
    for engine in Engine::ALL {
        let stage = Stage::new(engine).await;
        let mut broker = stage.spawn(|interposer| interposer);
        broker.ready().await.unwrap();
        let kept = accepted(&broker, "kept").await;
        arrived(&stage, &[kept]).await;
        fs::remove_dir_all(stage.folder().join("disk/data")).unwrap();
        let mut connection = Connection::open(broker.address).await.unwrap();
        let answer = posted(&mut connection, &Event::of_size(&SENDERS[0], "refused", 100)).await;
        assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, "store.failing".to_owned()), "{}", broker.log());
        let status = broker.ended().await;
        let log = broker.log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("was removed while it was in use"), "{log}");
    }
}

/// A stage on which one event was delivered and one waits for a receiver that is gone, and the broker stopped.
async fn with_a_backlog() -> (Stage, Event, Event) {
    let stage = Stage::new(Engine::Sled).await;
    let mut broker = stage.spawn(|interposer| interposer);
    broker.ready().await.unwrap();
    let done = accepted(&broker, "done").await;
    arrived(&stage, std::slice::from_ref(&done)).await;
    listed_as_delivered(&broker, &done).await;
    stage.pause(&broker, RECEIVERS[0]).await;
    let waiting = accepted(&broker, "waiting").await;
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0), "{}", broker.log());
    (stage, done, waiting)
}

#[tokio::test]
async fn a_deleted_journal_is_rebuilt_from_what_the_outbox_holds() {
    let (stage, _, waiting) = with_a_backlog().await;
    for file in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(stage.folder().join("disk/data").join(file));
    }
    let mut broker = stage.spawn(|interposer| interposer);
    broker.ready().await.unwrap();
    stage.resume(&broker, RECEIVERS[0]).await;
    arrived(&stage, std::slice::from_ref(&waiting)).await;
    listed_as_delivered(&broker, &waiting).await;
}

#[tokio::test]
async fn a_damaged_journal_refuses_to_start_and_says_how_to_mend_it() {
    let (stage, ..) = with_a_backlog().await;
    let file = stage.folder().join("disk/data/journal.db");
    let whole = fs::read(&file).unwrap();
    let cut_off = &whole[..whole.len() / 2];
    let mut scribbled = whole.clone();
    scribbled[4096..].fill(0xa5);
    for damaged in [&b"no database"[..], cut_off, &scribbled] {
        fs::write(&file, damaged).unwrap();
        let broker = stage.spawn(|interposer| interposer);
        let mend = "move it and its -wal file away: it is rebuilt from what the outbox still holds";
        refuses_to_start(broker, &["journal.db", "is damaged", mend]).await;
    }
}

#[tokio::test]
async fn a_half_written_config_refuses_to_start() {
    let stage = Stage::new(Engine::Sled).await;
    let config = stage.folder().join("half.toml");
    fs::write(&config, "[server]\nlisten = \"127.0.0.1:0\"\n[store]\npath = \"/var/li").unwrap();
    let ended = Command::new(env!("CARGO_BIN_EXE_camino")).args(["serve", "--config"]).arg(&config).output();
    let ended = ended.unwrap();
    let says = String::from_utf8_lossy(&ended.stderr);
    assert!(!ended.status.success(), "{says}");
    assert!(says.contains("half.toml:4: not TOML"), "{says}");
}

/// A file system of 12 MiB; unmounted when dropped.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    /// `None` where this process may not mount.
    fn mount(path: &'a Path) -> Option<Self> {
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=12m", "tmpfs"]).arg(path).output();
        mounted.is_ok_and(|ended| ended.status.success()).then_some(Self(path))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        // Lazily: the broker may still be on its way out.
        let _ = Command::new("umount").arg("-l").arg(self.0).output();
    }
}

/// A disk that really has no room left: new events are refused before the engine is touched, and taken again
/// once there is room.
#[tokio::test]
async fn a_full_disk_is_503_until_there_is_room() {
    for engine in Engine::ALL {
        let stage = Stage::new(engine).await;
        let root = stage.folder().join("disk");
        let Some(_disk) = SmallDisk::mount(&root) else {
            println!(
                "no file system can be mounted here; `disk_full_503` and the injected errors stand for it"
            );
            return;
        };
        let mut broker = stage.spawn(|interposer| interposer);
        broker.ready().await.unwrap();
        let kept = accepted(&broker, "kept").await;
        // Somebody else fills the disk.
        let free = rustix::fs::statvfs(&root).unwrap();
        let filling = free.f_bavail * free.f_frsize - (700 << 10);
        fs::write(root.join("filling"), vec![1; usize::try_from(filling).unwrap()]).unwrap();
        let mut connection = Connection::open(broker.address).await.unwrap();
        let refused = Event::of_size(&SENDERS[0], "refused", 100);
        let answer = posted(&mut connection, &refused).await;
        assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, "store.full".to_owned()), "{}", broker.log());
        assert_eq!(posted(&mut connection, &kept).await.0, StatusCode::OK, "a repeat takes no room");
        assert_eq!(get(broker.address, "/readyz").await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
        fs::remove_file(root.join("filling")).unwrap();
        until("there is room", async || {
            (posted(&mut connection, &refused).await.0 == StatusCode::ACCEPTED).then_some(())
        })
        .await;
        arrived(&stage, &[kept, refused]).await;
        assert!(broker.log().contains("the store's disk is nearly full"), "{}", broker.log());
        broker.terminate();
        assert_eq!(broker.ended().await.code(), Some(0), "{}", broker.log());
    }
}
