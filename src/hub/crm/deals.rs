//! The pipeline: deals, legal matters and leads, each with the app's own stage and the phase that it means.
//!
//! A stage that is told late does not undo a later one. Winning tells the other apps, once.

use rusqlite::{OptionalExtension as _, params};
use serde_json::{Value, json};

use super::{asked, timeline};
use crate::hub::command::Command;
use crate::hub::work::derive;
use crate::hub::{Event, Trouble, Work};

/// What a pipeline is of.
pub const KINDS: [&str; 3] = ["deal", "matter", "lead"];
/// Phases, in the order of the funnel; what is not in it (lost, closed) has no place.
pub const PHASES: [&str; 6] = ["lead", "qualified", "open", "won", "lost", "closed"];

/// Words of apps for the phases that end a deal or begin one.
const WORDS: &[(&str, &[&str])] = &[
    ("won", &["won", "closed_won", "ganado", "ganada", "signed", "acquired"]),
    ("lost", &["lost", "closed_lost", "perdido", "perdida", "cancelled", "canceled", "rejected", "dead"]),
    ("closed", &["closed", "cerrado", "cerrada", "archived", "completed"]),
    ("qualified", &["qualified", "calificado", "calificada"]),
    ("lead", &["lead", "new_lead", "prospecto", "referred"]),
];

/// The phase that a stage means.
fn phase(stage: &str) -> &'static str {
    let folded = stage.trim().to_lowercase().replace([' ', '-'], "_");
    let known = WORDS.iter().find(|(_, words)| words.contains(&folded.as_str()));
    known.map_or("open", |(phase, _)| phase)
}

/// How far along the funnel a phase is.
fn place(phase: &str) -> i64 {
    match phase {
        "lead" => 0,
        "qualified" => 1,
        "won" => 3,
        _ => 2,
    }
}

/// What an event says of a deal.
struct Said<'a> {
    kind: &'static str,
    id: std::borrow::Cow<'a, str>,
    stage: Option<std::borrow::Cow<'a, str>>,
    name: Option<std::borrow::Cow<'a, str>>,
    owner: Option<std::borrow::Cow<'a, str>>,
}

fn said<'a>(event: &'a Event<'_>) -> Option<Said<'a>> {
    const DEAL: &[&str] = &["dealId", "deal_id", "id"];
    const MATTER: &[&str] = &["matterId", "matter_id"];
    let (kind, id, stage): (_, _, &[&str]) = match event.event_type.as_str() {
        "deal.created" => ("deal", DEAL, &["status", "stage"]),
        "deal.status_changed" => ("deal", DEAL, &["newStatus", "status", "stage"]),
        "deal.intelligence_generated" => ("deal", DEAL, &[]),
        "matter.assigned" => ("matter", MATTER, &[]),
        "matter.status_changed" => ("matter", MATTER, &["newStatus"]),
        "referral.created" => ("lead", &["businessId"][..], &[]),
        _ => return None,
    };
    Some(Said {
        kind,
        id: event.text(id)?,
        stage: event.text(stage),
        name: event.text(&["dealName", "name", "title", "matterNumber", "businessName"]),
        owner: event.text(&["assignedToName", "assignedTo"]),
    })
}

/// Brings the pipeline up to date with `event`, if it is about it.
pub(super) fn take(work: &mut Work<'_>, event: &Event<'_>, contact: Option<&str>) -> Result<(), Trouble> {
    let Some(said) = said(event) else { return Ok(()) };
    let (organization, source) = (work.organization().to_owned(), event.source.as_str());
    let id = format!("deal_{}", derive(&["deal", &organization, said.kind, source, &said.id]).simple());
    let before = standing(work, &id)?;
    let begins = match said.kind {
        "lead" => "referred",
        _ => "open",
    };
    let stage = said.stage.as_deref();
    let at = event.at.0.cast_signed();
    let sql = "INSERT INTO deals (id, organization, kind, source, external_id, name, contact, stage, phase, reached,
            amount, currency, owner, strategy, asset_class, created_ms, stage_ms)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, coalesce(?8, ?17), ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
            iif(?8 IS NULL, 0, ?16))
        ON CONFLICT DO UPDATE SET name = coalesce(excluded.name, name), contact = coalesce(contact, excluded.contact),
            stage = iif(?8 IS NOT NULL AND ?16 >= stage_ms, excluded.stage, stage),
            phase = iif(?8 IS NOT NULL AND ?16 >= stage_ms, excluded.phase, phase),
            reached = max(reached, excluded.reached),
            stage_ms = iif(?8 IS NOT NULL AND ?16 >= stage_ms, ?16, stage_ms),
            amount = coalesce(excluded.amount, amount), currency = coalesce(excluded.currency, currency),
            owner = coalesce(excluded.owner, owner), strategy = coalesce(excluded.strategy, strategy),
            asset_class = coalesce(excluded.asset_class, asset_class), created_ms = min(created_ms, ?16)";
    let phase = phase(stage.unwrap_or(begins));
    work.tx.prepare_cached(sql)?.execute(params![
        id,
        organization,
        said.kind,
        source,
        said.id,
        said.name,
        contact,
        stage,
        phase,
        place(phase),
        event.text(&["amount", "value", "purchasePrice"]),
        event.text(&["currency"]),
        said.owner,
        event.text(&["recommendedStrategy", "strategy"]),
        event.text(&["assetClass"]),
        at,
        begins,
    ])?;
    tell(work, &id, before.as_deref())
}

