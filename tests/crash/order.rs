//! The order of each organization's events, under failing answers and kills: the reorder checker.
//!
//! Within one process nothing of an organization is sent again once a later event of it was sent. Across a kill
//! what was not settled comes again, but nothing comes for the first time behind a later one.

use std::collections::BTreeMap;

use camino_broker::testing::receiver::{FakeReceiver, Received};
use http::StatusCode;

use crate::broker::{Broker, Engine};
use crate::client::Connection;
use crate::dice::{Dice, seed};
use crate::kill::cycles;
use crate::load::{Event, RECEIVERS, SENDERS, post};

const ORGANIZATIONS: u64 = 5;
const EVENTS_A_LIFE: u64 = 120;

/// The organization and the number of an event, which its id holds.
fn named(request: &Received) -> (u64, u64) {
    let id = request.header("webhook-id").unwrap();
    let (organization, number) = id.split_once('-').unwrap();
    (organization.parse().unwrap(), number.parse().unwrap())
}

/// What is out of order.
fn reordered(requests: &[Received]) -> Vec<String> {
    let mut faults = Vec::new();
    // The highest number seen, by organization; and the last one, by organization and process.
    let mut highest: BTreeMap<u64, u64> = BTreeMap::new();
    let mut last: BTreeMap<(u64, String), u64> = BTreeMap::new();
    for request in requests {
        let (organization, number) = named(request);
        let highest = highest.entry(organization).or_default();
        if number > *highest + 1 {
            faults.push(format!("{number} of {organization} came for the first time behind {highest}"));
        }
        *highest = number.max(*highest);
        let last = last.entry((organization, request.target.clone())).or_default();
        if number < *last {
            faults.push(format!("{number} of {organization} came again behind {last} in one life"));
        }
        *last = number;
    }
    faults
}

/// Posts one event until it is acknowledged; false if the broker is gone.
async fn posted(connection: &mut Connection, event: &Event) -> bool {
    match post(connection, event).await {
        Ok((StatusCode::ACCEPTED | StatusCode::OK, _)) => true,
        Ok((status, body)) => panic!("{status} {}", String::from_utf8_lossy(&body)),
        Err(_) => false,
    }
}

async fn each_organizations_events_keep_their_order(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let mut dice = Dice::new(seed);
    let receiver = FakeReceiver::start().await.unwrap();
    let endpoints = [(RECEIVERS[0], receiver.address())];
    let mut broker = Broker::new(engine, std::time::Duration::from_secs(20), &endpoints).in_order();
    let mut numbers = vec![0; usize::try_from(ORGANIZATIONS).unwrap()];
    let mut total = 0;
    for cycle in 0..=cycles() {
        broker.start().await;
        let mut connection = Connection::open(broker.address()).await.unwrap();
        let count = if cycle == cycles() { 20 } else { 20 + dice.below(EVENTS_A_LIFE) };
        for _ in 0..count {
            let organization = dice.below(ORGANIZATIONS);
            let number = &mut numbers[usize::try_from(organization).unwrap()];
            *number += 1;
            total += 1;
            let id = format!("{organization}-{number}");
            let event = Event::of_organization(&SENDERS[0], &id, &format!("org-{organization}"));
            assert!(posted(&mut connection, &event).await, "the broker runs");
            if dice.chance(10) {
                receiver.fail(1, 503);
            }
        }
        if cycle < cycles() {
            broker.kill();
        }
    }
    broker.idle().await;
    let requests = receiver.all();
    let faults = reordered(&requests);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    let mut arrived: Vec<_> = requests.iter().map(named).collect();
    arrived.sort_unstable();
    arrived.dedup();
    assert_eq!(arrived.len(), total, "all have come");
    println!("{}: {total} events, {} requests, kills {}", engine.name(), requests.len(), cycles());

    // The proof that this run could have failed.
    let mut swapped = requests;
    swapped.reverse();
    assert!(!reordered(&swapped).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_organizations_events_keep_their_order_on_sled() {
    each_organizations_events_keep_their_order(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_organizations_events_keep_their_order_on_redb() {
    each_organizations_events_keep_their_order(Engine::Redb).await;
}
