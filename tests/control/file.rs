//! The file itself: its mode, its one owner, what a crash leaves, and what damage is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use camino_broker::store::control::Error;
use camino_broker::store::control::key::Scope;
use tempfile::TempDir;

use super::fixture::{NOW, actions, entry, new_key, open, open_in, store};

#[test]
fn every_file_is_its_owners_alone() {
    let store = store();
    let folder = store.path().join("made/on/the/way");
    let control = open_in(&folder).unwrap();
    control.record(&entry("test")).unwrap();
    let modes = || -> Vec<_> {
        let files = fs::read_dir(&folder).unwrap().map(Result::unwrap);
        files.map(|file| (file.file_name(), file.metadata().unwrap().permissions().mode() & 0o777)).collect()
    };
    assert!(modes().len() >= 2 && modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
    drop(control);
    fs::set_permissions(folder.join("control.db"), fs::Permissions::from_mode(0o644)).unwrap();
    let _control = open_in(&folder).unwrap();
    assert!(modes().iter().all(|(_, mode)| *mode == 0o600), "{:?}", modes());
}

/// What opening the store says, which must name the file.
fn refusal(store: &TempDir) -> (Error, String) {
    let error = open_in(store.path()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&store.path().join("control.db").display().to_string()), "{text}");
    (error, text)
}

#[test]
fn a_damaged_file_is_refused_by_name_and_left_as_it_is() {
    let original = store();
    let control = open(&original);
    for n in 0..200 {
        control.record(&entry(&format!("filling {n} {}", "x".repeat(200)))).unwrap();
    }
    drop(control);
    let good = fs::read(original.path().join("control.db")).unwrap();
    assert!(good.len() > 40_000, "several pages");
    let mut scribbled = good.clone();
    scribbled[good.len() / 2..][..6000].fill(0xEE);
    let mut foreign = good.clone();
    foreign[68..72].fill(0);
    for (case, bytes) in [
        ("empty", Vec::new()),
        (
            "text",
            b"not a database, for sure; and longer than a header of SQLite, which has 100 bytes. ".repeat(9),
        ),
        ("cut off", good[..good.len() / 2].to_vec()),
        ("scribbled over", scribbled),
        ("somebody else's", foreign),
    ] {
        let store = store();
        fs::write(store.path().join("control.db"), &bytes).unwrap();
        let (error, text) = refusal(&store);
        assert!(matches!(error, Error::Damaged { .. }), "{case}: {text}");
        assert!(text.contains("restore it from a backup"), "{case}: {text}");
        assert!(fs::read(store.path().join("control.db")).unwrap() == bytes, "{case}: changed");
    }
}

#[test]
fn two_cannot_have_the_file_at_once() {
    let store = store();
    let control = open(&store);
    assert!(matches!(refusal(&store).0, Error::InUse { .. }));
    control.record(&entry("still here")).unwrap();
    drop(control);
    open(&store);
}

#[test]
fn a_file_half_made_by_a_crash_is_made_anew() {
    let store = store();
    fs::write(store.path().join("control.db.new"), "half").unwrap();
    fs::write(store.path().join("control.db.new-journal"), "half").unwrap();
    open(&store).record(&entry("first")).unwrap();
    assert_eq!(actions(&open(&store)), ["first"]);
    assert!(!store.path().join("control.db.new").exists());
}

#[test]
fn a_row_that_makes_no_sense_is_damage() {
    let store = store();
    let control = open(&store);
    control.create_key(&new_key("k", &[Scope::Read]), &[1; 32], entry("key.create")).unwrap();
    drop(control);
    let file = rusqlite::Connection::open(store.path().join("control.db")).unwrap();
    file.execute("UPDATE keys SET scopes = '[\"everything\"]'", []).unwrap();
    drop(file);
    assert!(matches!(refusal(&store).0, Error::Damaged { .. }));
}

#[test]
fn a_log_without_its_file_is_refused() {
    let store = store();
    fs::write(store.path().join("control.db-wal"), "changes of another file").unwrap();
    assert!(matches!(refusal(&store).0, Error::Damaged { .. }));
    assert!(!store.path().join("control.db").exists());
}

#[test]
fn a_newer_file_is_refused() {
    let store = store();
    drop(open(&store));
    let file = rusqlite::Connection::open(store.path().join("control.db")).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    drop(file);
    let (error, text) = refusal(&store);
    assert!(matches!(error, Error::Newer { found: 99, .. }) && text.contains("newer version"), "{text}");
}

#[test]
fn a_folder_that_cannot_be_is_named() {
    let store = store();
    fs::write(store.path().join("file"), "").unwrap();
    let error = open_in(&store.path().join("file")).unwrap_err();
    assert!(matches!(error, Error::Open { .. }), "{error}");
    assert!(error.to_string().contains("file/control.db"), "{error}");
}

#[test]
fn a_copy_of_the_files_at_any_return_holds_all_that_returned() {
    let (store, image) = (store(), store());
    let control = open(&store);
    let (_, text) = control.create_key(&new_key("k", &[Scope::Read]), &[1; 32], entry("key.create")).unwrap();
    // No orderly end: what lies there now is what a crash would leave.
    for file in fs::read_dir(store.path()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), image.path().join(file.file_name())).unwrap();
    }
    let after = open(&image);
    assert!(after.authenticate(text.reveal(), NOW).is_some());
    assert_eq!(actions(&after), ["key.create"]);
}
