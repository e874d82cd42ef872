//! One event: its trip step by step, from its acceptance to each attempt, and one more try.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::form::{Fields, segment};
use super::text::Text as T;
use super::view::indent::{Indented, indent};
use super::view::table::{Column, facts, raw, table};
use super::view::{self, Html};
use super::visit::Visit;
use crate::http::problem::Problem;
use crate::operations::again;
use crate::operations::journal::{named, read};
use crate::store::control::key::Scope;
use crate::store::journal::{AttemptRow, DecisionRow, DeliveryRow, EventRow, Explained, ShownState};

/// Deliveries of one event whose attempts are shown.
const SHOWN_MAX: usize = 200;

/// Of a body this much is shown; `GET /v1/events/{id}` has all of it.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What is known of an event.
struct Trip {
    event: EventRow,
    explained: Option<Explained>,
    deliveries: Vec<(DeliveryRow, Vec<AttemptRow>)>,
    body: Option<Indented>,
}

/// `GET /events/{source}/{id}`.
pub(super) async fn show(visit: Visit, Path((source, id)): Path<(String, String)>) -> Result<Html, Problem> {
    let event = named(&visit.web.ops, &id, Some(&source)).await?;
    let parked = visit.web.ops.why_parked();
    let seq = event.seq;
    let (explained, deliveries, body) = read(&visit.web.ops, move |reader| {
        let mut deliveries = Vec::new();
        for delivery in reader.event_deliveries(seq, &parked)?.into_iter().take(SHOWN_MAX) {
            let attempts = reader.attempts(delivery.delivery_id)?.unwrap_or_default();
            deliveries.push((delivery, attempts));
        }
        let body = reader.body(seq)?.map(|body| indent(&String::from_utf8_lossy(&body), BODY_BYTES_MAX));
        Ok((reader.explain(seq)?, deliveries, body))
    })
    .await?;
    let trip = Trip { event, explained, deliveries, body };
    let content = html! {
        div data-live="3" {
            ol.trip {
                li { (accepted(&visit, &trip.event)) }
                li { (decided(&visit, &trip)) }
                @if trip.event.status == "quarantined" && visit.may(Scope::Operate) { li { (release_form(&visit, &trip.event)) } }
                @for (delivery, attempts) in &trip.deliveries { li { (delivered(&visit, delivery, attempts)) } }
            }
        }
        (body_of(&visit, trip.body.as_ref()))
    };
    Ok(view::page(&visit, view::EVENTS, &trip.event.event_type, &content))
}

fn accepted(visit: &Visit, event: &EventRow) -> Markup {
    let code = |text: &str| html! { code { (text) } };
    html! {
        h2 { (visit.t(T::StepAccepted)) " " (view::state(visit.lang, event.status)) }
        (facts(vec![
            (visit.t(T::AcceptedAt), view::time(visit.now, event.accepted_at)),
            (visit.t(T::OwnTime), view::time(visit.now, event.timestamp)),
            (visit.t(T::Source), html! { a href={ "/events?source=" (segment(&event.source)) } { (event.source) } }),
            (visit.t(T::Type), html! { a href={ "/registry/" (segment(&event.event_type)) } { (view::soft(&event.event_type)) } }),
            (visit.t(T::Organization), html! { a href={ "/events?organization=" (segment(&event.organization_id)) } { (event.organization_id) } }),
            (visit.t(T::ProvedBy), html! { (event.proof) }),
            (visit.t(T::EventId), code(&event.event_id)),
            (visit.t(T::CorrelationId), code(&event.correlation_id)),
        ]))
        @if let Some(reason) = &event.reason {
            p { (visit.t(T::HeldFor)) ": " (visit.lang.word(reason))
                @if let Some(meant) = &event.did_you_mean { ". " (visit.t(T::DidYouMean)) " " code { (meant) } "?" } }
        }
    }
}

fn decided(visit: &Visit, trip: &Trip) -> Markup {
    let columns = [
        Column(visit.t(T::Receiver), false),
        Column(visit.t(T::Decision), false),
        Column(visit.t(T::Why), false),
    ];
    let row = |decision: &DecisionRow| {
        vec![
            html! { (decision.receiver) },
            view::state(visit.lang, &decision.decision),
            html! { (decision.detail.as_deref().unwrap_or("–")) },
        ]
    };
    let decisions =
        trip.explained.as_ref().map(|explained| explained.decisions.as_slice()).unwrap_or_default();
    html! {
        h2 { (visit.t(T::StepDecided)) }
        @if decisions.is_empty() {
            p.muted { (visit.t(if trip.event.status == "quarantined" { T::NotRoutedYet } else { T::NobodyReceives })) }
        } @else {
            (table(visit.t(T::StepDecided), &columns, decisions.iter().map(row).collect()))
        }
    }
}

