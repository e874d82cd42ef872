//! Reads of the journal off the serving threads, with what is wrong as people are told it.

use std::sync::Arc;

use super::Operations;
use super::filters::parsed;
use crate::domain::id::{AppSlug, DeliveryId, EventId};
use crate::http::problem::{Code, Problem};
use crate::store::journal::{DeliveryRow, Error, EventRow, Found as Named, Reader};

/// The event that a request names.
pub async fn named(ops: &Operations, id: &str, source: Option<&str>) -> Result<EventRow, Problem> {
    let event_id = EventId::new(id).map_err(|_| missing_event(id))?;
    let source: Option<AppSlug> = parsed("source", source)?;
    let parked = ops.why_parked();
    match read(ops, move |reader| reader.event(&event_id, source.as_ref(), &parked)).await? {
        Named::One(event) => Ok(event),
        Named::None => Err(missing_event(id)),
        Named::Ambiguous(sources) => {
            let detail = format!("several sources have an event `{id}`; add ?source= with one of them");
            Err(Problem::new(Code::RequestInvalid, detail).with("sources", sources.into()))
        }
    }
}

/// The delivery that a request names.
pub async fn delivery_of(ops: &Operations, id: &str) -> Result<DeliveryRow, Problem> {
    let delivery = DeliveryId::parse(id).ok_or_else(|| missing_delivery(id))?;
    let parked = ops.why_parked();
    let found = read(ops, move |reader| reader.delivery(delivery, &parked)).await?;
    found.ok_or_else(|| missing_delivery(id))
}

/// Runs a read of the journal off the serving threads.
pub async fn read<T: Send + 'static>(
    ops: &Operations,
    query: impl FnOnce(&Reader) -> Result<T, Error> + Send + 'static,
) -> Result<T, Problem> {
    let reader = Arc::clone(&ops.parts.journal);
    ops.in_turn(move || query(&reader)).await?.map_err(|error| match error {
        Error::Cursor => Problem::new(Code::RequestInvalid, "`cursor` must be the `next` of an earlier page"),
        error => {
            tracing::error!(error = %error, "the journal could not be read");
            Problem::new(Code::Internal, "the journal could not be read; the log says why")
        }
    })
}

/// What is said of an event that is not there.
pub fn missing_event(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no event `{id}` (any more)"))
}

/// What is said of a delivery that is not there.
pub fn missing_delivery(id: &str) -> Problem {
    Problem::new(Code::NotFound, format!("there is no delivery `{id}` (any more)"))
}
