//! The hub under kills: the state of a run that was killed again and again is that of one that never was.
//!
//! One sender posts one event after the other, some of them again, so that both runs accept the same events
//! in the same order. `CAMINO_CRASH_CYCLES` says how often the broker is killed, `CAMINO_CRASH_HUB_EVENTS`
//! how many events there are.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use camino_broker::app::subscribers::{access, subscribers};
use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::sign_ecosystem;
use camino_broker::domain::time::Millis;
use camino_broker::hub::Hub;
use camino_broker::hub::checksum::Sum;
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use camino_broker::store::journal;
use camino_broker::telemetry::metrics::Metrics;
use http::Request;
use http_body_util::Full;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::broker::{Broker, Engine};
use crate::client::{Connection as Wire, PATIENCE, until};
use crate::dice::{Dice, seed};
use crate::load::SENDERS;

/// Kills, without `CAMINO_CRASH_CYCLES`.
const CYCLES: u64 = 4;
/// Events, without `CAMINO_CRASH_HUB_EVENTS`.
const EVENTS: u64 = 400;
const SOURCES: [&str; 5] = ["rito", "caracol", "mancha", "colectiva", "plenura"];
/// So far that the clock has nothing to say, whose commands would come at other places in each run.
const FAR: &str = "2099-01-01";

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().expect("a number"))
}

fn secret(source: &str) -> String {
    let known = SENDERS.iter().find(|sender| sender.source == source);
    known
        .map_or_else(|| format!("{source}-signs-its-events-with-this-one"), |sender| sender.secret.to_owned())
}

