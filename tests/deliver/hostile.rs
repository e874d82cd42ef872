//! Receivers that mean harm, or are as broken as if they did. Whatever they do, an attempt ends within its
//! time, takes a bounded part of what they offer, and says what happened.

use std::sync::Arc;
use std::time::Duration;

use camino_broker::deliver::{EXCERPT_BYTES_MAX, Report, Sink as _};
use camino_broker::domain::outcome::{Outcome, Reason};
use camino_broker::testing::clock::ManualClock;
use tokio::net::TcpListener;

use crate::fixture::{TIMEOUT, attempt, endpoint, sink, sink_on};
use crate::raw::{Caller, answered};

/// What an answer may cost: the sink's own bound is 64 KiB, the rest is what two kernels buffer.
const TAKEN_BYTES_MAX: usize = 24 << 20;
const OK: &str = "HTTP/1.1 200 OK\r\n";

fn retried(report: &Report, reason: Reason) {
    assert_eq!(report.outcome, Outcome::Retry { reason, retry_after: None }, "{report:?}");
}

#[tokio::test]
async fn hangs_before_headers() {
    let clock = ManualClock::default();
    let (report, _) = answered(&sink_on(Arc::new(clock.clone())), async |caller: &mut Caller| {
        clock.advance(TIMEOUT);
        caller.linger().await;
    })
    .await;
    retried(&report, Reason::Timeout);
    assert_eq!(report.duration, TIMEOUT);
}

