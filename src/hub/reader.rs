//! Connections that read `hub.db`, lent to one query at a time.
//!
//! Each query sees one state of the file. Thanks to the write-ahead log no reader waits for the writer.

use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::{Connection, Row};
use serde::Serializer;

use super::{Error, file};
use crate::domain::time::Millis;

/// Queries at a time; more wait.
const CONNECTIONS: usize = 4;

/// The connections.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

/// A connection on loan; given back whatever becomes of the query.
struct Loan<'a> {
    readers: &'a Readers,
    file: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).push(file);
            self.readers.returned.notify_one();
        }
    }
}

impl Readers {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let idle = (0..CONNECTIONS).map(|_| file::open_reader(path)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new() })
    }

    pub(super) fn read<T>(
        &self,
        path: &Path,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let failed = |error: rusqlite::Error| file::error(path, &error);
        let mut loan = Loan { readers: self, file: None };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut idle =
            self.returned.wait_while(idle, |idle| idle.is_empty()).unwrap_or_else(PoisonError::into_inner);
        loan.file = idle.pop();
        drop(idle);
        let Some(file) = &mut loan.file else { return Err(failed(rusqlite::Error::InvalidQuery)) };
        let tx = file.transaction().map_err(failed)?;
        query(&tx).map_err(failed)
    }
}

/// An instant from the tables.
pub(super) fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<Millis> {
    Ok(Millis(row.get::<_, i64>(column)?.cast_unsigned()))
}

/// An instant from the tables, where there is one.
pub(super) fn at_or_none(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Millis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|at| Millis(at.cast_unsigned())))
}

/// An instant for people.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
pub(super) fn time<S: Serializer>(at: &Millis, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// The same where there may be none.
#[expect(clippy::ref_option, reason = "serde's signature")]
pub(super) fn time_or_null<S: Serializer>(at: &Option<Millis>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}