/// The way out of quarantine: as the registry says, or to whom a person names.
fn release_form(visit: &Visit, event: &EventRow) -> Markup {
    html! {
        h2 { (visit.t(T::Release)) }
        p { (visit.t(T::ReleaseMeans)) }
        form.search method="post" action={ "/quarantine/" (segment(&event.source)) "/" (segment(&event.event_id)) "/release" } {
            (view::token(visit))
            input type="hidden" name="next" value=(view::event_path(&event.source, &event.event_id));
            (view::field("receivers", visit.t(T::Receivers), "", visit.t(T::ReceiversHint)))
            div.actions { button.primary type="submit" { (visit.t(T::Release)) } }
        }
    }
}

fn delivered(visit: &Visit, delivery: &DeliveryRow, attempts: &[AttemptRow]) -> Markup {
    let reason = delivery.reason.as_deref();
    html! {
        h2 {
            (visit.t(T::StepDelivery)) " "
            a href={ "/endpoints/" (segment(&delivery.receiver)) } { (delivery.receiver) } " "
            (view::state(visit.lang, delivery.state.as_str()))
        }
        p.sentence {
            @if let Some(at) = delivery.delivered_at { (visit.t(T::DeliveredAt)) " " (view::time(visit.now, at)) ". " }
            @if let Some(reason) = reason { (visit.lang.word(reason)) ". " }
            @if let Some(at) = delivery.next_attempt_at { (visit.t(T::WaitsUntil)) " " (view::time(visit.now, at)) ". " }
            @if delivery.dismissed { (visit.t(T::LetGo)) ". " }
            @if delivery.replay_of.is_some() { (visit.t(T::MadeAgain)) ". " }
        }
        @if !attempts.is_empty() { (tried(visit, attempts)) }
        p.muted { code { (delivery.delivery_id.to_string()) } }
        @if again::is_over(delivery.state) && !delivery.dismissed && visit.may(Scope::Operate) {
            (retry_button(visit, delivery))
        }
    }
}

/// The button that makes a delivery again.
pub(super) fn retry_button(visit: &Visit, delivery: &DeliveryRow) -> Markup {
    let name = if delivery.state == ShownState::Dead { T::Retry } else { T::SendAgain };
    html! {
        form.inline method="post" action={ "/deliveries/" (delivery.delivery_id.to_string()) "/retry" } {
            (view::token(visit))
            input type="hidden" name="next" value=(view::event_path(&delivery.source, &delivery.event_id));
            button type="submit" { (visit.t(name)) span.unseen { " " (delivery.receiver) } }
        }
    }
}

fn tried(visit: &Visit, attempts: &[AttemptRow]) -> Markup {
    let columns = [
        Column(visit.t(T::Attempt), true),
        Column(visit.t(T::Began), false),
        Column(visit.t(T::Took), true),
        Column(visit.t(T::Answer), false),
        Column(visit.t(T::Said), false),
    ];
    let row = |attempt: &AttemptRow| {
        let said = attempt.error.as_deref().or(attempt.excerpt.as_deref()).unwrap_or("–");
        vec![
            html! { (attempt.number) @if attempt.probe { " (" (visit.t(T::Probe)) ")" } },
            view::time(visit.now, attempt.started_at),
            html! { (attempt.duration_ms) " ms" },
            html! {
                @match (attempt.status, attempt.reason.as_deref()) {
                    (Some(status), None) => (view::toned(view::Tone::Good, &status.to_string())),
                    (Some(status), Some(reason)) => (view::toned(view::Tone::Bad, &format!("{status} {}", visit.lang.word(reason)))),
                    (None, Some(reason)) => (view::toned(view::Tone::Bad, visit.lang.word(reason))),
                    (None, None) => "–",
                }
            },
            html! { span.said { (said) } },
        ]
    };
    table(visit.t(T::Attempts), &columns, attempts.iter().map(row).collect())
}

fn body_of(visit: &Visit, body: Option<&Indented>) -> Markup {
    html! {
        h2 { (visit.t(T::Body)) }
        @match body {
            Some(body) => {
                (raw(visit.t(T::Body), &body.text))
                @if !body.is_whole { p.muted { (visit.t(T::BodyCut)) } }
            }
            None => p.muted { (visit.t(T::BodyGone)) },
        }
    }
}

/// `POST /deliveries/{id}/retry`.
pub(super) async fn retry(visit: Visit, Path(id): Path<String>, fields: Fields) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    match again::retry(&visit.web.ops, &visit.principal, &id).await {
        Ok((_, receiver)) => visit.tell(format!("{} {receiver}", visit.t(T::RetrySent))),
        Err(problem) => visit.tell_trouble(&problem),
    }
    let next = super::sign_in::local(fields.get("next").unwrap_or("/dead-letters"));
    Ok(view::see(next).into_response())
}
