//! Secrets at rest: what lies in the file, which key opens it, and what a start says without it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use camino_broker::domain::secret::Secret;
use camino_broker::store::control::sealing::FILE;
use camino_broker::store::control::{Control, Error};
use tempfile::TempDir;

use super::fixture::{app, entry, open, open_in, open_with, store};

const KEY: &str = "the first key, long enough for a key";
const NEXT: &str = "the next key, also long enough for it";

fn key(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn secret() -> Secret {
    Secret::from_entropy(&[9; 32])
}

fn rotate(control: &Control) {
    let change =
        control.change_overlay(&app("bloom"), &entry("rotate"), |overlay| overlay.rotate(secret(), None));
    change.unwrap();
}

fn kept(control: &Control) -> Vec<Secret> {
    control.overlays().unwrap()[&app("bloom")].secrets.clone()
}

/// Whether any file of the store but the key's own has `bytes` in it.
fn finds(store: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(store).unwrap().map(|file| file.unwrap().path()).any(|path| {
        let found =
            !path.ends_with(FILE) && fs::read(&path).unwrap().windows(bytes.len()).any(|part| part == bytes);
        if found {
            println!("found in {}", path.display());
        }
        found
    })
}

fn assert_hidden(store: &TempDir) {
    for bytes in [secret().text_key(), secret().webhook_key()] {
        assert!(!finds(store.path(), bytes));
    }
}

#[test]
fn no_file_of_the_store_shows_a_rotated_secret() {
    let store = store();
    let control = open(&store);
    rotate(&control);
    // Open, with its log of changes, and closed.
    assert_hidden(&store);
    drop(control);
    assert_hidden(&store);
    assert_eq!(kept(&open(&store)), [secret()]);
}

#[test]
fn a_key_is_made_once_said_once_and_its_owners_alone() {
    let store = store();
    let control = open(&store);
    let path = store.path().join(FILE);
    assert_eq!(control.sealed().key_made.as_deref(), Some(path.as_path()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    drop(control);
    assert_eq!(open(&store).sealed().key_made, None);
}

#[test]
fn a_key_of_the_config_makes_no_file() {
    let store = store();
    let control = open_with(store.path(), &[key(KEY)]).unwrap();
    rotate(&control);
    drop(control);
    assert!(!store.path().join(FILE).exists());
    assert_eq!(kept(&open_with(store.path(), &[key(KEY)]).unwrap()), [secret()]);
}

#[test]
fn rows_from_before_there_was_a_key_are_sealed_at_the_next_start() {
    let store = store();
    rotate(&open(&store));
    let mut plain = vec![0];
    plain.extend(postcard::to_stdvec(&vec![secret().reveal()]).unwrap());
    let file = rusqlite::Connection::open(store.path().join("control.db")).unwrap();
    file.execute("UPDATE overlays SET secrets = ?", [plain]).unwrap();
    drop(file);
    assert!(finds(store.path(), secret().text_key()), "as an earlier version left it");
    let control = open(&store);
    assert_eq!((control.sealed().resealed, kept(&control)), (1, vec![secret()]));
    assert_hidden(&store);
    drop(control);
    assert_hidden(&store);
    assert_eq!(open(&store).sealed().resealed, 0);
}

#[test]
fn a_new_key_before_the_old_one_takes_over_every_row() {
    let store = store();
    rotate(&open_with(store.path(), &[key(KEY)]).unwrap());
    let control = open_with(store.path(), &[key(NEXT), key(KEY)]).unwrap();
    assert_eq!((control.sealed().resealed, kept(&control)), (1, vec![secret()]));
    drop(control);
    assert_eq!(kept(&open_with(store.path(), &[key(NEXT)]).unwrap()), [secret()]);
    let refused = open_with(store.path(), &[key(KEY)]).unwrap_err();
    assert!(matches!(refused, Error::OtherSecretKey { .. }));
}

#[test]
fn a_lost_key_is_named_and_none_is_made_in_its_place() {
    let store = store();
    rotate(&open(&store));
    let path = store.path().join(FILE);
    let lost = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let refused = open_in(store.path()).unwrap_err();
        assert!(matches!(refused, Error::OtherSecretKey { .. }));
        let text = refused.to_string();
        assert!(text.contains("secret.key") && text.contains("store.secret_key"), "{text}");
        assert!(!path.exists());
    }
    fs::write(&path, &lost).unwrap();
    assert_eq!(kept(&open(&store)), [secret()]);
    fs::write(&path, "\n").unwrap();
    assert!(matches!(open_in(store.path()), Err(Error::SecretKey { .. })));
}

#[test]
fn a_row_put_in_the_place_of_another_apps_is_damage() {
    let store = store();
    rotate(&open(&store));
    let file = rusqlite::Connection::open(store.path().join("control.db")).unwrap();
    file.execute("UPDATE overlays SET app = 'caracol'", []).unwrap();
    drop(file);
    assert!(matches!(open_in(store.path()), Err(Error::Damaged { .. })));
}
