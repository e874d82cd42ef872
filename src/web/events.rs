//! `/events`: every event, by whatever one knows of it.

use axum::http::HeaderMap;
use maud::{Markup, html};

use super::form::query;
use super::text::Text as T;
use super::view::table::{Column, table};
use super::view::{self, Html, field};
use super::visit::{STREAM, Visit};
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::http::query::{Given, Parameters, Query};
use crate::operations::filters;
use crate::operations::journal::read;
use crate::operations::live::{self, Tail, Wanted};
use crate::store::control::key::Scope;
use crate::store::journal::{EventRow, Filter, StateCounts};

/// States of a delivery, to choose from.
pub(super) const STATES: [&str; 5] = ["pending", "delivered", "parked", "dead", "cancelled"];

/// What the form of filters sent: empty fields are fields left out.
#[derive(Debug)]
pub(super) struct Search<F> {
    pub(super) filter: F,
    given: Vec<(&'static str, String)>,
}

impl<F: Parameters> Parameters for Search<F> {
    const NAMES: &'static [&'static str] = F::NAMES;

    fn read(given: &Given) -> Result<Self, Problem> {
        let filled = given.filled();
        let named = |name: &&'static str| Some((*name, filled.get(name)?.to_owned()));
        Ok(Self { filter: F::read(&filled)?, given: F::NAMES.iter().filter_map(named).collect() })
    }
}

impl<F> Search<F> {
    /// What stands in the field `name`.
    pub(super) fn get(&self, name: &str) -> &str {
        self.given.iter().find(|(other, _)| *other == name).map_or("", |(_, value)| value)
    }

    /// All that was filled in, for a link.
    pub(super) fn pairs(&self) -> Vec<(&str, Option<&str>)> {
        self.given.iter().map(|(name, value)| (*name, Some(value.as_str()))).collect()
    }

    /// Whether anything was.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// Nothing was found: because there is `none`, or because of what was filled in.
    pub(super) fn nothing(&self, visit: &Visit, none: [T; 2]) -> Markup {
        let [what, mend] = if self.is_empty() { none } else { [T::NothingFound, T::NothingFoundMend] };
        view::empty(visit.t(what), visit.t(mend))
    }
}

/// `GET /events`.
pub(super) async fn list(
    visit: Visit,
    List { filters: search, paging }: List<Search<filters::Events>>,
) -> Result<Html, Problem> {
    let parked = visit.web.ops.why_parked();
    let (filter, cursor): (Filter, _) = (search.filter.0.clone(), paging.cursor.clone());
    let limit = usize::from(paging.limit);
    let found =
        read(&visit.web.ops, move |reader| reader.events(&filter, cursor.as_deref(), limit, &parked)).await?;
    let first = paging.cursor.is_none();
    let content = html! {
        (form(&visit, &search))
        div data-live=[first.then_some("5")] data-stream=[first.then(|| stream_path(&search))] {
            @if found.items.is_empty() && found.next.is_none() {
                (search.nothing(&visit, [T::NoEvents, T::NoEventsMend]))
            } @else if found.items.is_empty() {
                (view::empty(visit.t(T::NothingSoFar), visit.t(T::NothingSoFarMend)))
            } @else {
                (listed(&visit, &found.items))
            }
            (view::next(&visit, "/events", &search.pairs(), found.next.as_deref()))
        }
    };
    Ok(view::page(&visit, view::EVENTS, visit.t(T::Events), &content))
}

/// The stream of what this list shows, as far as the stream can choose.
fn stream_path(search: &Search<filters::Events>) -> String {
    let chosen = ["source", "eventType", "organization", "receiver"];
    let pairs = chosen.map(|name| (name, Some(search.get(name))));
    format!("{STREAM}{}", query(pairs))
}

/// `GET /stream`: what comes, for the script that keeps the list fresh.
pub(super) async fn stream(
    visit: Visit,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Tail, Problem> {
    visit.allow(Scope::Read)?;
    live::follow(&visit.web.ops, visit.session.key, visit.holding(), wanted.again(&headers)).await
}

/// The fields that most lists can be searched by, the rarer ones folded away until one is filled in.
pub(super) fn fields<P>(visit: &Visit, search: &Search<P>, more: &Markup) -> Markup {
    let folded = ["source", "organization", "since", "until", "reason"];
    html! {
        (field("receiver", visit.t(T::Receiver), search.get("receiver"), ""))
        (field("eventType", visit.t(T::Type), search.get("eventType"), "payment.completed"))
        details.more open[folded.iter().any(|name| !search.get(name).is_empty())] {
            summary { (visit.t(T::MoreFilters)) }
            div.fields {
                (field("source", visit.t(T::Source), search.get("source"), ""))
                (field("organization", visit.t(T::Organization), search.get("organization"), ""))
                (field("since", visit.t(T::Since), search.get("since"), "2026-04-16T12:00:00Z"))
                (field("until", visit.t(T::Until), search.get("until"), "2026-04-16T13:00:00Z"))
                (more)
            }
        }
    }
}

fn form(visit: &Visit, search: &Search<filters::Events>) -> Markup {
    let reasons = ["unknown_type", "type_incomplete"];
    let held = view::choice(visit.lang, "reason", visit.t(T::HeldFor), search.get("reason"), &reasons);
    html! {
        form.search method="get" action="/events" role="search" {
            label.wide {
                span { (visit.t(T::Words)) }
                input type="search" name="q" value=(search.get("q")) placeholder=(visit.t(T::WordsHint));
            }
            (view::choice(visit.lang, "state", visit.t(T::State), search.get("state"), &STATES))
            (fields(visit, search, &held))
            div.actions {
                button.primary type="submit" { (visit.t(T::Search)) }
                @if !search.is_empty() { a href="/events" { (visit.t(T::ClearFilters)) } }
            }
        }
    }
}

/// Events as a table.
pub(super) fn listed(visit: &Visit, items: &[EventRow]) -> Markup {
    let columns = [
        Column(visit.t(T::AcceptedAt), false),
        Column(visit.t(T::Type), false),
        Column(visit.t(T::Source), false),
        Column(visit.t(T::Organization), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::EventId), false),
    ];
    let row = |event: &EventRow| {
        vec![
            view::time(visit.now, event.accepted_at),
            view::soft(&event.event_type),
            html! { (event.source) },
            html! { (event.organization_id) },
            html! {
                @if event.status == "quarantined" { (view::state(visit.lang, event.status)) }
                @else { (counts(visit, event.deliveries)) }
            },
            html! { a.id href=(view::event_path(&event.source, &event.event_id)) { (event.event_id) } },
        ]
    };
    table(visit.t(T::Events), &columns, items.iter().map(row).collect())
}

/// Deliveries by state, those that there are.
pub(super) fn counts(visit: &Visit, counts: StateCounts) -> Markup {
    let StateCounts { pending, delivered, parked, dead, cancelled } = counts;
    let all = [
        ("dead", dead),
        ("parked", parked),
        ("pending", pending),
        ("delivered", delivered),
        ("cancelled", cancelled),
    ];
    html! {
        @if all.iter().all(|(_, count)| *count == 0) { span.muted { (visit.t(T::NoReceivers)) } }
        @for (word, count) in all.iter().filter(|(_, count)| *count > 0) {
            (view::toned(view::Tone::of(word), &format!("{} {count}", visit.lang.word(word)))) " "
        }
    }
}
