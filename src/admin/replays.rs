//! `/v1/replays`: many deliveries made again, by filter.
//!
//! A replay takes what the journal shows when it is asked for and nothing later. The job is durable, with
//! its audit entry, before it is answered; a task carries it out at its rate (`work.rs`). A dry run
//! counts and leaves nothing behind. Of two replays of the same at once, a dead letter is made again by
//! one only; what has arrived may be made again by both, as both were asked to.

mod work;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Admin, blocking, journal};
use crate::http::json::object;
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::Path;
use crate::store::control::key::Scope;
use crate::store::control::replays::{Asked, EndedAs, NewReplay, Replay};
use crate::store::control::{self, Control};
use crate::store::journal::{Again, Filter, ShownState, Stretch};
pub use work::carry_out_replays;

/// Deliveries made a second, unless the job says otherwise.
pub(super) const RATE_DEFAULT: u32 = 100;
pub(super) const RATE_MAX: u32 = 10_000;

/// `POST /v1/replays`: 202 with the job; 200 with the count for a dry run.
pub(super) async fn begin(
    State(admin): State<Admin>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let asked = asked(&body)?;
    let below = admin.parts.journal.reached();
    let matched = count(&admin, filter(&asked), below).await?;
    if asked.dry_run {
        let answer = json!({ "replayId": null, "matched": matched, "state": "dry_run", "done": 0 });
        return Ok((StatusCode::OK, Json(answer)));
    }
    let mut entropy = [0; 12];
    admin.parts.entropy.fill(&mut entropy);
    let replay_id = format!("rpl_{}", hex::encode(entropy));
    let mut detail = json!(asked);
    detail["matched"] = matched.into();
    let entry = admin.entry(&caller, "replays.begin", &replay_id).detail(detail);
    let new = NewReplay { replay_id, asked, below, matched };
    let job = on_control(&admin, move |control| control.begin_replay(&new, entry)).await?;
    admin.replays.notify_one();
    Ok((StatusCode::ACCEPTED, Json(json!(job))))
}

/// `GET /v1/replays`: newest first.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { paging, .. }: List<()>,
) -> Result<Json<Page<Replay>>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let before =
        paging.cursor.map(|cursor| cursor.parse::<i64>()).transpose().map_err(|_| {
            Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page")
        })?;
    let page = on_control(&admin, move |control| control.replays(before, paging.limit.into())).await?;
    Ok(Json(Page { items: page.items, next: page.next.map(|number| number.to_string()) }))
}

/// `GET /v1/replays/{id}`.
pub(super) async fn show(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Replay>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    on_control(&admin, move |control| control.replay(&id)).await.map(Json)
}

/// `POST /v1/replays/{id}/cancel`: nothing more is made; what was made stays. One that is over stays as it is.
pub(super) async fn cancel(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Replay>, Problem> {
    let caller = admin.allow(&headers, Scope::Operate)?;
    let entry = admin.entry(&caller, "replays.cancel", &id);
    let job = on_control(&admin, move |control| control.cancel_replay(&id, &entry)).await?;
    admin.replays.notify_one();
    Ok(Json(job))
}

fn asked(body: &Bytes) -> Result<Asked, Problem> {
    let invalid = |detail: String| Problem::new(Code::RequestInvalid, detail);
    let asked: Asked = object(body)?;
    let refused =
        |field: &str, rule: &str| Err(invalid(format!("`{field}` {rule}")).with("field", field.into()));
    if asked.rate_per_second.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
        return refused("ratePerSecond", &format!("must be from 1 to {RATE_MAX}"));
    }
    if matches!((asked.since, asked.until), (Some(since), Some(until)) if since > until) {
        return refused("until", "must not be before `since`");
    }
    Ok(asked)
}

fn filter(asked: &Asked) -> Filter {
    Filter {
        receiver: asked.receiver.clone(),
        source: asked.source.clone(),
        event_type: asked.event_type.clone(),
        organization: asked.organization.clone(),
        state: asked.state.map(|state| match state {
            EndedAs::Delivered => ShownState::Delivered,
            EndedAs::Dead => ShownState::Dead,
            EndedAs::Cancelled => ShownState::Cancelled,
        }),
        since: asked.since,
        until: asked.until,
        ..Filter::default()
    }
}

async fn count(admin: &Admin, filter: Filter, below: u64) -> Result<u64, Problem> {
    let (mut from, mut matched) = (0, 0);
    let filter = Arc::new(filter);
    while from < below {
        let stretch = stretch(admin, &filter, from, below).await?;
        // What was made since belongs to somebody else.
        let new = stretch.items.iter().filter(|candidate| candidate.again != Again::Made);
        matched += new.count() as u64;
        from = stretch.next;
    }
    Ok(matched)
}

async fn stretch(admin: &Admin, filter: &Arc<Filter>, from: u64, below: u64) -> Result<Stretch, Problem> {
    let filter = Arc::clone(filter);
    journal::read(admin, move |reader| reader.to_replay(&filter, from, below)).await
}

async fn on_control<T: Send + 'static>(
    admin: &Admin,
    call: impl FnOnce(&Control) -> Result<T, control::Error> + Send + 'static,
) -> Result<T, Problem> {
    let control = Arc::clone(&admin.parts.control);
    blocking::run(move || call(&control)).await.map_err(|error| blocking::control_problem(&error))
}
