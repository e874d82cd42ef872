//! The README's tour: its config starts a broker, and its event is one that the broker accepts.

use camino_broker::registry::embedded;

use super::binary::Place;

const README: &str = include_str!("../../README.md");

/// The first block of this kind.
fn block(kind: &str) -> &'static str {
    let (_, rest) = README.split_once(&format!("```{kind}\n")).unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn its_config_starts_a_broker() {
    let mut place = Place::with_config(block("toml"));
    for name in ["COLECTIVA_SECRET", "COSMOS_PET_SECRET", "MANCHA_SECRET"] {
        place.var(name, &format!("the secret in {name}, long enough"));
    }
    let _serving = place.serve();
}

#[test]
fn its_event_is_one_of_the_registry_and_goes_to_the_two_that_it_names() {
    let catalog = embedded::catalog().unwrap();
    let event = catalog.event("payment.completed").unwrap();
    let (_, rest) = README.split_once(r#""data":"#).unwrap();
    let (data, _) = rest.split_once("}'").unwrap();
    let data = serde_json::from_str(data).unwrap();
    assert!(event.schema.as_ref().unwrap().check(&data).is_empty());
    for receiver in ["cosmos-pet", "mancha"] {
        assert!(event.receivers.iter().any(|slug| slug.as_str() == receiver), "{receiver}");
    }
}
