//! What was answered under an `Idempotency-Key`, so that a repeated request gets the same answer and
//! does nothing twice.
//!
//! Which requests are in flight is in memory only: a crash frees them. An answer is durable before it
//! goes out. A crash between the change and its answer makes the repeat run again; the change itself
//! stands in a transaction of its own, so whoever needs more makes it repeatable by its own id.
//!
//! An answer that shows a key or a secret must not be kept as it is: give [`Control::finish`] one
//! without it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use sha2::{Digest as _, Sha256};

use super::instant::to_column;
use super::key::KeyId;
use super::{Control, Error, lock, unreadable};
use crate::domain::time::Millis;

/// How long an answer is kept.
pub const KEEP: Duration = Duration::from_hours(24);
/// Longest kept answer, headers and body, in bytes.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Most bytes of kept answers in all; beyond it only statuses are kept.
pub const ANSWERS_BYTES_MAX: i64 = 256 * 1024 * 1024;
/// Most requests in flight.
pub const IN_FLIGHT_MAX: usize = 10_000;

/// SHA-256 of a request's body.
pub type BodyDigest = [u8; 32];
/// SHA-256 of what makes a request the same one.
type RequestId = [u8; 32];

/// What makes a request the same one, and its body.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The header's value.
    pub key: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// Whose request it is: nobody gets another's answers.
    pub principal: &'a KeyId,
    /// What it says.
    pub body_digest: BodyDigest,
}

impl Request<'_> {
    fn id(&self) -> RequestId {
        let mut hash = Sha256::new();
        for part in [self.principal.as_str(), self.method, self.path, self.key] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().into()
    }
}

/// What to do with a request.
#[derive(Debug)]
pub enum Begin {
    /// Run it, and finish the ticket with its answer.
    Fresh(Ticket),
    /// It has been answered.
    Replay(Answer),
    /// It is running.
    InFlight,
    /// The same key was used with another body.
    Mismatch,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// The headers worth repeating.
    pub headers: Vec<(String, String)>,
    /// Its body; none if it was too long to keep.
    pub body: Option<Vec<u8>>,
}

/// Requests in flight, and their bodies' digests.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<RequestId, BodyDigest>>);

/// The right to run a request. Dropped without an answer, the request may come again.
#[derive(Debug)]
pub struct Ticket {
    request: RequestId,
    body_digest: BodyDigest,
    flights: Arc<Flights>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        lock(&self.flights.0).remove(&self.request);
    }
}

impl Control {
    /// Says what to do with a request: of those that are the same, one at a time is fresh.
    pub fn begin(&self, request: &Request<'_>, now: Millis) -> Result<Begin, Error> {
        let (id, body_digest) = (request.id(), request.body_digest);
        {
            let mut flights = lock(&self.flights.0);
            let full = flights.len() >= IN_FLIGHT_MAX;
            match flights.entry(id) {
                Slot::Occupied(flight) if *flight.get() == body_digest => return Ok(Begin::InFlight),
                Slot::Occupied(_) => return Ok(Begin::Mismatch),
                Slot::Vacant(_) if full => return Err(Error::Busy),
                Slot::Vacant(free) => free.insert(body_digest),
            };
        }
        // Taken before the look at the disk: an answer is written before its ticket goes, so a repeat sees
        // one or the other.
        let ticket = Ticket { request: id, body_digest, flights: Arc::clone(&self.flights) };
        let kept = self.read(|file| find(file, &id, now.minus(KEEP)))?;
        Ok(match kept {
            None => Begin::Fresh(ticket),
            Some((digest, answer)) if digest == body_digest => Begin::Replay(answer),
            Some(_) => Begin::Mismatch,
        })
    }

    /// Keeps the answer, durably; then repeats get it. One of 500 or more is not kept: the request may
    /// come again. After an error too.
    pub fn finish(&self, ticket: Ticket, answer: &Answer, now: Millis) -> Result<(), Error> {
        if answer.status >= 500 {
            self.abandon(ticket);
            return Ok(());
        }
        let headers =
            serde_json::to_string(&answer.headers).map_err(|error| Error::Encode(error.to_string()))?;
        let bytes = headers.len() + answer.body.as_ref().map_or(0, Vec::len);
        let total = self.answer_bytes.load(Ordering::Relaxed).saturating_add(size(bytes));
        let fits = bytes <= ANSWER_BYTES_MAX && total <= ANSWERS_BYTES_MAX;
        let (headers, body) = if fits { (headers.as_str(), answer.body.as_deref()) } else { ("[]", None) };
        self.write_then(
            |file| {
                let replaced = bytes_of(file, "WHERE request = ?", [&ticket.request])?;
                file.execute(
                    "INSERT OR REPLACE INTO answers (request, body_digest, at_ms, status, headers, body)
                     VALUES (?, ?, ?, ?, ?, ?)",
                    params![ticket.request, ticket.body_digest, to_column(now), answer.status, headers, body],
                )?;
                Ok(size(headers.len() + body.map_or(0, <[u8]>::len)) - replaced)
            },
            |grown| self.answer_bytes.fetch_add(grown, Ordering::Relaxed),
        )?;
        drop(ticket);
        Ok(())
    }

