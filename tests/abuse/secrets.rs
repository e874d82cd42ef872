//! After a whole run with every line logged: which file of the broker holds a secret? None but the two made for
//! one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use camino_broker::domain::secret::Secret;
use camino_broker::testing::receiver::{Answer, FakeReceiver};
use http::{Request, StatusCode};
use http_body_util::Full;
use rustix::process::Signal;

use crate::broker::Broker;
use crate::client::{Connection, get, until};
use crate::sender::{SOURCE, ask, body, signed};

const SIGNING: &str = "whsec_Y29sZWN0aXZhLXNpZ25zLWl0cy1ldmVudHMtd2l0aA==";
const ENDPOINT: &str = "whsec_aG9qYS1pcy1zaWduZWQtZm9yLXdpdGgtdGhpcy1vbmUuLi4=";
const SUPPLIED: &str = "whsec_c3VwcGxpZWQtYnktYW4tb3BlcmF0b3Itb3Zlci10aGUtQVA=";
const ADMIN: &str = "the-key-of-the-first-administrator";
const AT_REST: &str = "the-key-that-secrets-at-rest-are-sealed-with";

/// What a file may not hold of `secret`: its text, and the key in it by any spelling.
fn spellings(secret: &str) -> Vec<Vec<u8>> {
    let read = Secret::new(secret).unwrap();
    let key = read.webhook_key();
    let mut spellings = vec![secret.as_bytes().to_vec(), key.to_vec()];
    spellings.extend([hex::encode(key), hex::encode_upper(key), BASE64.encode(key)].map(String::into_bytes));
    spellings
}

/// The files that hold any of `secrets`; `but` may hold their own.
fn findings(broker: &Broker, secrets: &[String], but: &[&str]) -> Vec<String> {
    let spell =
        |secret: &String| spellings(secret).into_iter().map(|spelling| (secret.clone(), spelling)).collect();
    let spellings: Vec<(String, Vec<u8>)> =
        secrets.iter().flat_map(|secret| -> Vec<_> { spell(secret) }).collect();
    let mut findings = Vec::new();
    let mut bytes_read = 0;
    for path in broker.files() {
        let bytes = std::fs::read(&path).unwrap();
        bytes_read += bytes.len();
        if but.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        for (secret, spelling) in &spellings {
            if bytes.windows(spelling.len()).any(|part| part == spelling) {
                findings.push(format!("{secret} in {}, as {}", path.display(), spelling.escape_ascii()));
            }
        }
    }
    println!("{} spellings of {} secrets sought in {bytes_read} bytes", spellings.len(), secrets.len());
    findings
}

fn config(receiver: &FakeReceiver, keys: &str) -> String {
    format!(
        "[server]\nlisten = \"127.0.0.1:0\"\ndrain = \"2s\"\n[store]\nfree_bytes_min = \"1MiB\"\n{keys}\
         [delivery]\nallowed_networks = [\"127.0.0.0/8\"]\n[delivery.retry]\nfirst = \"20ms\"\n\
         [telemetry]\nlog = \"trace\"\n\
         [apps.{SOURCE}]\nsigning_secrets = [\"env:SIGNING\"]\n\
         [apps.hoja]\nendpoint = \"{}\"\nendpoint_secrets = [\"env:ENDPOINT\"]\n",
        receiver.url()
    )
}

