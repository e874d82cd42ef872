//! `/registry`: the types of events, who sends and who receives them, and how their data looks.

use axum::extract::Path;
use axum::http::Uri;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::json;

use super::endpoints::tested;
use super::form::{Fields, segment};
use super::text::Text as T;
use super::view::table::{Column, facts, raw, table};
use super::view::{self, Html, options};
use super::visit::Visit;
use crate::domain::catalog::{Catalog, EventDef, Lookup, Status};
use crate::domain::id::AppSlug;
use crate::http::problem::{Code, Problem};
use crate::operations::endpoints::{self, Example};
use crate::store::control::key::Scope;

/// `GET /registry?q=`.
pub(super) async fn list(visit: Visit, uri: Uri) -> Html {
    let fields = Fields::of(uri.query().unwrap_or_default().as_bytes());
    let wanted = fields.get("q").unwrap_or_default().to_lowercase();
    let catalog = visit.web.ops.parts.intake.catalog.current();
    let found: Vec<&EventDef> = catalog.events().filter(|event| matches(event, &wanted)).collect();
    let columns = [
        Column(visit.t(T::Type), false),
        Column(visit.t(T::WhatHappened), false),
        Column(visit.t(T::Senders), false),
        Column(visit.t(T::Receivers), false),
        Column(visit.t(T::State), false),
    ];
    let row = |event: &&EventDef| {
        vec![
            html! { a href={ "/registry/" (segment(event.event_type.as_str())) } { (view::soft(event.event_type.as_str())) } },
            html! { (event.description) },
            names(&event.senders),
            names(&event.receivers),
            known(&visit, event),
        ]
    };
    let content = html! {
        form.search method="get" action="/registry" role="search" {
            label.wide {
                span { (visit.t(T::Words)) }
                input type="search" name="q" value=(fields.get("q").unwrap_or_default()) placeholder=(visit.t(T::RegistryHint));
            }
            div.actions { button.primary type="submit" { (visit.t(T::Search)) } }
        }
        p.muted { (found.len()) " / " (catalog.events().len()) " " (visit.t(T::TypesCounted)) }
        @if found.is_empty() { (view::empty(visit.t(T::NothingFound), visit.t(T::NothingFoundMend))) }
        @else { (table(visit.t(T::Registry), &columns, found.iter().map(row).collect())) }
    };
    view::page(&visit, view::REGISTRY, visit.t(T::Registry), &content)
}

fn matches(event: &EventDef, wanted: &str) -> bool {
    let is_named = |app: &AppSlug| app.as_str().contains(wanted);
    event.event_type.as_str().to_lowercase().contains(wanted)
        || event.description.to_lowercase().contains(wanted)
        || event.senders.iter().chain(&event.receivers).any(is_named)
}

fn names(apps: &[AppSlug]) -> Markup {
    let told: Vec<&str> = apps.iter().map(AppSlug::as_str).collect();
    html! { @if told.is_empty() { span.muted { "–" } } @else { (told.join(", ")) } }
}

fn known(visit: &Visit, event: &EventDef) -> Markup {
    match event.status {
        Status::Active => view::state(visit.lang, "active"),
        Status::Incomplete => view::toned(view::Tone::Waiting, visit.lang.word("type_incomplete")),
    }
}

/// The type `name`, if the registry has it.
fn known_type<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a EventDef, Problem> {
    match catalog.lookup(name) {
        Lookup::Known(event) | Lookup::Incomplete(event) => Ok(event),
        Lookup::Unknown { did_you_mean } => {
            let meant = did_you_mean.map(|name| format!("; did you mean `{name}`?")).unwrap_or_default();
            Err(Problem::new(Code::NotFound, format!("the registry has no such type{meant}")))
        }
    }
}

/// `GET /registry/{type}`.
pub(super) async fn show(visit: Visit, Path(name): Path<String>) -> Result<Html, Problem> {
    shown(&visit, &name, &html! {})
}

/// The page of the type `name`, with what was just done above it.
fn shown(visit: &Visit, name: &str, done: &Markup) -> Result<Html, Problem> {
    let visit = &visit.at(format!("/registry/{}", segment(name)));
    let catalog = visit.web.ops.parts.intake.catalog.current();
    let event = known_type(&catalog, name)?;
    let pretty = |json: &serde_json::Value| serde_json::to_string_pretty(json).unwrap_or_default();
    let content = html! {
        (done)
        p.lead { (event.description) }
        (facts(vec![
            (visit.t(T::State), known(visit, event)),
            (visit.t(T::Senders), html! { (names(&event.senders)) @if !event.senders_complete { " " span.muted { (visit.t(T::MaybeMore)) } } }),
            (visit.t(T::Receivers), html! { (names(&event.receivers)) @if !event.receivers_complete { " " span.muted { (visit.t(T::MaybeMore)) } } }),
        ]))
        p { a href={ "/events?eventType=" (segment(event.event_type.as_str())) } { (visit.t(T::ItsEvents)) } }
        @if let Some(example) = &event.example {
            h2 { (visit.t(T::Example)) }
            (raw(visit.t(T::Example), &pretty(example)))
            (test_form(visit, event))
        }
        h2 { (visit.t(T::Schema)) }
        @match &event.schema {
            Some(schema) => (raw(visit.t(T::Schema), &pretty(&json!(schema)))),
            None => p.muted { (visit.t(T::NoSchema)) },
        }
    };
    Ok(view::page(visit, view::REGISTRY, event.event_type.as_str(), &content))
}

/// The way to send the example to one of those who receive the type.
fn test_form(visit: &Visit, event: &EventDef) -> Markup {
    let has_address =
        |app: &&AppSlug| endpoints::one(&visit.web.ops, app).is_some_and(|endpoint| endpoint.url.is_some());
    let receivers: Vec<_> =
        event.receivers.iter().filter(has_address).map(|app| (app.as_str(), app.as_str())).collect();
    html! {
        @if !receivers.is_empty() && visit.may(Scope::Operate) {
            details {
                summary { (visit.t(T::SendTest)) }
                p { (visit.t(T::TypeTestMeans)) }
                form.search method="post" action={ "/registry/" (segment(event.event_type.as_str())) "/test" } {
                    (view::token(visit))
                    (options("receiver", visit.t(T::Receiver), "", receivers))
                    div.actions { button.danger type="submit" { (visit.t(T::SendTest)) } }
                }
            }
        }
    }
}

/// `POST /registry/{type}/test`: the example goes to one receiver, at once.
pub(super) async fn test(
    visit: Visit,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    let ops = &visit.web.ops;
    let example = {
        let catalog = ops.parts.intake.catalog.current();
        let event = known_type(&catalog, &name)?;
        let missing = || Problem::new(Code::StateConflict, "the registry has no example of this type");
        Example { event_type: event.event_type.clone(), data: event.example.clone().ok_or_else(missing)? }
    };
    let receiver = endpoints::known(ops, fields.get("receiver").unwrap_or_default())?;
    let done = match endpoints::test(ops, &visit.principal, &receiver, Some(example)).await {
        Ok(report) => tested(&visit, &report),
        Err(problem) => {
            visit.tell_trouble(&problem);
            html! {}
        }
    };
    Ok(shown(&visit, &name, &done)?.into_response())
}
