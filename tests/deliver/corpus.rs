//! The corpus of addresses: every known way to write one that deliveries must not reach, sent through the
//! real sink past the check that the config would have made. The listener counts who comes: nobody may.

use std::sync::Arc;

use camino_broker::deliver::{Sink as _, Target};
use camino_broker::domain::address::parse_url;
use camino_broker::domain::outcome::{Outcome, Reason};
use http::Uri;

use crate::addresses::assert_blocked;
use crate::counting::{Counter, Scripted};
use crate::fixture::{attempt, endpoint};

/// What stops a form.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// No URL can hold it, so neither the config nor the API takes it.
    Url,
    /// A host in no usual spelling: refused by the config, by the API and, if it got there, by the sink.
    Spelling,
    /// An address of this kind.
    Kind(&'static str),
    /// A name that turns out to have this address, of this kind.
    Name(&'static str, &'static str),
    /// A URL that the config and the API refuse, with an address of this kind.
    Refused(&'static str),
}

use Stop::{Kind, Name, Refused, Spelling, Url};

/// What may stand between `http://` and the path. `PORT` is the counting listener's.
const FORMS: &[(&str, Stop)] = &[
    // IPv4 as written.
    ("127.0.0.1:PORT", Kind("loopback")),
    ("127.0.0.1.:PORT", Kind("loopback")),
    ("127.1.2.3:PORT", Kind("loopback")),
    ("127.255.255.254:PORT", Kind("loopback")),
    ("0.0.0.0:PORT", Kind("this network")),
    ("0.1.2.3:PORT", Kind("this network")),
    ("10.0.0.1:PORT", Kind("private")),
    ("172.16.0.1:PORT", Kind("private")),
    ("172.31.255.255:PORT", Kind("private")),
    ("192.168.0.1:PORT", Kind("private")),
    ("100.64.0.1:PORT", Kind("carrier-grade NAT")),
    ("100.127.255.254:PORT", Kind("carrier-grade NAT")),
    ("169.254.0.1:PORT", Kind("link-local")),
    ("169.254.169.254:PORT", Kind("cloud metadata")),
    ("169.254.170.2:PORT", Kind("link-local")),
    ("100.100.100.200:PORT", Kind("cloud metadata")),
    ("168.63.129.16:PORT", Kind("cloud metadata")),
    ("192.0.0.192:PORT", Kind("cloud metadata")),
    ("192.0.0.8:PORT", Kind("protocol assignment")),
    ("192.0.2.1:PORT", Kind("documentation")),
    ("198.51.100.1:PORT", Kind("documentation")),
    ("203.0.113.1:PORT", Kind("documentation")),
    ("192.88.99.1:PORT", Kind("6to4 relay")),
    ("198.18.0.1:PORT", Kind("benchmarking")),
    ("198.19.255.254:PORT", Kind("benchmarking")),
    ("224.0.0.1:PORT", Kind("multicast")),
    ("239.255.255.250:PORT", Kind("multicast")),
    ("240.0.0.1:PORT", Kind("reserved")),
    ("255.255.255.255:PORT", Kind("broadcast")),
    // IPv4 as C libraries read it, and some browsers.
    ("2130706433:PORT", Spelling),
    ("02130706433:PORT", Spelling),
    ("017700000001:PORT", Spelling),
    ("0x7f000001:PORT", Spelling),
    ("0X7F000001:PORT", Spelling),
    ("0x7f.0x0.0x0.0x1:PORT", Spelling),
    ("0177.0.0.1:PORT", Spelling),
    ("0177.0000.0000.0001:PORT", Spelling),
    ("127.0.0.0x1:PORT", Spelling),
    ("127.0.0.01:PORT", Spelling),
    ("0000127.0.0.1:PORT", Spelling),
    ("127.1:PORT", Spelling),
    ("127.0.1:PORT", Spelling),
    ("0x7f.1:PORT", Spelling),
    ("0:PORT", Spelling),
    ("0x0:PORT", Spelling),
    ("2852039166:PORT", Spelling),
    ("0xa9fea9fe:PORT", Spelling),
    ("0251.0376.0251.0376:PORT", Spelling),
    ("127.0.0.1..:PORT", Spelling),
    ("4294967297:PORT", Spelling),
    ("383.0.0.1:PORT", Spelling),
    // IPv6 as written.
    ("[::]:PORT", Kind("unspecified")),
    ("[::1]:PORT", Kind("loopback")),
    ("[0:0:0:0:0:0:0:1]:PORT", Kind("loopback")),
    ("[0000:0000:0000:0000:0000:0000:0000:0001]:PORT", Kind("loopback")),
    ("[fe80::1]:PORT", Kind("link-local")),
    ("[fec0::1]:PORT", Kind("site-local")),
    ("[fc00::1]:PORT", Kind("unique local")),
    ("[fd12:3456:789a:1::1]:PORT", Kind("unique local")),
    ("[fd00:ec2::254]:PORT", Kind("cloud metadata")),
    ("[fd20:ce::254]:PORT", Kind("cloud metadata")),
    ("[ff02::1]:PORT", Kind("multicast")),
    ("[ff0e::1]:PORT", Kind("multicast")),
    ("[100::1]:PORT", Kind("discard-only")),
    ("[2001:db8::1]:PORT", Kind("documentation")),
    ("[3fff::1]:PORT", Kind("documentation")),
    ("[2001:2::1]:PORT", Kind("benchmarking")),
    ("[5f00::1]:PORT", Kind("segment routing")),
    ("[4000::1]:PORT", Kind("reserved")),
    // IPv4 inside IPv6.
    ("[::ffff:127.0.0.1]:PORT", Kind("loopback")),
    ("[::ffff:7f00:1]:PORT", Kind("loopback")),
    ("[0:0:0:0:0:ffff:7f00:0001]:PORT", Kind("loopback")),
    ("[::FFFF:127.0.0.1]:PORT", Kind("loopback")),
    ("[::ffff:0.0.0.0]:PORT", Kind("this network")),
    ("[::ffff:169.254.169.254]:PORT", Kind("cloud metadata")),
    ("[::ffff:8.8.8.8]:PORT", Kind("IPv4-mapped")),
    ("[::127.0.0.1]:PORT", Kind("loopback")),
    ("[::7f00:1]:PORT", Kind("loopback")),
    ("[::ffff:0:127.0.0.1]:PORT", Kind("loopback")),
    ("[64:ff9b::127.0.0.1]:PORT", Kind("loopback")),
    ("[64:ff9b::a9fe:a9fe]:PORT", Kind("cloud metadata")),
    ("[64:ff9b::8.8.8.8]:PORT", Kind("NAT64")),
    ("[64:ff9b:1::10.0.0.1]:PORT", Kind("private")),
    ("[2002:7f00:1::]:PORT", Kind("loopback")),
    ("[2002:a9fe:a9fe::1]:PORT", Kind("cloud metadata")),
    ("[2002:808:808::1]:PORT", Kind("6to4")),
    ("[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT", Kind("loopback")),
    ("[2001:0:4136:e378:8000:63bf:f7f7:f7f7]:PORT", Kind("Teredo")),
    ("[2a00:1450:4001::5efe:127.0.0.1]:PORT", Kind("loopback")),
    // Brackets that hold something else.
    ("[127.0.0.1]:PORT", Spelling),
    ("[::1%25lo]:PORT", Url),
    ("[::1%lo]:PORT", Url),
    ("[fe80::1%25eth0]:PORT", Url),
    ("[v1.127.0.0.1]:PORT", Spelling),
    ("[::1", Url),
    ("::1:PORT", Url),
    // Characters that some parsers turn into others.
    ("\u{ff11}\u{ff12}\u{ff17}.0.0.1:PORT", Url),
    ("\u{2460}\u{2461}\u{2466}.\u{24ea}.\u{24ea}.\u{2460}:PORT", Url),
    ("127\u{3002}0\u{3002}0\u{3002}1:PORT", Url),
    ("127\u{ff0e}0\u{ff0e}0\u{ff0e}1:PORT", Url),
    ("\u{24db}ocalhost:PORT", Url),
    ("lo\u{ad}calhost:PORT", Url),
    ("127.0.0.1%00.example:PORT", Spelling),
    ("%31%32%37.0.0.1:PORT", Spelling),
    ("127.0.0.1\\.example:PORT", Url),
    ("127.0.0.1\t:PORT", Url),
    (" 127.0.0.1:PORT", Url),
    ("127.0.0.1\r\nHost:PORT", Url),
    // What stands before the host.
    ("user@127.0.0.1:PORT", Refused("loopback")),
    ("user:password@127.0.0.1:PORT", Refused("loopback")),
    ("receiver.example@127.0.0.1:PORT", Refused("loopback")),
    ("receiver.example:80@127.0.0.1:PORT", Refused("loopback")),
    ("receiver.example%40127.0.0.1:PORT", Url),
    ("127.0.0.1:PORT#@receiver.example", Url),
    ("127.0.0.1:PORT\\@receiver.example", Url),
    ("@127.0.0.1:PORT", Refused("loopback")),
    // Ports.
    ("127.0.0.1:0", Refused("loopback")),
    ("127.0.0.1:", Refused("loopback")),
    ("127.0.0.1:65536", Url),
    ("127.0.0.1:PORT:80", Url),
    ("127.0.0.1", Kind("loopback")),
    ("127.0.0.1:22", Kind("loopback")),
    ("127.0.0.1:00PORT", Kind("loopback")),
    // Names, by what they resolve to.
    ("localhost:PORT", Name("127.0.0.1", "loopback")),
    ("LOCALHOST:PORT", Name("::1", "loopback")),
    ("localhost.:PORT", Name("127.0.0.1", "loopback")),
    ("localhost.localdomain:PORT", Name("127.0.0.1", "loopback")),
    ("ip6-localhost:PORT", Name("::1", "loopback")),
    ("receiver.localhost:PORT", Name("127.0.0.1", "loopback")),
    ("127.0.0.1.nip.io:PORT", Name("127.0.0.1", "loopback")),
    ("7f000001.example:PORT", Name("127.0.0.1", "loopback")),
    ("metadata.google.internal:PORT", Name("169.254.169.254", "cloud metadata")),
    ("instance-data:PORT", Name("169.254.169.254", "cloud metadata")),
    ("kubernetes.default.svc:PORT", Name("10.96.0.1", "private")),
    ("router.example:PORT", Name("192.168.1.1", "private")),
    ("mapped.example:PORT", Name("::ffff:127.0.0.1", "loopback")),
    ("nat64.example:PORT", Name("64:ff9b::7f00:1", "loopback")),
    ("unspecified.example:PORT", Name("0.0.0.0", "this network")),
    ("xn--lcalhost-75a.example:PORT", Name("127.0.0.1", "loopback")),
];

#[tokio::test]
async fn none_of_the_forms_reaches_a_refused_address() {
    let counter = Counter::everywhere().await;
    let port = counter.port().to_string();
    assert!(FORMS.len() >= 60, "{} forms", FORMS.len());
    for (form, stop) in FORMS {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{}/hook", form.replace("PORT", &port));
            assert_stopped(&url, *stop).await;
        }
    }
    assert_eq!(counter.count().await, 0, "connects to refused addresses");
    println!("{} forms, each by http and https: 0 connects", FORMS.len());
}

