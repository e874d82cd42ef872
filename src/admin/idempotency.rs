//! Writes: carried out whole once they have come in whole, and with an `Idempotency-Key` once only.
//!
//! The same key with the same body gets the same answer for 24 h per (key, method, path, caller). A write
//! runs in a task of its own, so a caller that hangs up cuts it nowhere: what was changed is in force, and
//! its answer is kept.
//!
//! A crash can still come between a change and its kept answer, which are two transactions. A repeat then
//! is carried out again. What sets (pause, resume, reset, PUT, PATCH, revoke) sets the same once more; a key
//! or a secret is made anew, and the one that nobody saw stays listed or signs along; a retry or a release
//! appends its deliveries once more, under the same `webhook-id` and `Idempotency-Key`.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::secret_shown::SecretMember;
use super::{Admin, blocking};
use crate::http::body::read_capped;
use crate::http::problem::{Code, Problem};
use crate::store::control::answers::{self, Answer, Begin, Ticket};

/// Longest body of a write.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest answer that is kept.
const ANSWER_BYTES_MAX: usize = 256 << 10;
const KEY_BYTES_MAX: usize = 255;

/// Runs a write whole, and once for each key.
pub(super) async fn once(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match detached(&admin, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

/// Reads the request and has the rest done by a task, which ends whether or not the caller waits.
async fn detached(admin: &Admin, request: Request, next: Next) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let body = read_capped(body, BODY_BYTES_MAX, admin.parts.clock.as_ref()).await?;
    let this = admin.clone();
    admin.operations.whole(async move { guarded(&this, parts, body, next).await }).await?
}

async fn guarded(admin: &Admin, parts: Parts, body: Bytes, next: Next) -> Result<Response, Problem> {
    let key = presented(&parts.headers)?.map(ToOwned::to_owned);
    let again = Request::from_parts(parts.clone(), Body::from(body.clone()));
    let Some(key) = key else { return Ok(next.run(again).await) };
    // Without a valid caller nothing is kept: the handler refuses.
    let Ok(caller) = admin.caller(&parts.headers) else { return Ok(next.run(again).await) };
    let (control, now) = (admin.parts.control.clone(), admin.parts.clock.now());
    let path = parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let (method, principal) = (parts.method.to_string(), caller.key_id.clone());
    let body_digest = Sha256::digest(&body).into();
    let begun = blocking::run(move || {
        let request =
            answers::Request { key: &key, method: &method, path: &path, principal: &principal, body_digest };
        control.begin(&request, now)
    })
    .await;
    match begun.map_err(|error| blocking::control_problem(&error))? {
        Begin::Fresh(ticket) => kept(admin, ticket, next.run(again).await).await,
        Begin::Replay(answer) => Ok(replayed(answer)),
        Begin::InFlight => {
            let detail = "a request with this Idempotency-Key is being worked on; ask again for its answer";
            Err(Problem::new(Code::InFlight, detail).retry_after(std::time::Duration::from_secs(1)))
        }
        Begin::Mismatch => {
            let detail = "this Idempotency-Key came before with another body; a new request needs a new key";
            Err(Problem::new(Code::BodyMismatch, detail))
        }
    }
}

fn presented(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get("idempotency-key").or_else(|| headers.get("x-idempotency-key")) else {
        return Ok(None);
    };
    let fits = |text: &&str| {
        (1..=KEY_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    value.to_str().ok().filter(fits).map(Some).ok_or_else(|| {
        let detail = format!("Idempotency-Key must be 1 to {KEY_BYTES_MAX} visible ASCII characters");
        Problem::new(Code::RequestInvalid, detail)
    })
}

/// Keeps the answer before it goes out. What shows a secret is kept without it.
async fn kept(admin: &Admin, ticket: Ticket, response: Response) -> Result<Response, Problem> {
    let (parts, body) = response.into_parts();
    let body = read_capped(body, ANSWER_BYTES_MAX * 16, admin.parts.clock.as_ref()).await?;
    let kept_body = match parts.extensions.get::<SecretMember>() {
        Some(SecretMember(member)) => without(&body, member),
        None => Some(body.to_vec()),
    };
    let headers = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let answer = Answer {
        status: parts.status.as_u16(),
        headers: headers.map(|value| (CONTENT_TYPE.to_string(), value.to_owned())).into_iter().collect(),
        body: kept_body.filter(|body| body.len() <= ANSWER_BYTES_MAX),
    };
    let (control, now) = (admin.parts.control.clone(), admin.parts.clock.now());
    let finished = blocking::run(move || {
        // "Come later" and "who are you" are not answers to the request.
        if matches!(answer.status, 401 | 429) {
            control.abandon(ticket);
            return Ok(());
        }
        control.finish(ticket, &answer, now)
    });
    finished.await.map_err(|error| blocking::control_problem(&error))?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn without(body: &Bytes, member: &str) -> Option<Vec<u8>> {
    let mut json: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(body).ok()?;
    json.insert(member.to_owned(), serde_json::Value::Null);
    serde_json::to_vec(&json).ok()
}

fn replayed(answer: Answer) -> Response {
    let body = answer.body.unwrap_or_default();
    // A problem is made again, so that it is tied to this request.
    let problem = serde_json::from_slice(&body).ok().filter(|_| answer.status >= 400);
    let mut response = match problem.and_then(Problem::read) {
        Some(problem) => problem.into_response(),
        None => Response::new(Body::from(body)),
    };
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in answer.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    response
}