/// Writes a byte a second until the other side is gone.
async fn trickle(caller: &mut Caller, clock: &ManualClock) {
    while caller.write("x").await {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn trickles_its_head_a_byte_a_second() {
    let clock = ManualClock::default();
    let (report, _) = answered(&sink_on(Arc::new(clock.clone())), async |caller: &mut Caller| {
        caller.write("HTTP/1.1 200 OK\r\nx-slow: ").await;
        trickle(caller, &clock).await;
    })
    .await;
    retried(&report, Reason::Timeout);
}

#[tokio::test]
async fn trickles_its_body_a_byte_a_second() {
    let clock = ManualClock::default();
    let (report, taken) = answered(&sink_on(Arc::new(clock.clone())), async |caller: &mut Caller| {
        caller.write(format!("{OK}content-length: 1000000\r\n\r\n")).await;
        trickle(caller, &clock).await;
    })
    .await;
    assert_eq!((report.outcome, report.status), (Outcome::Delivered, Some(200)), "the status came in time");
    assert!(report.duration >= TIMEOUT && taken < 1000, "{:?}, {taken} bytes", report.duration);
}

#[tokio::test]
async fn sends_an_endless_body() {
    for head in ["transfer-encoding: chunked\r\n\r\n", "connection: close\r\n\r\n"] {
        let (report, taken) = answered(&sink(), async |caller: &mut Caller| {
            caller.write(format!("{OK}{head}")).await;
            let chunk = [b"10000\r\n", vec![b'x'; 0x10000].as_slice(), b"\r\n"].concat();
            caller.flood(&chunk).await;
        })
        .await;
        assert_eq!(report.outcome, Outcome::Delivered);
        assert_eq!(report.excerpt.unwrap().len(), EXCERPT_BYTES_MAX);
        assert!(taken < TAKEN_BYTES_MAX, "{taken} bytes were taken");
    }
}

#[tokio::test]
async fn sends_a_body_of_a_gigabyte() {
    let (report, taken) = answered(&sink(), async |caller: &mut Caller| {
        caller.write(format!("HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n", 1 << 30)).await;
        caller.flood(&vec![b'x'; 1 << 16]).await;
    })
    .await;
    retried(&report, Reason::Status);
    assert_eq!(report.excerpt.unwrap().len(), EXCERPT_BYTES_MAX);
    assert!(taken < TAKEN_BYTES_MAX, "{taken} bytes were taken");
}

#[tokio::test]
async fn sends_thousands_of_headers() {
    let (report, taken) = answered(&sink(), async |caller: &mut Caller| {
        caller.write(OK).await;
        caller.flood(b"x-one-more: of them\r\n").await;
    })
    .await;
    retried(&report, Reason::Connect);
    assert!(taken < TAKEN_BYTES_MAX, "{taken} bytes were taken");
}

#[tokio::test]
async fn sends_one_header_without_an_end() {
    let (report, taken) = answered(&sink(), async |caller: &mut Caller| {
        caller.write(format!("{OK}x-long: ")).await;
        caller.flood(&[b'x'; 4096]).await;
    })
    .await;
    retried(&report, Reason::Connect);
    assert!(taken < TAKEN_BYTES_MAX, "{taken} bytes were taken");
}

#[tokio::test]
async fn sends_interim_answers_without_an_end() {
    let clock = ManualClock::default();
    let (report, _) = answered(&sink_on(Arc::new(clock.clone())), async |caller: &mut Caller| {
        for _ in 0..1000 {
            caller.write("HTTP/1.1 100 Continue\r\n\r\n").await;
        }
        clock.advance(TIMEOUT);
        caller.flood(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await;
    })
    .await;
    retried(&report, Reason::Timeout);
}

#[tokio::test]
async fn breaks_its_chunking() {
    for body in [
        "zz\r\nbroken",
        "-5\r\nhello\r\n0\r\n\r\n",
        "5\r\nhello world, too long\r\n",
        "ffffffffffffffff1\r\nx",
        "7fffffffffffffff\r\nx",
        "5\nhello\n0\n\n",
        "5\r\nhel",
        "",
    ] {
        for (status, outcome) in [("200 OK", Outcome::Delivered), ("404 Not Found", Outcome::Rejected)] {
            let (report, _) = answered(&sink(), async |caller: &mut Caller| {
                caller.write(format!("HTTP/1.1 {status}\r\ntransfer-encoding: chunked\r\n\r\n{body}")).await;
            })
            .await;
            assert_eq!(report.outcome, outcome, "{body:?}: the status came whole, so it decides");
        }
    }
}

#[tokio::test]
async fn makes_a_chunk_extension_without_an_end() {
    let (report, taken) = answered(&sink(), async |caller: &mut Caller| {
        caller.write(format!("{OK}transfer-encoding: chunked\r\n\r\n5;")).await;
        caller.flood(&[b'x'; 4096]).await;
    })
    .await;
    assert_eq!(report.outcome, Outcome::Delivered);
    assert!(taken < TAKEN_BYTES_MAX, "{taken} bytes were taken");
}

#[tokio::test]
async fn contradicts_itself_about_the_bodys_length() {
    for lengths in
        ["content-length: 1\r\ncontent-length: 2\r\n", "content-length: -1\r\n", "content-length: 9e9\r\n"]
    {
        let (report, _) = answered(&sink(), async |caller: &mut Caller| {
            caller.write(format!("{OK}{lengths}\r\nxx")).await;
        })
        .await;
        retried(&report, Reason::Connect);
    }
}

#[tokio::test]
async fn answers_something_other_than_http() {
    for answer in [
        "SSH-2.0-OpenSSH_9.9\r\n",
        "\x15\x03\x01\0\x02\x02\x46",
        "HTTP/9.9 200 OK\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
    ] {
        let (report, _) = answered(&sink(), async |caller: &mut Caller| {
            caller.write(answer).await;
        })
        .await;
        retried(&report, Reason::Connect);
    }
}

#[tokio::test]
async fn resets_in_mid_body() {
    let (report, _) = answered(&sink(), async |caller: &mut Caller| {
        caller.write(format!("{OK}content-length: 100\r\n\r\nhalf")).await;
        reset(caller);
    })
    .await;
    // Whether the head is read before the reset is the system's business; the reset is never a success lost.
    let lost = Outcome::Retry { reason: Reason::Connect, retry_after: None };
    assert!([Outcome::Delivered, lost].contains(&report.outcome), "{report:?}");
}

#[tokio::test]
async fn closes_in_mid_body() {
    let (report, _) = answered(&sink(), async |caller: &mut Caller| {
        caller.write(format!("{OK}content-length: 100\r\n\r\nhalf")).await;
    })
    .await;
    assert_eq!((report.outcome, report.excerpt.as_deref()), (Outcome::Delivered, Some("half")));
}

#[tokio::test]
async fn resets_in_mid_head() {
    let (report, _) = answered(&sink(), async |caller: &mut Caller| {
        caller.write("HTTP/1.1 200 O").await;
        reset(caller);
    })
    .await;
    retried(&report, Reason::Connect);
}

fn reset(caller: &Caller) {
    caller.stream.set_zero_linger().unwrap();
}

#[tokio::test]
async fn sends_a_body_that_would_unpack_to_much_more() {
    // Ten bytes that stand for a gibibyte cost ten bytes: nothing is ever unpacked.
    let (report, _) = answered(&sink(), async |caller: &mut Caller| {
        caller
            .write(format!("{OK}content-encoding: gzip\r\ncontent-length: 10\r\n\r\n\x1f\u{b}packed!!"))
            .await;
    })
    .await;
    assert_eq!((report.outcome, report.excerpt.unwrap().len()), (Outcome::Delivered, 10));
}

/// Shakes hands with `certificate` as its own, signed by nobody.
async fn wrong_tls(names: &[&str], url_host: &str) -> Report {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let own = rcgen::generate_simple_self_signed(names).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(own.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key.into())
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{url_host}:{}/", listener.local_addr().unwrap().port());
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let sink = sink();
    let (report, handshake) = tokio::join!(sink.send(attempt(endpoint(&url))), async {
        let (stream, _) = listener.accept().await.unwrap();
        acceptor.accept(stream).await.map(drop)
    });
    assert!(handshake.is_err(), "no byte of the event may follow");
    report
}

#[tokio::test]
async fn has_a_certificate_that_nobody_signed_or_of_another_name() {
    for names in [["127.0.0.1"], ["receiver.example"]] {
        retried(&wrong_tls(&names, "127.0.0.1").await, Reason::Tls);
    }
}
