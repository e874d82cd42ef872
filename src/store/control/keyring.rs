//! The live keys in memory: what a presented key is checked against.
//!
//! A whole new ring replaces the old one at each change, so that checking takes no lock. The time a
//! check takes tells nothing about a stored hash: candidates are found by eight bytes of the hash of
//! what was presented, which nobody can steer, and compared in full in constant time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use subtle::ConstantTimeEq as _;

use super::key::{Hash, KeyId, Principal, Scope, hash};
use crate::domain::secret::Secret;
use crate::domain::time::{Millis, millis};

/// How far the stored "last used" may lie behind before a flush writes it.
pub(super) const USE_LAG: Duration = Duration::from_mins(1);

/// One live key.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub hash: Hash,
    pub principal: Arc<Principal>,
    pub expires_at: Option<Millis>,
    pub used: Arc<Used>,
}

/// When a key was last accepted; 0 is never.
#[derive(Debug, Default)]
pub(super) struct Used {
    last: AtomicU64,
    stored: AtomicU64,
}

impl Used {
    /// What the file says.
    pub fn stored(at: Option<Millis>) -> Self {
        let at = at.unwrap_or_default().0;
        Self { last: AtomicU64::new(at), stored: AtomicU64::new(at) }
    }

    /// When it was last accepted.
    pub fn last(&self) -> Option<Millis> {
        Some(Millis(self.last.load(Ordering::Relaxed))).filter(|at| at.0 > 0)
    }

    /// What a flush has to write, if anything.
    pub fn due(&self) -> Option<Millis> {
        let behind = self.stored.load(Ordering::Relaxed).saturating_add(millis(USE_LAG));
        self.last().filter(|last| last.0 >= behind)
    }

    /// A flush has written `at`.
    pub fn flushed(&self, at: Millis) {
        self.stored.fetch_max(at.0, Ordering::Relaxed);
    }
}

/// All live keys, by the beginning of their hash.
#[derive(Debug, Default)]
pub(super) struct Keyring(Vec<Live>);

impl Keyring {
    /// A ring of `keys`.
    pub fn new(mut keys: Vec<Live>) -> Self {
        keys.sort_by_key(|key| beginning(&key.hash));
        Self(keys)
    }

    /// All keys.
    pub fn iter(&self) -> impl Iterator<Item = &Live> {
        self.0.iter()
    }

    /// This ring and `key`.
    pub fn with(&self, key: Live) -> Self {
        Self::new(self.0.iter().cloned().chain([key]).collect())
    }

    /// This ring but `id`.
    pub fn without(&self, id: &KeyId) -> Self {
        Self(self.0.iter().filter(|key| key.principal.key_id != *id).cloned().collect())
    }

    /// Whose key has this hash, if it holds at `now`.
    pub fn find(&self, hash: &Hash, now: Millis) -> Option<&Live> {
        let wanted = beginning(hash);
        let from = self.0.partition_point(|key| beginning(&key.hash) < wanted);
        self.0[from..]
            .iter()
            .take_while(|key| beginning(&key.hash) == wanted)
            .find(|key| key.hash.ct_eq(hash).into())
            .filter(|key| key.expires_at.is_none_or(|at| now < at))
            .inspect(|key| {
                key.used.last.fetch_max(now.0, Ordering::Relaxed);
            })
    }
}

fn beginning(hash: &Hash) -> u64 {
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// The key that the config or `admin.key` gives.
#[derive(Debug)]
pub(super) struct Admin {
    hash: Hash,
    principal: Arc<Principal>,
}

impl Admin {
    /// Accepts `secret` with every scope of operators.
    pub fn new(secret: &Secret) -> Self {
        let principal = Principal {
            key_id: KeyId::admin(),
            name: "admin".to_owned(),
            scopes: [Scope::Admin].into_iter().collect(),
            source: None,
            organizations: None,
        };
        Self { hash: hash(secret.reveal()), principal: Arc::new(principal) }
    }

    /// Its principal, if `hash` is its hash.
    pub fn matches(&self, hash: &Hash) -> Option<Arc<Principal>> {
        bool::from(self.hash.ct_eq(hash)).then(|| Arc::clone(&self.principal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(number: u8, expires_at: Option<Millis>) -> Live {
        // The same beginning for all: only the whole hash tells them apart.
        let mut hash = [7; 32];
        hash[31] = number;
        let principal = Principal {
            key_id: KeyId::parse(&format!("key_{number:016x}")).unwrap(),
            name: number.to_string(),
            scopes: [Scope::Read].into_iter().collect(),
            source: None,
            organizations: None,
        };
        Live { hash, principal: Arc::new(principal), expires_at, used: Arc::default() }
    }

    #[test]
    fn keys_with_the_same_beginning_are_told_apart() {
        let ring = (1..=3).fold(Keyring::default(), |ring, number| ring.with(live(number, None)));
        let found = |ring: &Keyring, number| {
            ring.find(&live(number, None).hash, Millis(5)).map(|key| key.principal.name.clone())
        };
        assert_eq!(found(&ring, 2).as_deref(), Some("2"));
        assert_eq!(found(&ring, 4), None);
        let ring = ring.without(&live(2, None).principal.key_id);
        assert_eq!(found(&ring, 2), None);
        assert_eq!(found(&ring, 3).as_deref(), Some("3"));
        assert!(ring.find(&[0; 32], Millis(5)).is_none());
        assert!(ring.find(&[255; 32], Millis(5)).is_none());
    }

    #[test]
    fn a_key_holds_until_just_before_it_expires() {
        let ring = Keyring::default().with(live(1, Some(Millis(10))));
        let hash = live(1, None).hash;
        assert!(ring.find(&hash, Millis(9)).is_some());
        assert!(ring.find(&hash, Millis(10)).is_none());
    }

    #[test]
    fn use_is_written_when_it_lies_a_minute_behind() {
        let used = Used::default();
        assert_eq!(used.due(), None);
        used.last.store(1_776_340_800_000, Ordering::Relaxed);
        let due = used.due().unwrap();
        used.flushed(due);
        assert_eq!(used.due(), None);
        used.last.fetch_add(59_999, Ordering::Relaxed);
        assert_eq!(used.due(), None);
        used.last.fetch_add(1, Ordering::Relaxed);
        assert_eq!(used.due(), Some(due.plus(USE_LAG)));
    }
}
