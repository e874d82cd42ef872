//! `/endpoints`: where events go, how that goes, and what an operator can do about it.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::form::segment;
use super::overview::seconds;
use super::samples::rates;
use super::text::Text as T;
use super::view::table::{Column, facts, raw, table};
use super::view::{self, Html, number, span};
use super::visit::Visit;
use crate::deliver::Report;
use crate::domain::time::Millis;
use crate::http::problem::{Code, Problem};
use crate::operations::endpoints::{self, EndpointView, Rotated, known};
use crate::store::control::key::Scope;

/// Samples that a rate of now is taken over: a minute.
const DRAIN_SAMPLES: usize = 13;

/// `GET /endpoints`.
pub(super) async fn list(visit: Visit) -> Html {
    let all = endpoints::all(&visit.web.ops);
    let columns = [
        Column(visit.t(T::Receiver), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::Breaker), false),
        Column(visit.t(T::Waiting), true),
        Column(visit.t(T::Retrying), true),
        Column(visit.t(T::InFlight), true),
        Column(visit.t(T::DeadLetters), true),
        Column(visit.t(T::Address), false),
    ];
    let row = |endpoint: &EndpointView| {
        vec![
            html! { a href={ "/endpoints/" (segment(endpoint.app.as_str())) } { (endpoint.app) } },
            view::state(visit.lang, endpoint.state),
            breaker(&visit, endpoint),
            html! { (number(endpoint.pending)) },
            html! { (number(endpoint.retrying)) },
            html! { (number(endpoint.in_flight)) },
            html! { (number(endpoint.dead)) },
            html! { span.said { (view::soft(endpoint.url.as_deref().unwrap_or(visit.t(T::InProcess)))) } },
        ]
    };
    let content = html! {
        div data-live="5" {
            @if all.is_empty() { (view::empty(visit.t(T::NoEndpoints), visit.t(T::NoEndpointsMend))) }
            @else { (table(visit.t(T::Endpoints), &columns, all.iter().map(row).collect())) }
        }
    };
    view::page(&visit, view::ENDPOINTS, visit.t(T::Endpoints), &content)
}

fn breaker(visit: &Visit, endpoint: &EndpointView) -> Markup {
    let tone =
        if endpoint.breaker == "closed" { view::Tone::Quiet } else { view::Tone::of(endpoint.breaker) };
    view::toned(tone, visit.lang.breaker(endpoint.breaker))
}

/// `GET /endpoints/{app}`.
pub(super) async fn show(visit: Visit, Path(app): Path<String>) -> Result<Html, Problem> {
    shown(&visit, &app, &html! {})
}

fn path(app: &str) -> String {
    format!("/endpoints/{}", segment(app))
}

/// The page of `app`, with what was just done above it.
fn shown(visit: &Visit, app: &str, done: &Markup) -> Result<Html, Problem> {
    let visit = &visit.at(path(app));
    let slug = known(&visit.web.ops, app)?;
    let gone = || Problem::new(Code::NotFound, format!("there is no endpoint `{app}`"));
    let endpoint = endpoints::one(&visit.web.ops, &slug).ok_or_else(gone)?;
    let content = html! {
        (done)
        div data-live="5" { (health(visit, &endpoint)) }
        (latency(visit, &endpoint))
        (actions(visit, &endpoint))
        p {
            a href={ "/events?receiver=" (segment(app)) } { (visit.t(T::ItsEvents)) } " · "
            a href={ "/dead-letters?receiver=" (segment(app)) } { (visit.t(T::DeadLetters)) }
        }
    };
    Ok(view::page(visit, view::ENDPOINTS, app, &content))
}

fn health(visit: &Visit, endpoint: &EndpointView) -> Markup {
    let mut known = vec![
        (
            visit.t(T::State),
            html! {
                (view::state(visit.lang, endpoint.state))
                @if let Some(reason) = endpoint.reason.filter(|reason| *reason != endpoint.state) { " " (visit.lang.word(reason)) }
            },
        ),
        (
            visit.t(T::Breaker),
            html! {
                (breaker(visit, endpoint))
                @if let Some(at) = endpoint.next_probe_at.as_deref().and_then(Millis::parse_rfc3339) {
                " " (visit.t(T::NextProbe)) " " (view::time(visit.now, at))
            }
            },
        ),
        (visit.t(T::Waiting), html! { (number(endpoint.pending)) }),
        (visit.t(T::Retrying), html! { (number(endpoint.retrying)) }),
        (visit.t(T::InFlight), html! { (number(endpoint.in_flight)) " / " (endpoint.in_flight_max) }),
        (visit.t(T::DeadLetters), html! { (number(endpoint.dead)) }),
        (visit.t(T::DrainRate), drain(visit, endpoint)),
    ];
    if let Some(url) = &endpoint.url {
        known.push((visit.t(T::Address), html! { code { (view::soft(url)) } }));
        known.push((visit.t(T::LiveSecrets), html! { (endpoint.secrets) }));
    }
    known.push((
        visit.t(T::RateCap),
        html! {
            @match endpoint.rate_per_second { Some(rate) => { (rate) "/s" } None => (visit.t(T::None)) }
        },
    ));
    known.push((visit.t(T::Timeout), html! { (span(endpoint.timeout_ms / 1000)) }));
    known.push((visit.t(T::Origin), html! { (visit.lang.word(endpoint.origin)) }));
    facts(known)
}

