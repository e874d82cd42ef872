//! What stands in a request or an answer: bodies, proofs, times, addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use camino_broker::domain::address::{Host, parse_host, parse_url, vet};
use camino_broker::domain::event::{
    Envelope, FIELDS_MAX, NESTING_MAX, ORGANIZATION_BYTES_MAX, parse, parse_batch,
};
use camino_broker::domain::outcome::parse_retry_after;
use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::{ProofHeaders, Verdict, sign_ecosystem, sign_standard, verify};
use camino_broker::domain::time::Millis;
use serde::de::IgnoredAny;

use crate::run::{Came, fuzz};

const BATCH_MAX: usize = 500;

/// What holds for every envelope that was read.
fn check(body: &[u8], envelope: &Envelope<'_>) {
    let text = std::str::from_utf8(body).expect("only UTF-8 is read");
    serde_json::from_str::<IgnoredAny>(text).expect("only JSON is read");
    assert!((1..=128).contains(&envelope.event_id.as_str().len()));
    assert!((1..=128).contains(&envelope.event_type.as_str().len()));
    assert!(envelope.organization_id.len() <= ORGANIZATION_BYTES_MAX);
    // `data` is a part of the body and nothing that was made.
    let (whole, part) = (text.as_bytes().as_ptr_range(), envelope.data.as_bytes().as_ptr_range());
    assert!(whole.start <= part.start && part.end <= whole.end);
    serde_json::from_str::<IgnoredAny>(envelope.data).expect("`data` is a whole value");
    let deepest = depth(text);
    assert!(deepest <= NESTING_MAX, "nested {deepest} deep");
    assert!(text.matches("\"eventId\"").count() <= FIELDS_MAX + envelope.data.len());
}

/// How deeply objects and arrays are nested.
fn depth(text: &str) -> usize {
    let (mut deepest, mut open, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => open += 1,
            ']' | '}' if !quoted => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    deepest
}

#[test]
fn envelope() {
    fuzz("envelope", |body| match parse(body) {
        Ok(envelope) => {
            check(body, &envelope);
            // The same bytes are the same event, alone or in a batch.
            let batch = [b"{\"events\":[", body, b"]}"].concat();
            let items = parse_batch(&batch, BATCH_MAX).expect("an envelope can stand in a batch");
            let [item] = items[..] else { panic!("one became {}", items.len()) };
            assert_eq!(parse(item.as_bytes()).unwrap().event_id, envelope.event_id);
            Came::to((envelope.correlation_id.is_some(), envelope.has_uuid()))
        }
        Err(error) => Came::to(error.to_string()),
    });
}

#[test]
fn batch() {
    fuzz("batch", |body| match parse_batch(body, BATCH_MAX) {
        Ok(items) => {
            assert!((1..=BATCH_MAX).contains(&items.len()));
            let good = items.iter().filter(|item| {
                let read = parse(item.as_bytes());
                if let Ok(envelope) = &read {
                    check(item.as_bytes(), envelope);
                }
                read.is_ok()
            });
            Came::to((items.len().min(4), good.count().min(4)))
        }
        Err(error) => Came::to(error.to_string()),
    });
}

const NOW: Millis = Millis(1_776_340_800_000);
const TOLERANCE: Duration = Duration::from_mins(5);
const BODY: &[u8] = b"{\"eventId\":\"1\"}";

/// The five headers, a line each; an empty one is absent.
#[test]
fn signature_headers() {
    let secrets = [
        Secret::new("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(),
        Secret::new("older").unwrap(),
    ];
    let ecosystem: Vec<String> = secrets.iter().map(|secret| sign_ecosystem(secret, BODY)).collect();
    fuzz("signature_headers", |input| {
        let text = String::from_utf8_lossy(input);
        let mut lines = text.split('\n').map(|line| (!line.is_empty()).then_some(line));
        let mut next = || lines.next().flatten();
        let headers = ProofHeaders {
            signature: next(),
            timestamp: next(),
            webhook_id: next(),
            webhook_timestamp: next(),
            webhook_signature: next(),
        };
        let verdict = verify(headers, BODY, &secrets, NOW, TOLERANCE);
        if !matches!(verdict, Verdict::BadSignature | Verdict::Missing) {
            let simple = headers.signature.is_some_and(|given| {
                ecosystem.iter().any(|real| given.to_ascii_lowercase().contains(&real["sha256=".len()..]))
            });
            let standard = headers.webhook_signature.is_some_and(|given| {
                let (Some(id), Some(seconds)) = (headers.webhook_id, headers.webhook_timestamp) else {
                    return false;
                };
                let Ok(seconds) = seconds.trim().parse() else { return false };
                secrets
                    .iter()
                    .any(|secret| given.contains(&sign_standard(&[secret], id.trim(), seconds, BODY)[3..]))
            });
            assert!(simple || standard, "{verdict:?} without a signature that we would have made");
        }
        // Whoever has no secret proves nothing.
        assert!(matches!(
            verify(headers, BODY, &[], NOW, TOLERANCE),
            Verdict::BadSignature | Verdict::Missing
        ));
        Came::to(verdict)
    });
}

#[test]
fn timestamp() {
    fuzz("timestamp", |input| {
        let Ok(text) = std::str::from_utf8(input) else { return Came::to("not text") };
        let at = Millis::parse_rfc3339(text);
        if let Some(at) = at {
            assert_eq!(Millis::parse_rfc3339(&at.rfc3339()), Some(at), "{text}");
        }
        Came::to((at.is_some(), text.len().min(40)))
    });
}

#[test]
fn retry_after() {
    let max = Duration::from_hours(6);
    fuzz("retry_after", |input| {
        let Ok(text) = std::str::from_utf8(input) else { return Came::to("not text") };
        let wait = parse_retry_after(text, NOW, max);
        assert!(wait.is_none_or(|wait| wait <= max), "{wait:?}");
        Came::to((wait.is_some(), wait == Some(max), wait == Some(Duration::ZERO), text.len().min(40)))
    });
}

/// A text that passes as a name is none that anybody would read as an address.
fn check_name(name: &str) {
    assert!(name.parse::<IpAddr>().is_err(), "{name}");
    assert!(
        name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b)),
        "{name}"
    );
    let last = name.rsplit('.').next().unwrap();
    assert!(last.bytes().any(|b| !b.is_ascii_digit()), "{name} ends in a number");
}