/// The events, each with its source; some are there twice.
fn events(dice: &mut Dice, count: u64) -> Vec<(&'static str, Bytes)> {
    let now = SystemClock::new().now();
    let mut events: Vec<(&'static str, Bytes)> = Vec::new();
    for n in 0..count {
        let (source, event_type, data) = match n % 8 {
            0..4 => of_customer(n, now, dice),
            4 => subscription(dice),
            _ => of_organization(n, dice),
        };
        // Subscriptions are told of in no order at all.
        let ago = if n % 8 == 4 { Duration::from_secs(dice.below(90_000)) } else { Duration::ZERO };
        let body = json!({
            "eventId": format!("0192f0c1-7a3b-7c11-9d55-{n:012}"), "eventType": event_type, "source": source,
            "timestamp": now.minus(ago).rfc3339(), "organizationId": format!("org_{}", n % 3), "data": data,
        });
        events.push((source, body.to_string().into()));
        if dice.chance(10) {
            let at = usize::try_from(dice.below(n + 1)).unwrap();
            events.push(events[at].clone());
        }
    }
    events
}

/// Source, type and data.
type Said = (&'static str, &'static str, Value);

/// Contacts, deals and receivables.
fn of_customer(n: u64, now: Millis, dice: &mut Dice) -> Said {
    let (person, deal) = (dice.below(40), dice.below(30));
    match n % 8 {
        0 => (
            "caracol",
            "customer.created",
            json!({
                "customerId": format!("c_{person}"), "name": format!("Ana Luna {}", person % 9),
                "email": format!("ana{}@example.com", person / 2),
            }),
        ),
        1 => (
            "mancha",
            "customer.identified",
            json!({
                "customerId": format!("m_{}", dice.below(60)), "email": format!("ana{person}@example.com"),
            }),
        ),
        2 => (
            "rito",
            "deal.status_changed",
            json!({
                "dealId": format!("d_{deal}"), "newStatus": if dice.chance(40) { "won" } else { "analysis" },
            }),
        ),
        _ => (
            "colectiva",
            "invoice.paid",
            json!({
                "invoiceId": format!("inv_{deal}"), "amount": 100 * n, "currency": "MXN", "paidAt": now.rfc3339(),
            }),
        ),
    }
}

/// Tickets, use of a plan, and orders.
fn of_organization(n: u64, dice: &mut Dice) -> Said {
    let person = dice.below(40);
    match n % 8 {
        5 => (
            "plenura",
            "upsell.appointment_capacity",
            json!({
                "therapistId": format!("t_{person}"), "currentCount": dice.below(7), "limit": 5, "plan": "free",
                "suggestedPlan": "plenura_pro", "triggerReason": "approaching_limit",
            }),
        ),
        6 => (
            "caracol",
            "support.ticket_created",
            json!({
                "source_ticket_id": format!("t_{n}"), "user_email": format!("ana{person}@example.com"),
                "subject": format!("No puedo timbrar la factura {person}"), "description": "Marca un error al timbrar",
            }),
        ),
        _ => (
            "caracol",
            "caracol.order.created",
            json!({
                "orderId": format!("ord_{n}"), "tenantId": "vinos", "customerId": format!("c_{person}"), "total": n,
            }),
        ),
    }
}

/// What Colectiva says of a subscription.
fn subscription(dice: &mut Dice) -> Said {
    let mut data =
        json!({ "app": "cosmos-pet", "planId": "pro", "billingCycle": "monthly", "reason": "too_expensive" });
    let (event_type, until) = match dice.below(4) {
        0 => ("subscription.activated", "nextBillingDate"),
        1 => ("subscription.renewed", "nextBillingDate"),
        2 => ("subscription.payment_failed", "nextRetry"),
        _ => ("subscription.cancelled", "effectiveDate"),
    };
    data[until] = FAR.into();
    ("colectiva", event_type, data)
}

/// Posts `event` until it is acknowledged.
async fn post(broker: &mut Broker, (source, body): &(&'static str, Bytes)) {
    let signature = sign_ecosystem(&Secret::new(&secret(source)).unwrap(), body);
    let acknowledged = async {
        loop {
            let request = Request::post("/v1/events")
                .header("content-type", "application/json")
                .header("x-webhook-signature", &signature)
                .header("x-webhook-timestamp", SystemClock::new().now().seconds().to_string())
                .body(Full::new(body.clone()))
                .unwrap();
            let Ok(mut connection) = Wire::open(broker.address()).await else { continue };
            if let Ok((status, answer)) = connection.send(request).await {
                assert!(status.is_success(), "{status} {answer:?}");
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, acknowledged).await.expect("it is acknowledged");
}

/// One whole run; the hub's tables, and how many of its emissions the broker has accepted.
async fn run(events: &[(&'static str, Bytes)], kills: &[usize], dice: &mut Dice) -> (Vec<Sum>, u64) {
    let tables: Vec<String> = SOURCES
        .iter()
        .filter(|source| SENDERS.iter().all(|sender| sender.source != **source))
        .map(|source| format!("[apps.{source}]\nsigning_secrets = [\"{}\"]\n", secret(source)))
        .collect();
    let mut broker = Broker::new(Engine::Redb, Duration::from_secs(20), &[]).with_config(&tables.concat());
    broker.start().await;
    for (at, event) in events.iter().enumerate() {
        post(&mut broker, event).await;
        if kills.contains(&at) {
            // At once, or when the hub is in the middle of it.
            tokio::time::sleep(Duration::from_micros(dice.below(60_000))).await;
            broker.kill();
            broker.start().await;
        }
    }
    // The broker's own gauges may be older than its last event.
    let distinct = events.iter().map(|(_, body)| body).collect::<BTreeSet<_>>().len();
    let mut known = None;
    while known != Some((distinct, 0)) {
        let next = async || Some(counts(&broker.store())).filter(|counts| Some(*counts) != known);
        known = Some(until("more is taken in or relayed", next).await);
    }
    broker.terminate();
    assert_eq!(broker.ended().await.code(), Some(0));
    read(&broker.store())
}

/// How many events the hub has, and how many wait for the relay, asked of the file beside the broker.
fn counts(store: &Path) -> (usize, i64) {
    let file = Connection::open_with_flags(store.join("hub.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let sql = "SELECT (SELECT count(*) FROM inbox), (SELECT count(*) FROM emissions WHERE state = 0)";
    let counts = file.query_row(sql, (), |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
    let (taken, waiting) = counts.unwrap();
    (usize::try_from(taken).unwrap(), waiting)
}

/// Every emission is in the journal; one that is not is named, with what the file says of it.
fn assert_none_lost(store: &Path, hub: &Hub, emitted: &BTreeSet<String>) {
    let stored = hub.read(|file| {
        let mut statement = file.prepare("SELECT event_id FROM emissions")?;
        statement.query_map((), |row| row.get(0))?.collect::<Result<Vec<String>, _>>()
    });
    let file = Connection::open(store.join("journal.db")).unwrap();
    let rows = |id: &String| -> i64 {
        let sql = "SELECT count(*) FROM events WHERE event_id = ?1";
        file.query_row(sql, [id], |row| row.get(0)).unwrap()
    };
    let lost: Vec<_> =
        stored.unwrap().into_iter().filter(|id| !emitted.contains(id)).map(|id| (rows(&id), id)).collect();
    assert!(lost.is_empty(), "not in the journal's list (rows, id): {lost:?}");
}

fn read(store: &Path) -> (Vec<Sum>, u64) {
    let hub = Hub::open(store, subscribers(&access().unwrap()), Arc::new(Metrics::new().unwrap())).unwrap();
    let (_, journal) = journal::open(&store.join("journal.db")).unwrap();
    let filter = journal::Filter { source: Some("camino".parse().unwrap()), ..journal::Filter::default() };
    let (mut emitted, mut cursor) = (BTreeSet::new(), None::<String>);
    loop {
        let page = journal.events(&filter, cursor.as_deref(), 100, &|_| None).unwrap();
        for event in page.items {
            assert!(emitted.insert(event.event_id), "an emission is there twice");
        }
        match page.next {
            Some(next) => cursor = Some(next),
            None => break,
        }
    }
    assert_none_lost(store, &hub, &emitted);
    (hub.checksums().unwrap(), emitted.len() as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_leave_no_trace_in_the_hub() {
    let seed = seed();
    let (cycles, count) =
        (setting("CAMINO_CRASH_CYCLES", CYCLES), setting("CAMINO_CRASH_HUB_EVENTS", EVENTS));
    println!("CAMINO_CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let events = events(&mut dice, count);
    let kills: Vec<usize> =
        (0..cycles).map(|_| usize::try_from(dice.below(events.len() as u64)).unwrap()).collect();
    let (clean, emitted_clean) = run(&events, &[], &mut dice).await;
    let (killed, emitted_killed) = run(&events, &kills, &mut dice).await;
    for (clean, killed) in clean.iter().zip(&killed) {
        assert_eq!(clean, killed);
    }
    let rows = |table: &str| clean.iter().find(|sum| sum.table == table).unwrap().rows;
    assert_eq!(rows("inbox"), count);
    assert!(rows("emissions") > 10 && rows("duplicates") > 0, "{clean:?}");
    assert!(rows("subscriptions") == 3 && rows("support_tickets") > 10, "{clean:?}");
    assert_eq!((emitted_clean, emitted_killed), (rows("emissions"), rows("emissions")), "each once");
}
