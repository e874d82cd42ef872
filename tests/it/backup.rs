//! A backup under load, the store lost, the backup put back, the broker started: nothing is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use camino_broker::config::Engine;
use camino_broker::store::backup::{self, Error, Manifest, Restored};
use camino_broker::store::log::EngineKind;
use camino_broker::testing::receiver::FakeReceiver;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::app::{Setup, TestApp};
use crate::draft::{Draft, id};

/// Has the broker take a backup named `name`, and waits for its end.
pub async fn backed_up(app: &TestApp, name: &str) -> (PathBuf, Value) {
    let dir = app.folder().join(name);
    let (desk, body) = (app.desk(), json!({ "dir": dir }));
    let begun = desk.post("/v1/backup", &body.to_string()).await.taken(202);
    assert_eq!(begun["dir"], body["dir"]);
    (dir, desk.until("/v1/backup", |shown| shown["state"] != "running").await)
}

fn restored(from: &Path, store: &Path, engine: EngineKind) -> Result<Restored, Error> {
    backup::restore(from, store, engine, &[], 0)
}

/// Everything below `dir`, by name.
fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

async fn a_lost_store_comes_back(from: Engine, to: Engine) {
    let receiver = FakeReceiver::start().await.unwrap();
    let setup = Setup::new().receiver("mancha", &receiver).with(|config| config.store.engine = from);
    let app = setup.start().await;
    let (_, key) = app.desk().make_key("read", None).await;
    let before: Vec<Draft> = (1..=40).map(|n| app.payment(n)).collect();
    for draft in &before[..20] {
        app.send(draft).await.taken(202);
    }
    app.until_ended("mancha", "delivered", 20).await;
    app.desk().post("/v1/endpoints/mancha/pause", "").await.taken(200);
    for draft in &before[20..] {
        app.send(draft).await.taken(202);
    }
    let during = Mutex::new(Vec::new());
    let load = async {
        for n in 41.. {
            let draft = app.payment(n);
            // Before it is sent: whether the last one was taken in is not known.
            during.lock().unwrap().push(draft.clone());
            app.send(&draft).await.taken(202);
        }
    };
    let (backup, shown) = tokio::select! {
        taken = backed_up(&app, "backup") => taken,
        () = load => panic!("the load does not end"),
    };
    assert_eq!(shown["state"], "done", "{shown}");
    let (setup, dir) = app.stop().await;
    let store = dir.path().join("data");
    let secret_key = fs::read(store.join("secret.key")).unwrap();
    fs::remove_dir_all(&store).unwrap();

    let back = restored(&backup, &store, to.into()).unwrap();
    assert!(back.manifest.journal.position <= back.outbox.head);
    assert_eq!(back.keys_missing.len(), 1, "the key is no part of a backup");
    fs::write(store.join("secret.key"), secret_key).unwrap();
    let app = setup.with(|config| config.store.engine = to).start_in(dir).await;
    for draft in &before {
        assert_eq!(app.send(draft).await.taken(200)["status"], "duplicate");
    }
    for n in 1..=40 {
        app.desk_of(&key).until(&format!("/v1/events/{}", id(n)), |found| found["eventId"] == id(n)).await;
    }
    assert_eq!(app.desk().get("/v1/endpoints/mancha").await["state"], "paused");
    app.desk().post("/v1/endpoints/mancha/resume", "").await.taken(200);
    // What came while it was taken may be in it or not; a sender whose event is not is told that it is new.
    let during = during.into_inner().unwrap();
    for draft in &during {
        assert!([200, 202].contains(&app.send(draft).await.status.as_u16()));
    }
    app.until_ended("mancha", "delivered", 20 + during.len() as u64).await;
    let requests = receiver.all();
    for n in 1..=40 {
        let wanted = id(n);
        let came = requests.iter().filter(|request| request.header("webhook-id") == Some(wanted.as_str()));
        assert_eq!(came.count(), 1, "{n}: delivered before the backup or after it, and once");
    }
}

#[tokio::test]
async fn a_lost_store_comes_back_from_a_backup_under_load_on_sled() {
    a_lost_store_comes_back(Engine::Sled, Engine::Sled).await;
}

#[tokio::test]
async fn a_lost_store_comes_back_from_a_backup_under_load_on_redb() {
    a_lost_store_comes_back(Engine::Redb, Engine::Redb).await;
}

#[tokio::test]
async fn a_backup_of_sled_is_put_back_into_redb() {
    a_lost_store_comes_back(Engine::Sled, Engine::Redb).await;
}

#[tokio::test]
async fn a_backup_of_redb_is_put_back_into_sled() {
    a_lost_store_comes_back(Engine::Redb, Engine::Sled).await;
}

#[tokio::test]
async fn a_backup_holds_no_key_and_only_its_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    let (backup, shown) = backed_up(&app, "backup").await;
    assert_eq!(
        names(&backup),
        ["control.db", "hub.db", "journal.db", "manifest.json", "outbox.rows"],
        "{shown}"
    );
    for name in names(&backup) {
        let mode = fs::metadata(backup.join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    assert_eq!(Manifest::read(&backup).unwrap().outbox.commit, shown["outbox"]["commit"].as_u64().unwrap());
    let audit = app.desk().items("/v1/audit").await;
    let actions: Vec<_> = audit.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["backup.done", "backup.begin"]);
}

