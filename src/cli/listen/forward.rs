//! One event handed to the local URL, again and again until it is taken.
//!
//! The headers are those of a real delivery, signed anew for each try. Never gives an event up.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, InvalidHeaderValue, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde_json::{Value, json};

use super::text;
use crate::cli::broker::Broker;
use crate::cli::client::Client;
use crate::cli::failure::Failure;
use crate::domain::id::{AppSlug, DeliveryId, EventId};
use crate::domain::secret::Secret;
use crate::domain::signature;
use crate::domain::time::Millis;
use crate::runtime::clock::Clock as _;

/// The wait after the first try that was not taken, and the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Where events go.
pub(super) struct Forward<'a> {
    broker: &'a Broker,
    client: Client,
    target: Uri,
    secret: Secret,
}

/// What came of one try.
pub(super) struct Tried<'a> {
    /// When it began.
    pub(super) at: Millis,
    /// 1 for the first.
    pub(super) number: u32,
    /// What was answered.
    pub(super) status: Option<u16>,
    /// What went wrong, if nothing was answered.
    pub(super) error: Option<&'a str>,
    /// How long it took.
    pub(super) took: Duration,
    /// When it is tried again.
    pub(super) again_in: Option<Duration>,
    /// The delivery, if one is forwarded and not the event by itself.
    delivery: Option<&'a Value>,
}

impl Tried<'_> {
    /// Whether the event has arrived.
    pub(super) fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// As an object of its own.
    pub(super) fn json(&self, event: &Value) -> Value {
        let of = |name: &str| self.delivery.map_or(Value::Null, |delivery| delivery[name].clone());
        json!({
            "at": self.at.rfc3339(),
            "eventId": event["eventId"],
            "eventType": event["eventType"],
            "source": event["source"],
            "organizationId": event["organizationId"],
            "receiver": of("receiver"),
            "deliveryId": of("deliveryId"),
            "attempt": self.number,
            "status": self.status,
            "error": self.error,
            "tookMs": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "againInMs": self.again_in.map(|pause| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

/// What is forwarded of `event`: its deliveries, or the event by itself.
pub(super) fn deliveries(event: &Value, by_delivery: bool) -> Vec<Option<&Value>> {
    if by_delivery { event["made"].as_array().into_iter().flatten().map(Some).collect() } else { vec![None] }
}

impl<'a> Forward<'a> {
    /// Forwards to `target`, signed with `secret`.
    pub(super) fn new(broker: &'a Broker, target: Uri, secret: Secret) -> Result<Self, Failure> {
        Ok(Self { broker, client: Client::new()?.curt(ANSWER_BYTES_MAX), target, secret })
    }

    /// Tries until the answer is a 2xx, and shows `tell` each try.
    pub(super) fn until_taken(
        &mut self,
        event: &Value,
        delivery: Option<&Value>,
        tell: impl Fn(&Tried<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let Some(body) = event["bodyText"].as_str() else {
            let what = format!("the broker did not give the body of {}", text(event, "eventId"));
            return Err(Failure::new(what, "is it past its retention? its log says why").into());
        };
        let body = Bytes::copy_from_slice(body.as_bytes());
        let clock = self.broker.clock();
        let mut pause = PAUSE_FIRST;
        for number in 1.. {
            let (at, started) = (clock.now(), clock.monotonic());
            let headers = self.headers(event, delivery, number, at, &body)?;
            let call = self.client.call(Method::POST, &self.target, headers, body.clone(), clock);
            let (status, error) = match self.broker.run(call) {
                Ok(answer) => (Some(answer.status), None),
                Err(error) => (None, Some(error.to_string())),
            };
            let took = clock.monotonic().saturating_sub(started);
            let error = error.as_deref();
            let mut tried = Tried { at, number, status, error, took, again_in: None, delivery };
            if tried.is_taken() {
                return tell(&tried);
            }
            tried.again_in = Some(pause);
            tell(&tried)?;
            self.broker.wait(pause);
            pause = (pause * 2).min(PAUSE_MAX);
        }
        Ok(())
    }

    fn headers(
        &self,
        event: &Value,
        delivery: Option<&Value>,
        number: u32,
        now: Millis,
        body: &[u8],
    ) -> Result<HeaderMap, InvalidHeaderValue> {
        let at_s = now.seconds();
        let webhook_id = text(event, "webhookId");
        let mut headers = HeaderMap::with_capacity(16);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Camino/", env!("CARGO_PKG_VERSION"))));
        let mut put = |name: &'static str, value: HeaderValue| {
            headers.insert(HeaderName::from_static(name), value);
        };
        put(
            signature::ECOSYSTEM_SIGNATURE,
            HeaderValue::try_from(signature::sign_ecosystem(&self.secret, body))?,
        );
        put(signature::ECOSYSTEM_TIMESTAMP, at_s.into());
        put(signature::STANDARD_ID, HeaderValue::from_str(webhook_id)?);
        put(signature::STANDARD_TIMESTAMP, at_s.into());
        let standard = signature::sign_standard(&[&self.secret], webhook_id, at_s, body);
        put(signature::STANDARD_SIGNATURE, HeaderValue::try_from(standard)?);
        put("x-camino-event-type", HeaderValue::from_str(text(event, "eventType"))?);
        put("x-camino-source", HeaderValue::from_str(text(event, "source"))?);
        put("x-correlation-id", HeaderValue::from_str(text(event, "correlationId"))?);
        put("x-camino-attempt", number.into());
        put("idempotency-key", HeaderValue::try_from(idempotency_key(event, delivery))?);
        if let Some(delivery) = delivery {
            put("x-camino-delivery-id", HeaderValue::from_str(text(delivery, "deliveryId"))?);
            if webhook_id != text(event, "eventId")
                && let Some(of) = delivery["replayOf"].as_str()
            {
                put("x-camino-replay-of", HeaderValue::from_str(of)?);
            }
        }
        Ok(headers)
    }
}

/// As a delivery has it: of the first delivery of this event to the receiver, or its own if it was made as
/// new. Of an event by itself it is the event's id.
fn idempotency_key(event: &Value, delivery: Option<&Value>) -> String {
    let id = text(event, "eventId");
    let Some(delivery) = delivery else { return id.to_owned() };
    let first = || {
        let source = AppSlug::new(text(event, "source")).ok()?;
        let receiver = AppSlug::new(text(delivery, "receiver")).ok()?;
        Some(DeliveryId::derive(&source, &EventId::new(id).ok()?, &receiver, 0).to_string())
    };
    let is_as_new = text(event, "webhookId") != id;
    let own = || text(delivery, "deliveryId").to_owned();
    if is_as_new { own() } else { first().unwrap_or_else(own) }
}
