//! A sender as it should be, and an operator.

use std::net::SocketAddr;

use bytes::Bytes;
use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::sign_ecosystem;
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use uuid::Uuid;

use crate::client::Connection;

pub const SOURCE: &str = "colectiva";

/// An event that the registry sends to `cosmos-pet`, `garita` and `hoja`, among others.
pub fn body(n: u128) -> String {
    let (id, now) = (Uuid::from_u128(n), SystemClock::new().now().rfc3339());
    format!(
        "{{\"eventId\":\"{id}\",\"eventType\":\"payment.received\",\"timestamp\":\"{now}\",\"source\":\"{SOURCE}\",\
         \"organizationId\":\"org_1\",\"data\":{{\"amount\":1}}}}"
    )
}

/// `body`, signed with `secret`.
pub fn signed(secret: &str, body: String) -> Request<Full<Bytes>> {
    let signature = sign_ecosystem(&Secret::new(secret).unwrap(), body.as_bytes());
    Request::post("/v1/events")
        .header("content-type", "application/json")
        .header("x-webhook-signature", signature)
        .header("x-webhook-timestamp", SystemClock::new().now().seconds())
        .body(Full::from(body))
        .unwrap()
}

/// One request of an operator with `key`, on a connection of its own.
pub async fn ask(
    address: SocketAddr,
    key: &str,
    method: &str,
    path: &str,
    body: &str,
) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("idempotency-key", Uuid::from_u128(u128::from(SystemClock::new().now().0)).to_string() + path)
        .body(Full::from(body.to_owned()))
        .unwrap();
    let (status, body) = Connection::open(address).await.unwrap().send(request).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}
