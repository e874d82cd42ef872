//! The programs of docs/senders.md, docs/receivers.md and examples/, run as they stand there.
//!
//! A block belongs to the program that its first line names; one of Rust must stand in the file that it
//! names. What needs an interpreter that is not installed is skipped, and says so.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::{Verdict, sign_ecosystem, sign_standard};
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use camino_broker::testing::receiver::{Answer, FakeReceiver};

use super::binary::Place;

const SENDERS: &str = include_str!("../../docs/senders.md");
const RECEIVERS: &str = include_str!("../../docs/receivers.md");
/// How long a program may keep silent.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGNING: &str = "the signing secret of colectiva, long enough";
const OLD: &str = "the endpoint secret before, long enough";
const NEW: &str = "whsec_dGhlIGVuZHBvaW50IHNlY3JldCBvZiBub3csIGxvbmcgZW5vdWdo";

/// The receivers, and the scheme that each checks.
const RECEIVING: [(&str, &str); 6] = [
    ("receive.py", "standard"),
    ("receive.py", "ecosystem"),
    ("receive.mjs", "standard"),
    ("receive.mjs", "ecosystem"),
    ("receiver", "standard"),
    ("receiver", "ecosystem"),
];

/// The blocks of `document` by the file that their first line names.
fn blocks(document: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in document.split("\n```").skip(1).step_by(2) {
        let (_, block) = part.split_once('\n').unwrap();
        let Some((first, rest)) = block.split_once('\n') else { continue };
        let name = first.trim_start_matches("//").trim_start_matches('#').trim();
        let is_file = |name: &str| Path::new(name).extension().is_some() && !name.contains(' ');
        if first != name && is_file(name) {
            found.entry(name).or_default().push(rest);
        }
    }
    found
}

/// How a program is begun; `None`, and a word about it, if its interpreter is not installed.
fn command(name: &str, place: &Place) -> Option<Command> {
    let interpreter = match Path::new(name).extension().and_then(|ending| ending.to_str()) {
        Some("py") => "python3",
        Some("mjs") => "node",
        Some("sh") => "sh",
        _ => {
            let program = Path::new(env!("CARGO_BIN_EXE_camino")).with_file_name("examples").join(name);
            assert!(program.exists(), "{name} is not built: `cargo build --examples`");
            return Some(Command::new(program));
        }
    };
    let needed: &[&str] = if interpreter == "sh" { &["curl", "openssl"] } else { &[interpreter] };
    let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
    if !needed.iter().all(is_there) {
        // Past the capture of what tests print: nobody would see it there.
        let _ = writeln!(std::io::stderr(), "{name} is SKIPPED: not all of {needed:?} is installed");
        return None;
    }
    let document = if name.starts_with("send") { SENDERS } else { RECEIVERS };
    let [program] = blocks(document)[name][..] else { panic!("{name} is not there once") };
    place.write(name, program);
    let mut command = Command::new(interpreter);
    command.arg(place.path(name));
    Some(command)
}