#[test]
fn url() {
    fuzz("url", |input| {
        let Ok(text) = std::str::from_utf8(input) else { return Came::to("not text") };
        if let Ok(Host::Name(name)) = parse_host(text) {
            check_name(&name);
        }
        match parse_url(text) {
            Ok(url) => {
                assert!(!url.authority().unwrap().as_str().contains('@'), "{text}");
                match parse_host(url.host().unwrap()).expect("its host was read") {
                    Host::Name(name) => check_name(&name),
                    Host::Address(address) => {
                        assert_eq!(url.host().unwrap().contains(':'), address.is_ipv6());
                    }
                }
                // Read again as printed, it is the same: nothing is lost that a client would see.
                assert_eq!(parse_url(&url.to_string()).unwrap(), url);
                Came::to((url.scheme_str(), url.port_u16().is_some()))
            }
            Err(error) => Came::to(error),
        }
    });
}

/// Four bytes are an IPv4 address, sixteen an IPv6 one. What the standard library calls special is refused.
#[test]
fn address() {
    fuzz("address", |input| {
        let mut bytes = [0; 16];
        for (to, from) in bytes.iter_mut().zip(input) {
            *to = *from;
        }
        let four = Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]);
        let six = Ipv6Addr::from(bytes);
        let special = |four: Ipv4Addr| {
            four.is_private()
                || four.is_loopback()
                || four.is_link_local()
                || four.is_multicast()
                || four.is_broadcast()
                || four.is_documentation()
                || four.is_unspecified()
        };
        let refused = vet(IpAddr::V4(four), &[]);
        assert!(!special(four) || refused.is_err(), "{four}");
        let local = six.is_loopback() || six.is_multicast() || six.is_unspecified() || six.is_unique_local();
        let inner = six.to_ipv4().is_some_and(special);
        let refused_six = vet(IpAddr::V6(six), &[]);
        assert!(!(local || inner || six.is_unicast_link_local()) || refused_six.is_err(), "{six}");
        // Mapped, it is the same address.
        assert!(vet(IpAddr::V6(four.to_ipv6_mapped()), &[]).is_err());
        Came::to((refused.err(), refused_six.err()))
    });
}
