//! `dead`: by cause, one by one, and made again only when told to.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use insta::assert_snapshot;
use serde_json::Value;

use super::binary::Place;
use super::stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_grouped_shown_counted_and_made_again() {
    let mancha = FakeReceiver::start().await.unwrap();
    mancha.script([400, 400, 404].map(|status| Answer::status(status).with_body("no such table")));
    let place = stage::place(&mancha.url());
    let serving = place.serve();
    let dead = |args: &[&str]| place.run(&[&["dead", "--url", &serving.url], args].concat());
    let sub = |args: &[&str]| place.run(&[&["dead"], args, &["--url", &serving.url]].concat());
    assert_eq!(dead(&[]).told(), "exit 0\n-- stderr\nno dead letters");
    stage::send(&place, &serving, 1..=3);
    let json = ["dead", "--json", "--url", &serving.url];
    let out = stage::until(&place, &json, |out| out.starts_with("{\"total\":3,"));
    let causes = serde_json::from_str::<Value>(&out).unwrap()["causes"].clone();
    assert_eq!((&causes[0]["count"], &causes[0]["status"]), (&2.into(), &400.into()));
    let out = dead(&[]).stdout;
    assert!(
        out.starts_with("    2  mancha  rejected 400\n       no such table\n       2 payment.completed\n"),
        "{out}"
    );
    let each: Vec<Value> =
        dead(&["--each", "--json"]).stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let id = each[0]["deliveryId"].as_str().unwrap();
    let shown = sub(&["show", id]).stdout;
    assert!(shown.starts_with("payment.completed from colectiva to mancha  dead: rejected\n"), "{shown}");
    assert!(shown.ends_with("    no such table\n"), "{shown}");
    let none = sub(&["retry"]);
    assert!(
        none.code == 1 && none.stderr.contains("which to make again\n  name them by ID"),
        "{}",
        none.told()
    );
    let counted = sub(&["retry", "--receiver", "mancha"]);
    assert_eq!(counted.stdout, "3 deliveries would be made again\n", "{}", counted.told());
    let counted = sub(&["retry", "--reason", "rejected", "--json"]);
    assert!(counted.stdout.contains("\"matched\":3"), "{}", counted.told());
    let one = sub(&["retry", id]);
    assert!(one.stdout.starts_with(&format!("{id}  pending  as dlv_")), "{}", one.told());
    // Until the journal says so it is refused by the outbox, which knows.
    let twice = sub(&["retry", id]);
    assert!(twice.code == 1 && twice.stderr.contains("409 resource.state_conflict"), "{}", twice.told());
    let left = ["dead", "retry", "--receiver", "mancha", "--url", &serving.url];
    stage::until(&place, &left, |out| out.starts_with("2 deliveries"));
    let made = sub(&["retry", "--receiver", "mancha", "--yes"]);
    assert!(made.stdout.contains("2 of 2 made, 0 left out"), "{}", made.told());
    assert_eq!(mancha.wait_for(6).await.len(), 6);
}

#[test]
fn a_name_that_nobody_knows_is_told_from_one_without_dead_letters() {
    let place = Place::with_config("");
    let serving = place.serve();
    let told = |args: &[&str]| {
        let told = place.run(&[args, &["--url", &serving.url]].concat()).told();
        // The request's own id is another one each time.
        told.split_once(" (cid_").map_or(told.clone(), |(told, _)| told.to_owned())
    };
    assert_snapshot!(told(&["dead", "--receiver", "manchaa"]), @r"
    exit 1
    -- stderr
    camino: the broker answered 404 resource.not_found: `receiver`: there is no app `manchaa`, neither in the registry nor in the events kept here; did you mean `mancha`?
      is it written right, and is this the broker that has it?
    ");
    assert_snapshot!(told(&["replay", "--source", "nobody"]), @r"
    exit 1
    -- stderr
    camino: the broker answered 404 resource.not_found: `source`: there is no app `nobody`, neither in the registry nor in the events kept here
      is it written right, and is this the broker that has it?
    ");
    assert_snapshot!(told(&["tail", "--type", "payment.complete"]), @r"
    exit 1
    -- stderr
    camino: the broker answered 404 resource.not_found: `eventType`: there is no type of event `payment.complete`, neither in the registry nor in the events kept here; did you mean `payment.completed`?
      is it written right, and is this the broker that has it?
    ");
    assert_eq!(told(&["dead", "--receiver", "mancha"]), "exit 0\n-- stderr\nno dead letters");
}

#[test]
fn ids_and_filters_are_one_or_the_other() {
    let place = Place::with_config("");
    let serving = place.serve();
    let ran = place.run(&["dead", "retry", "dlv_1", "--receiver", "baul", "--url", &serving.url]);
    assert_snapshot!(ran.told(), @r"
    exit 1
    -- stderr
    camino: there are ids and filters
      give the one or the other
    ");
    let ran = place.run(&["dead", "retry", "dlv_1", "--url", &serving.url]);
    assert!(ran.code == 1 && ran.stderr.contains("dlv_1: the broker answered 404"), "{}", ran.told());
}
