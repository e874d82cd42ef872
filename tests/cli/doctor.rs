//! `doctor` on a healthy, a damaged and a foreign store; `backup` and `restore` around them.

use std::fs;
use std::process::Command;

use insta::assert_snapshot;
use serde_json::Value;

use super::binary::{Place, Ran};

const CONFIG: &str = "[store]\nfree_bytes_min = \"1 MiB\"\n";

/// A folder in which a broker has made a store and was killed.
fn place_with_a_store() -> Place {
    let place = Place::with_config(CONFIG);
    drop(place.serve());
    place
}

/// The same, and `copy` is a backup of it.
fn place_with_a_copy() -> Place {
    let place = Place::with_config(CONFIG);
    let serving = place.serve();
    assert_eq!(place.run(&["backup", "copy", "--url", &serving.url]).code, 0);
    place
}

/// What was told, without sizes and times.
fn told(ran: &Ran) -> String {
    let text = ran.told();
    let (mut told, mut words) = (Vec::new(), text.split(' ').peekable());
    while let Some(word) = words.next() {
        let next = words.peek().copied().unwrap_or_default();
        match ["GiB", "MiB", "KiB"].into_iter().find(|unit| next.starts_with(unit)) {
            Some(unit) if word.parse::<f64>().is_ok() => {
                told.extend(words.next().map(|next| next.replacen(unit, "[size]", 1)));
            }
            _ => told.push(word.to_owned()),
        }
        if word == "taken" && words.next().is_some() {
            told.push("[time]".to_owned());
        }
    }
    told.join(" ")
}

