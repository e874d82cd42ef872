//! The timeline: one row for each contact that an event is about, or one for its organization.
//!
//! Rows are written at the end and never removed. By whose they are they are sorted in a block of 4,096 at
//! a time, in the transaction that fills the block: one by one they would each take a page that no other
//! takes. What lies behind the last full block is found by looking through it.

use rusqlite::{Connection, Params, params};

use super::lines::Line;
use crate::hub::command::Command;
use crate::hub::{Event, Trouble, Work};

const INSERT: &str =
    "INSERT INTO timeline (organization, contact, at_ms, source, event_id, event_type, es, en,
    amount, unit, currency) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

/// Rows that are sorted in together. It is part of the schema: see the step that divides by it.
const BLOCK: i64 = 4_096;
/// The end of the last full block.
const SORTED: &str = "(SELECT max(n) FROM timeline) / 4096 * 4096";

/// Whose lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::hub) enum Owner {
    Contact,
    Organization,
}

impl Owner {
    /// The column, and the table of what is sorted in.
    const fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Contact => ("contact", "timeline_of_contact"),
            Self::Organization => ("organization", "timeline_of_organization"),
        }
    }

    /// A query for the numbers `n` of all lines of the owner `?1`.
    pub(in crate::hub) fn all(self) -> String {
        let (column, table) = self.place();
        format!(
            "SELECT n FROM {table} WHERE {column} = ?1
             UNION ALL SELECT n FROM timeline WHERE n > {SORTED} AND {column} = ?1"
        )
    }

    /// The same of up to `?4` lines that are the last before the instant `?2` and the number `?3`; of either
    /// part so many.
    pub(super) fn before(self) -> String {
        let (column, table) = self.place();
        let last = "AND (at_ms, n) < (?2, ?3) ORDER BY at_ms DESC, n DESC LIMIT ?4";
        format!(
            "SELECT n FROM (SELECT n FROM {table} WHERE {column} = ?1 {last})
             UNION ALL SELECT n FROM (SELECT n FROM timeline WHERE n > {SORTED} AND {column} = ?1 {last})"
        )
    }
}

/// Adds an event.
pub(super) fn add(
    work: &Work<'_>,
    event: &Event<'_>,
    line: &Line,
    concerned: &[String],
) -> Result<(), Trouble> {
    let amount = line.amount.as_ref();
    let row = |contact: Option<&str>| {
        insert(
            work.tx,
            params![
                work.organization(),
                contact,
                event.at.0.cast_signed(),
                event.source.as_str(),
                event.event_id.as_str(),
                event.event_type.as_str(),
                line.es,
                line.en,
                amount.map(|amount| &amount.value),
                amount.map(|amount| amount.unit.as_str()),
                amount.and_then(|amount| amount.currency.as_ref()),
            ],
        )
    };
    if concerned.is_empty() {
        row(None)?;
    }
    for contact in concerned {
        row(Some(contact))?;
    }
    Ok(())
}

/// Adds what a person did, in Spanish and English.
pub(super) fn note(
    work: &Work<'_>,
    command: &Command,
    what: &str,
    (es, en): (String, String),
    contact: Option<&str>,
) -> Result<(), Trouble> {
    let (organization, at) = (work.organization(), command.at.0.cast_signed());
    let none: Option<&str> = None;
    let row = params![organization, contact, at, "command", command.id, what, es, en, none, none, none];
    Ok(insert(work.tx, row)?)
}

/// Writes a row, and sorts its block in if it is the last one of it.
fn insert(file: &Connection, row: impl Params) -> rusqlite::Result<()> {
    file.prepare_cached(INSERT)?.execute(row)?;
    let n = file.last_insert_rowid();
    if n % BLOCK != 0 {
        return Ok(());
    }
    for owner in [Owner::Contact, Owner::Organization] {
        let (column, table) = owner.place();
        // By owner, so that a page that takes several takes them together.
        let sql = format!(
            "INSERT INTO {table} SELECT {column}, at_ms, n FROM timeline
             WHERE n > ?1 AND n <= ?2 AND {column} IS NOT NULL ORDER BY {column}, at_ms, n"
        );
        file.execute(&sql, [n - BLOCK, n])?;
    }
    Ok(())
}