#[tokio::test]
async fn every_file_of_a_store_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.desk().until_items("/v1/events", 1).await;
    let mut files = Vec::new();
    // What lies deeper is the engine's, below a folder that only the owner enters.
    for entry in fs::read_dir(app.folder().join("data")).unwrap().map(Result::unwrap) {
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.path().display());
        files.push(entry.file_name().into_string().unwrap());
    }
    for name in ["journal.db", "journal.db-wal", "journal.db-shm", "hub.db", "hub.db-wal", "control.db"] {
        assert!(files.iter().any(|file| file == name), "{files:?}");
    }
}

#[tokio::test]
async fn a_backup_goes_into_an_empty_folder_outside_of_the_store() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    assert_eq!(desk.get("/v1/backup").await["state"], "none");
    for body in ["", "{}", "{\"dir\":\"relative\"}", "{\"dir\":\"/x\",\"more\":1}"] {
        desk.post("/v1/backup", body).await.problem(400, "request.invalid");
    }
    fs::create_dir(app.folder().join("full")).unwrap();
    fs::write(app.folder().join("full/file"), "x").unwrap();
    std::os::unix::fs::symlink(app.folder().join("data"), app.folder().join("link")).unwrap();
    fs::write(app.folder().join("file"), "x").unwrap();
    for (name, why) in [
        ("full", "is not empty: file is there"),
        ("data/backup", "the store"),
        ("nowhere/../data/backup", "the store"),
        ("link/backup", "the store"),
        (".", "the store"),
        ("file", "Not a directory"),
    ] {
        let (dir, shown) = backed_up(&app, name).await;
        assert_eq!(shown["state"], "failed");
        assert!(shown["error"].as_str().unwrap().contains(why), "{shown}");
        assert!(!dir.join("manifest.json").exists());
    }
    assert_eq!(names(&app.folder().join("full")), ["file"], "nothing was added or removed");
    assert!(!app.folder().join("data/backup").exists());
    assert!(!app.folder().join("nowhere").exists());
}

/// A list with the right checksum of the wrong rows: the rows themselves are looked at too.
fn refuses_rows_that_the_list_agrees_with(backup: &Path, store: &Path) {
    let (file, list) = (backup.join("outbox.rows"), backup.join("manifest.json"));
    let (whole, listed) = (fs::read(&file).unwrap(), fs::read(&list).unwrap());
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bad in [&flipped[..], &whole[..whole.len() - 1], &whole[..whole.len() / 2]] {
        fs::write(&file, bad).unwrap();
        let mut manifest: Value = serde_json::from_slice(&listed).unwrap();
        let parts = manifest["files"].as_array_mut().unwrap();
        let part = parts.iter_mut().find(|part| part["path"] == "outbox.rows").unwrap();
        part["bytes"] = bad.len().into();
        part["sha256"] = hex::encode(Sha256::digest(bad)).into();
        fs::write(&list, manifest.to_string()).unwrap();
        for error in
            [restored(backup, store, EngineKind::Redb).unwrap_err(), backup::check(backup).unwrap_err()]
        {
            let wanted = format!("{} is damaged: ", file.display());
            assert!(error.to_string().starts_with(&wanted), "{error}");
        }
        assert_eq!(names(store), Vec::<String>::new());
    }
    fs::write(&file, whole).unwrap();
    let mut manifest: Value = serde_json::from_slice(&listed).unwrap();
    manifest["files"].as_array_mut().unwrap().retain(|part| part["path"] != "outbox.rows");
    fs::write(&list, manifest.to_string()).unwrap();
    assert!(matches!(restored(backup, store, EngineKind::Redb), Err(Error::Manifest { .. })));
    fs::write(&list, listed).unwrap();
}

#[tokio::test]
async fn what_is_no_whole_backup_is_refused_and_leaves_nothing_behind() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    let (backup, _) = backed_up(&app, "backup").await;
    let store = app.folder().join("new");
    let restored = || restored(&backup, &store, EngineKind::Sled);

    for name in ["journal.db", "outbox.rows"] {
        let file = backup.join(name);
        let whole = fs::read(&file).unwrap();
        let mut flipped = whole.clone();
        flipped[whole.len() / 2] ^= 1;
        for bad in [&flipped[..], &whole[..whole.len() - 1], &whole[..whole.len() / 2]] {
            fs::write(&file, bad).unwrap();
            assert!(matches!(restored(), Err(Error::Altered { path, .. }) if path == file));
            assert!(matches!(backup::check(&backup), Err(Error::Altered { path, .. }) if path == file));
            assert_eq!(names(&store), Vec::<String>::new());
        }
        fs::remove_file(&file).unwrap();
        assert!(matches!(restored(), Err(Error::Altered { .. })));
        fs::write(&file, whole).unwrap();
    }
    backup::check(&backup).unwrap();
    refuses_rows_that_the_list_agrees_with(&backup, &store);
    fs::write(store.join("mine"), "x").unwrap();
    assert!(matches!(restored(), Err(Error::NotEmpty { entry, .. }) if entry == "mine"));
    assert_eq!(names(&store), ["mine"]);
    fs::remove_file(store.join("mine")).unwrap();

    let list = backup.join("manifest.json");
    fs::rename(&list, backup.join("manifest.json.new")).unwrap();
    assert!(matches!(restored(), Err(Error::Unfinished { .. })), "as a crash leaves it");
    fs::rename(backup.join("manifest.json.new"), &list).unwrap();
    restored().unwrap();
    assert!(matches!(restored(), Err(Error::NotEmpty { .. })));
}