/// Everything that touches a secret, and a restart. Returns the secrets that were made on the way, and the
/// metrics page.
async fn run(broker: &mut Broker, receiver: &FakeReceiver, admin: &str) -> (Vec<String>, String) {
    let address = broker.address();
    receiver.script([Answer::status(401), Answer::status(500), Answer::status(422).with_body("no thanks")]);
    let mut connection = Connection::open(address).await.unwrap();
    for n in 0..6 {
        let sent = connection.send(signed(SIGNING, body(n))).await.unwrap();
        assert_eq!(sent.0, StatusCode::ACCEPTED, "{}", String::from_utf8_lossy(&sent.1));
    }
    let new = format!("{{\"name\":\"a sender\",\"scopes\":[\"events:write\"],\"source\":\"{SOURCE}\"}}");
    let (status, made) = ask(address, admin, "POST", "/v1/keys", &new).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let key = made["key"].as_str().unwrap().to_owned();
    for header in ["authorization", "x-api-key"] {
        let value = if header == "x-api-key" { key.clone() } else { format!("Bearer {key}") };
        let request =
            Request::post("/v1/events").header("content-type", "application/json").header(header, value);
        let n = if header == "x-api-key" { 10 } else { 11 };
        let sent = connection.send(request.body(Full::from(body(n))).unwrap()).await.unwrap();
        assert_eq!(sent.0, StatusCode::ACCEPTED);
    }
    let rotate = "/v1/endpoints/hoja/rotate-secret";
    let (status, rotated) = ask(address, admin, "POST", rotate, "").await;
    assert_eq!(status, StatusCode::OK, "{rotated}");
    let rotated = rotated["secret"].as_str().unwrap().to_owned();
    let supplied = format!("{{\"secret\":\"{SUPPLIED}\"}}");
    assert_eq!(ask(address, admin, "POST", rotate, &supplied).await.0, StatusCode::OK);
    let put = format!("{{\"url\":\"{}\",\"secret\":\"{SUPPLIED}\"}}", receiver.url());
    let put = ask(address, admin, "PUT", "/v1/endpoints/garita", &put).await;
    assert_eq!(put.0, StatusCode::OK, "{}", put.1);
    // Mistakes that people make with keys.
    ask(address, admin, "DELETE", &format!("/v1/keys/{key}"), "").await;
    ask(address, &key, "POST", rotate, &supplied).await;
    ask(address, &format!("{admin}x"), "GET", "/v1/keys", "").await;
    for n in 20..24 {
        connection.send(signed(SIGNING, body(n))).await.unwrap();
    }
    until("what was sent since is delivered", async || (receiver.count() >= 16).then_some(())).await;
    broker.signal(Signal::HUP);
    let (_, metrics) = get(address, "/metrics").await.unwrap();
    broker.stop().await;
    broker.start_again().await;
    let shown = ask(broker.address(), admin, "GET", "/v1/endpoints/hoja", "").await.1;
    assert!(!shown.to_string().contains(&rotated), "{shown}");
    (vec![key, rotated], String::from_utf8(metrics.to_vec()).unwrap())
}

#[tokio::test]
async fn no_secret_of_the_environment_is_in_the_store_the_log_or_the_metrics() {
    let receiver = FakeReceiver::start().await.unwrap();
    let config = config(&receiver, "secret_key = \"env:AT_REST\"\n");
    let vars =
        [("SIGNING", SIGNING), ("ENDPOINT", ENDPOINT), ("CAMINO_ADMIN_KEY", ADMIN), ("AT_REST", AT_REST)];
    let vars = vars.map(|(name, value)| (name, value.to_owned())).to_vec();
    let mut broker = Broker::start(&config, vars).await;
    let (made, metrics) = run(&mut broker, &receiver, ADMIN).await;
    let mut secrets: Vec<String> =
        [SIGNING, ENDPOINT, SUPPLIED, ADMIN, AT_REST].map(ToOwned::to_owned).to_vec();
    secrets.extend(made);
    assert!(secrets.iter().all(|secret| !metrics.contains(secret)));
    assert_eq!(findings(&broker, &secrets, &[]), [""; 0]);
    broker.stop().await;
    assert_eq!(findings(&broker, &secrets, &[]), [""; 0]);
    // The search can find: what is no secret is there.
    assert!(!findings(&broker, &["payment.received".to_owned()], &[]).is_empty());
}

#[tokio::test]
async fn a_key_that_the_broker_made_is_in_its_own_file_and_in_no_other() {
    let receiver = FakeReceiver::start().await.unwrap();
    let vars = [("SIGNING", SIGNING), ("ENDPOINT", ENDPOINT)];
    let vars = vars.map(|(name, value)| (name, value.to_owned())).to_vec();
    let mut broker = Broker::start(&config(&receiver, ""), vars).await;
    let own = |name: &str| {
        let path = broker.folder().join("data").join(name);
        std::fs::read_to_string(path).unwrap().trim().to_owned()
    };
    let (admin, at_rest) = (own("admin.key"), own("secret.key"));
    let (made, metrics) = run(&mut broker, &receiver, &admin).await;
    let mut secrets = vec![admin, at_rest, SUPPLIED.to_owned()];
    secrets.extend(made);
    assert!(secrets.iter().all(|secret| !metrics.contains(secret)));
    broker.stop().await;
    assert_eq!(findings(&broker, &secrets, &["admin.key", "secret.key"]), [""; 0]);
    let log = broker.log();
    assert!(log.contains("no store.secret_key was set, one was made"), "it is said");
}
