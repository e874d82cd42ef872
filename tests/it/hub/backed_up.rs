//! The hub in a backup: as it was when the outbox was cut, with every effect once after a restore.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use camino_broker::store::backup;
use camino_broker::store::log::EngineKind;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;

use super::deliveries::setup;
use crate::app::TestApp;
use crate::backup::backed_up;
use crate::draft::{Draft, id};

const BEFORE: u32 = 20;

fn event(app: &TestApp, n: u32) -> Draft {
    let data = json!({
        "dealId": format!("deal_{n}"), "dealName": "Torre", "previousStatus": "analysis", "newStatus": "won",
        "clientId": format!("c_{n}"),
    });
    app.draft(n, "rito", "deal.status_changed", &data.to_string()).with("organizationId", "\"org_1\"")
}

/// The events of `rito` that the hub in `store` has taken in.
fn taken(store: &Path) -> BTreeSet<String> {
    let file = Connection::open_with_flags(store.join("hub.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut ids = file.prepare("SELECT event_id FROM inbox WHERE source = 'rito'").unwrap();
    ids.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn the_hub_comes_back_as_it_was_when_the_outbox_was_cut() {
    let app = setup().start().await;
    let posted: Mutex<Vec<Draft>> = Mutex::default();
    let post = async |n| {
        let draft = event(&app, n);
        // Before it is sent: whether the last one was taken in is not known.
        posted.lock().unwrap().push(draft.clone());
        app.send(&draft).await.taken(202);
    };
    for n in 1..=BEFORE {
        post(n).await;
    }
    let load = async {
        for n in BEFORE + 1.. {
            post(n).await;
        }
    };
    let (backup, shown) = tokio::select! {
        taken = backed_up(&app, "backup") => taken,
        () = load => panic!("the load does not end"),
    };
    assert_eq!(shown["state"], "done", "{shown}");
    let (setup, dir) = app.stop().await;
    let store = dir.path().join("data");
    let secret_key = fs::read(store.join("secret.key")).unwrap();
    fs::remove_dir_all(&store).unwrap();
    backup::restore(&backup, &store, EngineKind::Redb, &[], 0).unwrap();
    fs::write(store.join("secret.key"), secret_key).unwrap();
    let in_hub = taken(&store);
    let app =
        setup.with(|config| config.store.engine = camino_broker::config::Engine::Redb).start_in(dir).await;
    let posted = posted.into_inner().unwrap();
    for (n, draft) in (1..).zip(&posted) {
        let answer = app.send(draft).await;
        let is_known = answer.status.as_u16() == 200;
        assert!(is_known || answer.status.as_u16() == 202);
        assert!(is_known || n > BEFORE, "{n} was accepted before the backup");
        assert!(is_known || !in_hub.contains(&id(n)), "the hub is ahead of the outbox by {n}");
    }
    // Each deal is won once, and each told of once: by the hub, to itself.
    let won = "/v1/events?eventType=deal.won&limit=200";
    app.desk().until_items(won, posted.len()).await;
    let waiting = "/v1/deliveries?receiver=camino&state=pending";
    app.desk().until(waiting, |list| list["items"].as_array().is_some_and(Vec::is_empty)).await;
    assert_eq!(app.desk().items(won).await.len(), posted.len());
    let (_, dir) = app.stop().await;
    assert_eq!(taken(&dir.path().join("data")).len(), posted.len());
}