/// The phase of a deal, if it is there.
fn standing(work: &Work<'_>, id: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT phase FROM deals WHERE id = ?1";
    work.tx.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()
}

/// A deal as it is told to other apps.
struct Deal {
    kind: String,
    external_id: String,
    source: String,
    name: Option<String>,
    contact: Option<String>,
    stage: String,
    phase: String,
    amount: Option<String>,
    currency: Option<String>,
}

fn deal(work: &Work<'_>, id: &str) -> rusqlite::Result<Deal> {
    let sql = "SELECT kind, external_id, source, name, contact, stage, phase, amount, currency FROM deals WHERE id = ?1";
    work.tx.prepare_cached(sql)?.query_row([id], |row| {
        Ok(Deal {
            kind: row.get(0)?,
            external_id: row.get(1)?,
            source: row.get(2)?,
            name: row.get(3)?,
            contact: row.get(4)?,
            stage: row.get(5)?,
            phase: row.get(6)?,
            amount: row.get(7)?,
            currency: row.get(8)?,
        })
    })
}

/// Tells the other apps of a deal that is won now, or a lead that is qualified now, and was not `before`.
fn tell(work: &mut Work<'_>, id: &str, before: Option<&str>) -> Result<(), Trouble> {
    let deal = deal(work, id)?;
    let told = match deal.phase.as_str() {
        "won" if before != Some("won") => ("deal.won", "wonAt"),
        "qualified" if before != Some("qualified") && deal.kind == "lead" => {
            ("lead.qualified", "qualifiedAt")
        }
        _ => return Ok(()),
    };
    // The amount as the app wrote it: a number if it was one.
    let amount: Option<Value> =
        deal.amount.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text)));
    let mut data = json!({
        "dealId": id, "kind": deal.kind, "name": deal.name, "customerId": deal.contact, "stage": deal.stage,
        "amount": amount, "currency": deal.currency, "originSource": deal.source, "originId": deal.external_id,
    });
    data[told.1] = work.at().rfc3339().into();
    work.emit(told.0, &data)?;
    Ok(())
}

/// `crm.deal`: a person moves it to a stage.
pub(super) fn change(work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
    let id = asked(command, "deal").unwrap_or_default().to_owned();
    let stage = asked(command, "stage").map(str::trim).filter(|stage| !stage.is_empty() && stage.len() <= 64);
    let stage =
        stage.ok_or_else(|| Trouble::Refused("`stage` must be a text of 1 to 64 bytes".to_owned()))?;
    let before = standing(work, &id)?;
    let phase = phase(stage);
    let sql =
        "UPDATE deals SET stage = ?3, phase = ?4, reached = max(reached, ?5), stage_ms = max(stage_ms, ?6)
        WHERE id = ?1 AND organization = ?2 RETURNING coalesce(name, external_id), contact";
    let row = params![id, work.organization(), stage, phase, place(phase), work.at().0.cast_signed()];
    let changed: Option<(String, Option<String>)> =
        work.tx.prepare_cached(sql)?.query_row(row, |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let missing = || Trouble::Missing(format!("there is no deal `{id}`"));
    let (name, contact) = changed.ok_or_else(missing)?;
    let from = before.as_deref().unwrap_or("open");
    let es = format!("{name}: de {from} a {stage}, a mano");
    let en = format!("{name}: from {from} to {stage}, by hand");
    timeline::note(work, command, "deal.stage_set", (es, en), contact.as_deref())?;
    tell(work, &id, before.as_deref())?;
    Ok(json!({ "dealId": id, "stage": stage, "phase": phase }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_means_a_phase() {
        for (stage, wanted) in [
            ("Won", "won"),
            ("closed-won", "won"),
            ("Closed Lost", "lost"),
            ("under_contract", "open"),
            ("calificado", "qualified"),
            ("closed", "closed"),
        ] {
            assert_eq!(phase(stage), wanted, "{stage}");
            assert!(PHASES.contains(&phase(stage)));
        }
    }
}
