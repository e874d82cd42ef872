//! Keys: who is let in, until when, and what the files show of them.

use std::fs;
use std::path::Path;

use camino_broker::domain::secret::Secret;
use camino_broker::store::control::Error;
use camino_broker::store::control::key::{KeyId, NewKey, Scope};

use super::fixture::{NOW, actions, app, entry, later, new_key, open, store};

#[test]
fn a_key_is_accepted_until_it_is_revoked_also_after_a_restart() {
    let store = store();
    let control = open(&store);
    let (kept, kept_text) =
        control.create_key(&new_key("kept", &[Scope::Operate]), &[1; 32], entry("key.create")).unwrap();
    let (gone, gone_text) =
        control.create_key(&new_key("gone", &[Scope::Admin]), &[2; 32], entry("key.create")).unwrap();
    assert!(control.authenticate(gone_text.reveal(), NOW).is_some());
    assert!(control.revoke_key(&gone, entry("key.revoke")).unwrap());
    assert!(!control.revoke_key(&gone, entry("key.revoke")).unwrap(), "revoked before");
    assert!(control.authenticate(gone_text.reveal(), NOW).is_none(), "at once");
    drop(control);

    let control = open(&store);
    assert!(control.authenticate(gone_text.reveal(), NOW).is_none());
    let principal = control.authenticate(kept_text.reveal(), NOW).unwrap();
    assert_eq!(principal.key_id, kept);
    assert!(principal.allows(Scope::Read) && !principal.allows(Scope::Admin));
    for stranger in ["", "cmn_", "cmn_AAAA", &kept_text.reveal().to_lowercase(), kept.as_str()] {
        assert!(control.authenticate(stranger, NOW).is_none(), "{stranger}");
    }
    let unknown = KeyId::parse("key_0000000000000000").unwrap();
    assert!(matches!(control.revoke_key(&unknown, entry("key.revoke")), Err(Error::UnknownKey(_))));
    assert_eq!(actions(&control), ["key.revoke", "key.create", "key.create"]);
    let listed = control.keys().unwrap();
    let revoked: Vec<_> = listed.iter().filter(|key| key.revoked_at == Some(NOW)).collect();
    assert_eq!((listed.len(), revoked.len()), (2, 1));
    assert_eq!(revoked[0].key_id, gone);
}

#[test]
fn an_expired_key_is_refused() {
    let store = store();
    let control = open(&store);
    let new = NewKey { expires_at: Some(later(1000)), ..new_key("short", &[Scope::Read]) };
    let (_, text) = control.create_key(&new, &[1; 32], entry("key.create")).unwrap();
    drop(control);
    let control = open(&store);
    assert!(control.authenticate(text.reveal(), later(999)).is_some());
    assert!(control.authenticate(text.reveal(), later(1000)).is_none());
}

#[test]
fn a_posting_key_is_bound_to_its_source() {
    let store = store();
    let control = open(&store);
    let new = new_key("bloom", &[Scope::EventsWrite]);
    let (_, text) = control.create_key(&new, &[1; 32], entry("key.create")).unwrap();
    let principal = control.authenticate(text.reveal(), NOW).unwrap();
    assert!(principal.may_post_for(&app("bloom")) && !principal.may_post_for(&app("caracol")));
    assert!(!principal.allows(Scope::Read));
    let unbound = NewKey { source: None, ..new };
    assert!(matches!(control.create_key(&unbound, &[2; 32], entry("key.create")), Err(Error::Key(_))));
    assert_eq!(actions(&control), ["key.create"], "what was refused left no entry");
}

#[test]
fn the_admin_key_comes_from_the_config_or_from_a_file() {
    let store = store();
    let secret = Secret::new("an operator's own choice of words").unwrap();
    let control = open(&store).with_admin(&secret);
    let principal = control.authenticate(secret.reveal(), NOW).unwrap();
    assert!(principal.allows(Scope::Admin) && !principal.may_post_for(&app("bloom")));
    assert!(control.authenticate("an operator's own choice of wordz", NOW).is_none());
    drop(control);

    let control = open(&store);
    assert!(control.authenticate(secret.reveal(), NOW).is_none(), "it is not stored");
    let made = control.admin_key(&[7; 32]).unwrap();
    let control = control.with_admin(&made.secret);
    assert!(control.authenticate(made.secret.reveal(), NOW).is_some());
    assert_eq!(control.admin_key(&[8; 32]).unwrap().secret, made.secret);
}

#[test]
fn no_file_holds_a_key_as_text() {
    let store = store();
    let control = open(&store);
    let (_, text) =
        control.create_key(&new_key("k", &[Scope::Read]), &[0x5A; 32], entry("key.create")).unwrap();
    let found = |bytes: &[u8]| {
        let holds = |path: &Path| fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes);
        fs::read_dir(store.path()).unwrap().any(|file| holds(&file.unwrap().path()))
    };
    let random = text.reveal().strip_prefix("cmn_").unwrap().as_bytes().to_vec();
    assert!(found(b"key.create"), "the search finds what is there");
    assert!(!found(&random) && !found(&[0x5A; 24]));
    drop(control);
    assert!(found(b"key.create"), "also after the log has gone into the file");
    assert!(!found(&random) && !found(&[0x5A; 24]));
}

#[test]
fn last_use_is_kept_in_memory_and_flushed_by_the_minute() {
    let store = store();
    let control = open(&store);
    let (_, text) =
        control.create_key(&new_key("used", &[Scope::Read]), &[1; 32], entry("key.create")).unwrap();
    assert_eq!(control.flush_last_used().unwrap(), 0);
    control.authenticate(text.reveal(), NOW).unwrap();
    assert_eq!(control.flush_last_used().unwrap(), 1);
    control.authenticate(text.reveal(), later(1000)).unwrap();
    assert_eq!(control.flush_last_used().unwrap(), 0, "too soon to be worth a write");
    assert_eq!(control.keys().unwrap()[0].last_used_at, Some(later(1000)));
    drop(control);
    assert_eq!(open(&store).keys().unwrap()[0].last_used_at, Some(NOW));
}
