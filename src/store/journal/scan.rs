//! Walking the events from the newest down, and skipping what cannot match.
//!
//! Lists by receiver skip segments in which the receiver has nothing; what is dead, cancelled or waits
//! after a failure is found by its index. Everything else is read and judged, at most
//! [`SCAN_EVENTS_MAX`] events a page: a list may come back short, with a cursor to go on.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use rusqlite::{OptionalExtension as _, named_params};

use super::SEGMENT_EVENTS;
use super::filter::{Filter, ShownReason, ShownState};
use super::reader::{STORED, Snapshot, Stored, correlation};
use super::slot::State;
use crate::domain::id::{AppSlug, DeliveryId, EventId, EventType};
use crate::domain::scheduler::LaneId;
use crate::domain::time::Millis;

/// Most events looked at for one page.
pub(super) const SCAN_EVENTS_MAX: u64 = 50_000;
/// Most segments looked at for one page.
const SEGMENTS_MAX: u32 = 2_000;
/// How far the order of acceptance and the clock may differ.
pub(super) const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_secs(60);

/// Which segments have to be read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whole {
    /// All.
    All,
    /// Those with a delivery to one of the lanes.
    OfLanes,
    /// Those with a delivery to one of the lanes that was never tried.
    Waiting,
    /// None: what is wanted has a row.
    None,
}

/// Where to look.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) lanes: Vec<LaneId>,
    pub(super) whole: Whole,
    /// Deliveries with a row in one of these states are found by their index.
    pub(super) rows: &'static [State],
    /// First routings only.
    pub(super) first_only: bool,
}

impl Plan {
    /// Where deliveries that match `filter` may be, to `lanes`.
    pub(super) fn deliveries(filter: &Filter, lanes: Vec<LaneId>) -> Self {
        // What no attempt was made of has no row.
        let by_rows = matches!(filter.reason, Some(ShownReason::Attempt(_)));
        let all = if filter.receiver.is_some() { Whole::OfLanes } else { Whole::All };
        let (whole, rows): (_, &'static [State]) = match filter.state {
            None if by_rows => {
                (Whole::None, &[State::Pending, State::Dead, State::Dismissed, State::Cancelled])
            }
            None | Some(ShownState::Delivered) => (all, &[]),
            Some(ShownState::Pending | ShownState::Parked) if by_rows => (Whole::None, &[State::Pending]),
            Some(ShownState::Pending | ShownState::Parked) => (Whole::Waiting, &[State::Pending]),
            Some(ShownState::Dead) => (Whole::None, &[State::Dead, State::Dismissed]),
            Some(ShownState::Cancelled) => (Whole::None, &[State::Cancelled]),
        };
        Self { lanes, whole, rows, first_only: false }
    }

    fn takes(&self, event: &Stored) -> bool {
        !self.first_only || event.generation == 0
    }
}

/// The filter's parts that the walk judges, by their numbers.
pub(super) struct Wanted<'a> {
    pub(super) source: Option<i64>,
    pub(super) event_type: Option<i64>,
    filter: &'a Filter,
}