#[test]
fn the_rust_of_the_documents_is_that_of_the_examples() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let quoted = blocks(SENDERS).into_iter().chain(blocks(RECEIVERS));
    let mut files = 0;
    for (name, parts) in quoted.filter(|(name, _)| name.starts_with("examples/")) {
        let source = std::fs::read_to_string(root.join(name)).unwrap();
        for part in parts {
            assert!(source.contains(part.trim_end()), "{name} does not have\n{part}");
        }
        files += 1;
    }
    assert_eq!(files, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_accepted_and_post_the_same_bytes_again() {
    for (name, is_standard) in
        [("send.sh", false), ("send.py", false), ("send.mjs", false), ("sender", false), ("sender", true)]
    {
        let place = Place::with_config(&format!("[apps.colectiva]\nsigning_secrets = [\"{SIGNING}\"]\n"));
        let run = |url: &str| {
            let mut command = command(name, &place)?;
            command.env("SIGNING_SECRET", SIGNING).env("CAMINO_URL", url);
            if name == "sender" {
                command.args([url, if is_standard { "standard" } else { "ecosystem" }]);
            }
            let ran = command.output().unwrap();
            let told = [ran.stdout, ran.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
            assert!(ran.status.success(), "{name}: {told:?}");
            Some(told.concat())
        };
        let serving = place.serve();
        let Some(told) = run(&serving.url) else { continue };
        assert!(told.contains("accepted"), "{name}: {told}");

        let away = FakeReceiver::start().await.unwrap();
        away.script([Answer::status(503).with_header("retry-after", "1")]);
        away.otherwise(Answer::status(202).with_body(r#"{"status":"accepted"}"#));
        run(&format!("http://{}", away.address()));
        let posts = away.all();
        assert_eq!(posts.len(), 2, "{name}");
        assert_eq!(posts[0].body, posts[1].body, "{name}");
        let secrets = [Secret::new(SIGNING).unwrap()];
        for post in posts {
            let (ecosystem, standard) = post.verdicts(&secrets, SystemClock::new().now());
            let verdict = if is_standard { standard } else { ecosystem };
            assert!(matches!(verdict, Verdict::Valid { .. }), "{name}: {verdict:?}");
        }
    }
}

#[test]
fn receivers_take_an_event_in_once_and_refuse_what_does_not_hold() {
    for (name, mode) in RECEIVING {
        let place = Place::new();
        let Some(mut receiver) = Running::start(name, mode, &place) else { continue };
        let now_s = SystemClock::new().now().seconds();
        let sent = Sent::new(now_s);
        for (sent, status, told) in [
            (sent.clone(), 200, Some("taken in payment.completed ")),
            (sent.clone(), 200, Some("repeat ")),
            (Sent { body: sent.body.replace("65000", "1"), ..sent.clone() }, 401, None),
            (Sent::new(now_s - 600), 401, None),
            (Sent { headers: Vec::new(), ..sent.clone() }, 401, None),
        ] {
            assert_eq!(receiver.post(&sent), status, "{name} {mode}");
            if let Some(told) = told {
                let line = receiver.line();
                assert!(line.starts_with(told) && line.ends_with("evt_1"), "{name} {mode}: {line}");
            }
        }
    }
}

#[test]
fn receivers_take_in_what_the_broker_delivers() {
    for (name, mode) in RECEIVING {
        let place = Place::new();
        let Some(mut receiver) = Running::start(name, mode, &place) else { continue };
        let broker = Place::with_config(&format!(
            "[delivery]\nallowed_networks = [\"127.0.0.1\"]\n[apps.colectiva]\nsigning_secrets = [\"{SIGNING}\"]\n\
             [apps.mancha]\nendpoint = \"{}\"\nendpoint_secrets = [\"{NEW}\"]\n",
            receiver.url
        ));
        let serving = broker.serve();
        let args = ["send", "--event", "payment.completed", "--source", "colectiva", "--url", &serving.url];
        let sent = broker.run(&args);
        assert_eq!(sent.code, 0, "{}", sent.told());
        let id = sent.stdout.lines().next().unwrap().split_whitespace().last().unwrap();
        let line = receiver.line();
        assert!(line.starts_with("taken in payment.completed ") && line.ends_with(id), "{name}: {line}");
    }
}

/// What a receiver is sent.
#[derive(Clone)]
struct Sent {
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Sent {
    /// Signed both ways by both secrets, at `at_s`.
    fn new(at_s: u64) -> Self {
        let body = r#"{"eventId":"evt_1","eventType":"payment.completed","source":"colectiva","data":{"paymentId":"pay_1","amount":65000}}"#;
        let [new, old] = [NEW, OLD].map(|text| Secret::new(text).unwrap());
        let headers = vec![
            ("webhook-id", "evt_1".to_owned()),
            ("webhook-timestamp", at_s.to_string()),
            ("webhook-signature", sign_standard(&[&new, &old], "evt_1", at_s, body.as_bytes())),
            ("x-webhook-timestamp", at_s.to_string()),
            ("x-webhook-signature", sign_ecosystem(&new, body.as_bytes())),
        ];
        Self { headers, body: body.to_owned() }
    }
}

/// A receiver that runs until this goes.
struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    url: String,
}

impl Running {
    fn start(name: &str, mode: &str, place: &Place) -> Option<Self> {
        let mut command = command(name, place)?;
        // A receiver knows the secret before, too.
        command.env("ENDPOINT_SECRETS", format!("{OLD},{NEW}")).stdout(Stdio::piped()).stderr(Stdio::null());
        match name {
            "receiver" => command.args([PathBuf::from("127.0.0.1:0"), place.path("inbox.db"), mode.into()]),
            _ => command.args(["0", mode]),
        };
        let mut child = command.spawn().unwrap();
        let (said, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::Builder::new()
            .spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| said.send(line)))
            .unwrap();
        let mut running = Self { child, lines, url: String::new() };
        let line = running.line();
        line.strip_prefix("listening on ").unwrap().clone_into(&mut running.url);
        Some(running)
    }

    /// The next line that it says.
    fn line(&mut self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The status that it answers with.
    fn post(&self, sent: &Sent) -> u16 {
        let (authority, path) = self.url.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(authority).unwrap();
        write!(stream, "POST /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n").unwrap();
        for (name, value) in &sent.headers {
            write!(stream, "{name}: {value}\r\n").unwrap();
        }
        write!(stream, "Content-Length: {}\r\n\r\n{}", sent.body.len(), sent.body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
