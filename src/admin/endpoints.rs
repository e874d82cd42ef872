//! `/v1/endpoints`: where events go, and what operators change about it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, blocking, secret_shown};
use crate::domain::breaker;
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::http::page::Page;
use crate::http::problem::{Code, Problem};
use crate::outbox::directory::{EndpointSettings, Participant};
use crate::store::control;
use crate::store::control::key::Scope;
use crate::store::control::overlay::Patch;

/// `GET /v1/endpoints`.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
) -> Result<Json<Page<Value>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let directory = admin.parts.intake.directory.current();
    let items = directory.iter().filter_map(|(slug, app)| view(&admin, slug, app)).collect();
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/endpoints/{app}`.
pub(super) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    answer(&admin, &known(&admin, &app)?)
}

/// `PATCH /v1/endpoints/{app}`: what is left out stays, `null` goes back to the config.
pub(super) async fn patch(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    change(&admin, &headers, &app, &body, false).await
}

/// `PUT /v1/endpoints/{app}`: what is left out goes back to the config.
pub(super) async fn put(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    change(&admin, &headers, &app, &body, true).await
}

async fn change(
    admin: &Admin,
    headers: &HeaderMap,
    app: &str,
    body: &Bytes,
    whole: bool,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(headers, Scope::Admin)?;
    let app = known(admin, app)?;
    let patch: Patch = read(body)?;
    let action = if whole { "endpoints.put" } else { "endpoints.patch" };
    let entry = admin.entry(&caller, action, app.as_str());
    let steering = &admin.parts.steering;
    let changed = if whole {
        let replace = move |overlay: &mut control::overlay::Overlay| {
            let secrets = std::mem::take(&mut overlay.secrets);
            *overlay = control::overlay::Overlay { secrets, ..Default::default() };
            overlay.apply(patch);
        };
        steering.lift(&app, entry, replace).await
    } else {
        steering.change(&app, entry, move |overlay| overlay.apply(patch)).await
    };
    steered(changed)?;
    answer(admin, &app)
}

/// `POST /v1/endpoints/{app}/pause`: its deliveries wait.
pub(super) async fn pause(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let app = known(&admin, &app)?;
    let entry = admin.entry(&caller, "endpoints.pause", app.as_str());
    steered(admin.parts.steering.change(&app, entry, control::overlay::Overlay::pause).await)?;
    answer(&admin, &app)
}

/// `POST /v1/endpoints/{app}/resume`: what waits is sent, a disabled one is enabled.
pub(super) async fn resume(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let app = known(&admin, &app)?;
    let entry = admin.entry(&caller, "endpoints.resume", app.as_str());
    steered(admin.parts.steering.lift(&app, entry, control::overlay::Overlay::resume).await)?;
    answer(&admin, &app)
}

/// `POST /v1/endpoints/{app}/reset`: the config alone is in force again.
pub(super) async fn reset(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let app = known(&admin, &app)?;
    let entry = admin.entry(&caller, "endpoints.reset", app.as_str());
    steered(admin.parts.steering.reset(&app, entry).await)?;
    answer(&admin, &app)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rotation {
    secret: Option<String>,
}

/// `POST /v1/endpoints/{app}/rotate-secret {secret?}`: the new one signs, the one before signs along.
pub(super) async fn rotate_secret(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
    body: Bytes,
) -> Result<Response, Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    let app = known(&admin, &app)?;
    let wanted: Rotation = if body.is_empty() { Rotation::default() } else { read(&body)? };
    let secret = if let Some(text) = &wanted.secret {
        Secret::new(text).map_err(|error| Problem::new(Code::RequestInvalid, format!("`secret`: {error}")))?
    } else {
        let mut entropy = [0; 32];
        admin.parts.entropy.fill(&mut entropy);
        Secret::from_entropy(&entropy)
    };
    let shown = secret.reveal().to_owned();
    let configured =
        admin.parts.steering.config.apps.get(&app).and_then(|app| app.endpoint_secrets.first().cloned());
    let entry = admin.entry(&caller, "endpoints.rotate_secret", app.as_str());
    let change =
        admin.parts.steering.change(&app, entry, move |overlay| overlay.rotate(secret, configured.as_ref()));
    steered(change.await)?;
    let json = json!({ "app": app, "secret": shown });
    Ok(secret_shown::answer(StatusCode::OK, json, "secret"))
}

/// `POST /v1/endpoints/{app}/test`: one signed test event, sent at once, and what the receiver answered.
pub(super) async fn test(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let app = known(&admin, &app)?;
    let entry = admin.entry(&caller, "endpoints.test", app.as_str());
    let control = admin.parts.control.clone();
    blocking::run(move || control.record(&entry)).await.map_err(|error| blocking::control_problem(&error))?;
    let report = admin.parts.steering.dispatch.probe(&app).await.ok_or_else(|| {
        Problem::new(
            Code::StateConflict,
            "the endpoint cannot be called now: it has no secret, or the broker is stopping",
        )
    })?;
    Ok(Json(json!({
        "app": app,
        "outcome": report.outcome.as_str(),
        "reason": report.outcome.reason().map(crate::domain::outcome::Reason::as_str),
        "status": report.status,
        "error": report.error,
        "answer": report.excerpt,
        "durationMs": u64::try_from(report.duration.as_millis()).unwrap_or(u64::MAX),
    })))
}

fn read<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::RequestInvalid, format!("the body: {error}")))
}

fn steered<T>(outcome: Result<T, control::Error>) -> Result<T, Problem> {
    outcome.map_err(|error| match error {
        control::Error::Overlay(refused) => Problem::new(Code::RequestInvalid, refused.to_string()),
        error => blocking::control_problem(&error),
    })
}

/// An app with an endpoint.
fn known(admin: &Admin, app: &str) -> Result<AppSlug, Problem> {
    let missing = || {
        Problem::new(Code::NotFound, format!("there is no endpoint `{app}`; GET /v1/endpoints lists them"))
    };
    let slug = AppSlug::new(app).map_err(|_| missing())?;
    let directory = admin.parts.intake.directory.current();
    directory.get(&slug).and_then(|app| app.endpoint.as_ref()).ok_or_else(missing)?;
    Ok(slug)
}

fn answer(admin: &Admin, app: &AppSlug) -> Result<Json<Value>, Problem> {
    let directory = admin.parts.intake.directory.current();
    let found = directory.get(app).and_then(|participant| view(admin, app, participant));
    found.map(Json).ok_or_else(|| Problem::new(Code::NotFound, "the endpoint is gone"))
}

/// An endpoint for people: everything but its secrets.
fn view(admin: &Admin, slug: &AppSlug, app: &Participant) -> Option<Value> {
    let endpoint: &EndpointSettings = app.endpoint.as_ref()?;
    let store = &admin.parts.intake.store;
    let counts = store.lane(slug).map(|lane| store.counts(lane)).unwrap_or_default();
    let lane = admin.parts.steering.dispatch.board().get(slug);
    let next_probe = match lane.breaker {
        Some(breaker::State::Open { until }) => Some(until.rfc3339()),
        _ => None,
    };
    Some(json!({
        "app": slug,
        "url": endpoint.url.to_string(),
        "state": endpoint.block.as_ref().map_or("active", |blocked| blocked.as_str()),
        "reason": endpoint.block.as_ref().map(|blocked| blocked.reason),
        "origin": if endpoint.overlaid { "overlay" } else { "config" },
        "breaker": lane.breaker.map_or("closed", breaker::State::as_str),
        "nextProbeAt": next_probe,
        "secrets": endpoint.secrets.len(),
        "echo": app.echo,
        "inFlightMax": endpoint.policy.in_flight_max,
        "ratePerSecond": endpoint.policy.rate_per_second,
        "timeoutMs": u64::try_from(endpoint.timeout.as_millis()).unwrap_or(u64::MAX),
        "pending": counts.open,
        "retrying": counts.waiting,
        "inFlight": counts.claimed,
        "dead": counts.dead,
    }))
}