/// How fast its queue gets shorter: what is delivered a second, and until when that takes.
fn drain(visit: &Visit, endpoint: &EndpointView) -> Markup {
    let samples = visit.web.samples.all();
    let latest = &samples[samples.len().saturating_sub(DRAIN_SAMPLES)..];
    let slug = endpoint.app.as_str();
    let rates = rates(latest, |totals| totals.receivers.get(slug).map_or(0, |of| of.delivered));
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = if rates.is_empty() { 0.0 } else { rates.iter().sum::<f64>() / rates.len() as f64 };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a span for people"
    )]
    let rest = |waiting: u64| (waiting as f64 / rate).ceil() as u64;
    html! {
        (format!("{rate:.1}/s"))
        @if endpoint.pending > 0 && rate > 0.0 { " · " (visit.t(T::EmptyIn)) " " (span(rest(endpoint.pending))) }
    }
}

/// How long attempts took since the start, as bars over the histogram's bounds.
fn latency(visit: &Visit, endpoint: &EndpointView) -> Markup {
    let samples = visit.web.samples.all();
    let of = samples.last().and_then(|sample| sample.totals.receivers.get(endpoint.app.as_str()).cloned());
    let buckets = of.map(|of| of.attempts).unwrap_or_default();
    let mut before = 0;
    let bars: Vec<(f64, u64)> = buckets
        .iter()
        .map(|(most, count)| {
            let own = count.saturating_sub(before);
            before = *count;
            (*most, own)
        })
        .collect();
    let most = bars.iter().map(|(_, count)| *count).max().unwrap_or(0);
    html! {
        @if most > 0 {
            h2 { (visit.t(T::AttemptsTook)) }
            ol.latency {
                @for (bound, count) in bars.iter().filter(|(_, count)| *count > 0) {
                    li {
                        span.bound { @if bound.is_finite() { "≤ " (seconds(*bound)) } @else { "> 60 s" } }
                        meter min="0" max=(most) value=(count) { (count) }
                        span.count { (number(*count)) }
                    }
                }
            }
        }
    }
}

fn actions(visit: &Visit, endpoint: &EndpointView) -> Markup {
    let to = |action: &str| format!("/endpoints/{}/{action}", segment(endpoint.app.as_str()));
    let has_address = endpoint.url.is_some();
    html! {
        @if visit.may(Scope::Operate) {
            h2 { (visit.t(T::Actions)) }
            div.actions {
                @if endpoint.state == "active" { (view::button(visit, &to("pause"), visit.t(T::Pause), "")) }
                @else { (view::button(visit, &to("resume"), visit.t(T::Resume), "primary")) }
                @if has_address { (view::button(visit, &to("test"), visit.t(T::SendTest), "")) }
                @if endpoint.origin == "overlay" { (view::button(visit, &to("reset"), visit.t(T::Reset), "")) }
            }
            p.muted { (visit.t(T::PauseMeans)) }
        }
        @if has_address && visit.may(Scope::Admin) {
            details {
                summary { (visit.t(T::RotateSecret)) }
                p { (visit.t(T::RotateMeans)) }
                (view::button(visit, &to("rotate-secret"), visit.t(T::RotateNow), "danger"))
            }
        }
    }
}

/// `POST /endpoints/{app}/{action}`.
pub(super) async fn change(
    visit: Visit,
    Path((app, action)): Path<(String, String)>,
) -> Result<Response, Problem> {
    visit.allow(if action == "rotate-secret" { Scope::Admin } else { Scope::Operate })?;
    let (ops, caller) = (&visit.web.ops, visit.principal.as_ref());
    let slug = known(ops, &app)?;
    let done = match action.as_str() {
        "pause" => endpoints::pause(ops, caller, &slug).await.map(|()| T::Paused),
        "resume" => endpoints::resume(ops, caller, &slug).await.map(|()| T::Resumed),
        "reset" => endpoints::reset(ops, caller, &slug).await.map(|()| T::ResetDone),
        // What these two answer is shown at once, and kept nowhere.
        "test" => {
            let report = endpoints::test(ops, caller, &slug, None).await?;
            return Ok(shown(&visit, &app, &tested(&visit, &report))?.into_response());
        }
        "rotate-secret" => {
            let rotated = endpoints::rotate_secret(ops, caller, &slug, None).await?;
            return Ok(shown(&visit, &app, &secret(&visit, &rotated))?.into_response());
        }
        _ => return Err(Problem::new(Code::NotFound, "an endpoint has no such action")),
    };
    match done {
        Ok(text) => visit.tell(format!("{app}: {}", visit.t(text))),
        Err(problem) => visit.tell_trouble(&problem),
    }
    Ok(view::see(&path(&app)).into_response())
}

/// What an endpoint answered to a test.
pub(super) fn tested(visit: &Visit, report: &Report) -> Markup {
    let (outcome, reason) = (report.outcome.as_str(), report.outcome.reason());
    let ms = report.duration.as_millis();
    html! {
        section.notice role="status" {
            h2 { (visit.t(T::TestAnswered)) " " (view::state(visit.lang, outcome)) }
            p {
                @if let Some(status) = report.status { "HTTP " (status) " · " }
                @if let Some(reason) = reason.filter(|reason| reason.as_str() != outcome) { (visit.lang.word(reason.as_str())) " · " }
                (ms) " ms"
            }
            @if let Some(error) = &report.error { p { (error) } }
            @if let Some(excerpt) = &report.excerpt { (raw(visit.t(T::Answer), excerpt)) }
        }
    }
}

fn secret(visit: &Visit, rotated: &Rotated) -> Markup {
    html! {
        section.notice.good role="status" {
            h2 { (visit.t(T::NewSecret)) }
            p { code.secret { (rotated.secret.reveal()) } }
            p { (visit.t(T::SecretOnce)) }
            @if !rotated.except_sources.is_empty() {
                p { (visit.t(T::SecretExcept)) " "
                    @for source in &rotated.except_sources { code { (source) } " " } }
            }
        }
    }
}
