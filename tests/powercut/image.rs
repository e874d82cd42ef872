//! A new broker on a disk after a power cut: does it start, and has it all that was promised?

use std::collections::BTreeSet;
use std::path::Path;

use http::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::broker::{Broker, NotReady, Setup, free_address};
use crate::client::{PATIENCE, until};
use crate::load::{Event, RECEIVERS, post_again};
use crate::receiver::Manner;
use crate::recording::{Recording, STORE_SETTINGS, addresses, receivers};
use crate::told::Told;

/// What is wrong with an image.
#[derive(Debug)]
pub enum Fault {
    /// The broker does not start on it.
    Unopenable(String),
    /// Something promised is missing.
    Lost(String),
}

/// Starts a broker on the store in `folder` and holds it to what was told before the cut.
pub async fn check(recording: &Recording, told: &Told<'_>, folder: &Path) -> Result<(), Fault> {
    let receivers = receivers(0, [Manner::Prompt; 3]).await;
    let setup = Setup {
        engine: recording.engine,
        folder,
        store: &folder.join("disk/data"),
        address: free_address(),
        receivers: &addresses(&receivers),
        store_settings: STORE_SETTINGS,
    };
    let mut broker = setup.spawn(&[]);
    broker.ready().await.map_err(|NotReady(status, log)| Fault::Unopenable(format!("{status}\n{log}")))?;
    dedupe_still_answers(recording, told, &broker).await?;

    let mut missing: BTreeSet<_> = told
        .accepted
        .iter()
        .flat_map(|id| setup.receivers.iter().map(|(receiver, _)| (id.clone(), *receiver)))
        .filter(|delivery| !told.delivered.contains(delivery))
        .collect();
    let arrived = until("what was accepted arrives", async || {
        for receiver in &receivers {
            let inbox = receiver.inbox();
            missing.retain(|(id, name)| *name != receiver.name || !inbox.contains_key(id));
        }
        missing.is_empty().then_some(())
    });
    let _ = tokio::time::timeout(PATIENCE / 3, arrived).await;
    if let Some((id, receiver)) = missing.first() {
        let count = missing.len();
        return Err(Fault::Lost(format!("{count} deliveries, such as that of {id} to {receiver}")));
    }
    journal_agrees(told, &broker).await?;
    keys_hold(recording, told, &broker).await?;
    broker.terminate();
    let status = broker.ended().await;
    let log = broker.log();
    let bad = |line: &&str| line.contains("ERROR") || line.contains("panicked");
    if status.code() != Some(0) || log.lines().any(|line| bad(&line)) {
        return Err(Fault::Unopenable(format!("{status}\n{log}")));
    }
    Ok(())
}

async fn dedupe_still_answers(recording: &Recording, told: &Told<'_>, broker: &Broker) -> Result<(), Fault> {
    let accepted: Vec<Event> = told.accepted.iter().map(|id| recording.ledger[id].0.clone()).collect();
    let mut posting = JoinSet::new();
    posting.spawn(post_again(broker.address, accepted));
    match posting.join_next().await.unwrap() {
        Ok(forgotten) if forgotten.is_empty() => Ok(()),
        Ok(forgotten) => {
            Err(Fault::Lost(format!("{} events are forgotten: {}", forgotten.len(), forgotten[0])))
        }
        Err(panic) => Err(Fault::Unopenable(format!("{panic}\n{}", broker.log()))),
    }
}

/// Every event is in the journal, delivered to everybody.
async fn journal_agrees(told: &Told<'_>, broker: &Broker) -> Result<(), Fault> {
    let all = told.accepted.len() * RECEIVERS.len();
    let mut found = 0;
    let agrees = until("the journal has it", async || {
        found = delivered(broker).await.iter().filter(|(id, _)| told.accepted.contains(id)).count();
        (found == all).then_some(())
    });
    let _ = tokio::time::timeout(PATIENCE / 3, agrees).await;
    if found == all {
        Ok(())
    } else {
        Err(Fault::Lost(format!("the journal has {found} of {all} deliveries")))
    }
}

async fn delivered(broker: &Broker) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/v1/deliveries?state=delivered&limit=500{cursor}");
        let (status, page) = broker.ask(Method::GET, &path, &Value::Null).await.expect("an answer");
        assert_eq!(status, StatusCode::OK, "{page}");
        let text = |item: &Value, name: &str| item[name].as_str().unwrap().to_owned();
        let items = page["items"].as_array().unwrap().iter();
        found.extend(items.map(|item| (text(item, "eventId"), text(item, "receiver"))));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

async fn keys_hold(recording: &Recording, told: &Told<'_>, broker: &Broker) -> Result<(), Fault> {
    let live = told.keys.iter().filter(|(id, _)| !recording.doomed.contains(*id));
    let live = live.map(|(_, key)| (key, StatusCode::OK));
    let revoked = told.revoked.iter().map(|key| (key, StatusCode::UNAUTHORIZED));
    for (key, wanted) in live.chain(revoked) {
        let answer = broker.ask_as(key, Method::GET, "/v1/stats", &Value::Null).await;
        let status = answer.expect("an answer").0;
        if status != wanted {
            return Err(Fault::Lost(format!("a key is answered {status} and not {wanted}")));
        }
    }
    Ok(())
}
