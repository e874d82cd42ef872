//! Who is signed in: random ids, held in memory only.
//!
//! Holds no key, only its fingerprint: each request asks anew whose that is, so a key that is revoked or has
//! expired opens nothing any more. Bounded, altogether and for each key: with too many sessions the one unused for
//! longest ends, and with too many of a key one of the same key. Ids are found by their hash, so that the time of
//! a look-up says nothing about them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

use crate::runtime::entropy::Entropy;
use crate::store::control::key::Fingerprint;

/// Sessions at a time.
const SESSIONS_MAX: usize = 1_000;
/// Sessions at a time with one key.
const SESSIONS_OF_KEY_MAX: usize = 20;
/// A session ends when it was not used for so long.
const IDLE_MAX: Duration = Duration::from_hours(2);
/// A session ends after so long, used or not.
pub(super) const AGE_MAX: Duration = Duration::from_hours(12);

/// What was said to be shown on the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Notice {
    pub(super) is_trouble: bool,
    pub(super) text: String,
}

/// A session as its request sees it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) key: Fingerprint,
    /// What every form of this session must bring.
    pub(super) token: String,
}

struct Held {
    session: Session,
    begun: Duration,
    used: Duration,
    notice: Option<Notice>,
}

impl Held {
    fn holds(&self, now: Duration) -> bool {
        now.saturating_sub(self.begun) < AGE_MAX && now.saturating_sub(self.used) < IDLE_MAX
    }
}

/// All sessions. `now` is always the monotonic clock.
#[derive(Default)]
pub(super) struct Sessions {
    held: Mutex<HashMap<[u8; 32], Held>>,
}

impl Sessions {
    /// Begins a session for whoever has `key`; its id.
    pub(super) fn begin(&self, key: Fingerprint, entropy: &dyn Entropy, now: Duration) -> String {
        let (id, token) = (random(entropy), random(entropy));
        let mut held = self.held();
        held.retain(|_, session| session.holds(now));
        let of_key = held.values().filter(|held| held.session.key == key).count();
        let is_own = of_key >= SESSIONS_OF_KEY_MAX;
        if is_own || held.len() >= SESSIONS_MAX {
            let others = held.iter().filter(|(_, held)| !is_own || held.session.key == key);
            let oldest = others.min_by_key(|(_, held)| held.used).map(|(place, _)| *place);
            oldest.and_then(|oldest| held.remove(&oldest));
        }
        let session = Session { key, token };
        held.insert(place(&id), Held { session, begun: now, used: now, notice: None });
        id
    }

    /// The session `id`, if it still holds; it is used by that.
    pub(super) fn find(&self, id: &str, now: Duration) -> Option<Session> {
        let mut held = self.held();
        let found = held.get_mut(&place(id)).filter(|session| session.holds(now))?;
        found.used = now;
        Some(found.session.clone())
    }

    /// The same for what nobody does by hand: it is not used by that.
    pub(super) fn look(&self, id: &str, now: Duration) -> Option<Session> {
        self.held().get(&place(id)).filter(|held| held.holds(now)).map(|held| held.session.clone())
    }

    /// Keeps `notice` for the next page of the session `id`.
    pub(super) fn tell(&self, id: &str, notice: Notice) {
        if let Some(found) = self.held().get_mut(&place(id)) {
            found.notice = Some(notice);
        }
    }

    /// What was to be told on this page; it is told once.
    pub(super) fn told(&self, id: &str) -> Option<Notice> {
        self.held().get_mut(&place(id))?.notice.take()
    }

    /// Ends the session `id`.
    pub(super) fn end(&self, id: &str) {
        self.held().remove(&place(id));
    }

    fn held(&self) -> MutexGuard<'_, HashMap<[u8; 32], Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits as text for a cookie or a form.
pub(super) fn random(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether two tokens are the same, in time that says nothing. An empty one is none.
pub(super) fn same(given: &str, wanted: &str) -> bool {
    !wanted.is_empty() && bool::from(given.as_bytes().ct_eq(wanted.as_bytes()))
}

fn place(id: &str) -> [u8; 32] {
    Sha256::digest(id).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::entropy::OsEntropy;

    const MINUTE: Duration = Duration::from_mins(1);

    fn begin(sessions: &Sessions, now: Duration) -> String {
        sessions.begin(Fingerprint::of("key"), &OsEntropy, now)
    }

    #[test]
    fn a_session_ends_when_it_is_idle_old_or_closed() {
        let sessions = Sessions::default();
        let id = begin(&sessions, Duration::ZERO);
        assert!(sessions.find("another", Duration::ZERO).is_none());
        for hour in 1..12 {
            assert!(sessions.find(&id, 60 * hour * MINUTE).is_some(), "in use for {hour} h");
        }
        assert!(sessions.find(&id, AGE_MAX).is_none(), "too old, used or not");
        let idle = begin(&sessions, Duration::ZERO);
        assert!(sessions.find(&idle, IDLE_MAX).is_none());
        let left = begin(&sessions, Duration::ZERO);
        sessions.end(&left);
        assert!(sessions.find(&left, Duration::ZERO).is_none());
    }

    #[test]
    fn what_nobody_does_by_hand_keeps_no_session_alive() {
        let sessions = Sessions::default();
        let id = begin(&sessions, Duration::ZERO);
        assert!(sessions.look(&id, IDLE_MAX.saturating_sub(MINUTE)).is_some());
        assert!(sessions.look(&id, IDLE_MAX).is_none());
        assert!(sessions.look("another", Duration::ZERO).is_none());
    }

    #[test]
    fn the_number_of_sessions_is_bounded_and_the_unused_ones_go_first() {
        let sessions = Sessions::default();
        let begin = |number: usize, at| {
            let key = Fingerprint::of(&format!("key {}", number / SESSIONS_OF_KEY_MAX));
            sessions.begin(key, &OsEntropy, Duration::from_secs(at))
        };
        let first = begin(0, 0);
        let second = begin(1, 1);
        assert!(sessions.find(&first, Duration::from_secs(2)).is_some());
        for number in 2..=SESSIONS_MAX {
            begin(number, 3);
        }
        assert_eq!(sessions.held().len(), SESSIONS_MAX);
        assert!(sessions.find(&second, Duration::from_secs(3)).is_none());
        assert!(sessions.find(&first, Duration::from_secs(3)).is_some());
    }

    #[test]
    fn one_key_ends_no_sessions_of_others() {
        let sessions = Sessions::default();
        let other = sessions.begin(Fingerprint::of("other"), &OsEntropy, Duration::ZERO);
        let oldest = begin(&sessions, Duration::from_secs(1));
        for _ in 0..SESSIONS_OF_KEY_MAX {
            begin(&sessions, Duration::from_secs(2));
        }
        assert_eq!(sessions.held().len(), SESSIONS_OF_KEY_MAX + 1);
        assert!(sessions.find(&oldest, Duration::from_secs(3)).is_none());
        assert!(sessions.find(&other, Duration::from_secs(3)).is_some());
    }

    #[test]
    fn a_notice_is_told_once() {
        let sessions = Sessions::default();
        let id = begin(&sessions, Duration::ZERO);
        let notice = Notice { is_trouble: false, text: "done".to_owned() };
        sessions.tell(&id, notice.clone());
        assert_eq!((sessions.told(&id), sessions.told(&id)), (Some(notice), None));
    }

    #[test]
    fn an_empty_token_is_no_token() {
        assert!(same("abc", "abc") && !same("abd", "abc") && !same("ab", "abc") && !same("", ""));
    }
}
