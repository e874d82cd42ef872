//! Endpoints as operators see and change them: state, breaker, backlog; pause, resume, test, new secret.
//!
//! Never shows a secret but the one that it has just made, once.

use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::{Operations, blocking};
use crate::deliver::Report;
pub use crate::dispatch::Example;
use crate::domain::breaker;
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::http::problem::{Code, Problem};
use crate::outbox::directory::Participant;
use crate::store::control;
use crate::store::control::key::Principal;
use crate::store::control::overlay::Overlay;

/// An endpoint for people: everything but its secrets.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointView {
    /// Whose it is.
    pub app: AppSlug,
    /// Where it is; none for the hub.
    pub url: Option<String>,
    /// `active`, `paused` or `disabled`.
    pub state: &'static str,
    /// Why it is not active.
    pub reason: Option<&'static str>,
    /// `config`, or `overlay` where an operator has changed it.
    pub origin: &'static str,
    /// Where its breaker stands.
    pub breaker: &'static str,
    /// When an open breaker lets a probe through.
    pub next_probe_at: Option<String>,
    /// Live secrets.
    pub secrets: usize,
    /// Whether it gets its own events back.
    pub echo: bool,
    /// Most deliveries to it at a time.
    pub in_flight_max: usize,
    /// Most deliveries to it a second.
    pub rate_per_second: Option<u32>,
    /// Longest wait for its answer.
    pub timeout_ms: u64,
    /// Deliveries that are not over.
    pub pending: u64,
    /// Of these, those that wait for another attempt.
    pub retrying: u64,
    /// Of these, those under way.
    pub in_flight: u64,
    /// Dead letters that nobody has dealt with.
    pub dead: u64,
}

/// Every endpoint, by app.
pub fn all(ops: &Operations) -> Vec<EndpointView> {
    let directory = ops.parts.intake.directory.current();
    directory.endpoints().filter_map(|(slug, _)| view(ops, slug, directory.get(slug)?)).collect()
}

/// The endpoint of `app` as it is now; none if it has none (any more).
pub fn one(ops: &Operations, app: &AppSlug) -> Option<EndpointView> {
    let directory = ops.parts.intake.directory.current();
    directory.get(app).and_then(|participant| view(ops, app, participant))
}

/// An app with an endpoint.
pub fn known(ops: &Operations, app: &str) -> Result<AppSlug, Problem> {
    let missing = || {
        Problem::new(Code::NotFound, format!("there is no endpoint `{app}`; GET /v1/endpoints lists them"))
    };
    let slug = AppSlug::new(app).map_err(|_| missing())?;
    let directory = ops.parts.intake.directory.current();
    directory.get(&slug).and_then(|app| app.endpoint.as_ref()).ok_or_else(missing)?;
    Ok(slug)
}

/// Lets the deliveries to `app` wait.
pub async fn pause(ops: &Operations, caller: &Principal, app: &AppSlug) -> Result<(), Problem> {
    let entry = ops.entry(caller, "endpoints.pause", app.as_str());
    steered(ops.parts.steering.change(app, entry, Overlay::pause).await)
}

/// Sends what waits for `app`, and enables it if it was disabled.
pub async fn resume(ops: &Operations, caller: &Principal, app: &AppSlug) -> Result<(), Problem> {
    let entry = ops.entry(caller, "endpoints.resume", app.as_str());
    steered(ops.parts.steering.lift(app, entry, Overlay::resume).await)
}

/// Puts the config alone in force again for `app`.
pub async fn reset(ops: &Operations, caller: &Principal, app: &AppSlug) -> Result<(), Problem> {
    let entry = ops.entry(caller, "endpoints.reset", app.as_str());
    steered(ops.parts.steering.reset(app, entry).await.map(drop))
}

/// A secret that was just put in force.
pub struct Rotated {
    /// Its text, to be shown once.
    pub secret: Secret,
    /// Sources whose events are signed with secrets of their own, which only the config changes.
    pub except_sources: Vec<AppSlug>,
}

