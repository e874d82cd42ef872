//! `/`: what the broker does now, and how each receiver stands. Without a session it is the sign-in.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::chart::{bar, sparkline};
use super::form::{Fields, segment};
use super::samples::{Sample, quantile, rates};
use super::text::Text as T;
use super::view::table::{Column, table};
use super::view::{self, number, span};
use super::visit::Visit;
use super::{Web, sign_in};
use crate::http::problem::Problem;
use crate::operations::endpoints::{self, EndpointView};
use crate::operations::journal::read;
use crate::store::journal::{StateCounts, Stats};
use crate::telemetry::totals::Totals;

/// `GET /`.
pub(super) async fn show(State(web): State<Web>, headers: HeaderMap, uri: Uri) -> Result<Response, Problem> {
    let Some(visit) = Visit::of(&web, &headers, "/") else {
        let fields = Fields::of(uri.query().unwrap_or_default().as_bytes());
        return Ok(sign_in::form(&web, &headers, fields.get("next").unwrap_or("/"), None));
    };
    let parked = web.ops.why_parked();
    let stats = read(&web.ops, move |reader| reader.stats(&parked)).await?;
    let (all, samples) = (endpoints::all(&web.ops), web.samples.all());
    let content = html! {
        div data-live="5" {
            (figures(&visit, &stats, &samples))
            (receivers(&visit, &all, &stats, &samples))
        }
    };
    Ok(view::page(&visit, view::OVERVIEW, visit.t(T::Overview), &content).into_response())
}

/// The last value of a line, and the line.
fn figure(name: &str, value: &str, drawn: &Markup) -> Markup {
    html! { div.figure { h2 { (name) } p.value { (value) } (drawn) } }
}

fn figures(visit: &Visit, stats: &Stats, samples: &[Arc<Sample>]) -> Markup {
    let rate = |name: T, counter: fn(&Totals) -> u64| {
        let rates = rates(samples, counter);
        let last = rates.last().map_or_else(|| "–".to_owned(), |rate| format!("{rate:.1}/s"));
        figure(visit.t(name), &last, &sparkline(visit.t(name), &rates))
    };
    let waiting = |totals: &Totals| totals.receivers.values().map(|of| of.waiting).sum::<u64>();
    let level = |name: T, now: u64, level: &dyn Fn(&Totals) -> u64| {
        #[expect(clippy::cast_precision_loss, reason = "a picture of 240 points needs no more")]
        let values: Vec<f64> = samples.iter().map(|sample| level(&sample.totals) as f64).collect();
        figure(visit.t(name), &number(now), &sparkline(visit.t(name), &values))
    };
    let now = samples.last().map(|sample| sample.totals.clone()).unwrap_or_default();
    let StateCounts { pending, parked, dead, .. } = stats.deliveries;
    html! {
        section.figures aria-label=(visit.t(T::Now)) {
            (rate(T::AcceptedRate, |totals| totals.accepted))
            (rate(T::DeliveredRate, |totals| totals.delivered))
            (level(T::Waiting, pending + parked, &waiting))
            (level(T::JournalLag, now.journal_lag, &|totals| totals.journal_lag))
            div.figure {
                h2 { (visit.t(T::EventsKept)) }
                p.value { (number(stats.events)) }
            }
            div.figure {
                h2 { (visit.t(T::NeedsAPerson)) }
                p.value {
                    a href="/dead-letters" { (number(dead)) " " (visit.t(T::DeadShort)) }
                    br;
                    a href="/quarantine" { (number(stats.quarantined)) " " (visit.t(T::QuarantineShort)) }
                }
            }
        }
    }
}

fn receivers(visit: &Visit, all: &[EndpointView], stats: &Stats, samples: &[Arc<Sample>]) -> Markup {
    if all.is_empty() {
        return view::empty(visit.t(T::NoEndpoints), visit.t(T::NoEndpointsMend));
    }
    let columns = [
        Column(visit.t(T::Receiver), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::Breaker), false),
        Column(visit.t(T::Waiting), true),
        Column(visit.t(T::Oldest), true),
        Column(visit.t(T::DeadLetters), true),
        Column(visit.t(T::Lag), true),
        Column(visit.t(T::Outcomes), false),
        Column(visit.t(T::TenMinutes), false),
    ];
    let rows = all.iter().map(|endpoint| receiver(visit, endpoint, stats, samples)).collect();
    html! { h2 { (visit.t(T::Receivers)) } (table(visit.t(T::Receivers), &columns, rows)) }
}

fn receiver(visit: &Visit, endpoint: &EndpointView, stats: &Stats, samples: &[Arc<Sample>]) -> Vec<Markup> {
    let slug = endpoint.app.as_str();
    let of = |sample: &Arc<Sample>| sample.totals.receivers.get(slug).cloned().unwrap_or_default();
    let (first, last) =
        (samples.first().map(of).unwrap_or_default(), samples.last().map(of).unwrap_or_default());
    let delivered = rates(samples, |totals| totals.receivers.get(slug).map_or(0, |of| of.delivered));
    let lag = quantile(&first.lag, &last.lag, 0.95);
    let counts = stats.receivers.iter().find(|of| of.receiver == slug).map(|of| of.deliveries);
    let dead = if endpoint.dead == 0 {
        html! { "0" }
    } else {
        html! { a href={ "/dead-letters?receiver=" (segment(slug)) } { (number(endpoint.dead)) } }
    };
    vec![
        html! { a href={ "/endpoints/" (segment(slug)) } { (slug) } },
        view::state(visit.lang, endpoint.state),
        view::toned(
            if endpoint.breaker == "closed" { view::Tone::Quiet } else { view::Tone::of(endpoint.breaker) },
            visit.lang.breaker(endpoint.breaker),
        ),
        html! { (number(endpoint.pending)) },
        html! { @if last.oldest_s > 0 { (span(last.oldest_s)) } @else { "–" } },
        dead,
        html! { @match lag { Some(lag) if lag.is_finite() => { "≤ " (seconds(lag)) } Some(_) => { "> 24 h" } None => { "–" } } },
        outcomes(visit, slug, counts.unwrap_or_default()),
        sparkline(&format!("{}: {slug}", visit.t(T::DeliveredRate)), &delivered),
    ]
}

/// A receiver's deliveries as a bar.
pub(super) fn outcomes(visit: &Visit, slug: &str, counts: StateCounts) -> Markup {
    let waiting = counts.pending + counts.parked;
    let parts = [
        (visit.lang.word("delivered"), "good", counts.delivered),
        (visit.lang.word("pending"), "waiting", waiting),
        (visit.lang.word("dead"), "bad", counts.dead),
        (visit.lang.word("cancelled"), "quiet", counts.cancelled),
    ];
    let told: Vec<String> = parts.iter().map(|(word, _, count)| format!("{word} {count}")).collect();
    bar(&format!("{slug}: {}", told.join(", ")), &parts)
}

/// A bound of a histogram as people say it.
pub(super) fn seconds(bound: f64) -> String {
    if bound < 1.0 { format!("{:.0} ms", bound * 1000.0) } else { format!("{bound:.0} s") }
}
