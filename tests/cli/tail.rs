//! `tail`: what happens, one line each, from any time on.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::Value;

use super::stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_are_shown_as_they_come() {
    let mancha = FakeReceiver::start().await.unwrap();
    let place = stage::place(&mancha.url());
    let serving = place.serve();
    stage::send(&place, &serving, 1..=1);
    let once = ["tail", "--since", "1h", "--once", "--url", &serving.url];
    let out = stage::until(&place, &once, |out| out.contains("mancha delivered"));
    let words: Vec<&str> = out.split_whitespace().skip_while(|word| *word != "payment.completed").collect();
    assert_eq!(words[1..4], ["colectiva", "org_1", &stage::id(1)], "{out}");
    assert!(!out.contains('\x1b'), "colours are for terminals");
    let none = place.run(&[&once[..], &["--organization", "org_2"]].concat());
    assert_eq!((none.code, none.stdout.as_str()), (0, ""), "{}", none.told());
    let tailing =
        place.start(&["tail", "--json", "--organization", "org_3", "--since", "1m", "--url", &serving.url]);
    stage::send(&place, &serving, 2..=3);
    let event: Value = serde_json::from_str(&tailing.line()).unwrap();
    assert_eq!(event["eventId"], stage::id(3));
    let wrong = place.run(&["tail", "--type", "No Type", "--url", &serving.url]);
    assert!(wrong.code == 1 && wrong.stderr.contains("400 request.invalid: `eventType`"), "{}", wrong.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_shown_again_when_it_changes() {
    let mancha = FakeReceiver::start().await.unwrap();
    mancha.script([Answer::status(400).held()]);
    let place = stage::place(&mancha.url());
    let serving = place.serve();
    let args = ["tail", "--deliveries", "--json", "--receiver", "mancha", "--since", "1m"];
    let tailing = place.start(&[&args[..], &["--url", &serving.url]].concat());
    stage::send(&place, &serving, 1..=1);
    let state = || serde_json::from_str::<Value>(&tailing.line()).unwrap()["state"].clone();
    assert_eq!(state(), "pending");
    mancha.release(1);
    assert_eq!(state(), "dead");
    let args = ["tail", "--deliveries", "--since", "1h", "--once", "--url", &serving.url];
    let out = place.run(&args).stdout;
    assert!(out.contains("mancha          dead       payment.completed"), "{out}");
    assert!(out.contains("attempts 1  status 400  reason rejected"), "{out}");
}