/// Shows `visit` every event from `from` down that `filter` lets through and that may have what the plan
/// is after, until it breaks. Returns the event at which the walk gave up, if it did not get to the end.
pub(super) fn walk(
    snapshot: &Snapshot<'_>,
    plan: &Plan,
    filter: &Filter,
    from: u64,
    visit: &mut dyn FnMut(Stored) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<Option<u64>> {
    let Some(wanted) = Wanted::by(snapshot, filter)? else { return Ok(None) };
    let named = named_events(snapshot, filter)?;
    if !named.is_empty() {
        for seq in named.into_iter().rev().filter(|seq| *seq <= from) {
            if let Some(event) = snapshot.stored(seq)?.filter(|event| plan.takes(event) && wanted.lets(event))
                && visit(event)?.is_break()
            {
                break;
            }
        }
        return Ok(None);
    }
    let Some(mut upper) = start(snapshot, filter, from)? else { return Ok(None) };
    let (mut looked, mut segments) = (0, 0);
    while let Some((highest, is_whole)) = next_segment(snapshot, plan, upper)? {
        let (low, high) = (highest / SEGMENT_EVENTS * SEGMENT_EVENTS, highest);
        if let (Some(since), Some(newest)) = (filter.since, newest_at(snapshot, high)?)
            && newest.plus(CLOCK_SLACK) < since
        {
            return Ok(None);
        }
        let flow = if is_whole {
            looked += high - low + 1;
            whole_segment(snapshot, &wanted, plan, low, high, visit)?
        } else {
            let seqs = with_rows(snapshot, plan, low, high)?;
            looked += seqs.len() as u64;
            rows_of_segment(snapshot, &wanted, plan, seqs, visit)?
        };
        let Some(below) = low.checked_sub(1).filter(|_| flow.is_continue()) else { return Ok(None) };
        upper = below;
        segments += 1;
        if looked >= SCAN_EVENTS_MAX || segments >= SEGMENTS_MAX {
            return Ok(Some(low));
        }
    }
    Ok(None)
}

impl<'a> Wanted<'a> {
    /// What `filter` wants; `None` if no event ever was of that source or type.
    pub(super) fn by(snapshot: &Snapshot<'_>, filter: &'a Filter) -> rusqlite::Result<Option<Self>> {
        let number = |name: Option<&str>| name.map(|name| snapshot.number(name)).transpose();
        let source = number(filter.source.as_ref().map(AppSlug::as_str))?;
        let event_type = number(filter.event_type.as_ref().map(EventType::as_str))?;
        if source == Some(None) || event_type == Some(None) {
            return Ok(None);
        }
        Ok(Some(Self { source: source.flatten(), event_type: event_type.flatten(), filter }))
    }

    /// Whether the event itself matches, `q` left out; the same as the statement in [`whole_segment`].
    pub(super) fn lets(&self, event: &Stored) -> bool {
        let Filter { organization, since, until, .. } = self.filter;
        self.source.is_none_or(|source| source == event.source)
            && self.event_type.is_none_or(|event_type| event_type == event.event_type)
            && organization.as_ref().is_none_or(|organization| *organization == event.organization)
            && since.is_none_or(|since| event.accepted_at >= since)
            && until.is_none_or(|until| event.accepted_at <= until)
    }

    /// Whether `q` is found in it.
    pub(super) fn finds(&self, snapshot: &Snapshot<'_>, event: &Stored) -> rusqlite::Result<bool> {
        let Some(q) = self.filter.q.as_deref() else { return Ok(true) };
        if event.event_id.contains(q) || event.organization.contains(q) {
            return Ok(true);
        }
        match &event.correlation {
            Some(correlation) => Ok(correlation.contains(q)),
            // Made of the event's name; hashed again only if it can match.
            None if q.starts_with("cid_") => {
                Ok(correlation(event, &snapshot.name(event.source)?).contains(q))
            }
            None => Ok(false),
        }
    }
}

/// The events whose whole id is the filter's `q`.
fn named_events(snapshot: &Snapshot<'_>, filter: &Filter) -> rusqlite::Result<BTreeSet<u64>> {
    let id = filter.q.as_deref().and_then(|q| EventId::new(q).ok());
    id.map_or_else(|| Ok(BTreeSet::new()), |id| events_named(snapshot, &id, filter.source.as_ref()))
}

/// All events called `id`, of one source or of all, whatever their generation.
pub(super) fn events_named(
    snapshot: &Snapshot<'_>,
    id: &EventId,
    source: Option<&AppSlug>,
) -> rusqlite::Result<BTreeSet<u64>> {
    let mut keys = Vec::new();
    if let Some(source) = source {
        keys.push(super::batch::event_key(DeliveryId::event_prefix_of(source, id)));
    } else {
        let sql = "SELECT text FROM sources JOIN names USING (id)";
        let mut statement = snapshot.tx.prepare_cached(sql)?;
        let mut rows = statement.query(())?;
        while let Some(row) = rows.next()? {
            if let Ok(source) = AppSlug::new(row.get_ref(0)?.as_str()?) {
                keys.push(super::batch::event_key(DeliveryId::event_prefix_of(&source, id)));
            }
        }
    }
    let mut found = BTreeSet::new();
    let mut statement =
        snapshot.tx.prepare_cached("SELECT seq FROM events WHERE key = ?1 AND event_id = ?2")?;
    for key in keys {
        let mut rows = statement.query(rusqlite::params![key, id.as_str()])?;
        while let Some(row) = rows.next()? {
            found.insert(row.get::<_, i64>(0)?.cast_unsigned());
        }
    }
    Ok(found)
}

/// The highest event to look at: `from`, or the last one before the filter's `until`.
fn start(snapshot: &Snapshot<'_>, filter: &Filter, from: u64) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT max(seq) FROM events WHERE seq <= ?1";
    let from = i64::try_from(from).unwrap_or(i64::MAX);
    let last: Option<i64> = snapshot.tx.prepare_cached(sql)?.query_row([from], |row| row.get(0))?;
    let (Some(last), Some(until)) = (last.map(i64::cast_unsigned), filter.until) else {
        return Ok(last.map(i64::cast_unsigned));
    };
    // Acceptance follows the order of events but for the slack, so the place can be searched for.
    let (mut low, mut high) = (0, last);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let is_later = newest_at(snapshot, middle)?.is_some_and(|newest| newest > until.plus(CLOCK_SLACK));
        if is_later {
            high = middle - 1;
        } else {
            low = middle;
        }
    }
    Ok(Some(low))
}

/// When the last event at or below `seq` was accepted.
pub(super) fn newest_at(snapshot: &Snapshot<'_>, seq: u64) -> rusqlite::Result<Option<Millis>> {
    let sql = "SELECT accepted_at FROM events WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1";
    let mut statement = snapshot.tx.prepare_cached(sql)?;
    let found = statement.query_row([seq.cast_signed()], |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.map(|at| Millis(at.cast_unsigned())))
}

