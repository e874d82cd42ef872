//! `verify` on a request with a known answer, and on what usually goes wrong.

use insta::assert_snapshot;

use super::binary::Place;

const BODY: &str = r#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek";
const TIMESTAMP: &str = "Webhook-Timestamp: 1614265330";
const SIGNATURE: &str = "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn verify(body: &str, secret: &str, more: &[&str]) -> String {
    let mut place = Place::new();
    place.stdin(body);
    place.run(&[&["verify", "-", "--secret", secret], more].concat()).told()
}

fn standard(body: &str, secret: &str, more: &[&str]) -> String {
    let headers = ["--header", ID, "--header", TIMESTAMP, "--header", SIGNATURE];
    verify(body, secret, &[&headers, more].concat())
}

#[test]
fn a_good_signature_at_its_time() {
    assert_snapshot!(standard(BODY, SECRET, &["--at", "1614265400"]), @r"
    exit 0
    -- stdout
    valid
      the standard_webhooks signature matches
    ");
}

#[test]
fn as_json() {
    assert_snapshot!(standard(BODY, SECRET, &["--at", "2021-02-25T15:02:10Z", "--json"]), @r#"
    exit 0
    -- stdout
    {"verdict":"valid","scheme":"standard_webhooks","secretIndex":0,"findings":["the standard_webhooks signature matches"]}
    "#);
}

#[test]
fn a_good_signature_too_late() {
    assert_snapshot!(standard(BODY, SECRET, &["--at", "1614266330"]), @r"
    exit 1
    -- stdout
    not valid: signed well, but 700 s outside the window
      webhook-timestamp lies in the past, 700 s beyond the tolerance
      the standard_webhooks signature matches
    ");
}

#[test]
fn another_body_or_another_secret() {
    assert_snapshot!(standard("{}", SECRET, &["--at", "1614265400"]), @r"
    exit 1
    -- stdout
    not valid
      the standard_webhooks signature matches nothing that was tried: another secret, or another body
    ");
    assert_snapshot!(standard(BODY, "another secret of some length", &["--at", "1614265400"]), @r"
    exit 1
    -- stdout
    not valid
      the standard_webhooks signature matches nothing that was tried: another secret, or another body
    ");
}

#[test]
fn a_line_end_too_many() {
    let told = standard(&format!("{BODY}\n"), SECRET, &["--at", "1614265400"]);
    assert_snapshot!(told, @r"
    exit 1
    -- stdout
    not valid
      the standard_webhooks signature was made another way: over the body without the line end that was sent
    ");
}

#[test]
fn the_ecosystems_headers_by_their_flags() {
    let signature = "sha256=ad1a616fa5d45e0552fd84752e21f775525a9caa345c9b14fa23d8435584f7e9";
    let at = ["--timestamp", "1614265330", "--at", "1614265330"];
    assert_snapshot!(verify(BODY, "key", &[&["--signature", signature], &at[..]].concat()), @r"
    exit 0
    -- stdout
    valid
      the ecosystem signature matches
    ");
    assert_snapshot!(verify(BODY, "key", &[&["--signature", &signature[7..]], &at[..]].concat()), @r"
    exit 1
    -- stdout
    not valid
      x-webhook-signature must begin with sha256=
      the ecosystem signature matches
    ");
}

#[test]
fn no_proof_at_all() {
    assert_snapshot!(verify(BODY, SECRET, &[]), @r"
    exit 1
    -- stdout
    not valid: no proof
      there is no signature header of either scheme
    ");
}

#[test]
fn no_body_no_secret_no_header() {
    assert_snapshot!(Place::new().run(&["verify", "none.json", "--secret", "s"]).told(), @r"
    exit 1
    -- stderr
    camino: cannot read none.json: No such file or directory (os error 2)
      name a file, or `-` for stdin
    ");
    assert_snapshot!(Place::new().run(&["verify", "-", "--secret", "env:NONE"]).told(), @r"
    exit 1
    -- stderr
    camino: the variable NONE is not set
      set NONE to the secret
    ");
    assert_snapshot!(Place::new().run(&["verify", "-", "--secret", "s", "--header", "x"]).told(), @r"
    exit 2
    -- stderr
    error: invalid value 'x' for '--header <NAME: VALUE>': write it as `Name: value`

    For more information, try '--help'.
    ");
    assert_snapshot!(Place::new().run(&["verify", "-"]).told(), @r"
    exit 2
    -- stderr
    error: the following required arguments were not provided:
      --secret <SECRET>

    Usage: camino verify --secret <SECRET> <BODY>

    For more information, try '--help'.
    ");
}
