//! `/v1/journal`: every event once, in the order of acceptance, from any place on.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::{Value, json};

use crate::app::Setup;
use crate::desk::{Desk, each};
use crate::draft::{SALE, id};

fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers.into_iter().map(id).collect()
}

/// Every page from `cursor` to the end, and the place there.
async fn follow(desk: &Desk<'_>, query: &str, mut cursor: String) -> (Vec<Value>, String) {
    let mut items = Vec::new();
    loop {
        let page = desk.get(&format!("/v1/journal?{query}&cursor={cursor}")).await;
        items.extend(page["items"].as_array().unwrap().clone());
        page["next"].as_str().unwrap().clone_into(&mut cursor);
        assert_eq!(page["pastRetention"], 0);
        if page["more"] == json!(false) {
            return (items, cursor);
        }
    }
}

#[tokio::test]
async fn it_is_read_in_order_to_the_end_and_on_from_there() {
    let receiver = FakeReceiver::start().await.unwrap();
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    let desk = app.desk();
    let end = desk.get("/v1/journal?cursor=end").await;
    assert_eq!((&end["items"], &end["more"]), (&json!([]), &json!(false)));
    for n in 1..=5 {
        app.send(&app.payment(n)).await.taken(202);
    }
    desk.until_items("/v1/events", 5).await;
    let (items, place) = follow(&desk, "limit=2", String::new()).await;
    assert_eq!(each(&items, "eventId"), ids(1..=5));
    assert_eq!(each(items[0]["made"].as_array().unwrap(), "receiver"), ["mancha"]);
    assert_eq!((&items[0]["webhookId"], &items[0]["bodyText"]), (&json!(id(1)), &Value::Null));
    // At the end the place stays, until there is more.
    assert_eq!(follow(&desk, "limit=2", place.clone()).await, (Vec::new(), place.clone()));
    let from_before = end["next"].as_str().unwrap().to_owned();
    assert_eq!(follow(&desk, "", from_before).await.0, items);
    app.send(&app.payment(6)).await.taken(202);
    desk.until_items("/v1/events", 6).await;
    let (later, _) = follow(&desk, "", place).await;
    assert_eq!(each(&later, "eventId"), ids([6]));
    // Each item says where to go on after it.
    let (rest, _) = follow(&desk, "", items[2]["after"].as_str().unwrap().to_owned()).await;
    assert_eq!(each(&rest, "eventId"), ids(4..=6));
}

#[tokio::test]
async fn the_body_is_the_bytes_that_came() {
    let app = Setup::new().start().await;
    let body = format!(" {}\n", app.payment(1).with("unknown", "[1,  2, \"\\u00f1 ñ\"]").body());
    app.post("/v1/events", &app.signed("colectiva", body.clone()), body.clone()).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/events", 1).await;
    let page = desk.get("/v1/journal?body=true").await;
    assert_eq!(page["items"][0]["bodyText"], json!(body));
}

#[tokio::test]
async fn filters_leave_out_and_the_place_goes_on() {
    let (mancha, constanza) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    let app = Setup::new().receiver("mancha", &mancha).receiver("constanza", &constanza).start().await;
    app.send(&app.payment(1)).await.taken(202);
    app.send(&app.payment(2).with("organizationId", "\"org_2\"")).await.taken(202);
    app.send(&app.draft(3, "hoja", "sale.completed", SALE)).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/events", 3).await;
    let table: [(&str, &[u32]); 8] = [
        ("source=hoja", &[3]),
        ("eventType=payment.completed", &[1, 2]),
        ("organization=org_2", &[2]),
        ("receiver=mancha", &[1, 2]),
        ("receiver=constanza&organization=org_1", &[1, 3]),
        ("receiver=comal", &[]),
        ("since=2100-01-01T00:00:00Z", &[]),
        ("q=org_2", &[2]),
    ];
    let (_, end) = follow(&desk, "", String::new()).await;
    for (query, wanted) in table {
        let (items, place) = follow(&desk, query, String::new()).await;
        assert_eq!(each(&items, "eventId"), ids(wanted.iter().copied()), "{query}");
        assert_eq!(place, end, "{query}");
    }
}

#[tokio::test]
async fn what_is_made_again_stands_at_its_own_place() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(400)]);
    let app = Setup::new().receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    let dead = desk.until_items("/v1/dead-letters", 1).await;
    app.send(&app.payment(2)).await.taken(202);
    let retry = format!("/v1/deliveries/{}/retry", dead[0]["deliveryId"].as_str().unwrap());
    desk.post(&retry, "").await.taken(202);
    desk.until_items("/v1/deliveries?state=delivered", 2).await;
    let (first, _) = follow(&desk, "receiver=mancha", String::new()).await;
    assert_eq!(each(&first, "eventId"), ids([1, 2]));
    let (all, _) = follow(&desk, "receiver=mancha&again=true&body=true", String::new()).await;
    assert_eq!(each(&all, "eventId"), ids([1, 2, 1]));
    assert_eq!(all[2]["replayOf"], dead[0]["deliveryId"]);
    assert_eq!(all[2]["bodyText"], all[0]["bodyText"]);
}

#[tokio::test]
async fn a_place_of_another_store_is_refused() {
    let app = Setup::new().start().await;
    app.send(&app.payment(1)).await.taken(202);
    let desk = app.desk();
    desk.until_items("/v1/events", 1).await;
    let place = desk.get("/v1/journal").await["next"].as_str().unwrap().to_owned();
    let other = Setup::new().start().await;
    let desk = other.desk();
    for cursor in [place.as_str(), "x", "1.2", "ffffff~1"] {
        desk.refused(&format!("/v1/journal?cursor={cursor}"), 400, "request.invalid").await;
    }
    other.send(&other.payment(2)).await.taken(202);
    desk.until_items("/v1/events", 1).await;
    let (below, at) = place.split_once('~').unwrap();
    let later = format!("{below}~{:x}", u64::from_str_radix(at, 16).unwrap() + 1);
    desk.refused(&format!("/v1/journal?cursor={later}"), 400, "request.invalid").await;
    desk.refused("/v1/journal?body=yes", 400, "request.invalid").await;
    desk.refused("/v1/journal?state=dead", 400, "request.invalid").await;
}