    /// Gives a request up: it may come again. The same as dropping the ticket.
    pub fn abandon(&self, ticket: Ticket) {
        drop(ticket);
    }

    /// Forgets up to `limit` answers older than [`KEEP`]. Returns how many; fewer than `limit` means that it is done.
    pub fn purge_answers(&self, now: Millis, limit: u32) -> Result<usize, Error> {
        let before = to_column(now.minus(KEEP));
        self.write_then(
            |file| {
                let doomed =
                    "WHERE rowid IN (SELECT rowid FROM answers WHERE at_ms < ? ORDER BY at_ms LIMIT ?)";
                let freed = bytes_of(file, doomed, params![before, limit])?;
                let purged =
                    file.execute(&format!("DELETE FROM answers {doomed}"), params![before, limit])?;
                Ok((purged, freed))
            },
            |(purged, freed)| {
                self.answer_bytes.fetch_sub(freed, Ordering::Relaxed);
                purged
            },
        )
    }
}

/// Bytes of all kept answers.
pub(super) fn bytes(file: &Connection) -> Result<i64, Error> {
    bytes_of(file, "", [])
}

fn bytes_of(file: &Connection, which: &str, params: impl rusqlite::Params) -> Result<i64, Error> {
    let sum = "SELECT coalesce(sum(octet_length(headers) + coalesce(octet_length(body), 0)), 0) FROM answers";
    Ok(file.query_row(&format!("{sum} {which}"), params, |row| row.get(0))?)
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn find(file: &Connection, id: &RequestId, after: Millis) -> Result<Option<(BodyDigest, Answer)>, Error> {
    let mut select = file.prepare_cached(
        "SELECT body_digest, status, headers, body FROM answers WHERE request = ? AND at_ms >= ?",
    )?;
    let kept = |row: &Row<'_>| {
        let headers: String = row.get(2)?;
        let headers = serde_json::from_str(&headers).map_err(|error| unreadable(2, error))?;
        Ok((row.get(0)?, Answer { status: row.get(1)?, headers, body: row.get(3)? }))
    };
    Ok(select.query_row(params![id, to_column(after)], kept).optional()?)
}

#[cfg(test)]
mod tests {
    use super::super::tests::open;
    use super::*;

    #[test]
    fn parts_of_a_request_cannot_flow_into_each_other() {
        let principal = KeyId::admin();
        let request =
            |method, path| Request { key: "k", method, path, principal: &principal, body_digest: [0; 32] };
        assert_ne!(request("POST", "/a").id(), request("POST/", "a").id());
        assert_eq!(
            request("POST", "/a").id(),
            Request { body_digest: [1; 32], ..request("POST", "/a") }.id()
        );
    }

    #[test]
    fn beyond_the_bound_of_all_only_the_status_is_kept() {
        let store = tempfile::tempdir().unwrap();
        let control = open(store.path()).unwrap();
        let principal = KeyId::admin();
        let answer = Answer { status: 201, headers: Vec::new(), body: Some(vec![1; 100]) };
        let kept = |path, held: i64| {
            control.answer_bytes.store(held, Ordering::Relaxed);
            let request =
                Request { key: "k", method: "POST", path, principal: &principal, body_digest: [0; 32] };
            let Begin::Fresh(ticket) = control.begin(&request, Millis(1)).unwrap() else {
                panic!("not fresh")
            };
            control.finish(ticket, &answer, Millis(1)).unwrap();
            let Begin::Replay(kept) = control.begin(&request, Millis(1)).unwrap() else { panic!("not kept") };
            (kept, control.answer_bytes.load(Ordering::Relaxed) - held)
        };
        assert_eq!(kept("/a", ANSWERS_BYTES_MAX - 102), (answer.clone(), 102));
        assert_eq!(kept("/b", ANSWERS_BYTES_MAX - 101), (Answer { body: None, ..answer.clone() }, 2));
        control.answer_bytes.store(104, Ordering::Relaxed);
        drop(control);
        let control = open(store.path()).unwrap();
        assert_eq!(control.answer_bytes.load(Ordering::Relaxed), 104);
        control.purge_answers(Millis(2).plus(KEEP), 9).unwrap();
        assert_eq!(control.answer_bytes.load(Ordering::Relaxed), 0);
    }
}
