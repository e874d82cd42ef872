//! `/v1/endpoints`: where events go, and what operators change about it.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Admin, secret_shown};
use crate::domain::id::{AppSlug, HUB};
use crate::http::json::{object, object_or_nothing};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::operations::endpoints::{
    self, EndpointView, Rotated, invalid, known, newest, no_address, steered, supplied,
};
use crate::store::control::key::Scope;
use crate::store::control::overlay::{Change, Overlay, Patch, Url};

/// `GET /v1/endpoints`, by app.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    list: List<()>,
) -> Result<Json<Page<EndpointView>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let sorted = endpoints::all(&admin.operations);
    Ok(Json(Page::by_name(sorted, &list.paging, |endpoint: &EndpointView| endpoint.app.as_str())))
}

/// `GET /v1/endpoints/{app}`.
pub(super) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    answer(&admin, &known(&admin.operations, &app)?)
}

/// `PATCH /v1/endpoints/{app}`: what is left out stays, `null` goes back to the config.
pub(super) async fn patch(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Admin)?;
    let app = known(&admin.operations, &app)?;
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
    let secret = secret.map(|text| supplied(&admin.operations, &app, &text)).transpose()?;
    let configured = admin.parts.steering.config.apps.get(&app);
    let has_endpoint = known(&admin.operations, app.as_str()).is_ok();
    let has_url = matches!(url, Change::Set(_)) || configured.is_some_and(|app| app.endpoint.is_some());
    if !has_url {
        return Err(invalid("url", "is needed: the config has none for this app"));
    }
    if !has_endpoint && secret.is_none() {
        return Err(invalid("secret", "is needed: every delivery is signed, and this app has none yet"));
    }
    let newest = newest(&admin.operations, &app);
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
    let app = known(&admin.operations, &app)?;
    endpoints::pause(&admin.operations, &caller, &app).await?;
    answer(&admin, &app)
}

/// `POST /v1/endpoints/{app}/resume`: what waits is sent, a disabled one is enabled.
pub(super) async fn resume(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let app = known(&admin.operations, &app)?;
    endpoints::resume(&admin.operations, &caller, &app).await?;
    answer(&admin, &app)
}

/// `POST /v1/endpoints/{app}/reset`: the config alone is in force again.
pub(super) async fn reset(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(app): Path<String>,
) -> Result<Json<Value>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let app = known(&admin.operations, &app)?;
    endpoints::reset(&admin.operations, &caller, &app).await?;
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
    let app = known(&admin.operations, &app)?;
    let wanted: Rotation = object_or_nothing(&body)?;
    let Rotated { secret, except_sources } =
        endpoints::rotate_secret(&admin.operations, &caller, &app, wanted.secret.as_deref()).await?;
    let mut json = json!({ "app": app, "secret": secret.reveal() });
    if !except_sources.is_empty() {
        json["exceptSources"] = json!(except_sources);
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
    let app = known(&admin.operations, &app)?;
    let report = endpoints::test(&admin.operations, &caller, &app, None).await?;
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

/// The endpoint after a change.
#[expect(clippy::unnecessary_wraps, reason = "every handler ends with it")]
fn answer(admin: &Admin, app: &AppSlug) -> Result<Json<Value>, Problem> {
    // The change took away what the API had given to an app that the config has no endpoint for.
    let none = || json!({ "app": app, "url": null, "state": "none", "origin": "config" });
    Ok(Json(endpoints::one(&admin.operations, app).map_or_else(none, |endpoint| json!(endpoint))))
}