/// Lets `secret`, or a fresh one, sign for `app`; the one before signs along.
pub async fn rotate_secret(
    ops: &Operations,
    caller: &Principal,
    app: &AppSlug,
    secret: Option<&str>,
) -> Result<Rotated, Problem> {
    if app.is_hub() {
        return Err(no_address());
    }
    let secret = if let Some(text) = secret {
        supplied(ops, app, text)?
    } else {
        let mut entropy = [0; 32];
        ops.parts.entropy.fill(&mut entropy);
        Secret::from_entropy(&entropy)
    };
    let (shown, newest) = (secret.clone(), newest(ops, app));
    let entry = ops.entry(caller, "endpoints.rotate_secret", app.as_str());
    let change = move |overlay: &mut Overlay| overlay.rotate(secret, newest.as_ref());
    steered(ops.parts.steering.change(app, entry, change).await)?;
    let configured = ops.parts.steering.config.apps.get(app);
    let own = configured.map(|app| app.endpoint_secrets_by_source.keys().cloned().collect());
    Ok(Rotated { secret: shown, except_sources: own.unwrap_or_default() })
}

/// Sends one signed test event to `app` at once, as `example` shows it or one of no known type; what it answered.
pub async fn test(
    ops: &Operations,
    caller: &Principal,
    app: &AppSlug,
    example: Option<Example>,
) -> Result<Report, Problem> {
    let entry = ops.entry(caller, "endpoints.test", app.as_str());
    let entry = match &example {
        Some(example) => entry.detail(json!({ "eventType": example.event_type.as_str() })),
        None => entry,
    };
    ops.on_control(move |control| control.record(&entry)).await?;
    ops.parts.steering.dispatch.probe(app, example).await.ok_or_else(|| {
        Problem::new(
            Code::StateConflict,
            "the endpoint cannot be called now: it has no secret, or the broker is stopping",
        )
    })
}

/// What is wrong with a change of an endpoint.
pub fn steered<T>(outcome: Result<T, control::Error>) -> Result<T, Problem> {
    outcome.map_err(|error| match error {
        control::Error::Overlay(refused) => Problem::new(Code::RequestInvalid, refused.to_string()),
        error => blocking::control_problem(&error),
    })
}

/// A secret that a caller brings for deliveries to `app`.
pub fn supplied(ops: &Operations, app: &AppSlug, text: &str) -> Result<Secret, Problem> {
    let secret = Secret::new(text).map_err(|error| invalid("secret", &error.to_string()))?;
    let directory = ops.parts.intake.directory.current();
    let signs = |other: &Participant| other.signing_secrets.iter().any(|own| own.shares_key_with(&secret));
    // As in the config: whoever knows it could sign as that app.
    match directory.iter().find(|(slug, other)| *slug != app && signs(other)) {
        Some((other, _)) => {
            let rule = format!("is also a signing secret of {other}, so {app} could forge its events");
            Err(invalid("secret", &rule))
        }
        None => Ok(secret),
    }
}

/// The newest secret that the config has for deliveries to `app`.
pub fn newest(ops: &Operations, app: &AppSlug) -> Option<Secret> {
    ops.parts.steering.config.apps.get(app).and_then(|app| app.endpoint_secrets.first().cloned())
}

/// What is said of a field that does not do.
pub fn invalid(field: &str, rule: &str) -> Problem {
    Problem::new(Code::RequestInvalid, format!("`{field}` {rule}")).with("field", field.into())
}

/// What is said to whoever would change the hub's address or secret.
pub fn no_address() -> Problem {
    let detail =
        "the hub takes part by itself: it has no address and no secret, and can be paused and resumed";
    Problem::new(Code::StateConflict, detail)
}

fn view(ops: &Operations, slug: &AppSlug, app: &Participant) -> Option<EndpointView> {
    let endpoint = app.endpoint.as_ref()?;
    let store = &ops.parts.intake.store;
    let counts = store.lane(slug).map(|lane| store.counts(lane)).unwrap_or_default();
    let lane = ops.parts.steering.dispatch.board().get(slug);
    let next_probe_at = match lane.breaker {
        Some(breaker::State::Open { until }) => Some(until.rfc3339()),
        _ => None,
    };
    Some(EndpointView {
        app: slug.clone(),
        url: endpoint.address().map(|address| address.url.to_string()),
        state: endpoint.block.as_ref().map_or("active", |blocked| blocked.as_str()),
        reason: endpoint.block.as_ref().map(|blocked| blocked.reason),
        origin: if endpoint.overlaid { "overlay" } else { "config" },
        breaker: lane.breaker.map_or("closed", breaker::State::as_str),
        next_probe_at,
        secrets: endpoint.address().map_or(0, |address| address.secrets.len()),
        echo: app.echo,
        in_flight_max: endpoint.policy.in_flight_max,
        rate_per_second: endpoint.policy.rate_per_second,
        timeout_ms: whole_ms(endpoint.timeout),
        pending: counts.open,
        retrying: counts.waiting,
        in_flight: counts.claimed,
        dead: counts.dead,
    })
}

fn whole_ms(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
