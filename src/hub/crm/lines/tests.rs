//! The line of every consumed type, in both languages, from the registry's examples and our own.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::*;
use crate::domain::id::{AppSlug, CorrelationId, EventId, EventType};
use crate::domain::time::Millis;
use crate::registry::embedded;

/// Runs `test` over an event.
fn with_event<T>(event_type: &str, data: Value, test: impl FnOnce(&Event<'_>) -> T) -> T {
    let source = AppSlug::new("colectiva").unwrap();
    let event_id = EventId::new("e-1").unwrap();
    let event_type = EventType::new(event_type).unwrap();
    let correlation = CorrelationId::derive(&source, &event_id);
    test(&Event {
        seq: 1,
        source: &source,
        event_id: &event_id,
        event_type: &event_type,
        correlation: &correlation,
        tenant: None,
        at: Millis(0),
        organization: "org".to_owned(),
        data,
    })
}

fn line(event_type: &str, data: Value) -> Line {
    with_event(event_type, data, |event| Lines::new().of(event))
}

/// The types that the hub's page lists as consumed.
fn consumed() -> BTreeSet<String> {
    let tables: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/seed_tables.json")).unwrap();
    let rows = tables["rows"].as_array().unwrap();
    let is_consumed = |row: &&Value| row["page"] == "camino" && row["table"] == "consumed";
    rows.iter().filter(is_consumed).map(|row| row["type"].as_str().unwrap().to_owned()).collect()
}

/// A `data` of the type: ours, or else the registry's.
fn sample(event_type: &str) -> Value {
    let ours: Value =
        serde_json::from_str(include_str!("../../../../tests/fixtures/hub_samples.json")).unwrap();
    let catalog = embedded::catalog().unwrap();
    let theirs = catalog.event(event_type).and_then(|event| event.example.clone());
    ours.get(event_type).cloned().or(theirs).unwrap_or_else(|| panic!("no sample of {event_type}"))
}

#[test]
fn every_consumed_type_has_a_line_of_its_own_that_quotes_two_fields() {
    let (lines, consumed) = (Lines::new(), consumed());
    assert_eq!(consumed.len(), 64);
    for event_type in consumed.iter().map(String::as_str).chain(["tenant.provisioned"]) {
        assert!(lines.knows(event_type), "{event_type} has no line");
        let read = &lines.by_type[event_type];
        with_event(event_type, sample(event_type), |event| {
            for pieces in [&read.es, &read.en] {
                let written = compose(event, pieces);
                assert!(written.quoted.len() >= QUOTES_MIN, "{event_type}: {}", written.line);
                assert!(!written.line.contains(['{', '}', '[', ']', '?']), "{event_type}: {}", written.line);
            }
        });
    }
    let extra: Vec<_> =
        LINES.iter().map(|line| line.event_type).filter(|name| !consumed.contains(*name)).collect();
    assert_eq!(extra, ["customer.updated", "tenant.provisioned"]);
}

#[test]
fn the_lines() {
    let catalog = consumed();
    let told: Vec<String> = catalog
        .iter()
        .map(|event_type| {
            let Line { es, en, amount } = line(event_type, sample(event_type));
            let amount = amount.map_or_else(String::new, |Amount { value, unit, currency }| {
                format!("\n  {value} {} {}", unit.as_str(), currency.unwrap_or_default())
            });
            format!("{event_type}\n  {es}\n  {en}{}\n", amount.trim_end())
        })
        .collect();
    assert_snapshot!(told.concat());
}

#[test]
fn what_is_missing_or_of_another_shape_leaves_a_line_all_the_same() {
    for (data, en) in [
        (json!({}), "Invoice ? paid: ?"),
        (json!({"invoiceId": "inv_1"}), "Invoice inv_1 paid: ?"),
        (json!({"invoiceId": {"a": 1}, "amount": "many"}), "Invoice ? paid: many"),
        (json!([1, 2]), "Invoice ? paid: ?"),
        (Value::Null, "Invoice ? paid: ?"),
        (json!({"invoiceId": 7, "amount": -1_234_567, "currency": "USD"}), "Invoice 7 paid: -$12,345.67 USD"),
    ] {
        assert_eq!(line("invoice.paid", data).en, en);
    }
}

#[test]
fn a_type_that_nobody_foresaw_quotes_two_fields() {
    let data = json!({"a": {"deep": 1}, "b": "two\nlines", "c": [1, 2, 3], "d": 4});
    let told = line("robot.danced", data);
    assert_eq!(told.en, "robot.danced · b: two lines · c: 3");
    assert_eq!(told.es, told.en);
}

#[test]
fn a_long_field_is_cut_between_characters() {
    let told = line("product.deleted", json!({"name": "ñ".repeat(200), "productId": "p"}));
    assert!(told.es.contains(&format!("{}…", "ñ".repeat(80))) && !told.es.contains(&"ñ".repeat(81)));
}

#[test]
fn amounts_keep_their_unit() {
    for (number, unit, currency, shown) in [
        ("65000", Unit::Cents, None, "$650.00 MXN"),
        ("5", Unit::Cents, Some("USD"), "$0.05 USD"),
        ("12500.5", Unit::Cents, None, "12500.5 ¢ MXN"),
        ("184320.4", Unit::Mxn, None, "$184,320.40 MXN"),
        ("2380", Unit::Unstated, Some("MXN"), "2380 (MXN)"),
        ("2380", Unit::Unstated, None, "2380"),
    ] {
        assert_eq!(money(number, unit, currency), shown);
    }
}
