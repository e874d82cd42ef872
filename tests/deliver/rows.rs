//! The delivery table, a test for each row, named after it.

use std::sync::Arc;
use std::time::Duration;

use camino_broker::deliver::{Report, Sink as _};
use camino_broker::domain::outcome::{Outcome, Reason};
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::{Answer, FakeReceiver};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::fixture::{BODY, RETRY_AFTER_MAX, TIMEOUT, attempt, deliver, endpoint, sink, sink_on};

async fn answered(answer: Answer) -> Report {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([answer]);
    let report = deliver(&receiver.url()).await;
    assert_eq!(receiver.count(), 1, "one request, whatever the answer");
    report
}

fn reason(report: &Report) -> Option<Reason> {
    match report.outcome {
        Outcome::Retry { reason, .. } => Some(reason),
        _ => None,
    }
}

#[tokio::test]
async fn any_2xx_is_delivered() {
    for status in [200, 201, 202, 204, 226, 299] {
        let report = answered(Answer::status(status)).await;
        assert_eq!((report.outcome, report.status), (Outcome::Delivered, Some(status)));
        assert_eq!((report.error, report.excerpt), (None, None));
    }
}

#[tokio::test]
async fn the_body_goes_out_byte_for_byte() {
    let receiver = FakeReceiver::start().await.unwrap();
    deliver(&receiver.url()).await;
    let received = receiver.received().await;
    assert_eq!(received.body, BODY.as_bytes());
    assert_eq!(received.method, "POST");
    assert_eq!(received.target, "/api/ecosystem/webhooks");
}

#[tokio::test]
async fn statuses_that_say_later_are_retried() {
    for status in [408, 425, 429, 500, 502, 503, 504, 599] {
        let report = answered(Answer::status(status).with_body("busy")).await;
        assert_eq!(report.outcome, Outcome::Retry { reason: Reason::Status, retry_after: None });
        assert_eq!((report.status, report.excerpt.as_deref()), (Some(status), Some("busy")));
    }
}

#[tokio::test]
async fn retry_after_is_obeyed_up_to_the_cap() {
    for (text, expected) in [
        ("3600", Some(Duration::from_hours(1))),
        ("999999999", Some(RETRY_AFTER_MAX)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", Some(RETRY_AFTER_MAX)),
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(Duration::ZERO)),
        ("later", None),
    ] {
        for status in [429, 503] {
            let report = answered(Answer::status(status).with_header("retry-after", text)).await;
            let wanted = Outcome::Retry { reason: Reason::Status, retry_after: expected };
            assert_eq!(report.outcome, wanted, "{text}");
        }
    }
}

#[tokio::test]
async fn a_timeout_is_retried() {
    let clock = ManualClock::default();
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::hang()]);
    let sink = sink_on(Arc::new(clock.clone()));
    let (report, ()) = tokio::join!(sink.send(attempt(endpoint(&receiver.url()))), async {
        receiver.received().await;
        clock.advance(TIMEOUT);
    });
    assert_eq!(reason(&report), Some(Reason::Timeout));
    assert_eq!((report.status, report.duration), (None, TIMEOUT));
    assert_eq!(report.error.as_deref(), Some("no answer within 15000 ms"));
}

#[tokio::test]
async fn a_refused_connection_is_retried() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = deliver(&format!("http://{closed}/")).await;
    assert_eq!(reason(&report), Some(Reason::Connect));
    assert!(report.error.unwrap().contains("refused"));
}

#[tokio::test]
async fn a_connection_that_breaks_is_retried() {
    let report = answered(Answer::HangUp).await;
    assert_eq!((reason(&report), report.status), (Some(Reason::Connect), None));
}

#[tokio::test]
async fn a_server_that_speaks_no_http_is_retried() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (report, ()) = tokio::join!(deliver(&url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
        stream.write_all(b"SSH-2.0-OpenSSH_9.9\r\n").await.unwrap();
    });
    assert_eq!((reason(&report), report.status), (Some(Reason::Connect), None));
}

#[tokio::test]
async fn a_tls_failure_is_retried() {
    let receiver = FakeReceiver::start().await.unwrap();
    let report = deliver(&receiver.url().replace("http://", "https://")).await;
    assert_eq!(reason(&report), Some(Reason::Tls));
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn a_tls_handshake_that_is_cut_off_is_retried_as_tls() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let (report, ()) = tokio::join!(deliver(&url), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 16]).await.unwrap();
    });
    assert_eq!(reason(&report), Some(Reason::Tls));
}

#[tokio::test]
async fn a_dns_failure_is_retried() {
    let report = deliver("http://nonexistent.invalid/hook").await;
    assert_eq!(reason(&report), Some(Reason::Dns));
    assert!(report.error.unwrap().contains("nonexistent.invalid could not be resolved"));
}

#[tokio::test]
async fn a_redirect_is_retried_and_never_followed() {
    let login = FakeReceiver::start().await.unwrap();
    for status in [301, 302, 303, 307, 308] {
        let report = answered(Answer::redirect(status, &login.url()).with_body("moved")).await;
        assert_eq!((reason(&report), report.status), (Some(Reason::Redirect), Some(status)));
        assert_eq!(report.excerpt.as_deref(), Some("moved"));
        assert!(report.error.unwrap().contains(&login.url()));
    }
    assert_eq!(login.count(), 0, "the page behind the redirect was never asked");
}

#[tokio::test]
async fn a_3xx_without_a_location_is_retried() {
    for status in [300, 302, 304, 399] {
        let report = answered(Answer::status(status)).await;
        assert_eq!((reason(&report), report.status), (Some(Reason::Redirect), Some(status)));
    }
}

#[tokio::test]
async fn a_410_is_gone() {
    let report = answered(Answer::status(410)).await;
    assert_eq!((report.outcome, report.status), (Outcome::Gone, Some(410)));
}

#[tokio::test]
async fn any_other_4xx_is_rejected_and_its_answer_kept() {
    for status in [400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 451, 499] {
        let report = answered(Answer::status(status).with_body("no such tenant")).await;
        assert_eq!((report.outcome, report.status), (Outcome::Rejected, Some(status)));
        assert_eq!(report.excerpt.as_deref(), Some("no such tenant"));
    }
}

#[tokio::test]
async fn retry_on_adds_statuses() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.script([Answer::status(404), Answer::status(409)]);
    let mut patient = endpoint(&receiver.url());
    patient.retry_on = vec![404];
    let patient = Arc::new(patient);
    let sink = sink();
    let first = sink.send(crate::fixture::attempt_at(Arc::clone(&patient))).await;
    assert_eq!(reason(&first), Some(Reason::Status));
    let second = sink.send(crate::fixture::attempt_at(patient)).await;
    assert_eq!(second.outcome, Outcome::Rejected);
}

#[tokio::test]
async fn a_receiver_that_fails_a_few_times_gets_it_in_the_end() {
    let receiver = FakeReceiver::start().await.unwrap();
    receiver.fail(2, 503);
    for expected in [Some(Reason::Status), Some(Reason::Status), None] {
        assert_eq!(reason(&deliver(&receiver.url()).await), expected);
    }
    assert_eq!(receiver.wait_for(3).await.len(), 3);
}
