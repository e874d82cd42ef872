//! A checksum of each table that follows from events, to tell whether two hubs are in the same state.
//!
//! Over the values of the named columns, in an order of their own: row numbers and the order in which rows
//! were written do not count.

use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Error, Hub};

/// One table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Its name.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// The beginning of a SHA-256 of them.
    pub checksum: String,
}

impl Hub {
    /// The checksums of all tables that follow from events.
    pub fn checksums(&self) -> Result<Vec<Sum>, Error> {
        let derived = self.derived();
        self.read(|file| derived.iter().map(|(table, columns)| sum(file, table, columns)).collect())
    }
}

fn sum(file: &Connection, table: &'static str, columns: &str) -> rusqlite::Result<Sum> {
    let count = file.prepare(&format!("SELECT {columns} FROM {table}"))?.column_count();
    let order = (1..=count).map(|column| column.to_string()).collect::<Vec<_>>().join(", ");
    let mut statement = file.prepare(&format!("SELECT {columns} FROM {table} ORDER BY {order}"))?;
    let mut found = statement.query(())?;
    let (mut hash, mut rows) = (Sha256::new(), 0);
    while let Some(row) = found.next()? {
        rows += 1;
        for column in 0..count {
            add(&mut hash, row.get_ref(column)?);
        }
    }
    let digest = hash.finalize();
    Ok(Sum { table, rows, checksum: hex::encode(&digest[..16]) })
}

/// Each value with its kind and length, so that none flows into the next.
fn add(hash: &mut Sha256, value: ValueRef<'_>) {
    let (kind, bytes): (u8, &[u8]) = match value {
        ValueRef::Null => (0, &[]),
        ValueRef::Integer(number) => {
            hash.update([1]);
            hash.update(number.to_be_bytes());
            return;
        }
        ValueRef::Real(number) => {
            hash.update([2]);
            hash.update(number.to_bits().to_be_bytes());
            return;
        }
        ValueRef::Text(text) => (3, text),
        ValueRef::Blob(bytes) => (4, bytes),
    };
    hash.update([kind]);
    hash.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
    hash.update(bytes);
}