#[test]
fn a_healthy_store_is_good() {
    let place = place_with_a_store();
    let ran = place.run(&["doctor"]);
    assert_snapshot!(told(&ran), @r#"
    exit 0
    -- stdout
    good      config       nothing in it is doubtful
    good      store        ./data
    good      engine       sled: rows 0 of 0 B, as its tally says; [size] on the disk
    good      outbox       commit 0; receivers 0, deliveries open 0, dead 0, events in quarantine 0
    good      dedupe       ids remembered 0, runs 0, leaves 0
    good      journal      commit 0, events 0; commits to catch up with 0
    good      control      schema 3; keys 0, endpoints changed 0, audit entries 0
    good      secrets      none at rest
    good      hub          hub.db is whole
    good      permissions  only its owner may enter
    good      disk         [size] are free
    "#);
    let ran = place.run(&["doctor", "--json"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &json["healthy"]), (0, &Value::Bool(true)));
    for finding in json["findings"].as_array().unwrap() {
        assert_eq!((&finding["verdict"], &finding["mend"]), (&"good".into(), &Value::Null), "{finding}");
    }
    drop(place.serve());
}

#[test]
fn a_damaged_store_is_told_whole_and_left_as_it_is() {
    let place = place_with_a_store();
    place.write("data/journal.db", "no journal");
    // Not there if the broker had not written yet.
    let _ = fs::remove_file(place.path("data/journal.db-wal"));
    fs::remove_file(place.path("data/outbox/format")).unwrap();
    fs::remove_file(place.path("data/control.db")).unwrap();
    let before = place.files("data");
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    good      store        ./data
    bad       outbox       ./data/outbox/format is damaged: it is missing, but generations are there
                           -> restore a backup, or move the store's folder away to start anew; nothing was changed
    bad       journal      journal.db is damaged: file is not a database
                           -> move journal.db and journal.db-wal away: the next start makes it anew from what the outbox holds
    bad       control      control.db is missing
                           -> restore a backup; without it the next start has no keys, no endpoint changes and no audit log
    good      hub          hub.db is whole
    good      permissions  only its owner may enter
    good      disk         [size] are free
    "#);
    assert!(place.files("data") == before, "nothing was changed");
}

#[test]
fn a_foreign_store_is_named() {
    let mut place = place_with_a_store();
    place.var("CAMINO_STORE__ENGINE", "redb");
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    good      store        ./data
    bad       outbox       it was made by sled, and store.engine is "redb"
                           -> set store.engine = "sled"
    good      journal      commit 0, events 0; not compared, since the outbox cannot be read
    good      control      schema 3; keys 0, endpoints changed 0, audit entries 0
    good      secrets      none at rest
    good      hub          hub.db is whole
    good      permissions  only its owner may enter
    good      disk         [size] are free
    "#);
    let place = Place::with_config(CONFIG);
    place.write("data/photo.png", "x");
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    bad       store        ./data holds one thing and no outbox: it is no store
                           -> store.path names the folder; the first start makes a store in one that is empty or not there
    "#);
    let place = Place::with_config("[store]\npath = \"nowhere\"\n");
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    bad       store        nowhere cannot be read, or is no folder
                           -> store.path names the folder; the first start makes a store in one that is empty or not there
    "#);
    assert!(!place.path("nowhere").exists());
}

#[test]
fn a_store_in_use_and_a_bad_config_are_said() {
    let place = Place::with_config(CONFIG);
    let serving = place.serve();
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    good      store        ./data
    bad       outbox       ./data/outbox is in use by another process
                           -> stop the broker first; a running one is asked by GET /readyz and `/metrics`
    "#);
    drop(serving);
    place.write("config.toml", "[store]\npth = 1\n");
    let ran = place.run(&["doctor"]);
    let bad = "bad       config       config.toml:2: unknown key `store.pth`";
    assert!(ran.code == 1 && ran.stdout.starts_with(bad), "{}", ran.told());
}

#[test]
fn a_backup_is_taken_and_put_back() {
    let place = Place::with_config(CONFIG);
    let serving = place.serve();
    let ran = place.run(&["backup", "copies/today", "--url", &serving.url]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    assert!(ran.stdout.starts_with("backed up to [dir]/copies/today: "), "{}", ran.told());
    let ran = place.run(&["backup", "copies/today", "--url", &serving.url]);
    assert_snapshot!(ran.told(), @r#"
    exit 1
    -- stderr
    camino: the backup failed: [dir]/copies/today is not empty: control.db is there
      nothing of it is left there; the broker's log has the same
    "#);
    drop(serving);
    assert_snapshot!(place.run(&["restore", "copies/today"]).told(), @r#"
    exit 1
    -- stderr
    camino: ./data is not empty: control.db is there
      nothing was changed: move what is there away, or give the store another place (store.path)
    "#);
    fs::remove_dir_all(place.path("data")).unwrap();
    let ran = place.run(&["restore", "copies/today"]);
    assert_eq!(ran.code, 0, "{}", ran.told());
    assert_eq!(place.run(&["doctor"]).code, 0);
    drop(place.serve());
    fs::remove_file(place.path("copies/today/manifest.json")).unwrap();
    fs::remove_dir_all(place.path("data")).unwrap();
    assert_snapshot!(place.run(&["restore", "copies/today"]).told(), @r#"
    exit 1
    -- stderr
    camino: copies/today has no manifest.json: it is no backup, or the taking of it broke off
      nothing was changed: take another backup, or name the folder of a whole one
    "#);
    assert!(!place.path("data").exists());
}

/// A restore stands still where a file of the backup is a pipe, until somebody writes into it.
#[test]
fn half_a_store_is_refused() {
    let mut place = place_with_a_copy();
    fs::remove_dir_all(place.path("data")).unwrap();
    let (pipe, kept) = (place.path("copy/journal.db"), place.path("kept"));
    fs::rename(&pipe, &kept).unwrap();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut restoring = place.begin(&["restore", "copy"]);
    // Opened as soon as it is read from.
    let held = fs::File::options().write(true).open(&pipe).unwrap();
    restoring.kill().unwrap();
    restoring.wait().unwrap();
    drop(held);
    let before = place.files("data");
    assert_snapshot!(place.run(&["serve"]).told(), @r#"
    exit 1
    -- stderr
    camino: ./data holds half a store: a restore from copy broke off; nothing was changed: empty the folder, keep its secret.key and admin.key, and restore again
    "#);
    assert_snapshot!(place.run(&["doctor"]).told(), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    bad       store        ./data holds half a store: a restore from copy broke off
                           -> empty the folder, keep its secret.key and admin.key, and restore again
    "#);
    fs::remove_file(&pipe).unwrap();
    fs::rename(&kept, &pipe).unwrap();
    assert_snapshot!(place.run(&["restore", "copy"]).told(), @r#"
    exit 1
    -- stderr
    camino: ./data holds half a store: a restore from copy broke off
      nothing was changed: empty the folder, keep its secret.key and admin.key, and restore again
    "#);
    assert!(place.files("data") == before, "nothing was changed");
    fs::remove_dir_all(place.path("data")).unwrap();
    assert_eq!(place.run(&["restore", "copy"]).code, 0);
    drop(place.serve());
    let before = place.files("copy");
    place.var("CAMINO_STORE__PATH", "copy");
    assert_snapshot!(place.run(&["serve"]).told(), @r#"
    exit 1
    -- stderr
    camino: copy is a backup, or was to become one, and no store; nothing was changed: give the store another place (store.path), and restore the backup there
    "#);
    assert_eq!(place.run(&["doctor"]).code, 1);
    assert!(place.files("copy") == before, "a backup stays one");
}

#[test]
fn a_backup_is_looked_over_where_it_lies() {
    let mut place = place_with_a_copy();
    place.var("CAMINO_STORE__PATH", "copy");
    let before = place.files("copy");
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    bad       store        copy is a backup, or was to become one, and no store
                           -> give the store another place (store.path), and restore the backup there
    good      backup       whole, [size], taken [time] from sled; commit 0, rows 0 of 0 B
    "#);
    let rows = fs::read(place.path("copy/outbox.rows")).unwrap();
    fs::write(place.path("copy/outbox.rows"), &rows[..rows.len() / 2]).unwrap();
    assert_snapshot!(told(&place.run(&["doctor"])), @r#"
    exit 1
    -- stdout
    good      config       nothing in it is doubtful
    bad       store        copy is a backup, or was to become one, and no store
                           -> give the store another place (store.path), and restore the backup there
    bad       backup       copy/outbox.rows is not what was backed up: it has 50 bytes and had 101
                           -> do not rely on it: take another copy of it, or another backup
    "#);
    fs::write(place.path("copy/outbox.rows"), &rows).unwrap();
    assert!(place.files("copy") == before, "a backup stays one");
    // The other engine takes it too.
    place.var("CAMINO_STORE__PATH", "data2");
    place.var("CAMINO_STORE__ENGINE", "redb");
    let ran = place.run(&["restore", "copy", "--json"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["takenFrom"], &json["engine"]), (&"sled".into(), &"redb".into()));
    fs::copy(place.path("data/secret.key"), place.path("data2/secret.key")).unwrap();
    assert_eq!(place.run(&["doctor"]).code, 0);
    drop(place.serve());
}
