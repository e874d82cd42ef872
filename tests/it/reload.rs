//! A registry that changes under load: every event is routed by one whole registry or the other.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use camino_broker::testing::receiver::{FakeReceiver, PATIENCE};

use crate::app::{Setup, TestApp};

const FIRST: [&str; 3] = ["constanza", "cosmos-pet", "mancha"];
const SECOND: [&str; 2] = ["baul", "mancha"];
/// Times that the registry is written anew.
const ROUNDS: usize = 6;

/// The events of a registry that sends `payment.completed` to `receivers`, long enough that a write of it
/// and a read of it overlap.
fn events(receivers: &[&str]) -> String {
    let filler: Vec<String> =
        (0..2000).map(|n| format!(r#"{{"type": "filler.number_{n}", "receivers": ["hoja"]}}"#)).collect();
    let receivers = serde_json::to_string(receivers).unwrap();
    let payment =
        format!(r#"{{"type": "payment.completed", "senders": ["colectiva"], "receivers": {receivers}}}"#);
    format!(r#"{{"events": [{}, {payment}]}}"#, filler.join(", "))
}

/// Writes in place and in two steps, as a careless deployment does.
fn write_slowly(path: &Path, text: &str) {
    let mut file = File::create(path).unwrap();
    let (head, tail) = text.as_bytes().split_at(text.len() / 2);
    file.write_all(head).unwrap();
    file.sync_all().unwrap();
    file.write_all(tail).unwrap();
}

/// Posts the `n`-th payment and says who gets it.
async fn routed(app: &TestApp, n: u32) -> BTreeSet<String> {
    let answer = app.send(&app.payment(n)).await.taken(202);
    let deliveries = answer["deliveries"].as_array().unwrap();
    deliveries.iter().map(|delivery| delivery["receiver"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn no_event_is_routed_by_a_half_read_registry() {
    let folder = tempfile::tempdir().unwrap();
    let apps = ["baul", "colectiva", "constanza", "cosmos-pet", "hoja", "mancha"];
    let apps = apps.map(|slug| serde_json::json!({ "slug": slug }));
    std::fs::write(folder.path().join("apps.json"), serde_json::json!({ "apps": apps }).to_string()).unwrap();
    let file = folder.path().join("events.json");
    std::fs::write(&file, events(&FIRST)).unwrap();

    let receiver = FakeReceiver::start().await.unwrap();
    let mut setup = Setup::new().with(|config| config.registry.path = Some(folder.path().to_owned()));
    for app in ["baul", "constanza", "cosmos-pet", "mancha"] {
        setup = setup.receiver(app, &receiver);
    }
    let app = setup.start().await;

    let wholes = [&FIRST[..], &SECOND[..]];
    let mut ids = 1..;
    for round in 1..=ROUNDS {
        let wanted = wholes[round % 2];
        let (text, path) = (events(wanted), file.clone());
        let writing = tokio::task::spawn_blocking(move || write_slowly(&path, &text));
        let in_force = async {
            loop {
                let receivers = routed(&app, ids.next().unwrap()).await;
                let whole = wholes.iter().find(|whole| receivers.iter().eq(whole.iter()));
                let whole = whole.unwrap_or_else(|| panic!("routed by no whole registry: {receivers:?}"));
                if *whole == wanted {
                    return;
                }
            }
        };
        let in_force = tokio::time::timeout(PATIENCE, in_force).await;
        in_force.expect("what was written comes into force");
        writing.await.unwrap();
    }
}
