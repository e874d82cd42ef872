//! Which events the hub has had: the guard of "exactly once".
//!
//! Ids say nothing of their order, so a table sorted by them takes each new one on another page. New ones are
//! therefore written at an end, and are kept in memory too; many at a time are sorted in. Memory follows
//! what is durable and never runs ahead of it: a transaction that is rolled back leaves it as it was, and a
//! start reads it from the file.

use std::collections::HashSet;

use rusqlite::{Connection, Transaction, params};

use super::event::Event;

/// Events that wait to be sorted in, at most, but for the batch that makes them so many.
const RECENT_MAX: usize = 8_192;

/// The events that are not sorted in yet.
#[derive(Debug)]
pub(super) struct Inbox {
    recent: HashSet<String>,
    recent_max: usize,
}

/// What one transaction adds.
#[derive(Debug)]
pub(super) struct Taking<'a> {
    inbox: &'a Inbox,
    added: HashSet<String>,
    is_sorted: bool,
}

/// What a durable transaction has changed.
#[derive(Debug)]
pub(super) struct Taken {
    added: HashSet<String>,
    is_sorted: bool,
}

/// One text for both parts of a key; no slug has a zero byte.
fn key(source: &str, event_id: &str) -> String {
    let mut key = String::with_capacity(source.len() + 1 + event_id.len());
    key.push_str(source);
    key.push('\0');
    key.push_str(event_id);
    key
}

impl Inbox {
    /// What waits in `file`.
    pub(super) fn read(file: &Connection) -> rusqlite::Result<Self> {
        let mut statement = file.prepare("SELECT source, event_id FROM inbox_recent")?;
        let rows =
            statement.query_map((), |row| Ok(key(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?)))?;
        Ok(Self { recent: rows.collect::<Result<_, _>>()?, recent_max: RECENT_MAX })
    }

    /// The beginning of a transaction.
    pub(super) fn begin(&self) -> Taking<'_> {
        Taking { inbox: self, added: HashSet::new(), is_sorted: false }
    }

    /// A transaction is durable.
    pub(super) fn committed(&mut self, taken: Taken) {
        if taken.is_sorted {
            self.recent.clear();
        } else {
            self.recent.extend(taken.added);
        }
    }
}

impl Taking<'_> {
    /// Writes `event` down. False if it is there.
    pub(super) fn add(&mut self, tx: &Transaction<'_>, event: &Event<'_>) -> rusqlite::Result<bool> {
        let (source, event_id) = (event.source.as_str(), event.event_id.as_str());
        let key = key(source, event_id);
        if self.inbox.recent.contains(&key) || self.added.contains(&key) {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM inbox_sorted WHERE source = ?1 AND event_id = ?2";
        if tx.prepare_cached(sql)?.exists([source, event_id])? {
            return Ok(false);
        }
        let sql = "INSERT INTO inbox_recent (source, event_id, seq) VALUES (?1, ?2, ?3)";
        tx.prepare_cached(sql)?.execute(params![source, event_id, event.seq.cast_signed()])?;
        self.added.insert(key);
        Ok(true)
    }

    /// What was written of `event` is rolled back, if anything was.
    pub(super) fn forget(&mut self, event: &Event<'_>) {
        self.added.remove(&key(event.source.as_str(), event.event_id.as_str()));
    }

    /// Before the transaction ends: sorts in what waits, if it is much.
    pub(super) fn end(mut self, tx: &Transaction<'_>) -> rusqlite::Result<Taken> {
        if self.inbox.recent.len() + self.added.len() >= self.inbox.recent_max {
            // By key, so that a page that takes several takes them together.
            tx.execute_batch(
                "INSERT INTO inbox_sorted SELECT source, event_id, seq FROM inbox_recent ORDER BY source, event_id;
                 DELETE FROM inbox_recent;",
            )?;
            self.is_sorted = true;
        }
        Ok(Taken { added: self.added, is_sorted: self.is_sorted })
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::TransactionBehavior;
    use serde_json::json;

    use super::super::file;
    use super::super::tests::event_at;
    use super::*;

    fn count(file: &Connection, table: &str) -> i64 {
        file.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
    }

    /// One transaction with the events `ns`; which of them were new.
    fn take(file: &mut Connection, inbox: &mut Inbox, ns: &[u64], commits: bool) -> Vec<bool> {
        let tx = file.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let mut taking = inbox.begin();
        let mut add = |n: &u64| {
            let attempt = event_at(*n, "rito", "deal.created", &json!({}), "2026-04-16T12:00:00Z", "org_1");
            taking.add(&tx, &Event::of_attempt(&attempt).unwrap()).unwrap()
        };
        let new = ns.iter().map(&mut add).collect();
        let taken = taking.end(&tx).unwrap();
        if commits {
            tx.commit().unwrap();
            inbox.committed(taken);
        }
        new
    }

    #[test]
    fn an_event_is_new_once_wherever_it_is_kept_and_a_rollback_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = file::open(&dir.path().join("hub.db"), &[], true).unwrap();
        let mut inbox = Inbox { recent_max: 4, ..Inbox::read(&file).unwrap() };
        assert_eq!(take(&mut file, &mut inbox, &[1, 2, 1], true), [true, true, false]);
        assert_eq!(take(&mut file, &mut inbox, &[3, 4, 5], false), [true; 3], "sorts in, and is rolled back");
        assert_eq!((count(&file, "inbox_recent"), count(&file, "inbox_sorted")), (2, 0));
        assert_eq!(take(&mut file, &mut inbox, &[2, 3], true), [false, true]);
        let mut inbox = Inbox { recent_max: 4, ..Inbox::read(&file).unwrap() };
        assert_eq!(take(&mut file, &mut inbox, &[3, 4], true), [false, true], "read anew");
        assert_eq!((count(&file, "inbox_recent"), count(&file, "inbox_sorted")), (0, 4));
        assert_eq!(take(&mut file, &mut inbox, &[1, 4, 5], true), [false, false, true]);
        assert_eq!((count(&file, "inbox"), inbox.recent.len()), (5, 1));
    }
}