/// The highest event at or below `upper` in the next segment that must be looked at, and whether all of
/// the segment must.
fn next_segment(snapshot: &Snapshot<'_>, plan: &Plan, upper: u64) -> rusqlite::Result<Option<(u64, bool)>> {
    let max = |sql: &str, values: &[i64]| -> rusqlite::Result<Option<u64>> {
        let found: Option<i64> = snapshot
            .tx
            .prepare_cached(sql)?
            .query_row(rusqlite::params_from_iter(values), |row| row.get(0))?;
        Ok(found.map(i64::cast_unsigned))
    };
    let sql = match plan.whole {
        Whole::All => {
            let found = max("SELECT max(seq) FROM events WHERE seq <= ?1", &[upper.cast_signed()])?;
            return Ok(found.map(|seq| (seq, true)));
        }
        Whole::OfLanes => Some("SELECT max(segment) FROM segments WHERE lane = ?1 AND segment <= ?2"),
        Whole::Waiting => {
            Some("SELECT max(segment) FROM segments WHERE lane = ?1 AND segment <= ?2 AND waiting > 0")
        }
        Whole::None => None,
    };
    let (mut whole, mut rows) = (None, None);
    for lane in plan.lanes.iter().copied().map(i64::from) {
        if let Some(sql) = sql {
            whole = whole.max(max(sql, &[lane, (upper / SEGMENT_EVENTS).cast_signed()])?);
        }
        for state in plan.rows {
            let sql = "SELECT max(seq) FROM deliveries WHERE lane = ?1 AND state = ?2 AND seq <= ?3";
            rows = rows.max(max(sql, &[lane, state.code(), upper.cast_signed()])?);
        }
    }
    let whole = whole.map(|segment| (segment * SEGMENT_EVENTS + SEGMENT_EVENTS - 1).min(upper));
    let in_segment = |seq: Option<u64>| seq.map(|seq| seq / SEGMENT_EVENTS);
    Ok(match (whole, rows) {
        (Some(high), _) if in_segment(whole) >= in_segment(rows) => Some((high, true)),
        (_, rows) => rows.map(|seq| (seq, false)),
    })
}

pub(super) fn whole_segment(
    snapshot: &Snapshot<'_>,
    wanted: &Wanted<'_>,
    plan: &Plan,
    low: u64,
    high: u64,
    visit: &mut dyn FnMut(Stored) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<ControlFlow<()>> {
    let sql = format!(
        "SELECT {STORED} FROM events WHERE seq BETWEEN :low AND :high
            AND (:source IS NULL OR source = :source) AND (:type IS NULL OR type = :type)
            AND (:organization IS NULL OR organization = :organization)
            AND (:since IS NULL OR accepted_at >= :since) AND (:until IS NULL OR accepted_at <= :until)
            AND (:first_only = 0 OR generation = 0)
        ORDER BY seq DESC"
    );
    let Filter { organization, since, until, .. } = wanted.filter;
    let mut statement = snapshot.tx.prepare_cached(&sql)?;
    let mut rows = statement.query(named_params! {
        ":low": low.cast_signed(),
        ":high": high.cast_signed(),
        ":source": wanted.source,
        ":type": wanted.event_type,
        ":organization": organization,
        ":since": since.map(|at| at.0.cast_signed()),
        ":until": until.map(|at| at.0.cast_signed()),
        ":first_only": plan.first_only,
    })?;
    while let Some(row) = rows.next()? {
        let event = Stored::read(row)?;
        if wanted.finds(snapshot, &event)? && visit(event)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// The events between `low` and `high` that have a row as the plan wants it.
fn with_rows(snapshot: &Snapshot<'_>, plan: &Plan, low: u64, high: u64) -> rusqlite::Result<BTreeSet<u64>> {
    let sql = "SELECT seq FROM deliveries WHERE lane = ?1 AND state = ?2 AND seq BETWEEN ?3 AND ?4";
    let mut statement = snapshot.tx.prepare_cached(sql)?;
    let mut found = BTreeSet::new();
    for lane in plan.lanes.iter().copied().map(i64::from) {
        for state in plan.rows {
            let mut rows = statement.query([lane, state.code(), low.cast_signed(), high.cast_signed()])?;
            while let Some(row) = rows.next()? {
                found.insert(row.get::<_, i64>(0)?.cast_unsigned());
            }
        }
    }
    Ok(found)
}

fn rows_of_segment(
    snapshot: &Snapshot<'_>,
    wanted: &Wanted<'_>,
    plan: &Plan,
    seqs: BTreeSet<u64>,
    visit: &mut dyn FnMut(Stored) -> rusqlite::Result<ControlFlow<()>>,
) -> rusqlite::Result<ControlFlow<()>> {
    for seq in seqs.into_iter().rev() {
        if let Some(event) = snapshot.stored(seq)?.filter(|event| plan.takes(event) && wanted.lets(event))
            && wanted.finds(snapshot, &event)?
            && visit(event)?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