async fn assert_stopped(url: &str, stop: Stop) {
    let parsed = parse_url(url);
    let (kind, address, lookups) = match stop {
        Url => return assert!(parsed.is_err(), "{url} is a URL"),
        Spelling => ("the host is", "127.0.0.1", 0),
        Kind(kind) | Refused(kind) => (kind, "127.0.0.1", 0),
        Name(address, kind) => (kind, address, 1),
    };
    assert_eq!(parsed.is_ok(), matches!(stop, Kind(_) | Name(..)), "{url}: {parsed:?}");
    // Past the config and the API: as if either had let it through.
    let Ok(url) = url.parse::<Uri>() else { return };
    let resolver = Scripted::new(&[&[address]]);
    let mut endpoint = endpoint("https://receiver.example/");
    let Target::Http(there) = &mut endpoint.target else { panic!("no address") };
    there.url = url.clone();
    let report = resolver.clone().sink(&[]).send(attempt(endpoint)).await;
    assert_eq!(report.outcome, Outcome::Blocked, "{url}: {report:?}");
    assert_blocked(&report, kind);
    assert_eq!(resolver.asked(), lookups, "look-ups of {url}");
}

#[tokio::test]
async fn the_counting_listener_counts_what_is_allowed() {
    let counter = Arc::new(Counter::everywhere().await);
    let mut endpoint = endpoint(&format!("http://127.0.0.1:{}/", counter.port()));
    // Nobody answers; that it was called is all.
    endpoint.timeout = std::time::Duration::from_millis(200);
    let sink = Scripted::new(&[&[]]).sink(&["127.0.0.0/8"]);
    let report = sink.send(attempt(endpoint)).await;
    assert_ne!(report.outcome, Outcome::Blocked);
    assert_eq!(counter.count().await, 1);
}

#[tokio::test]
async fn a_redirect_to_a_refused_address_is_never_followed() {
    use camino_broker::testing::receiver::{Answer, FakeReceiver};

    let receiver = FakeReceiver::start().await.unwrap();
    let counter = Counter::everywhere().await;
    let inside = format!("http://127.0.0.2:{}/latest/meta-data/", counter.port());
    let sink = Scripted::new(&[&[]]).sink(&["127.0.0.1/32"]);
    for location in [inside.as_str(), "http://169.254.169.254/latest/meta-data/", "//169.254.169.254/", "/"] {
        for status in [300, 301, 302, 303, 307, 308] {
            receiver.script([Answer::redirect(status, location)]);
            let report = sink.send(attempt(endpoint(&receiver.url()))).await;
            assert_eq!(report.outcome.reason().map(Reason::as_str), Some("redirect"));
        }
    }
    assert_eq!(receiver.count(), 24, "one request an attempt");
    assert_eq!(counter.count().await, 0);
}
