//! Taking an event in: who may send it, who gets it, and the one durable commit behind the answer.
//!
//! Knows neither HTTP nor receivers' answers. A crash before the commit loses only what nobody was
//! told of; after it, the event is delivered, and a repeat of the post gets the first answer again.

pub mod admission;
pub mod directory;
mod own;

use std::sync::Arc;

use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::routing::QuarantineReason;
use crate::registry::handle::CatalogHandle;
use crate::store::outbox::dedupe::DedupeRecord;
use crate::store::outbox::record::{Admission, StoredEvent};
use crate::store::outbox::{Appended, Error, Outbox};
use directory::Directory;

/// The way into the outbox.
#[derive(Clone)]
pub struct Intake {
    /// The store.
    pub store: Arc<Outbox>,
    /// The registry in force.
    pub catalog: CatalogHandle,
    /// Who takes part.
    pub directory: Directory,
}

/// What a sender is told of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event.
    pub event_id: EventId,
    /// What became of it.
    pub status: ReceiptStatus,
    /// Passed on to the receivers.
    pub correlation: CorrelationId,
    /// One for each receiver.
    pub deliveries: Vec<(DeliveryId, AppSlug)>,
    /// Why it is in quarantine, if it is, and the name it may have meant.
    pub quarantine: Option<(QuarantineReason, Option<EventType>)>,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiptStatus {
    /// New and routed.
    Accepted,
    /// Accepted before, with the same body.
    Duplicate,
    /// New and held.
    Quarantined,
}

impl ReceiptStatus {
    /// The word in answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Quarantined => "quarantined",
        }
    }
}

impl Intake {
    /// The first answer to (source, eventId), if it was accepted before.
    pub async fn repeat(&self, source: &AppSlug, event: &EventId) -> Result<Option<DedupeRecord>, Error> {
        if let Some(known) = self.store.glance(source, event) {
            return Ok(known);
        }
        let (store, source, event) = (Arc::clone(&self.store), source.clone(), event.clone());
        let read = tokio::task::spawn_blocking(move || store.lookup(&source, &event)).await;
        read.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
    }

    /// Makes events durable in one commit and says what to tell their sender. `None` for one whose id
    /// was accepted before with another body.
    pub async fn accept(&self, events: Vec<StoredEvent>) -> Result<Vec<Option<Receipt>>, Error> {
        let names: Vec<(AppSlug, EventId)> =
            events.iter().map(|event| (event.source.clone(), event.event_id.clone())).collect();
        let answers = self.store.append(events).await?;
        Ok(names
            .into_iter()
            .zip(answers)
            .map(|((source, event_id), answer)| match answer {
                Appended::New(event) => Some(first_receipt(&event)),
                Appended::Duplicate(record) => Some(self.repeat_receipt(&source, &event_id, record)),
                Appended::Mismatch => None,
            })
            .collect())
    }

    /// What to tell a sender who posts an event again.
    pub fn repeat_receipt(&self, source: &AppSlug, event: &EventId, record: DedupeRecord) -> Receipt {
        let names = self.store.lanes();
        let receivers = record.lanes.iter().filter_map(|lane| names.get(usize::from(*lane)));
        Receipt {
            event_id: event.clone(),
            status: ReceiptStatus::Duplicate,
            correlation: record.correlation.unwrap_or_else(|| CorrelationId::derive(source, event)),
            deliveries: receivers
                .map(|receiver| (DeliveryId::derive(source, event, receiver, 0), receiver.clone()))
                .collect(),
            quarantine: record.quarantined,
        }
    }
}

fn first_receipt(event: &StoredEvent) -> Receipt {
    let quarantine = match &event.admission {
        Admission::Routed => None,
        Admission::Quarantined { reason, did_you_mean } => Some((*reason, did_you_mean.clone())),
    };
    Receipt {
        event_id: event.event_id.clone(),
        status: if quarantine.is_some() { ReceiptStatus::Quarantined } else { ReceiptStatus::Accepted },
        correlation: event.correlation.clone(),
        deliveries: event
            .receivers()
            .map(|receiver| (event.delivery_id(receiver), receiver.clone()))
            .collect(),
        quarantine,
    }
}
