//! Overlays and the audit log: what operators changed, over restarts and side by side.

use std::sync::Barrier;

use camino_broker::domain::id::CorrelationId;
use camino_broker::domain::secret::Secret;
use camino_broker::store::control::Error;
use camino_broker::store::control::overlay::{self, DisabledReason, Overlay};

use super::fixture::{NOW, actions, app, entry, later, open, store};

#[test]
fn an_overlay_survives_a_restart_and_can_be_reset() {
    let store = store();
    let control = open(&store);
    let (bloom, caracol) = (app("bloom"), app("caracol"));
    let secret = Secret::from_entropy(&[9; 32]);
    let set = control
        .change_overlay(&bloom, &entry("endpoint.rotate-secret"), |overlay| {
            overlay.rotate(secret.clone(), None);
            overlay.url = Some("https://bloom.example/in".parse().unwrap());
            overlay.in_flight_max = Some(3);
        })
        .unwrap();
    let gone = |overlay: &mut Overlay| overlay.disable(DisabledReason::Gone, Some("410"), NOW);
    control.change_overlay(&caracol, &entry("endpoint.disable"), gone).unwrap();
    drop(control);

    let control = open(&store);
    let all = control.overlays().unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(all[&bloom], set);
    assert_eq!(all[&bloom].secrets, [secret]);
    assert_eq!(all[&caracol].disabled.as_ref().unwrap().since, NOW);
    assert!(control.reset_overlay(&bloom, &entry("endpoint.reset")).unwrap());
    assert!(!control.reset_overlay(&bloom, &entry("endpoint.reset")).unwrap());
    control.change_overlay(&caracol, &entry("endpoint.resume"), Overlay::resume).unwrap();
    drop(control);
    let control = open(&store);
    assert!(control.overlays().unwrap().is_empty());
    let expected = ["endpoint.resume", "endpoint.reset", "endpoint.disable", "endpoint.rotate-secret"];
    assert_eq!(actions(&control), expected);
}

#[test]
fn a_refused_overlay_changes_nothing_and_leaves_no_entry() {
    let store = store();
    let control = open(&store);
    let bad = Overlay { rate_per_second: Some(0), ..Overlay::default() };
    let refused = control.set_overlay(&app("bloom"), bad, &entry("endpoint.patch"));
    assert!(matches!(refused, Err(Error::Overlay(overlay::Error::Rate))));
    assert!(control.overlays().unwrap().is_empty() && actions(&control).is_empty());
}

#[test]
fn two_changes_at_once_lose_nothing() {
    let store = store();
    let control = open(&store);
    let start = Barrier::new(2);
    let change = |change: fn(&mut Overlay)| {
        start.wait();
        for _ in 0..20 {
            control.change_overlay(&app("bloom"), &entry("endpoint.patch"), change).unwrap();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| change(|overlay| *overlay.in_flight_max.get_or_insert(0) += 1));
        change(|overlay| *overlay.rate_per_second.get_or_insert(0) += 1);
    });
    let overlay = &control.overlays().unwrap()[&app("bloom")];
    assert_eq!((overlay.in_flight_max, overlay.rate_per_second), (Some(20), Some(20)));
}

#[test]
fn the_audit_log_pages_newest_first_and_forgets_by_age() {
    let store = store();
    let control = open(&store);
    for n in 0..5 {
        let detail = serde_json::json!({ "n": n });
        let mut entry = entry("count").detail(detail).correlation(CorrelationId::new("cid_1").unwrap());
        entry.at = later(n);
        control.record(&entry).unwrap();
    }
    drop(control);
    let control = open(&store);
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = control.audit(cursor, 2).unwrap();
        seen.extend(page.items.iter().map(|item| item.entry.at.0 - NOW.0));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, [4, 3, 2, 1, 0]);
    let shown = serde_json::to_value(&control.audit(None, 1).unwrap().items[0]).unwrap();
    assert_eq!(shown["actor"]["keyId"], "admin");
    assert_eq!(shown["correlationId"], "cid_1");
    assert_eq!(shown["detail"]["n"], 4);
    assert_eq!(control.purge_audit(later(3), 2).unwrap(), 2);
    assert_eq!(control.purge_audit(later(3), 2).unwrap(), 1);
    assert_eq!(control.audit(None, 9).unwrap().items.len(), 2);
}
