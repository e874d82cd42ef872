//! `/v1/endpoints`: where events go, and what operators change about it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, blocking, secret_shown};
use crate::domain::breaker;
use crate::domain::id::{AppSlug, HUB};
use crate::domain::secret::Secret;
use crate::http::json::{object, object_or_nothing};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::outbox::directory::{EndpointSettings, Participant};
use crate::store::control;
use crate::store::control::key::Scope;
use crate::store::control::overlay::{Change, Overlay, Patch, Url};

/// `GET /v1/endpoints`, by app.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    list: List<()>,
) -> Result<Json<Page<Value>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let directory = admin.parts.intake.directory.current();
    let sorted = directory.endpoints().map(|(slug, _)| slug).collect();
    let Page { items, next } = Page::by_name(sorted, &list.paging, |slug: &&AppSlug| slug.as_str());
    let shown = |slug: &AppSlug| view(&admin, slug, directory.get(slug)?);
    Ok(Json(Page { items: items.into_iter().filter_map(shown).collect(), next }))
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
    let caller = admin.allow(&headers, Scope::Admin)?;
    let app = known(&admin, &app)?;
    let patch: Patch = object(&body)?;
    if app.is_hub() && !matches!(patch.url, Change::Keep) {
        return Err(no_address());
    }
    let entry = admin.entry(&caller, "endpoints.patch", app.as_str());
    steered(admin.parts.steering.change(&app, entry, move |overlay| overlay.apply(patch)).await)?;
    answer(&admin, &app)
}

/// What `PUT` takes: a patch, and a secret for an app that has none yet.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Whole {
    secret: Option<String>,
    paused: Change<bool>,
    url: Change<Url>,
    in_flight_max: Change<u32>,
    rate_per_second: Change<u32>,
}

/// `PUT /v1/endpoints/{app}`: what is left out goes back to the config, but for secrets, which stay. An app
/// of the registry that has no endpoint gets one: `url` and `secret` are needed then.
pub(super) async fn put(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    let app = registered(&admin, &app)?;
    let Whole { secret, paused, url, in_flight_max, rate_per_second } = object(&body)?;
    let secret = secret.map(|text| supplied(&admin, &app, &text)).transpose()?;
    let configured = admin.parts.steering.config.apps.get(&app);
    let has_endpoint = known(&admin, app.as_str()).is_ok();
    let has_url = matches!(url, Change::Set(_)) || configured.is_some_and(|app| app.endpoint.is_some());
    if !has_url {
        return Err(invalid("url", "is needed: the config has none for this app"));
    }
    if !has_endpoint && secret.is_none() {
        return Err(invalid("secret", "is needed: every delivery is signed, and this app has none yet"));
    }
    let newest = newest(&admin, &app);
    let entry = admin.entry(&caller, "endpoints.put", app.as_str());
    let change = move |overlay: &mut Overlay| {
        let secrets = std::mem::take(&mut overlay.secrets);
        *overlay = Overlay { secrets, ..Overlay::default() };
        overlay.apply(Patch { paused, url, in_flight_max, rate_per_second });
        if let Some(secret) = secret.filter(|secret| overlay.secrets.first() != Some(secret)) {
            overlay.rotate(secret, newest.as_ref());
        }
    };
    steered(admin.parts.steering.lift(&app, entry, change).await)?;
    answer(&admin, &app)
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
    steered(admin.parts.steering.change(&app, entry, Overlay::pause).await)?;
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
    steered(admin.parts.steering.lift(&app, entry, Overlay::resume).await)?;
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
    if app.is_hub() {
        return Err(no_address());
    }
    let wanted: Rotation = object_or_nothing(&body)?;
    let secret = if let Some(text) = &wanted.secret {
        supplied(&admin, &app, text)?
    } else {
        let mut entropy = [0; 32];
        admin.parts.entropy.fill(&mut entropy);
        Secret::from_entropy(&entropy)
    };
    let shown = secret.reveal().to_owned();
    let newest = newest(&admin, &app);
    let entry = admin.entry(&caller, "endpoints.rotate_secret", app.as_str());
    let change =
        admin.parts.steering.change(&app, entry, move |overlay| overlay.rotate(secret, newest.as_ref()));
    steered(change.await)?;
    let mut json = json!({ "app": app, "secret": shown });
    let own: Vec<&AppSlug> = match admin.parts.steering.config.apps.get(&app) {
        Some(configured) => configured.endpoint_secrets_by_source.keys().collect(),
        None => Vec::new(),
    };
    if !own.is_empty() {
        json["exceptSources"] = json!(own);
        json["note"] =
            "events of `exceptSources` are signed with secrets of their own, which only the config \
                        changes (endpoint_secrets_by_source)"
                .into();
    }
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

fn steered<T>(outcome: Result<T, control::Error>) -> Result<T, Problem> {
    outcome.map_err(|error| match error {
        control::Error::Overlay(refused) => Problem::new(Code::RequestInvalid, refused.to_string()),
        error => blocking::control_problem(&error),
    })
}

/// A secret that a caller brings for deliveries to `app`.
fn supplied(admin: &Admin, app: &AppSlug, text: &str) -> Result<Secret, Problem> {
    let secret = Secret::new(text).map_err(|error| invalid("secret", &error.to_string()))?;
    let directory = admin.parts.intake.directory.current();
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
fn newest(admin: &Admin, app: &AppSlug) -> Option<Secret> {
    admin.parts.steering.config.apps.get(app).and_then(|app| app.endpoint_secrets.first().cloned())
}

fn invalid(field: &str, rule: &str) -> Problem {
    Problem::new(Code::RequestInvalid, format!("`{field}` {rule}")).with("field", field.into())
}

/// An app that may have an endpoint. The hub has none: it takes part by itself.
fn registered(admin: &Admin, app: &str) -> Result<AppSlug, Problem> {
    let missing = || Problem::new(Code::NotFound, format!("there is no app `{app}` in the registry"));
    let slug = AppSlug::new(app).map_err(|_| missing())?;
    if app == HUB {
        return Err(no_address());
    }
    let is_known = admin.parts.intake.catalog.current().app(app).is_some()
        || admin.parts.intake.directory.current().get(&slug).is_some();
    is_known.then_some(slug).ok_or_else(missing)
}

fn no_address() -> Problem {
    let detail =
        "the hub takes part by itself: it has no address and no secret, and can be paused and resumed";
    Problem::new(Code::StateConflict, detail)
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

/// The endpoint after a change.
#[expect(clippy::unnecessary_wraps, reason = "every handler ends with it")]
fn answer(admin: &Admin, app: &AppSlug) -> Result<Json<Value>, Problem> {
    let directory = admin.parts.intake.directory.current();
    let found = directory.get(app).and_then(|participant| view(admin, app, participant));
    // The change took away what the API had given to an app that the config has no endpoint for.
    let none = || json!({ "app": app, "url": null, "state": "none", "origin": "config" });
    Ok(Json(found.unwrap_or_else(none)))
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
        "url": endpoint.address().map(|address| address.url.to_string()),
        "state": endpoint.block.as_ref().map_or("active", |blocked| blocked.as_str()),
        "reason": endpoint.block.as_ref().map(|blocked| blocked.reason),
        "origin": if endpoint.overlaid { "overlay" } else { "config" },
        "breaker": lane.breaker.map_or("closed", breaker::State::as_str),
        "nextProbeAt": next_probe,
        "secrets": endpoint.address().map_or(0, |address| address.secrets.len()),
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
