//! The hosted classifier against a server of this process that answers, stalls, errs and talks nonsense.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::TICKET;
use crate::domain::secret::Secret;
use crate::domain::triage::{Category, Language, Sentiment, Triage};
use crate::hub::tickets::classifier::{Classifier as _, Error, Fallback, Offline};
use crate::hub::tickets::hosted::{Hosted, Options};
use crate::runtime::clock::Clock;
use crate::testing::clock::ManualClock;
use crate::testing::receiver::{Answer, FakeReceiver};

const VERDICT: &str = r#"{"category":"billing","priority":"urgent","sentiment":"negative","language":"en",
    "area":"payments","confidence":0.9,"reason":"because"}"#;

fn answer(text: &str) -> Answer {
    let body = json!({ "content": [{ "type": "text", "text": text }], "usage": { "input_tokens": 400, "output_tokens": 50 } });
    Answer::status(200).with_body(body.to_string())
}

async fn hosted(clock: &Arc<ManualClock>) -> (FakeReceiver, Hosted) {
    let server = FakeReceiver::start().await.unwrap();
    let options = Options {
        url: format!("http://{}/v1/messages", server.address()).parse().unwrap(),
        model: "small".to_owned(),
        key: Secret::new("key-of-the-model-0123456789").unwrap(),
        timeout: Duration::from_secs(5),
    };
    let hosted = Hosted::new(options, Arc::clone(clock) as Arc<dyn Clock>).unwrap();
    (server, hosted)
}

#[tokio::test]
async fn the_hosted_classifier_speaks_the_messages_api() {
    let clock = Arc::new(ManualClock::default());
    let (server, hosted) = hosted(&clock).await;
    server.otherwise(answer(VERDICT));
    let judged = hosted.classify(TICKET).await;
    let verdict = judged.verdict.unwrap();
    assert_eq!(
        (verdict.category, verdict.language, verdict.sentiment),
        (Category::Billing, Language::En, Sentiment::Negative)
    );
    assert_eq!((judged.by, judged.tokens), ("hosted", 450));
    let received = server.received().await;
    assert_eq!(received.header("x-api-key"), Some("key-of-the-model-0123456789"));
    assert_eq!(received.header("anthropic-version"), Some("2023-06-01"));
    let body: Value = serde_json::from_slice(&received.body).unwrap();
    assert_eq!((&body["model"], &body["messages"][0]["role"]), (&json!("small"), &json!("user")));
    let told: Value = serde_json::from_str(body["messages"][0]["content"].as_str().unwrap()).unwrap();
    assert_eq!(told["subject"], TICKET.subject);
}

#[tokio::test]
async fn what_the_hosted_classifier_cannot_use_is_named() {
    let clock = Arc::new(ManualClock::default());
    let (server, hosted) = hosted(&clock).await;
    for (given, expected) in [
        (Answer::status(429), "it answered 429"),
        (Answer::status(500), "it answered 500"),
        (Answer::redirect(302, "http://127.0.0.1:1/"), "it answered 302"),
        (Answer::status(200).with_body("<html>"), "its answer is no verdict: not the answer of this API"),
        (
            Answer::status(200).with_body(vec![b'x'; 100_000]),
            "its answer is no verdict: it breaks off, or is too long",
        ),
        (answer("It is certainly a bug."), "its answer is no verdict: no JSON"),
        (
            answer(&VERDICT.replace("billing", "bananas")),
            "its answer is no verdict: a label is missing or is none of ours",
        ),
        (Answer::HangUp, "it could not be reached"),
    ] {
        server.otherwise(given);
        let error = hosted.classify(TICKET).await.verdict.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error} for {expected}");
    }
}

#[tokio::test]
async fn a_hosted_classifier_that_stalls_ends_at_its_timeout() {
    let clock = Arc::new(ManualClock::default());
    let (server, hosted) = hosted(&clock).await;
    server.otherwise(Answer::hang());
    let turn = async {
        server.received().await;
        clock.wait_for_sleepers(1).await;
        clock.advance(Duration::from_secs(5));
    };
    let (judged, ()) = tokio::join!(hosted.classify(TICKET), turn);
    assert_eq!(judged.verdict, Err(Error::Late));
    assert_eq!(judged.tokens, Hosted::tokens_max(&TICKET), "what it took is unknown");
}

#[tokio::test]
async fn the_offline_classifier_falls_in() {
    let clock = Arc::new(ManualClock::default());
    let (server, hosted) = hosted(&clock).await;
    server.otherwise(Answer::status(500));
    let both = Fallback { first: hosted, second: Offline(Triage::taught()) };
    let judged = both.classify(TICKET).await;
    assert_eq!((judged.by, judged.verdict.unwrap().category), ("offline", Category::Bug));
    server.otherwise(answer(VERDICT));
    let judged = both.classify(TICKET).await;
    assert_eq!((judged.by, judged.verdict.unwrap().category), ("hosted", Category::Billing));
}
