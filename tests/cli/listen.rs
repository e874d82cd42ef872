//! `listen`: each event at least once and in order at the local URL, whatever is killed in between.

use camino_broker::domain::secret::Secret;
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use camino_broker::testing::receiver::{Answer, FakeReceiver, Received};
use serde_json::Value;

use super::binary::Place;
use super::stage;

/// Makes a run of other events: 10,000 for the long one.
const EVENTS: &str = "CAMINO_LISTEN_EVENTS";

fn event_ids(received: &[Received]) -> Vec<String> {
    received.iter().map(|request| request.header("webhook-id").unwrap().to_owned()).collect()
}

/// Waits until `count` different events came.
async fn until_came(local: &FakeReceiver, count: usize) -> Vec<Received> {
    let mut requests = count;
    loop {
        let received = local.wait_for(requests).await;
        let missing = count.saturating_sub(in_order(&received).len());
        if missing == 0 {
            return received;
        }
        requests = received.len() + missing;
    }
}

/// What came, without the repeats, if every repeat is of the one before.
fn in_order(received: &[Received]) -> Vec<String> {
    let mut ids = event_ids(received);
    ids.dedup();
    ids
}

fn wanted(numbers: std::ops::RangeInclusive<u32>) -> Vec<String> {
    numbers.map(stage::id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_middle_it_leaves_none_out_and_keeps_the_order() {
    let events: u32 = std::env::var(EVENTS).map_or(2_000, |text| text.parse().unwrap());
    let local = FakeReceiver::start().await.unwrap();
    let place = stage::place("http://127.0.0.1:9/");
    let serving = place.serve();
    let url = local.url();
    let args = ["listen", url.as_str(), "--state", "here/place.json", "--since", "1h", "--url", &serving.url];
    stage::send(&place, &serving, 1..=events / 2);
    let mut listening = place.start(&args);
    for part in 1..=4 {
        // Wherever it is: in a request, between two, at its file.
        let count = (events / 4 * part) as usize - 7;
        while local.count() < count {
            local.wait_for((local.count() + 200).min(count)).await;
        }
        listening.kill();
        if part == 1 {
            stage::send(&place, &serving, events / 2 + 1..=events);
        }
        listening = place.start(&args);
    }
    listening.kill();
    let ran = place.run(&[&args[..], &["--once"]].concat());
    assert_eq!(ran.code, 0, "{}", ran.told());
    let received = local.all();
    assert_eq!(in_order(&received), wanted(1..=events));
    let repeats = received.len() - events as usize;
    println!("{events} events in order, none left out; 5 kills, {repeats} repeats");
    assert!(repeats <= 6, "{repeats} repeats for 5 kills");
    // All is kept: nothing comes again.
    assert_eq!(place.run(&[&args[..], &["--once"]].concat()).code, 0);
    assert_eq!(local.count(), received.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_while_it_was_away_comes_first() {
    let local = FakeReceiver::start().await.unwrap();
    let place = stage::place("http://127.0.0.1:9/");
    let serving = place.serve();
    let url = local.url();
    let args = ["listen", url.as_str(), "--state", "place.json", "--url", &serving.url];
    stage::send(&place, &serving, 1..=1);
    stage::until(&place, &["tail", "--since", "1h", "--once", "--url", &serving.url], |out| !out.is_empty());
    let mut listening = place.start(&args);
    listening.until_said("from now on");
    let secret = listening.until_said("signed with a secret").rsplit_once(' ').unwrap().1.to_owned();
    stage::send(&place, &serving, 2..=3);
    local.wait_for(2).await;
    listening.kill();
    stage::send(&place, &serving, 4..=6);
    let listening = place.start(&args);
    listening.until_said("from where it was");
    stage::send(&place, &serving, 7..=7);
    let received = until_came(&local, 6).await;
    assert_eq!(in_order(&received), wanted(2..=7));
    let secrets = [Secret::new(&secret).unwrap()];
    let now = SystemClock::new().now();
    assert!(received.iter().all(|request| request.is_signed_by(&secrets, now)), "with the secret it made");
    let last = received.last().unwrap();
    assert_eq!(last.header("x-camino-event-type"), Some("payment.completed"));
    assert_eq!(last.header("x-camino-source"), Some("colectiva"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_url_that_fails_is_tried_again_and_keeps_its_place() {
    let local = FakeReceiver::start().await.unwrap();
    local.script([Answer::status(500), Answer::HangUp, Answer::redirect(302, "/elsewhere")]);
    let place = stage::place("http://127.0.0.1:9/");
    let serving = place.serve();
    let url = local.url();
    let args = ["listen", url.as_str(), "--state", "place.json", "--since", "1h", "--json"];
    let args = [&args[..], &["--url", &serving.url, "--secret", "the one of the local app"]].concat();
    stage::send(&place, &serving, 1..=2);
    let mut listening = place.start(&args);
    let lines: Vec<Value> = (0..5).map(|_| serde_json::from_str(&listening.line()).unwrap()).collect();
    let told = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(told("attempt"), [1, 2, 3, 4, 1].map(Value::from));
    assert_eq!(told("status"), [500.into(), Value::Null, 302.into(), 200.into(), 200.into()]);
    assert!(lines[1]["error"].is_string() && lines[0]["againInMs"].is_u64());
    listening.kill();
    local.otherwise(Answer::status(503));
    stage::send(&place, &serving, 3..=3);
    let mut listening = place.start(&args);
    local.wait_for(7).await;
    listening.kill();
    local.otherwise(Answer::status(204));
    assert_eq!(place.run(&[&args[..], &["--once"]].concat()).code, 0);
    assert_eq!(in_order(&local.all()), wanted(1..=3));
    let secrets = [Secret::new("the one of the local app").unwrap()];
    assert!(local.all().iter().all(|request| request.is_signed_by(&secrets, SystemClock::new().now())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_that_it_made_is_kept_from_the_first_moment_on() {
    let local = FakeReceiver::start().await.unwrap();
    local.otherwise(Answer::status(500));
    let place = stage::place("http://127.0.0.1:9/");
    let serving = place.serve();
    let url = local.url();
    let args = ["listen", &url, "--state", "place.json", "--since", "1h", "--url", &serving.url];
    let mut listening = place.start(&args);
    let secret = listening.until_said("signed with a secret").rsplit_once(' ').unwrap().1.to_owned();
    stage::send(&place, &serving, 1..=1);
    local.wait_for(1).await;
    listening.kill();
    local.otherwise(Answer::status(200));
    let ran = place.run(&[&args[..], &["--once"]].concat());
    assert!(ran.code == 0 && !ran.stderr.contains("signed with a secret"), "{}", ran.told());
    let secrets = [Secret::new(&secret).unwrap()];
    assert!(local.all().iter().all(|request| request.is_signed_by(&secrets, SystemClock::new().now())));
    assert_eq!(in_order(&local.all()), wanted(1..=1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_goes_away_is_waited_for() {
    let local = FakeReceiver::start().await.unwrap();
    let mut place = stage::place("http://127.0.0.1:9/");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    place.var("CAMINO_SERVER__LISTEN", &port.to_string());
    let url = local.url();
    let serving = place.serve();
    stage::send(&place, &serving, 1..=1);
    let listening = place.start(&["listen", &url, "--state", "place.json", "--since", "1h"]);
    local.wait_for(1).await;
    drop(serving);
    listening.until_said("waiting, and going on from the same place");
    let serving = place.serve();
    stage::send(&place, &serving, 2..=2);
    listening.until_said("the broker is back");
    assert_eq!(in_order(&local.wait_for(2).await), wanted(1..=2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_receiver_it_forwards_its_deliveries_and_what_is_made_again() {
    let (local, mancha) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    mancha.otherwise(Answer::status(400));
    let place = stage::place(&mancha.url());
    let serving = place.serve();
    stage::send(&place, &serving, 1..=1);
    let each = ["dead", "--each", "--json", "--url", &serving.url];
    let dead = stage::until(&place, &each, |out| !out.is_empty());
    let dead: Value = serde_json::from_str(dead.lines().next().unwrap()).unwrap();
    let id = dead["deliveryId"].as_str().unwrap();
    let retried = place.run(&["dead", "retry", id, "--url", &serving.url]);
    assert_eq!(retried.code, 0, "{}", retried.told());
    let url = local.url();
    let args = ["listen", &url, "--receiver", "mancha", "--since", "1h", "--state", "place.json"];
    let _listening = place.start(&[&args[..], &["--url", &serving.url]].concat());
    let received = local.wait_for(2).await;
    assert_eq!(received[0].header("x-camino-delivery-id"), Some(id));
    assert_ne!(received[1].header("x-camino-delivery-id"), Some(id), "a new delivery");
    let [first, again] = [0, 1].map(|at| mancha.all()[at].clone());
    for name in ["webhook-id", "idempotency-key", "x-correlation-id", "x-camino-delivery-id"] {
        assert_eq!(received[0].header(name), first.header(name), "{name}");
        assert_eq!(received[1].header(name), again.header(name), "{name}");
    }
    assert_eq!(received[0].body, first.body);
}

#[test]
fn what_it_cannot_do_is_said_with_the_mend() {
    let mut place = Place::with_config("");
    let ran = place.run(&["listen", "localhost:3000", "--url", "http://127.0.0.1:9", "--key", "k"]);
    insta::assert_snapshot!(ran.told(), @r"
    exit 1
    -- stderr
    camino: localhost:3000 is no URL to forward to
      write it as http://localhost:PORT/PATH
    ");
    let serving = place.serve();
    place.mask(&serving.url.clone(), "[broker]");
    let args = ["listen", "http://127.0.0.1:9/", "--state", "place.json", "--once", "--url", &serving.url];
    assert_eq!(place.run(&args).code, 0);
    let other = place.run(&[&args[..], &["--source", "hoja"]].concat());
    insta::assert_snapshot!(other.told(), @r"
    exit 1
    -- stderr
    camino: place.json keeps the place of another listener: [broker] to http://127.0.0.1:9/
      remove it to begin anew, with --since for what was missed, or name another file with --state
    ");
    place.write("place.json", "{");
    insta::assert_snapshot!(place.run(&args).told(), @r"
    exit 1
    -- stderr
    camino: place.json is damaged: EOF while parsing an object at line 1 column 1
      remove it to begin anew, with --since for what was missed, or name another file with --state
    ");
}
