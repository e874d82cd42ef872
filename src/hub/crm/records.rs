//! Papers (which contact an order or invoice belongs to), deadlines and products.
//!
//! Of two writings of one record the one with the later time of its own wins.

use rusqlite::{OptionalExtension as _, params};

use crate::hub::{Event, Trouble, Work};

/// The fields that name a paper, and its kind.
const PAPERS: [(&str, &str); 7] = [
    ("invoiceId", "invoice"),
    ("orderId", "order"),
    ("saleId", "sale"),
    ("matterId", "matter"),
    ("dealId", "deal"),
    ("matter_id", "matter"),
    ("deal_id", "deal"),
];

/// The papers that an event names: kind and the app's own id.
pub(super) fn papers(event: &Event<'_>) -> Vec<(&'static str, String)> {
    let named = |(field, kind): (&str, &'static str)| Some((kind, event.text(&[field])?.into_owned()));
    PAPERS.into_iter().filter_map(named).collect()
}

/// Remembers whose papers these are, so that a later event that names only the paper finds the contact.
pub(super) fn remember(work: &Work<'_>, contact: &str, papers: &[(&str, String)]) -> Result<(), Trouble> {
    for (kind, value) in papers {
        let sql = "INSERT OR IGNORE INTO papers (organization, kind, value, contact) VALUES (?1, ?2, ?3, ?4)";
        work.tx.prepare_cached(sql)?.execute([work.organization(), kind, value, contact])?;
    }
    Ok(())
}

/// The contact that the first known paper belongs to.
pub(super) fn owner(work: &Work<'_>, papers: &[(&str, String)]) -> rusqlite::Result<Option<String>> {
    for (kind, value) in papers {
        let sql = "SELECT contact FROM papers WHERE organization = ?1 AND kind = ?2 AND value = ?3";
        let key = [work.organization(), kind, value];
        let found = work.tx.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// A deadline was set or moved.
pub(super) fn deadline(work: &Work<'_>, event: &Event<'_>, contact: Option<&str>) -> Result<(), Trouble> {
    let Some(id) = event.text(&["deadlineId", "deadline_id", "id"]) else { return Ok(()) };
    let due = event.time(&["newDate", "newDueDate", "dueDate", "due_date", "date"]);
    let sql = "INSERT INTO deadlines (organization, source, external_id, title, due_ms, matter, contact, at_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
        ON CONFLICT DO UPDATE SET title = coalesce(excluded.title, title), due_ms = coalesce(excluded.due_ms, due_ms),
            matter = coalesce(excluded.matter, matter), contact = coalesce(excluded.contact, contact),
            at_ms = excluded.at_ms
        WHERE excluded.at_ms >= at_ms";
    work.tx.prepare_cached(sql)?.execute(params![
        work.organization(),
        event.source.as_str(),
        id,
        event.text(&["title", "description", "name"]),
        due.map(|due| due.0.cast_signed()),
        event.text(&["matterId", "matter_id"]),
        contact,
        event.at.0.cast_signed(),
    ])?;
    Ok(())
}

/// A product was made, edited or taken away.
pub(super) fn product(work: &Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
    let Some(id) = event.text(&["productId", "product_id", "id"]) else { return Ok(()) };
    let is_deleted = event.event_type.as_str() == "product.deleted";
    let is_active =
        event.field("is_active").or_else(|| event.field("isActive")).and_then(serde_json::Value::as_bool);
    let at = event.at.0.cast_signed();
    let sql = "INSERT INTO products (organization, source, external_id, name, sku, price_cents, store, is_active,
            deleted_ms, at_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, 1), ?9, ?10)
        ON CONFLICT DO UPDATE SET name = coalesce(excluded.name, name), sku = coalesce(excluded.sku, sku),
            price_cents = coalesce(excluded.price_cents, price_cents), store = coalesce(excluded.store, store),
            is_active = coalesce(?8, is_active), deleted_ms = excluded.deleted_ms, at_ms = excluded.at_ms
        WHERE excluded.at_ms >= at_ms";
    work.tx.prepare_cached(sql)?.execute(params![
        work.organization(),
        event.source.as_str(),
        id,
        event.text(&["name"]),
        event.text(&["sku"]),
        event.text(&["priceCents"]),
        event.text(&["storeId"]),
        if is_deleted { Some(false) } else { is_active },
        is_deleted.then_some(at),
        at,
    ])?;
    Ok(())
}
