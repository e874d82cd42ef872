//! Admission over the embedded registry.

use std::collections::BTreeMap;

use super::*;
use crate::config::Config;
use crate::domain::event;
use crate::domain::routing::Decision;
use crate::registry::embedded;

const RULES: Rules = Rules { senders: SenderRule::Enforce, schema: SchemaCheck::Warn };

fn body(event_type: &str, source: &str, data: &str) -> String {
    format!(
        r#"{{"eventId":"0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f","eventType":"{event_type}","timestamp":"2026-04-16T12:00:00Z","source":"{source}","organizationId":"o","data":{data}}}"#
    )
}

fn admitted(event_type: &str, source: &str, data: &str, rules: Rules) -> Result<Admitted, Refusal> {
    let catalog = embedded::catalog().unwrap();
    let directory = Snapshot::new(&Config::default(), &BTreeMap::new());
    let body = body(event_type, source, data);
    admit(&event::parse(body.as_bytes()).unwrap(), &catalog, &directory, rules)
}

#[test]
fn an_unknown_type_is_held_with_the_nearest_name() {
    let admitted = admitted("payment.recieved", "colectiva", "{}", RULES).unwrap();
    let Admission::Quarantined { reason, did_you_mean } = admitted.admission else { panic!() };
    assert_eq!(reason, QuarantineReason::UnknownType);
    assert_eq!(did_you_mean.unwrap().as_str(), "payment.received");
}

#[test]
fn a_type_known_by_name_only_is_held_and_never_routed() {
    let catalog = embedded::catalog().unwrap();
    let known_by_name = catalog
        .events()
        .find(|event| matches!(catalog.lookup(event.event_type.as_str()), Lookup::Incomplete(_)))
        .unwrap();
    let admitted = admitted(known_by_name.event_type.as_str(), "colectiva", "{}", RULES).unwrap();
    let Admission::Quarantined { reason, .. } = admitted.admission else { panic!() };
    assert_eq!(reason, QuarantineReason::TypeIncomplete);
    assert!(admitted.decisions.is_empty());
}

#[test]
fn an_undeclared_sender_is_refused_where_the_list_is_complete_and_drift_elsewhere() {
    let refused = admitted("appointment.completed", "baul", "{}", RULES);
    assert!(matches!(refused, Err(Refusal::SenderNotAllowed { .. })));
    let warned =
        admitted("appointment.completed", "baul", "{}", Rules { senders: SenderRule::Warn, ..RULES });
    assert!(warned.unwrap().drift.iter().any(|drift| drift.field == "source"));
    let open = admitted("support.ticket_created", "baul", "{}", RULES).unwrap();
    assert!(open.drift.iter().any(|drift| drift.field == "source"));
}

#[test]
fn data_that_does_not_fit_is_drift_a_refusal_or_nothing_by_policy() {
    let data = r#"{"subject":7}"#;
    let with = |schema| admitted("support.ticket_created", "baul", data, Rules { schema, ..RULES });
    let warned = with(SchemaCheck::Warn).unwrap();
    assert!(warned.drift.iter().any(|drift| drift.field == "data.subject"), "{:?}", warned.drift);
    assert!(matches!(with(SchemaCheck::Reject), Err(Refusal::SchemaMismatch(_))));
    assert!(with(SchemaCheck::Off).unwrap().drift.iter().all(|drift| !drift.field.starts_with("data")));
}

#[test]
fn every_receiver_of_the_type_has_a_decision() {
    let admitted = admitted("payment.completed", "colectiva", "{}", RULES).unwrap();
    assert!(admitted.decisions.len() >= 4);
    assert!(admitted.decisions.iter().all(|decided| decided.decision == Decision::NoEndpoint));
}
