//! Idle connections, by where they lead.
//!
//! The one that was used last is taken first, so that those not needed grow old and close. Never holds
//! more per receiver than its bound, and nothing that is in use. A crash loses connections only.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::http::Uri;
use ::http::uri::{Authority, Scheme};

use super::connection::Connection;

/// How long an idle connection is kept.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

/// Where a connection leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    scheme: Option<Scheme>,
    authority: Option<Authority>,
}

impl Key {
    pub(super) fn of(url: &Uri) -> Self {
        Self { scheme: url.scheme().cloned(), authority: url.authority().cloned() }
    }
}

/// The idle connections of all receivers. Instants are those of the monotonic clock.
pub(super) struct Pool<T = Connection> {
    idle: Mutex<HashMap<Key, Vec<Idle<T>>>>,
    per_key_max: usize,
}

struct Idle<T> {
    connection: T,
    since: Duration,
}

impl<T> Pool<T> {
    pub(super) fn new(per_key_max: usize) -> Self {
        Self { idle: Mutex::default(), per_key_max }
    }

    /// The connection to `key` that was put back last, unless that was too long ago.
    pub(super) fn take(&self, key: &Key, now: Duration) -> Option<T> {
        let mut idle = self.lock();
        let last = idle.get_mut(key)?.pop()?;
        (now < last.since + IDLE_TIMEOUT).then_some(last.connection)
    }

    /// Keeps a connection for the next one, if there is room.
    pub(super) fn put(&self, key: Key, connection: T, now: Duration) {
        let mut idle = self.lock();
        let kept = idle.entry(key).or_default();
        if kept.len() < self.per_key_max {
            kept.push(Idle { connection, since: now });
        }
    }

    /// Closes what was not used for too long.
    pub(super) fn sweep(&self, now: Duration) {
        let mut old = Vec::new();
        let mut idle = self.lock();
        idle.retain(|_, kept| {
            let young = kept.partition_point(|idle| now >= idle.since + IDLE_TIMEOUT);
            old.extend(kept.drain(..young));
            !kept.is_empty()
        });
        // Nobody waits while these close.
        drop(idle);
    }

    /// A map of connections is whole between any two calls.
    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Vec<Idle<T>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn key(url: &str) -> Key {
        Key::of(&url.parse().unwrap())
    }

    #[test]
    fn the_last_one_used_is_taken_first_and_too_many_are_closed() {
        let (pool, here) = (Pool::new(2), key("http://a.example/x"));
        for number in 1..=3 {
            pool.put(here.clone(), number, at(0));
        }
        assert_eq!(pool.take(&key("http://a.example/y"), at(1)), Some(2), "the path does not count");
        assert_eq!(pool.take(&here, at(1)), Some(1));
        assert_eq!(pool.take(&here, at(1)), None);
    }

    #[test]
    fn where_it_leads_tells_connections_apart() {
        let pool = Pool::new(1);
        pool.put(key("http://a.example/"), 1, at(0));
        for other in ["https://a.example/", "http://a.example:81/", "http://b.example/"] {
            assert_eq!(pool.take(&key(other), at(0)), None, "{other}");
        }
    }

    #[test]
    fn what_is_old_is_closed_and_never_taken() {
        let (pool, here) = (Pool::new(4), key("http://a.example/"));
        for number in 0..4 {
            pool.put(here.clone(), number, at(number));
        }
        pool.sweep(at(5));
        assert_eq!(pool.lock()[&here].len(), 2);
        assert_eq!(pool.take(&here, at(6)), Some(3));
        assert_eq!(pool.take(&here, at(6)), None, "the one put back at 2 s is 4 s old");
        pool.sweep(at(6));
        assert!(pool.lock().is_empty());
    }
}
