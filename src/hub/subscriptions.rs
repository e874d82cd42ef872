//! Subscriptions: what each organization may use of each app, and what to recommend to it.
//!
//! One for each (organization, app). Events, people and the clock speak; `domain::subscription` decides, and
//! what changes is told to the apps. An event whose app nobody knows is kept under no app, and opens
//! nothing. Answers about features come from memory ([`Access`]), which follows each durable transaction;
//! a crash loses none of it, since it is read anew.

pub mod access;
pub mod clock;
mod commands;
mod emitted;
pub mod reading;
mod rows;
mod said;
mod schema;
mod upsell;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use serde_json::Value;

use super::command::Command;
use super::event::Event;
use super::organizations::UNASSIGNED;
use super::subscriber::{Subscriber, Trouble};
use super::work::Work;
use crate::domain::subscription::{Input, State, Verdict, tell};
pub use access::Access;
use emitted::Transition;
use rows::{Held, Said, id_of};

/// The subscriber.
pub struct Subscriptions {
    access: Access,
    /// Organizations that a transaction touched; what was rolled back is read in vain.
    touched: Mutex<BTreeSet<String>>,
}

impl Subscriptions {
    /// Ready to take events; keeps `access` up to date.
    pub fn new(access: Access) -> Self {
        Self { access, touched: Mutex::default() }
    }

    fn touch(&self, organization: &str) {
        let mut touched = self.touched.lock().unwrap_or_else(PoisonError::into_inner);
        touched.insert(organization.to_owned());
    }

    /// What is said of the subscription `id`: decided, kept, remembered and told.
    fn say(&self, work: &mut Work<'_>, target: Target<'_>, input: &Input) -> Result<Outcome, Trouble> {
        let before = rows::load(work.tx, target.id)?;
        let state_before = before.as_ref().map(|held| held.is.state);
        let verdict = tell(before.as_ref().map(|held| &held.is), input);
        let (outcome, why) = match &verdict {
            Verdict::Applied { why, .. } => ("applied", *why),
            Verdict::Repeated => ("repeated", "the same was said of the same instant"),
            Verdict::Late => ("late", "something later was said before"),
            Verdict::Illegal => ("illegal", "the state does not allow it"),
        };
        let state = match &verdict {
            Verdict::Applied { now, .. } => Some(now.state),
            _ => state_before,
        };
        let state = state.map_or("", State::as_str);
        let said = Said { what: input.trigger.as_str(), outcome, state, why };
        rows::remember(work, target.id, &said)?;
        let Verdict::Applied { from, now, .. } = verdict else {
            return Ok(Outcome::Kept(verdict, state_before));
        };
        let plan_before = before.as_ref().map(|held| held.is.plan.clone()).unwrap_or_default();
        let held = Held {
            id: target.id.to_owned(),
            organization: before
                .as_ref()
                .map_or_else(|| work.organization().to_owned(), |held| held.organization.clone()),
            app: target.app.to_owned(),
            created: before.as_ref().map_or(input.at, |held| held.created),
            is: *now,
        };
        rows::save(work, &held)?;
        self.touch(&held.organization);
        let transition = Transition { from, trigger: input.trigger, plan_before: &plan_before, at: input.at };
        if let Some((event_type, data)) = emitted::of(&held, &transition, self.access.plans())
            && target.told_by != event_type
        {
            work.emit(event_type, &data)?;
        }
        Ok(Outcome::Applied(Box::new(held)))
    }
}

/// Which subscription, and by which event.
#[derive(Clone, Copy, Debug)]
struct Target<'a> {
    id: &'a str,
    app: &'a str,
    /// The event's type, whose receivers need not be told again; empty for a command.
    told_by: &'a str,
}

/// What came of it.
enum Outcome {
    Applied(Box<Held>),
    /// With the state that it is in.
    Kept(Verdict, Option<State>),
}

impl Subscriber for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn steps(&self) -> &'static [&'static str] {
        schema::STEPS
    }

    fn derived(&self) -> &'static [(&'static str, &'static str)] {
        schema::DERIVED
    }

    fn handle(&self, work: &mut Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
        if let Some(input) = said::of(event) {
            // Whose plan it is nobody knows, or which organization's.
            let app = said::app(event, self.access.plans()).filter(|_| work.organization() != UNASSIGNED);
            let app = app.unwrap_or_default();
            let plan = said::plan(event).unwrap_or_default();
            let id = id_of(work.organization(), &app, &plan);
            self.say(work, Target { id: &id, app: &app, told_by: event.event_type.as_str() }, &input)?;
        }
        upsell::take(self, work, event)
    }

    fn command(&self, work: &mut Work<'_>, command: &Command) -> Result<Value, Trouble> {
        match command.kind.as_str() {
            "subscriptions.create" => commands::create(self, work, command),
            "subscriptions.change" => commands::change(self, work, command),
            "subscriptions.ring" => commands::ring(self, work, command),
            "subscriptions.track" => upsell::track(work, command),
            "subscriptions.use" => upsell::report(self, work, command),
            "subscriptions.register" => commands::register(self, work, command),
            _ => Err(Trouble::Refused(format!("there is no command `{}`", command.kind))),
        }
    }

    fn opened(&self, file: &Connection) -> rusqlite::Result<()> {
        self.access.read_all(file)
    }

    fn committed(&self, file: &Connection) -> rusqlite::Result<()> {
        let touched = std::mem::take(&mut *self.touched.lock().unwrap_or_else(PoisonError::into_inner));
        touched.iter().try_for_each(|organization| self.access.read_one(file, organization))
    }
}

/// A text of a command's body.
fn asked<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    command.body.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests;