/// Makes the lines of the contact `from` lines of `to`.
pub(super) fn move_lines(file: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    let sql = format!("UPDATE timeline SET contact = ?2 WHERE n IN ({})", Owner::Contact.all());
    file.execute(&sql, [from, to])?;
    file.execute("UPDATE timeline_of_contact SET contact = ?2 WHERE contact = ?1", [from, to])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::reading::{Of, timeline};
    use super::super::schema::STEPS;
    use super::*;

    fn fill(file: &mut Connection, from: i64, count: i64) {
        let tx = file.transaction().unwrap();
        for n in from..from + count {
            let contact = (n % 3 != 0).then(|| format!("con_{}", n % 7));
            let organization = format!("org_{}", n % 2);
            // Some at the same instant, and not in the order in which they come.
            let at = (n * 7_919) % 4_001;
            let none: Option<&str> = None;
            let event_id = format!("e-{n}");
            insert(&tx, params![organization, contact, at, "s", event_id, "t", "", "", none, none, none])
                .unwrap();
        }
        tx.commit().unwrap();
    }

    /// How long the timeline of `of` is, which is read page by page and held against its plain definition.
    fn length(file: &Connection, of: Of<'_>) -> usize {
        let (mut found, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = timeline(file, of, cursor.as_deref(), 999).unwrap().unwrap();
            found.extend(page.items.iter().map(|entry| entry.event["eventId"].as_str().unwrap().to_owned()));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        let (owner, id) = match of {
            Of::Contact(id) => (Owner::Contact, id),
            Of::Organization(id) => (Owner::Organization, id),
        };
        let column = owner.place().0;
        let sql = format!("SELECT event_id FROM timeline WHERE {column} = ?1 ORDER BY at_ms DESC, n DESC");
        let mut statement = file.prepare(&sql).unwrap();
        let rows = statement.query_map([id], |row| row.get(0)).unwrap();
        assert_eq!(found, rows.collect::<Result<Vec<String>, _>>().unwrap());
        let sql = format!("SELECT count(*) FROM ({})", owner.all());
        let count: i64 = file.query_row(&sql, [id], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(count).unwrap(), found.len());
        found.len()
    }

    #[test]
    fn every_line_is_found_in_its_order_wherever_its_block_ends() {
        let mut file = Connection::open_in_memory().unwrap();
        for step in STEPS {
            file.execute_batch(step).unwrap();
        }
        let mut next = 1;
        for count in [BLOCK - 1, 1, 1, BLOCK + 100] {
            fill(&mut file, next, count);
            next += count;
            let half = usize::try_from(next - 1).unwrap() / 2;
            assert_eq!(length(&file, Of::Organization("org_0")), half);
            assert!(length(&file, Of::Contact("con_1")) > half / 6);
        }
        let before = length(&file, Of::Contact("con_1")) + length(&file, Of::Contact("con_2"));
        move_lines(&file, "con_1", "con_2").unwrap();
        let after = ["con_1", "con_2"].map(|id| length(&file, Of::Contact(id)));
        assert_eq!(after, [0, before]);
    }

    #[test]
    fn a_file_of_before_is_sorted_in() {
        let mut file = Connection::open_in_memory().unwrap();
        file.execute_batch(STEPS[0]).unwrap();
        let rows = "INSERT INTO timeline (organization, contact, at_ms, source, event_id, event_type, es, en)
            WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 9000)
            SELECT 'org_0', iif(n % 2, 'con_1', NULL), n % 100, 's', 'e-' || n, 't', '', '' FROM c";
        file.execute_batch(rows).unwrap();
        file.execute_batch(STEPS[1]).unwrap();
        assert_eq!(length(&file, Of::Organization("org_0")), 9_000);
        fill(&mut file, 9_001, BLOCK);
        assert!(length(&file, Of::Contact("con_1")) > 4_500);
    }
}
