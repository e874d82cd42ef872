//! Errors as RFC 9457 `application/problem+json`, with every code in one table.
//!
//! `type` is a relative reference, `/errors/<code with dashes>`, that resolves wherever the broker
//! runs: [`page`] answers there, from the same table. A detail says what to mend; it never holds a secret, a body or an internal error.

mod code;
mod refused;

use std::future::{Ready, ready};
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

pub use code::{Code, Fault};
pub use refused::refused;

use super::query::Path;
use crate::domain::id::CorrelationId;

/// The content type of a problem.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// One error as its caller sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    code: Code,
    detail: String,
    correlation_id: Option<CorrelationId>,
    tenant_id: Option<String>,
    retry_after: Option<Duration>,
    members: Map<String, Value>,
}

impl Problem {
    /// A problem of `code`; `detail` tells this caller what to mend.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            correlation_id: None,
            tenant_id: None,
            retry_after: None,
            members: Map::new(),
        }
    }

    /// Ties the problem to its request. Left out, `http::correlation` fills it in.
    #[must_use]
    pub fn correlation(mut self, id: CorrelationId) -> Self {
        self.correlation_id = Some(id);
        self
    }

    /// Names the tenant, where it is known.
    #[must_use]
    pub fn tenant(mut self, id: impl Into<String>) -> Self {
        self.tenant_id = Some(id.into());
        self
    }

    /// When to try again; rounded up to whole seconds, at least one.
    #[must_use]
    pub fn retry_after(mut self, span: Duration) -> Self {
        self.retry_after = Some(span);
        self
    }

    /// Adds a member of its own, such as `errors`. The standard members can't be replaced.
    #[must_use]
    pub fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// What kind of problem it is.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.code.status()
    }

    /// What to mend.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The request it is tied to, if that was said.
    pub fn correlation_id(&self) -> Option<&CorrelationId> {
        self.correlation_id.as_ref()
    }

    /// Its members beside the standard ones.
    pub fn members(&self) -> &Map<String, Value> {
        &self.members
    }

    /// The JSON of the problem, for places that carry it inside another body (a batch's items).
    pub fn json(&self) -> Value {
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        put("type", self.code.type_uri().into());
        put("title", self.code.title().into());
        put("status", self.status().as_u16().into());
        put("detail", self.detail.as_str().into());
        put("code", self.code.as_str().into());
        if let Some(id) = &self.correlation_id {
            put("correlationId", id.as_str().into());
        }
        if let Some(id) = &self.tenant_id {
            put("tenantId", id.as_str().into());
        }
        for (name, value) in &self.members {
            json.entry(name.as_str()).or_insert_with(|| value.clone());
        }
        Value::Object(json)
    }

    /// Reads back what [`Self::json`] made, but for the request that it was tied to.
    pub fn read(mut json: Map<String, Value>) -> Option<Self> {
        let text = |json: &mut Map<String, Value>, name: &str| match json.shift_remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let code = text(&mut json, "code")?;
        let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
        let mut problem = Self::new(*code, text(&mut json, "detail")?);
        problem.tenant_id = text(&mut json, "tenantId");
        for standard in ["type", "title", "status", "correlationId"] {
            json.shift_remove(standard);
        }
        problem.members = json;
        Some(problem)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.json().to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, PROBLEM_JSON);
        if let Some(span) = self.retry_after {
            let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.code == Code::KeyMissing {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The answer for a path that doesn't exist, as a router's fallback.
pub fn not_found() -> Ready<Problem> {
    let detail = "there is nothing at this path; events are posted to /v1/events, and what operators read and \
                  steer is below /v1 and /api";
    ready(Problem::new(Code::NotFound, detail))
}

/// The answer for a method that a path doesn't have, as a router's fallback for those.
pub fn method_not_allowed() -> Ready<Problem> {
    let detail = "the path exists, but not with this method; see the Allow header";
    ready(Problem::new(Code::MethodNotAllowed, detail))
}

/// `GET /errors/{slug}`: what a problem's `type` points to, open to anyone.
pub async fn page(Path(slug): Path<String>) -> Result<Json<Value>, Problem> {
    let uri = format!("/errors/{slug}");
    let found = Code::ALL.iter().find(|code| code.type_uri() == uri);
    let code = found.ok_or_else(|| Problem::new(Code::NotFound, "there is no problem of this name"))?;
    Ok(Json(described(*code)))
}

/// What there is to say about `code`, whatever the request.
pub fn described(code: Code) -> Value {
    json!({
        "type": code.type_uri(),
        "title": code.title(),
        "status": code.status().as_u16(),
        "code": code.as_str(),
        "fault": code.fault().as_str(),
        "meaning": code.meaning(),
        "mend": code.mend(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_has_the_standard_members_in_order_and_its_own_after_them() {
        let problem = Problem::new(Code::SchemaInvalid, "`data` doesn't fit the schema")
            .correlation(CorrelationId::new("cid-1").unwrap())
            .tenant("org_1")
            .with("errors", json!([{ "path": "/amount" }]))
            .with("status", json!(200));
        assert_eq!(
            problem.json().to_string(),
            "{\"type\":\"/errors/event-schema-invalid\",\"title\":\"The event's data doesn't fit its schema\",\
             \"status\":422,\"detail\":\"`data` doesn't fit the schema\",\"code\":\"event.schema_invalid\",\
             \"correlationId\":\"cid-1\",\"tenantId\":\"org_1\",\"errors\":[{\"path\":\"/amount\"}]}"
        );
    }

    #[test]
    fn a_problem_is_read_back_without_its_request() {
        let problem = Problem::new(Code::RequestInvalid, "no").tenant("org_1").with("field", json!("q"));
        let tied = problem.clone().correlation(CorrelationId::new("cid-1").unwrap()).json();
        let Value::Object(json) = tied else { panic!("{tied}") };
        assert_eq!(Problem::read(json), Some(problem));
        assert_eq!(Problem::read(Map::new()), None);
    }

    #[test]
    fn the_response_carries_type_status_and_retry_after() {
        let problem = Problem::new(Code::Draining, "stopping").retry_after(Duration::from_millis(1200));
        let response = problem.into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[RETRY_AFTER], "2");
        let response = Problem::new(Code::KeyMissing, "no key").into_response();
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
    }
}
