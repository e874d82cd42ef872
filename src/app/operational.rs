//! Tells operators by events what happens to the broker itself ([`Happening`]), if somebody listens: an app
//! with an endpoint that the registry names as a receiver of these types.
//!
//! Looks every [`EVERY`] and keeps no file: ids derive from what happened, so that the outbox knows what it
//! was told before, after a crash too. Never tells of those who listen, or of what they get: a receiver
//! that fails must not make events about its failure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::id::{AppSlug, EventId};
use crate::domain::operational::{DeadLetter, Happening, Height, TYPES};
use crate::domain::time::Millis;
use crate::outbox::Intake;
use crate::runtime::clock::Clock;
use crate::store::control::Control;
use crate::store::control::overlay::DisabledReason;
use crate::store::journal::{Filter, Reader};

const EVERY: Duration = Duration::from_secs(10);
/// What is older is no news: the outbox may have forgotten that it was told.
const NEWS_FOR: Duration = Duration::from_hours(24);
/// Departures within [`NEWS_FOR`] that are told of; the list of drift has all of them.
const DRIFTS_MAX: usize = 1_000;
/// Departures that one look reads.
const DRIFTS_READ_MAX: usize = 10_000;
const PAGE: usize = 500;
/// Events accepted in one go.
const BATCH_MAX: usize = 128;

/// What it looks at, and the way in.
pub(super) struct Watch {
    pub(super) intake: Intake,
    pub(super) control: Arc<Control>,
    pub(super) journal: Arc<Reader>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What was told since the start.
#[derive(Debug, Default)]
struct Told {
    /// Of what is still to be seen.
    ids: BTreeSet<EventId>,
    /// How high each receiver's dead letters have stood, on which day: fewer of them are no news.
    heights: BTreeMap<AppSlug, Height>,
}

impl Told {
    /// False for dead letters that have become fewer on the same day.
    fn rises(&mut self, happening: &Happening, now: Millis) -> bool {
        let Some((receiver, height)) = happening.height(now) else { return true };
        let before = self.heights.insert(receiver.clone(), height);
        let Some(before) = before.filter(|before| before.day == height.day) else { return true };
        if before.reached > height.reached {
            self.heights.insert(receiver.clone(), before);
        }
        before.reached <= height.reached
    }
}

impl Watch {
    /// Looks and tells until it is dropped.
    pub(super) async fn run(self) {
        let watch = Arc::new(self);
        let mut told = Told::default();
        loop {
            watch.clock.sleep(EVERY).await;
            let listeners = watch.listeners();
            if listeners.is_empty() {
                continue;
            }
            match watch.look(listeners, &told).await {
                Ok(now) => told = now,
                Err(reason) => {
                    tracing::warn!(
                        reason,
                        "what happened to the broker could not be told; it is tried again"
                    );
                }
            }
        }
    }

    /// Who would hear of it.
    fn listeners(&self) -> BTreeSet<AppSlug> {
        let (catalog, directory) = (self.intake.catalog.current(), self.intake.directory.current());
        let events = TYPES.iter().filter_map(|name| catalog.event(name));
        let receivers = events.flat_map(|event| &event.receivers);
        let listens = |app: &&AppSlug| directory.get(app).is_some_and(|app| app.endpoint.is_some());
        receivers.filter(listens).cloned().collect()
    }

    /// Tells what is to be seen and not in `told`. What is told by then.
    async fn look(self: &Arc<Self>, listeners: BTreeSet<AppSlug>, told: &Told) -> Result<Told, String> {
        let (watch, now) = (Arc::clone(self), self.clock.now());
        let seen = tokio::task::spawn_blocking(move || watch.see(&listeners, now)).await;
        let seen = seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let (mut by_now, mut events) =
            (Told { ids: BTreeSet::new(), heights: told.heights.clone() }, Vec::new());
        for happening in seen {
            let id = happening.event_id(now).map_err(|error| error.to_string())?;
            let is_news = by_now.rises(&happening, now);
            if is_news && !told.ids.contains(&id) && !by_now.ids.contains(&id) {
                let body = happening.envelope(&id, now).to_string();
                events.push(self.intake.own(&body.into(), None, now).map_err(|error| error.to_string())?);
            }
            by_now.ids.insert(id);
        }
        while !events.is_empty() {
            let rest = events.split_off(events.len().min(BATCH_MAX));
            // One that was told before a restart is known, or known with other words: both are well.
            self.intake.accept(events).await.map_err(|error| error.to_string())?;
            events = rest;
        }
        Ok(by_now)
    }

