//! Rows in redb: one table in one file, one `fdatasync` a commit.
//!
//! redb trusts a file that was closed well, so its pages are checked at each opening. A crash
//! within a commit leaves all of it or none; the next opening walks the file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::ops::Bound;
use std::path::Path;

use ::redb::{Database, ReadableDatabase, TableDefinition};

use super::engine::{Engine, Fault, Room, Rows};
use super::files;
use super::row::{Change, Key};
use crate::store::folder;

const FILE: &str = "rows.redb";
const ROWS: TableDefinition<'_, &Key, &[u8]> = TableDefinition::new("rows");

pub(super) struct RedbEngine {
    db: Database,
    /// A handle of our own on the file.
    file: File,
}

fn fault(error: impl Into<::redb::Error>) -> Fault {
    use ::redb::Error as E;
    match error.into() {
        E::Io(error) if error.kind() != std::io::ErrorKind::InvalidData => error.into(),
        error @ (E::Io(_)
        | E::Corrupted(_)
        | E::UpgradeRequired(_)
        | E::RepairAborted
        | E::TableDoesNotExist(_)
        | E::TableTypeMismatch { .. }
        | E::TypeDefinitionChanged { .. }) => Fault::Damaged(error.to_string()),
        error => Fault::Failed(error.to_string()),
    }
}

impl RedbEngine {
    /// Makes an engine in the empty directory `path`, every file of it durable.
    pub fn create(path: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        let file = path.join(FILE);
        let db = builder(cache_bytes).create(&file).map_err(fault)?;
        let write = db.begin_write().map_err(fault)?;
        write.open_table(ROWS).map_err(fault)?;
        write.commit().map_err(fault)?;
        let file = File::open(&file)?;
        file.sync_all()?;
        folder::sync(path)?;
        Ok(Self { db, file })
    }

    /// Opens what [`RedbEngine::create`] made, and checks every page of it.
    pub fn open(path: &Path, cache_bytes: u64) -> Result<Self, Fault> {
        let file = path.join(FILE);
        match fs::metadata(&file) {
            Ok(found) if found.len() > 0 => {}
            Ok(_) => return Err(Fault::Damaged(format!("{FILE} is empty"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Fault::Damaged(format!("{FILE} is missing")));
            }
            Err(error) => return Err(error.into()),
        }
        // What a killed process wrote and never synced is seen now, and is answered for from now on.
        let synced = File::open(&file)?;
        synced.sync_all()?;
        let db = builder(cache_bytes).set_check_integrity_on_open(true).open(&file).map_err(fault)?;
        Ok(Self { db, file: synced })
    }

    fn table(&self) -> Result<::redb::ReadOnlyTable<&'static Key, &'static [u8]>, Fault> {
        self.db.begin_read().map_err(fault)?.open_table(ROWS).map_err(fault)
    }
}

impl Engine for RedbEngine {
    fn commit(&self, change: &Change<'_>) -> Result<(), Fault> {
        let write = self.db.begin_write().map_err(fault)?;
        {
            let mut table = write.open_table(ROWS).map_err(fault)?;
            for (key, value) in change {
                match value {
                    Some(value) => table.insert(key, *value).map_err(fault)?,
                    None => table.remove(key).map_err(fault)?,
                };
            }
        }
        write.commit().map_err(fault)?;
        Ok(files::assert_named(&self.file)?)
    }

    fn read(&self, key: &Key) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.table()?.get(key).map_err(fault)?.map(|value| value.value().to_vec()))
    }

    fn held(&self, keys: &BTreeSet<Key>) -> Result<Vec<(Key, usize)>, Fault> {
        let table = self.table()?;
        let mut held = Vec::new();
        for key in keys {
            held.extend(table.get(key).map_err(fault)?.map(|value| (*key, value.value().len())));
        }
        Ok(held)
    }

    fn scan(&self, start: Bound<&Key>, last: &Key, room: Room) -> Result<Rows, Fault> {
        let table = self.table()?;
        let mut rows = Rows::new();
        let mut bytes = 0;
        for row in table.range::<&Key>((start, Bound::Included(last))).map_err(fault)? {
            let (key, value) = row.map_err(fault)?;
            bytes += value.value().len();
            rows.push((*key.value(), value.value().to_vec()));
            if rows.len() >= room.rows || bytes >= room.bytes {
                break;
            }
        }
        Ok(rows)
    }

    fn edge(&self, first: &Key, last: &Key) -> Result<Option<Key>, Fault> {
        let table = self.table()?;
        let found = table.range::<&Key>(first..=last).map_err(fault)?.next_back();
        found.map_or(Ok(None), |row| Ok(Some(*row.map_err(fault)?.0.value())))
    }

    fn close(self: Box<Self>) -> Result<(), Fault> {
        self.db.close().map_err(fault)
    }
}

fn builder(cache_bytes: u64) -> ::redb::Builder {
    let mut builder = Database::builder();
    builder.set_cache_size(usize::try_from(cache_bytes).unwrap_or(usize::MAX));
    builder
}
