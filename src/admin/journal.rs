//! Reads of the journal: events, deliveries, attempts, decisions, dead letters, quarantine, drift.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use super::filters::{Deliveries, Departures, Events, Held, Letters, parsed};
use super::{Admin, blocking};
use crate::domain::id::{AppSlug, DeliveryId, EventId};
use crate::http::page::{List, Page};
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters, Path, Query};
use crate::store::control::key::Scope;
use crate::store::journal::{
    AttemptRow, DeliveryRow, DriftRow, Error, EventRow, Explained, Found as Named, Page as Found, Reader,
    Stats,
};

/// Which of several events of one id.
#[derive(Debug, Default)]
pub(super) struct SourceQuery {
    source: Option<String>,
}

impl Parameters for SourceQuery {
    const NAMES: &'static [&'static str] = &["source"];

    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(Self { source: given.get("source").map(ToOwned::to_owned) })
    }
}

/// One event with the bytes that were received.
#[derive(Serialize)]
pub(super) struct EventView {
    #[serde(flatten)]
    event: EventRow,
    /// Null once its retention is over.
    body: Option<Box<RawValue>>,
}

impl SourceQuery {
    /// As if `source` had been given.
    pub(super) fn of(source: &str) -> Self {
        Self { source: Some(source.to_owned()) }
    }
}

type Listed<T> = Result<Json<Page<T>>, Problem>;

/// `GET /v1/events`.
pub(super) async fn events(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Events(filter), paging }: List<Events>,
) -> Listed<EventRow> {
    admin.allow(&headers, Scope::Read)?;
    let parked = admin.why_parked();
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin, move |reader| reader.events(&filter, cursor.as_deref(), limit, &parked)).await.map(page)
}

/// `GET /v1/events/{id}`.
pub(super) async fn event(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<SourceQuery>,
) -> Result<Json<EventView>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let event = named(&admin, &id, query).await?;
    let seq = event.seq;
    let body = read(&admin, move |reader| reader.body(seq)).await?;
    let text = body.and_then(|body| String::from_utf8(body).ok());
    Ok(Json(EventView { event, body: text.and_then(|text| RawValue::from_string(text).ok()) }))
}

/// `GET /v1/events/{id}/deliveries`.
pub(super) async fn event_deliveries(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<SourceQuery>,
) -> Listed<DeliveryRow> {
    admin.allow(&headers, Scope::Read)?;
    let seq = named(&admin, &id, query).await?.seq;
    let parked = admin.why_parked();
    let items = read(&admin, move |reader| reader.event_deliveries(seq, &parked)).await?;
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/events/{id}/explain`: why each receiver does or does not get it.
pub(super) async fn explain(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<SourceQuery>,
) -> Result<Json<Explained>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let seq = named(&admin, &id, query).await?.seq;
    let explained = read(&admin, move |reader| reader.explain(seq)).await?;
    explained.map(Json).ok_or_else(|| missing_event(&id))
}

/// `GET /v1/deliveries`.
pub(super) async fn deliveries(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Deliveries(filter), paging }: List<Deliveries>,
) -> Listed<DeliveryRow> {
    admin.allow(&headers, Scope::Read)?;
    let parked = admin.why_parked();
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin, move |reader| reader.deliveries(&filter, cursor.as_deref(), limit, &parked)).await.map(page)
}

/// `GET /v1/dead-letters`.
pub(super) async fn dead_letters(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Letters(filter), paging }: List<Letters>,
) -> Listed<DeliveryRow> {
    admin.allow(&headers, Scope::Read)?;
    let parked = admin.why_parked();
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin, move |reader| reader.dead_letters(&filter, cursor.as_deref(), limit, &parked))
        .await
        .map(page)
}

/// `GET /v1/deliveries/{id}`.
pub(super) async fn delivery(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<DeliveryRow>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    delivery_of(&admin, &id).await.map(Json)
}

/// `GET /v1/deliveries/{id}/attempts`, oldest first.
pub(super) async fn attempts(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Listed<AttemptRow> {
    admin.allow(&headers, Scope::Read)?;
    let delivery = DeliveryId::parse(&id).ok_or_else(|| missing_delivery(&id))?;
    let found = read(&admin, move |reader| reader.attempts(delivery)).await?;
    let items = found.ok_or_else(|| missing_delivery(&id))?;
    Ok(Json(Page { items, next: None }))
}

/// `GET /v1/quarantine`.
pub(super) async fn quarantine(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Held(filter), paging }: List<Held>,
) -> Listed<EventRow> {
    admin.allow(&headers, Scope::Read)?;
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin, move |reader| reader.quarantined(&filter, cursor.as_deref(), limit)).await.map(page)
}

/// `GET /v1/drift`.
pub(super) async fn drift(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Departures(filter), paging }: List<Departures>,
) -> Listed<DriftRow> {
    admin.allow(&headers, Scope::Read)?;
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin, move |reader| reader.drift(&filter, cursor.as_deref(), limit)).await.map(page)
}

/// `GET /v1/stats`.
pub(super) async fn stats(State(admin): State<Admin>, headers: HeaderMap) -> Result<Json<Stats>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let parked = admin.why_parked();
    read(&admin, move |reader| reader.stats(&parked)).await.map(Json)
}

/// The event that a request names.
pub(super) async fn named(admin: &Admin, id: &str, query: SourceQuery) -> Result<EventRow, Problem> {
    let event_id = EventId::new(id).map_err(|_| missing_event(id))?;
    let source: Option<AppSlug> = parsed("source", query.source.as_deref())?;
    let parked = admin.why_parked();
    match read(admin, move |reader| reader.event(&event_id, source.as_ref(), &parked)).await? {
        Named::One(event) => Ok(event),
        Named::None => Err(missing_event(id)),
        Named::Ambiguous(sources) => {
            let detail = format!("several sources have an event `{id}`; add ?source= with one of them");
            Err(Problem::new(Code::RequestInvalid, detail).with("sources", sources.into()))
        }
    }
}

/// The delivery that a request names.
pub(super) async fn delivery_of(admin: &Admin, id: &str) -> Result<DeliveryRow, Problem> {
    let delivery = DeliveryId::parse(id).ok_or_else(|| missing_delivery(id))?;
    let parked = admin.why_parked();
    let found = read(admin, move |reader| reader.delivery(delivery, &parked)).await?;
    found.ok_or_else(|| missing_delivery(id))
}

/// Runs a read of the journal off the serving threads.
pub(super) async fn read<T: Send + 'static>(
    admin: &Admin,
    query: impl FnOnce(&Reader) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let reader = Arc::clone(&admin.parts.journal);
    blocking::run(move || query(&reader)).await.map_err(|error| match error {
        Error::Cursor => Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page"),
        error => {
            tracing::error!(error = %error, "the journal could not be read");
            Problem::new(Code::Internal, "the journal could not be read; the log says why")
        }
    })
}

fn page<T>(found: Found<T>) -> Json<Page<T>> {
    Json(Page { items: found.items, next: found.next })
}

fn missing_event(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no event `{id}` (any more)"))
}

fn missing_delivery(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no delivery `{id}` (any more)"))
}