    fn see(&self, listeners: &BTreeSet<AppSlug>, now: Millis) -> Result<Vec<Happening>, String> {
        let mut seen = Vec::new();
        let outbox = &self.intake.store;
        let lanes: Vec<_> = (0..).zip(outbox.lanes()).collect();
        let overlays = self.control.overlays().map_err(|error| error.to_string())?;
        for (app, overlay) in overlays {
            if let Some(disabled) = overlay.disabled.filter(|disabled| now.since(disabled.since) <= NEWS_FOR)
                && !listeners.contains(&app)
            {
                let lane = lanes.iter().find(|(_, receiver)| *receiver == app).map(|(lane, _)| *lane);
                seen.push(Happening::EndpointDisabled {
                    receiver: app,
                    reason: match disabled.reason {
                        DisabledReason::Gone => "gone",
                    },
                    remark: disabled.remark,
                    since: disabled.since,
                    waiting: lane.map_or(0, |lane| outbox.counts(lane).open),
                });
            }
        }
        for (lane, receiver) in lanes {
            let count = outbox.counts(lane).dead;
            // Told when the journal has it, too: until then nobody could look at it.
            if count > 0
                && !listeners.contains(&receiver)
                && let Some(newest) = self.newest(&receiver)?
            {
                seen.push(Happening::DeadLettersGrown { receiver, count, newest });
            }
        }
        self.drifts(now, &mut seen)?;
        Ok(seen)
    }

    fn newest(&self, receiver: &AppSlug) -> Result<Option<DeadLetter>, String> {
        let filter = Filter { receiver: Some(receiver.clone()), ..Filter::default() };
        let page = self.journal.dead_letters(&filter, None, 1, &|_| None);
        let newest = page.map_err(|error| error.to_string())?.items.pop();
        Ok(newest.map(|delivery| DeadLetter {
            delivery_id: delivery.delivery_id.to_string(),
            event_id: delivery.event_id,
            event_type: delivery.event_type,
            reason: delivery.reason,
            last_status: delivery.last_status,
        }))
    }

    /// Departures whose first time is news.
    fn drifts(&self, now: Millis, seen: &mut Vec<Happening>) -> Result<(), String> {
        let since = now.minus(NEWS_FOR);
        let filter = Filter { since: Some(since), ..Filter::default() };
        let (mut cursor, mut read, mut found) = (None, 0, 0);
        while read < DRIFTS_READ_MAX && found < DRIFTS_MAX {
            let page = self.journal.drift(&filter, cursor.as_deref(), PAGE);
            let page = page.map_err(|error| error.to_string())?;
            read += PAGE;
            for drift in page.items.into_iter().filter(|drift| drift.first_seen >= since) {
                found += 1;
                seen.push(Happening::DriftFound {
                    source: drift.source,
                    event_type: drift.event_type,
                    field: drift.field,
                    problem: drift.problem,
                    event_id: drift.event_id,
                    first_seen: drift.first_seen,
                });
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 86_400_000;

    fn grown(receiver: &str, count: u64) -> Happening {
        let newest = DeadLetter {
            delivery_id: "d".to_owned(),
            event_id: "e".to_owned(),
            event_type: "payment.completed".to_owned(),
            reason: None,
            last_status: None,
        };
        Happening::DeadLettersGrown { receiver: AppSlug::new(receiver).unwrap(), count, newest }
    }

    #[test]
    fn fewer_dead_letters_are_no_news_until_the_next_day() {
        let mut told = Told::default();
        let (today, tomorrow) = (Millis(DAY_MS + 1), Millis(2 * DAY_MS + 1));
        let looks = [(1_500, true), (900, false), (3, false), (1_000, true), (20_000, true), (9, false)];
        for (count, is_news) in looks {
            assert_eq!(told.rises(&grown("mancha", count), today), is_news, "{count}");
        }
        assert!(told.rises(&grown("hoja", 1), today), "each receiver for itself");
        assert!(told.rises(&grown("mancha", 9), tomorrow));
        assert!(told.rises(&grown("mancha", 80), tomorrow));
        assert!(!told.rises(&grown("mancha", 2), tomorrow));
    }
}
