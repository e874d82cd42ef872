//! Reads of the journal: events, deliveries, attempts, decisions, dead letters, quarantine, drift.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::value::RawValue;

use super::Admin;
use crate::domain::id::DeliveryId;
use crate::http::page::{List, Page};
use crate::http::problem::Problem;
use crate::http::query::{Given, Parameters, Path, Query};
use crate::operations::filters::{Deliveries, Departures, Events, Held, Letters};
use crate::operations::journal::{delivery_of, missing_delivery, missing_event, named, read};
use crate::operations::names::{self, Names};
use crate::store::control::key::Scope;
use crate::store::journal::{AttemptRow, DeliveryRow, DriftRow, EventRow, Explained, Page as Found, Stats};

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
    /// The source, if one was given.
    pub(super) fn source(&self) -> Option<&str> {
        self.source.as_deref()
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
    names::check(&admin.operations, Names::from(&filter)).await?;
    let parked = admin.operations.why_parked();
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin.operations, move |reader| reader.events(&filter, cursor.as_deref(), limit, &parked))
        .await
        .map(page)
}

/// `GET /v1/events/{id}`.
pub(super) async fn event(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<SourceQuery>,
) -> Result<Json<EventView>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let event = named(&admin.operations, &id, query.source()).await?;
    let seq = event.seq;
    let body = read(&admin.operations, move |reader| reader.body(seq)).await?;
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
    let seq = named(&admin.operations, &id, query.source()).await?.seq;
    let parked = admin.operations.why_parked();
    let items = read(&admin.operations, move |reader| reader.event_deliveries(seq, &parked)).await?;
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
    let seq = named(&admin.operations, &id, query.source()).await?.seq;
    let explained = read(&admin.operations, move |reader| reader.explain(seq)).await?;
    explained.map(Json).ok_or_else(|| missing_event(&id))
}

/// `GET /v1/deliveries`.
pub(super) async fn deliveries(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Deliveries(filter), paging }: List<Deliveries>,
) -> Listed<DeliveryRow> {
    admin.allow(&headers, Scope::Read)?;
    names::check(&admin.operations, Names::from(&filter)).await?;
    let parked = admin.operations.why_parked();
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin.operations, move |reader| reader.deliveries(&filter, cursor.as_deref(), limit, &parked))
        .await
        .map(page)
}

/// `GET /v1/dead-letters`.
pub(super) async fn dead_letters(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Letters(filter), paging }: List<Letters>,
) -> Listed<DeliveryRow> {
    admin.allow(&headers, Scope::Read)?;
    names::check(&admin.operations, Names::from(&filter)).await?;
    let parked = admin.operations.why_parked();
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin.operations, move |reader| reader.dead_letters(&filter, cursor.as_deref(), limit, &parked))
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
    delivery_of(&admin.operations, &id).await.map(Json)
}

/// `GET /v1/deliveries/{id}/attempts`, oldest first.
pub(super) async fn attempts(
    State(admin): State<Admin>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Listed<AttemptRow> {
    admin.allow(&headers, Scope::Read)?;
    let delivery = DeliveryId::parse(&id).ok_or_else(|| missing_delivery(&id))?;
    let found = read(&admin.operations, move |reader| reader.attempts(delivery)).await?;
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
    names::check(&admin.operations, Names::from(&filter)).await?;
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin.operations, move |reader| reader.quarantined(&filter, cursor.as_deref(), limit))
        .await
        .map(page)
}

/// `GET /v1/drift`.
pub(super) async fn drift(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Departures(filter), paging }: List<Departures>,
) -> Listed<DriftRow> {
    admin.allow(&headers, Scope::Read)?;
    names::check(&admin.operations, Names::from(&filter)).await?;
    let (cursor, limit) = (paging.cursor, usize::from(paging.limit));
    read(&admin.operations, move |reader| reader.drift(&filter, cursor.as_deref(), limit)).await.map(page)
}

/// `GET /v1/stats`.
pub(super) async fn stats(State(admin): State<Admin>, headers: HeaderMap) -> Result<Json<Stats>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let parked = admin.operations.why_parked();
    read(&admin.operations, move |reader| reader.stats(&parked)).await.map(Json)
}

fn page<T>(found: Found<T>) -> Json<Page<T>> {
    Json(Page { items: found.items, next: found.next })
}
