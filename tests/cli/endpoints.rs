//! `endpoints`: health at a glance, and the changes that the API has.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use insta::assert_snapshot;
use serde_json::Value;

use super::binary::Place;
use super::stage;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_listed_steered_and_tested() {
    let mancha = FakeReceiver::start().await.unwrap();
    let mut place = stage::place(&mancha.url());
    place.mask(&mancha.url(), "[url]");
    let serving = place.serve();
    let run = |args: &[&str]| place.run(&[&["endpoints"], args, &["--url", &serving.url]].concat());
    assert_snapshot!(run(&[]).told(), @r"
    exit 0
    -- stdout
    app     health  pending  retrying  in flight  dead  cap/s  url
    camino  good          0         0          0     0      -  in this broker
    mancha  good          0         0          0     0      -  [url]
    ");
    assert!(run(&["pause", "mancha"]).stdout.starts_with("mancha  paused\n"));
    assert!(run(&["list"]).stdout.contains("mancha  paused"), "{}", run(&["list"]).told());
    assert!(run(&["resume", "mancha"]).stdout.starts_with("mancha  good\n"));
    let capped = run(&["drain-rate", "mancha", "7"]).stdout;
    assert!(
        capped.contains("  ratePerSecond  7\n") && capped.contains("  origin         overlay\n"),
        "{capped}"
    );
    assert!(run(&["drain-rate", "mancha", "config"]).stdout.contains("  ratePerSecond  -\n"));
    assert!(run(&["reset", "mancha"]).stdout.contains("  origin         config\n"));
    assert_eq!(run(&["drain-rate", "mancha", "many"]).code, 2);
    let tested = run(&["test", "mancha"]);
    assert!(tested.code == 0 && tested.stdout.starts_with("mancha  delivered  "), "{}", tested.told());
    mancha.otherwise(Answer::status(401).with_body("who are you?"));
    let refused = run(&["test", "mancha"]);
    assert!(
        refused.stdout.ends_with("status 401  reason rejected  answer who are you?\n"),
        "{}",
        refused.told()
    );
    assert_eq!(
        (refused.code, refused.stderr.as_str()),
        (
            1,
            "camino: mancha did not take the test event\n  has the receiver the secret that this endpoint signs with?\n"
        )
    );
    let rotated = run(&["rotate", "mancha", "--json"]);
    let rotated: Value = serde_json::from_str(&rotated.stdout).unwrap();
    assert!(rotated["secret"].as_str().unwrap().starts_with("whsec_"));
    let rotated = run(&["rotate", "mancha", "--secret", "a secret of our own, long enough"]);
    assert_eq!(rotated.stdout, "mancha  a secret of our own, long enough\n");
    let unknown = run(&["show", "nobody"]);
    assert!(unknown.code == 1 && unknown.stderr.contains("404 resource.not_found"), "{}", unknown.told());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_no_broker_is_told_apart() {
    let stranger = FakeReceiver::start().await.unwrap();
    stranger.otherwise(Answer::status(200).with_body("welcome"));
    let place = Place::new();
    let run = |url: &str| place.run(&["endpoints", "--key", "k", "--url", url]).told();
    assert_snapshot!(run(&stranger.url()), @r"
    exit 1
    -- stderr
    camino: what answered 200 is no broker of this version
      is the address right? `--url` names another
    ");
    assert_snapshot!(run("nonsense"), @r"
    exit 1
    -- stderr
    camino: nonsense is no URL of a broker
      `--url` takes http://HOST:PORT
    ");
    assert_snapshot!(run("http://127.0.0.1:9"), @r"
    exit 1
    -- stderr
    camino: cannot reach http://127.0.0.1:9: Connection refused (os error 111)
      is the broker running there? `--url` names another address
    ");
}
