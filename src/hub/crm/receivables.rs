//! Receivables: what is owed, by the invoices that were paid or could not be collected, and by hand.

use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use super::{asked, timeline};
use crate::hub::command::Command;
use crate::hub::work::derive;
use crate::hub::{Event, Trouble, Work};

/// What a person may set.
pub const STATUSES: [&str; 5] = ["pending", "promised", "paid", "failed", "written_off"];

/// The id of the receivable of an invoice.
fn id_of(organization: &str, invoice: &str) -> String {
    format!("rcv_{}", derive(&["receivable", organization, invoice]).simple())
}

/// An invoice was paid, or could not be collected.
pub(super) fn take(work: &Work<'_>, event: &Event<'_>, contact: Option<&str>) -> Result<(), Trouble> {
    let Some(invoice) = event.text(&["invoiceId", "invoice_id"]) else { return Ok(()) };
    let is_paid = event.event_type.as_str() == "invoice.paid";
    let at = event.time(&["paidAt", "failedAt"]).unwrap_or(event.at).0.cast_signed();
    // A failure that is told late does not undo a payment.
    let sql =
        "INSERT INTO receivables (id, organization, invoice, status, reason, amount_cents, currency, contact,
            failures, paid_ms, at_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
        ON CONFLICT DO UPDATE SET failures = failures + excluded.failures,
            status = iif(excluded.at_ms >= at_ms, excluded.status, status),
            reason = iif(excluded.at_ms >= at_ms, excluded.reason, reason),
            paid_ms = iif(excluded.at_ms >= at_ms, excluded.paid_ms, paid_ms),
            amount_cents = coalesce(excluded.amount_cents, amount_cents),
            currency = coalesce(excluded.currency, currency), contact = coalesce(contact, excluded.contact),
            at_ms = max(at_ms, excluded.at_ms)";
    work.tx.prepare_cached(sql)?.execute(params![
        id_of(work.organization(), &invoice),
        work.organization(),
        invoice,
        if is_paid { "paid" } else { "failed" },
        event.text(&["reason"]).filter(|_| !is_paid),
        event.text(&["amount"]),
        event.text(&["currency"]),
        contact,
        i64::from(!is_paid),
        is_paid.then_some(at),
        at,
    ])?;
    Ok(())
}

/// `crm.receivable`: a person says how it stands.
pub(super) fn change(work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "receivable").unwrap_or_default().to_owned();
    let status = asked(command, "status");
    if let Some(status) = status.filter(|status| !STATUSES.contains(status)) {
        let known = STATUSES.join(", ");
        return Err(Trouble::Refused(format!("`status` must be one of {known}, and not `{status}`")));
    }
    let at = work.at().0.cast_signed();
    let sql = "UPDATE receivables SET status = coalesce(?3, status), note = coalesce(?4, note),
            paid_ms = CASE coalesce(?3, status) WHEN 'paid' THEN coalesce(paid_ms, ?5) END, at_ms = max(at_ms, ?5)
        WHERE id = ?1 AND organization = ?2 RETURNING invoice, status, contact";
    let row = params![id, work.organization(), status, asked(command, "note"), at];
    let changed: Option<(String, String, Option<String>)> = work
        .tx
        .prepare_cached(sql)?
        .query_row(row, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let missing = || Trouble::Missing(format!("there is no receivable `{id}`"));
    let (invoice, status, contact) = changed.ok_or_else(missing)?;
    let note = asked(command, "note").map(|note| format!(" ({note})")).unwrap_or_default();
    let es = format!("Cobranza de la factura {invoice}: {status}{note}");
    let en = format!("Receivable of invoice {invoice}: {status}{note}");
    timeline::note(work, command, "cobranza.changed", (es, en), contact.as_deref())?;
    Ok(json!({ "receivableId": id, "invoiceId": invoice, "status": status }))
}
