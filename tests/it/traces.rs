//! Traces: what a collector gets, what a receiver is told, and what a collector that fails costs: nothing.

use camino_broker::testing::receiver::{Answer, FakeReceiver};
use serde_json::Value;

use crate::app::{EVENTS, Setup, with};

const SENDERS_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

fn traced(collector: &FakeReceiver) -> Setup {
    let endpoint = format!("http://{}", collector.address()).parse().unwrap();
    Setup::new().with(|config| config.telemetry.otlp_endpoint = Some(endpoint))
}

/// The first `count` spans that the collector gets, in the order of their beginning.
async fn spans(collector: &FakeReceiver, count: usize) -> Vec<Value> {
    let mut spans = Vec::new();
    while spans.len() < count {
        let request = collector.received().await;
        assert_eq!(
            (request.target.as_str(), request.header("content-type")),
            ("/v1/traces", Some("application/json"))
        );
        let json: Value = serde_json::from_slice(&request.body).unwrap();
        let scope = &json["resourceSpans"][0]["scopeSpans"][0];
        spans.extend(scope["spans"].as_array().unwrap().iter().cloned());
    }
    spans.sort_by_key(|span| span["startTimeUnixNano"].as_str().map(str::to_owned));
    spans
}

fn attribute<'a>(span: &'a Value, name: &str) -> &'a Value {
    let attributes = span["attributes"].as_array().unwrap();
    attributes.iter().find(|attribute| attribute["key"] == name).map_or(&Value::Null, |found| &found["value"])
}

#[tokio::test]
async fn every_attempt_is_a_span_below_the_post_that_is_below_the_senders() {
    let (collector, receiver) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    receiver.fail(1, 503);
    let app = traced(&collector).receiver("mancha", &receiver).start().await;
    let body = app.payment(1).body();
    let trace = format!("00-{SENDERS_TRACE}-b7ad6b7169203331-01");
    let headers = with(app.signed("colectiva", &body), "traceparent", &trace);
    app.post(EVENTS, &headers, body).await.taken(202);
    let attempts = receiver.wait_for(2).await;
    let spans = spans(&collector, 3).await;
    let post = spans.iter().find(|span| span["name"] == "accept event").unwrap();
    assert_eq!(post["parentSpanId"], "b7ad6b7169203331");
    assert!(spans.iter().all(|span| span["traceId"] == SENDERS_TRACE));
    let sent: Vec<&Value> = spans.iter().filter(|span| span["name"] == "deliver").collect();
    assert_eq!(sent.len(), 2);
    for (number, (span, received)) in sent.into_iter().zip(&attempts).enumerate() {
        assert_eq!(span["parentSpanId"], post["spanId"], "below the post, also at a retry");
        assert_eq!(attribute(span, "delivery.attempt")["intValue"], (number + 1).to_string());
        assert_eq!(attribute(span, "delivery.receiver")["stringValue"], "mancha");
        let told = format!("00-{SENDERS_TRACE}-{}-01", span["spanId"].as_str().unwrap());
        assert_eq!(received.header("traceparent"), Some(told.as_str()));
        assert_eq!(span["status"]["message"].as_str(), (number == 0).then_some("status"));
    }
}

#[tokio::test]
async fn a_trace_that_its_sender_does_not_keep_is_passed_on_and_not_sent() {
    let (collector, receiver) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    let app = traced(&collector).receiver("mancha", &receiver).start().await;
    let body = app.payment(1).body();
    let trace = format!("00-{SENDERS_TRACE}-b7ad6b7169203331-00");
    let headers = with(app.signed("colectiva", &body), "traceparent", &trace);
    app.post(EVENTS, &headers, body).await.taken(202);
    let told = receiver.received().await.header("traceparent").unwrap().to_owned();
    assert!(told.starts_with(&trace[..36]) && told.ends_with("-00") && told != trace, "{told}");
    // One that is kept comes after it, alone.
    app.send(&app.payment(2)).await.taken(202);
    let spans = spans(&collector, 2).await;
    assert!(
        spans.iter().all(|span| span["traceId"] != SENDERS_TRACE && span["traceId"] == spans[0]["traceId"])
    );
}

#[tokio::test]
async fn a_collector_that_fails_costs_spans_and_nothing_else() {
    let (collector, receiver) = (FakeReceiver::start().await.unwrap(), FakeReceiver::start().await.unwrap());
    collector.otherwise(Answer::status(500));
    let app = traced(&collector).receiver("mancha", &receiver).start().await;
    app.send(&app.payment(1)).await.taken(202);
    receiver.received().await;
    collector.received().await;
    app.until(r#"camino_trace_spans_total{outcome="dropped"}"#, 2).await;
}
