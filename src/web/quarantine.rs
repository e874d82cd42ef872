//! `/quarantine`: events of types that the registry can't route, and what senders send otherwise than it says.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::form::{Fields, segment};
use super::text::Text as T;
use super::view::table::{Column, table};
use super::view::{self, Html, number};
use super::visit::Visit;
use crate::domain::id::AppSlug;
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::operations::again;
use crate::operations::endpoints;
use crate::operations::journal::{named, read};
use crate::store::control::key::Scope;
use crate::store::journal::{DriftRow, EventRow, Filter};

/// Departures that are shown; they are counted, so there are few.
const DRIFT_MAX: usize = 100;

/// `GET /quarantine`.
pub(super) async fn list(visit: Visit, List { paging, .. }: List<()>) -> Result<Html, Problem> {
    let (cursor, limit) = (paging.cursor.clone(), usize::from(paging.limit));
    let (held, drift) = read(&visit.web.ops, move |reader| {
        let held = reader.quarantined(&Filter::default(), cursor.as_deref(), limit)?;
        Ok((held, reader.drift(&Filter::default(), None, DRIFT_MAX)?))
    })
    .await?;
    let content = html! {
        p.lead { (visit.t(T::QuarantineMeans)) }
        @if held.items.is_empty() { (view::empty(visit.t(T::NoQuarantine), visit.t(T::NoQuarantineMend))) }
        @else { (listed(&visit, &held.items)) }
        (view::next(&visit, "/quarantine", &[], held.next.as_deref()))
        @if paging.cursor.is_none() {
            h2 { (visit.t(T::Drift)) }
            p.muted { (visit.t(T::DriftMeans)) }
            @if drift.items.is_empty() { (view::empty(visit.t(T::NoDrift), visit.t(T::NoDriftMend))) }
            @else { (departures(&visit, &drift.items)) }
        }
    };
    Ok(view::page(&visit, view::QUARANTINE, visit.t(T::Quarantine), &content))
}

fn listed(visit: &Visit, items: &[EventRow]) -> Markup {
    let columns = [
        Column(visit.t(T::AcceptedAt), false),
        Column(visit.t(T::Type), false),
        Column(visit.t(T::Source), false),
        Column(visit.t(T::Why), false),
        Column(visit.t(T::EventId), false),
        Column(visit.t(T::Actions), false),
    ];
    let row = |event: &EventRow| {
        let action =
            || format!("/quarantine/{}/{}/release", segment(&event.source), segment(&event.event_id));
        vec![
            view::time(visit.now, event.accepted_at),
            html! {
                (view::soft(&event.event_type))
                @if let Some(meant) = &event.did_you_mean { br; span.muted { (visit.t(T::DidYouMean)) " " (meant) "?" } }
            },
            html! { (event.source) },
            view::toned(view::Tone::Waiting, visit.lang.word(event.reason.as_deref().unwrap_or("–"))),
            html! { a.id href=(view::event_path(&event.source, &event.event_id)) { (event.event_id) } },
            html! {
                @if visit.may(Scope::Operate) { (view::button(visit, &action(), visit.t(T::Release), "")) }
                @else { "–" }
            },
        ]
    };
    table(visit.t(T::Quarantine), &columns, items.iter().map(row).collect())
}

fn departures(visit: &Visit, items: &[DriftRow]) -> Markup {
    let columns = [
        Column(visit.t(T::Source), false),
        Column(visit.t(T::Type), false),
        Column(visit.t(T::Field), false),
        Column(visit.t(T::Difference), false),
        Column(visit.t(T::HowMany), true),
        Column(visit.t(T::LastSeen), false),
    ];
    let row = |drift: &DriftRow| {
        vec![
            html! { (drift.source) },
            html! { a href={ "/registry/" (segment(&drift.event_type)) } { (view::soft(&drift.event_type)) } },
            html! { code { (view::soft(&drift.field)) } },
            html! { (visit.lang.word(&drift.problem)) },
            html! { a href=(view::event_path(&drift.source, &drift.event_id)) { (number(drift.count)) } },
            view::time(visit.now, drift.last_seen),
        ]
    };
    table(visit.t(T::Drift), &columns, items.iter().map(row).collect())
}

/// `POST /quarantine/{source}/{id}/release`.
pub(super) async fn release(
    visit: Visit,
    Path((source, id)): Path<(String, String)>,
    fields: Fields,
) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    let event = named(&visit.web.ops, &id, Some(&source)).await?;
    let receivers = receivers(&visit, fields.get("receivers").unwrap_or_default())?;
    match again::release(&visit.web.ops, &visit.principal, &event, receivers.as_deref()).await {
        Ok(_) => visit.tell(format!("{id}: {}", visit.t(T::Released))),
        Err(problem) => visit.tell_trouble(&problem),
    }
    let next = super::sign_in::local(fields.get("next").unwrap_or("/quarantine"));
    Ok(view::see(next).into_response())
}

/// Those that a person names; none: as the registry says.
fn receivers(visit: &Visit, named: &str) -> Result<Option<Vec<AppSlug>>, Problem> {
    let names = named.split([',', ' ', ';']).filter(|name| !name.is_empty());
    let receivers: Vec<AppSlug> =
        names.map(|name| endpoints::known(&visit.web.ops, name)).collect::<Result<_, _>>()?;
    Ok((!receivers.is_empty()).then_some(receivers))
}
