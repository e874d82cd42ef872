//! Texts that come back in every event, as small numbers: sources, types, and decisions as a whole.
//!
//! The memory is bounded; what falls out of it is looked up in the file again. After a transaction that
//! was rolled back it must be [forgotten](Interned::forget).

use std::collections::HashMap;

use rusqlite::{OptionalExtension as _, Transaction};

use crate::domain::id::EventType;
use crate::domain::routing::Decided;

/// Texts remembered before the memory starts over.
const REMEMBERED_MAX: usize = 16_384;

#[derive(Debug, Default)]
pub(super) struct Interned {
    names: HashMap<String, i64>,
    routes: HashMap<String, i64>,
    /// The last decisions of each type: mostly the next ones too.
    last_routes: HashMap<EventType, (Vec<Decided>, i64)>,
}

impl Interned {
    pub(super) fn name(&mut self, tx: &Transaction<'_>, text: &str) -> rusqlite::Result<i64> {
        let (find, add) =
            ("SELECT id FROM names WHERE text = ?1", "INSERT INTO names (text) VALUES (?1) RETURNING id");
        number(&mut self.names, tx, text, find, add)
    }

    /// The number of the decisions that an event came with.
    pub(super) fn route(
        &mut self,
        tx: &Transaction<'_>,
        event_type: &EventType,
        decisions: &[Decided],
    ) -> rusqlite::Result<i64> {
        if let Some((last, id)) = self.last_routes.get(event_type)
            && last == decisions
        {
            return Ok(*id);
        }
        let text = route_text(decisions);
        let (find, add) =
            ("SELECT id FROM routes WHERE text = ?1", "INSERT INTO routes (text) VALUES (?1) RETURNING id");
        let id = number(&mut self.routes, tx, &text, find, add)?;
        if self.last_routes.len() >= REMEMBERED_MAX {
            self.last_routes.clear();
        }
        self.last_routes.insert(event_type.clone(), (decisions.to_vec(), id));
        Ok(id)
    }

    pub(super) fn forget(&mut self) {
        self.names.clear();
        self.routes.clear();
        self.last_routes.clear();
    }
}

/// Decisions as stored: `[[receiver, decision, detail], ...]`.
fn route_text(decisions: &[Decided]) -> String {
    let rows: Vec<_> = decisions
        .iter()
        .map(|decided| {
            serde_json::json!([decided.receiver.as_str(), decided.decision.as_str(), decided.detail])
        })
        .collect();
    serde_json::Value::Array(rows).to_string()
}

fn number(
    known: &mut HashMap<String, i64>,
    tx: &Transaction<'_>,
    text: &str,
    find: &str,
    add: &str,
) -> rusqlite::Result<i64> {
    if let Some(id) = known.get(text) {
        return Ok(*id);
    }
    let found = tx.prepare_cached(find)?.query_row([text], |row| row.get(0)).optional()?;
    let id = match found {
        Some(id) => id,
        None => tx.prepare_cached(add)?.query_row([text], |row| row.get(0))?,
    };
    if known.len() >= REMEMBERED_MAX {
        known.clear();
    }
    known.insert(text.to_owned(), id);
    Ok(id)
}
