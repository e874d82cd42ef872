//! What the management API takes and answers, for the interface's document: a chapter a file below.

mod access;
mod backup;
mod deliveries;
mod endpoints;
mod events;
mod numbers;
mod onward;
mod registry;
mod replays;

use serde_json::{Value, json};

use crate::domain::id::DeliveryId;
use crate::http::contract::Chapter;

/// The parts of the interface that operators read and steer, the hub's included.
pub fn chapters() -> Vec<Chapter> {
    let mut chapters = vec![
        events::chapter(),
        deliveries::chapter(),
        replays::chapter(),
        endpoints::chapter(),
        registry::chapter(),
        access::chapter(),
        numbers::chapter(),
        backup::chapter(),
    ];
    chapters.extend(super::hub::chapters());
    chapters
}

/// The event of all examples.
const EVENT: &str = "0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f";
const DELIVERY: &str = "dlv_57df0058379644170f5d790775d27075";
const NEXT_DELIVERY: &str = "dlv_57df0058379644170f5d57174abcd9d8";

/// A value as the API shows it, for examples that are made of the types themselves.
fn shown(value: &impl serde::Serialize) -> Value {
    json!(value)
}

/// The id of the delivery of all examples, and of the one that repeats it.
fn delivery_ids() -> Option<(DeliveryId, DeliveryId)> {
    Some((DeliveryId::parse(DELIVERY)?, DeliveryId::parse(NEXT_DELIVERY)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{AppSlug, EventId};

    #[test]
    fn the_ids_of_the_examples_are_ids() {
        let [source, receiver] = ["colectiva", "constanza"].map(|slug| AppSlug::new(slug).unwrap());
        let first = DeliveryId::derive(&source, &EventId::new(EVENT).unwrap(), &receiver, 0);
        let (shown, next) = delivery_ids().unwrap();
        assert_eq!(shown, first, "posted, the example of an event makes the delivery of the examples");
        assert_eq!(next.event_prefix(), first.event_prefix());
    }
}
