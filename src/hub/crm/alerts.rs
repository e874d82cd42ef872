//! Alerts: what an organization's people should look at, once for each thing however often it is said.

use rusqlite::params;

use super::lines::Line;
use crate::hub::{Event, Trouble, Work};

/// The kind of alert that a type raises, and the fields that say what about.
const RAISED: &[(&str, &str, &[&str])] = &[
    ("fiscal.anomaly_detected", "fiscal_anomaly", &["anomalyId", "anomalyType", "type"]),
    ("fiscal.compliance_risk", "compliance_risk", &["riskType"]),
    ("inventory.low", "inventory_low", &["productId", "productName"]),
    ("cofepris.expiring", "cofepris_expiring", &["permitId", "permitNumber"]),
    ("demurrage.accumulating", "demurrage", &["shipmentId", "containerNumber", "container"]),
    ("brain.signal", "signal", &["signal.type"]),
];

/// Raises the alert of `event`, if it is one.
pub(super) fn take(work: &Work<'_>, event: &Event<'_>, line: &Line) -> Result<(), Trouble> {
    let event_type = event.event_type.as_str();
    let Some((_, kind, about)) = RAISED.iter().find(|(raised, _, _)| *raised == event_type) else {
        return Ok(());
    };
    let subject = about.iter().find_map(|path| event.field(path)?.as_str()).unwrap_or("-");
    let severity = event.field("severity").or_else(|| event.field("signal.severity"));
    let severity = severity.and_then(serde_json::Value::as_str).unwrap_or("warning");
    let sql =
        "INSERT INTO alerts (organization, kind, subject, severity, es, en, times, first_ms, last_ms, source,
            event_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7, ?8, ?9)
        ON CONFLICT DO UPDATE SET times = times + 1, first_ms = min(first_ms, excluded.first_ms),
            severity = iif(excluded.last_ms >= last_ms, excluded.severity, severity),
            es = iif(excluded.last_ms >= last_ms, excluded.es, es),
            en = iif(excluded.last_ms >= last_ms, excluded.en, en),
            source = iif(excluded.last_ms >= last_ms, excluded.source, source),
            event_id = iif(excluded.last_ms >= last_ms, excluded.event_id, event_id),
            last_ms = max(last_ms, excluded.last_ms)";
    work.tx.prepare_cached(sql)?.execute(params![
        work.organization(),
        kind,
        subject,
        severity,
        line.es,
        line.en,
        event.at.0.cast_signed(),
        event.source.as_str(),
        event.event_id.as_str(),
    ])?;
    Ok(())
}
