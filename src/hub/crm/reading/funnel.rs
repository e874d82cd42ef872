//! The conversion funnel: how many deals came how far.

use rusqlite::{Connection, params};
use serde::Serialize;

use super::Reach;
use crate::domain::time::Millis;
use crate::hub::crm::deals::PHASES;

/// How many came how far.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Funnel {
    /// The steps, the widest first.
    pub steps: Vec<Step>,
    /// Those that ended without being won.
    pub lost: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its name.
    pub phase: &'static str,
    /// Those that came at least this far.
    pub reached: u64,
    /// Of those that came to the step before; null for the first, or if none did.
    pub rate: Option<f64>,
}

/// The funnel of deals, matters and leads that began within the span.
pub fn funnel(
    file: &Connection,
    reach: &Reach,
    kind: Option<&str>,
    since: Option<Millis>,
    until: Option<Millis>,
) -> rusqlite::Result<Funnel> {
    let (condition, organizations) = reach.condition();
    let sql = format!(
        "SELECT reached, count(*), count(*) FILTER (WHERE phase = 'lost') FROM deals WHERE {condition}
         AND (?2 IS NULL OR kind = ?2) AND created_ms >= ?3 AND created_ms < ?4 GROUP BY reached"
    );
    let from = since.map_or(0, |at| at.0.cast_signed());
    let to = until.map_or(i64::MAX, |at| at.0.cast_signed());
    let (mut counts, mut lost) = ([0_u64; 4], 0);
    let mut statement = file.prepare_cached(&sql)?;
    let mut rows = statement.query(params![organizations, kind, from, to])?;
    while let Some(row) = rows.next()? {
        let reached = usize::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
        let count = row.get::<_, i64>(1)?.cast_unsigned();
        lost += row.get::<_, i64>(2)?.cast_unsigned();
        // Who came far came by all steps before.
        counts.iter_mut().take(reached + 1).for_each(|step| *step += count);
    }
    let steps = counts.iter().enumerate().map(|(at, reached)| {
        let before = at.checked_sub(1).and_then(|at| counts.get(at)).copied().filter(|before| *before > 0);
        Step { phase: PHASES[at], reached: *reached, rate: before.map(|before| ratio(*reached, before)) }
    });
    Ok(Funnel { steps: steps.collect(), lost })
}

#[expect(clippy::cast_precision_loss, reason = "counts of deals are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0
}
