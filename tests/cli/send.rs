//! `send` against a broker that runs: what is accepted, what is refused, and what was there before.

use insta::assert_snapshot;
use serde_json::{Value, json};

use super::binary::{Place, Serving};

const SECRET: &str = "the signing secret of cosmos-pet";
const CONFIG: &str = "[apps.cosmos-pet]\nsigning_secrets = [\"the signing secret of cosmos-pet\"]\n\
                      [apps.colectiva]\nendpoint = \"http://127.0.0.1:9/hooks\"\n\
                      endpoint_secrets = [\"the endpoint secret of colectiva\"]\n";

/// A broker, and a folder whose runs can talk of it.
fn broker() -> (Place, Serving) {
    let mut place = Place::with_config(CONFIG);
    let serving = place.serve();
    place.mask(&serving.url, "[url]");
    (place, serving)
}

fn body(event_type: &str) -> String {
    let now = jiff::Timestamp::from_second(now_s()).unwrap();
    json!({
        "eventId": "evt_1",
        "eventType": event_type,
        "timestamp": now.to_string(),
        "source": "cosmos-pet",
        "organizationId": "org_demo",
        "data": {},
    })
    .to_string()
}

#[expect(clippy::disallowed_methods, reason = "the broker that is asked lives by the real clock")]
fn now_s() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[test]
fn an_example_signed_with_the_configs_secret_is_accepted() {
    let (place, serving) = broker();
    for more in [&[][..], &["--standard"]] {
        let args =
            ["send", "--event", "appointment.completed", "--source", "cosmos-pet", "--url", &serving.url];
        let ran = place.run(&[&args[..], more, &["--json"]].concat());
        assert_eq!(ran.code, 0, "{}", ran.told());
        let answer: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(answer["status"], "accepted");
        assert_eq!(answer["deliveries"][0]["receiver"], "camino");
        assert_eq!(answer["deliveries"][1]["receiver"], "colectiva");
    }
}

#[test]
fn a_file_is_accepted_once_and_then_known() {
    let (place, serving) = broker();
    place.write("event.json", body("appointment.completed"));
    let args = ["send", "--file", "event.json", "--url", &serving.url];
    assert_snapshot!(place.run(&args).told(), @r"
    exit 0
    -- stdout
    202 accepted  evt_1
      camino     dlv_cd9e80794db1424bf6775082f1ccf344
      colectiva  dlv_cd9e80794db1424bf6774d296d6ad86c
    ");
    assert_snapshot!(place.run(&args).told(), @r"
    exit 0
    -- stdout
    200 duplicate  evt_1
      camino     dlv_cd9e80794db1424bf6775082f1ccf344
      colectiva  dlv_cd9e80794db1424bf6774d296d6ad86c
    ");
}

#[test]
fn a_type_that_nobody_knows_is_held() {
    let (mut place, serving) = broker();
    place.stdin(body("appointment.complete"));
    assert_snapshot!(place.run(&["send", "--file", "-", "--url", &serving.url]).told(), @r"
    exit 0
    -- stdout
    202 quarantined  evt_1
      held: unknown_type; did you mean appointment.completed?
    ");
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let (mut place, serving) = broker();
    place.stdin(body("task.completed"));
    assert_snapshot!(place.run(&["send", "--file", "-", "--url", &serving.url]).told(), @r"
    exit 1
    -- stderr
    camino: 403 event.sender_not_allowed: cosmos-pet is not among the declared senders of task.completed
    ");
    let secret = ["--secret", "not the secret of cosmos-pet"];
    let args = ["send", "--file", "-", "--url", &serving.url];
    assert_snapshot!(place.run(&[&args[..], &secret].concat()).told(), @r"
    exit 1
    -- stderr
    camino: 401 webhook.signature_invalid: no proof of origin holds for this source: sign the raw body (X-Webhook-Signature with X-Webhook-Timestamp, or webhook-id, webhook-timestamp and webhook-signature), or send a bearer key bound to the source; `camino verify` shows which part differs
      is it the secret that the broker has for this source (apps.SOURCE.signing_secrets)?
    ");
    place.stdin("{}");
    assert_snapshot!(place.run(&[&args[..], &["--secret", SECRET]].concat()).told(), @r"
    exit 1
    -- stderr
    camino: 400 envelope.invalid: field `eventId` is missing
    ");
}

#[test]
fn nobody_there() {
    let mut place = Place::with_config(CONFIG);
    place.var("CAMINO_SERVER__LISTEN", "127.0.0.1:9");
    let args = ["send", "--event", "appointment.completed", "--source", "cosmos-pet"];
    assert_snapshot!(place.run(&args).told(), @r"
    exit 1
    -- stderr
    camino: cannot reach http://127.0.0.1:9/v1/events: Connection refused (os error 111)
      is the broker running there? `--url` names another address
    ");
}

#[test]
fn no_secret_no_type_no_example_no_address() {
    let place = Place::new();
    let send = |args: &[&str]| place.run(&[&["send"], args].concat()).told();
    assert_snapshot!(send(&["--event", "payment.completed", "--source", "colectiva"]), @r"
    exit 1
    -- stderr
    camino: the config has no apps.colectiva.signing_secrets to sign with
      give it with --secret: a text, env:NAME or file:PATH
    ");
    assert_snapshot!(send(&["--event", "payment.complete", "--source", "colectiva"]), @r"
    exit 1
    -- stderr
    camino: the registry has no event type payment.complete
      did you mean payment.completed? `camino registry list` shows all types
    ");
    assert_snapshot!(send(&["--event", "task.completed", "--source", "servilleta"]), @r"
    exit 1
    -- stderr
    camino: the registry has no example of task.completed
      write the body yourself and give it with --file
    ");
    let known = ["--event", "payment.completed", "--source", "colectiva", "--secret", "s"];
    assert_snapshot!(send(&[&known[..], &["--url", "localhost:80"]].concat()), @r"
    exit 1
    -- stderr
    camino: localhost:80 is no address of a broker
      write it as http://HOST:PORT or https://HOST
    ");
    assert_snapshot!(send(&["--event", "payment.completed"]), @r"
    exit 2
    -- stderr
    error: the following required arguments were not provided:
      --source <APP>

    Usage: camino send --source <APP> <--file <FILE>|--event <TYPE>>

    For more information, try '--help'.
    ");
}
