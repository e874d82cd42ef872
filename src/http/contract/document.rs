//! The OpenAPI 3.1 document of some chapters.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::shape::{integer, named, open, partly, text, word};
use super::{Access, Answer, Chapter, Operation, parameter};
use crate::domain::id::CorrelationId;
use crate::http::problem::{Code, Problem};
use crate::store::control::key::Scope;

const ABOUT: &str = "Camino takes a signed event once and delivers it, signed again, to every receiver that the \
                     registry names.\n\nEvery error is RFC 9457 problem+json; callers match on its `code`, and its \
                     `type` leads to a page about it. A path that is not here is 404 `resource.not_found`, and a \
                     method that a path doesn't have 405 `request.method_not_allowed`. A parameter that an \
                     operation doesn't know is refused, as is a field of a body. Times are RFC 3339, in UTC. \
                     `X-Correlation-Id` is taken over from the caller where it is well formed, and given back.";

/// The document. `chapters` have what it is about, in their order.
pub fn document(chapters: &[Chapter]) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut tags = Vec::new();
    let (mut schemas, mut refusals) = (Map::new(), Map::new());
    schemas.insert("Problem".to_owned(), problem());
    for chapter in chapters {
        tags.push(json!({ "name": chapter.name, "description": chapter.about }));
        for (name, shape) in &chapter.shapes {
            schemas.insert((*name).to_owned(), shape.clone());
        }
        for operation in &chapter.operations {
            let item = paths.entry(operation.path).or_insert_with(|| Value::Object(Map::new()));
            let method = operation.method.as_str().to_ascii_lowercase();
            item[method] = described(operation, chapter.name);
            for (status, codes) in by_status(&operation.problems) {
                refusals.entry(refusal(status, &codes)).or_insert_with(|| refused(&codes));
            }
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Camino",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/", "description": "the broker that served this document" }],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "responses": refusals,
            "examples": examples(),
            "parameters": parameters(),
            "headers": headers(),
            "securitySchemes": security_schemes(),
        },
    })
}

fn described(operation: &Operation, tag: &str) -> Value {
    let mut all = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag],
    });
    if !operation.about.is_empty() {
        all["description"] = operation.about.into();
    }
    all["security"] = security(operation.access);
    all["parameters"] = asked(operation).into();
    if let Some(body) = &operation.body {
        all["requestBody"] = json!({
            "required": body.required,
            "content": { "application/json": { "schema": body.schema, "example": body.example } },
        });
    }
    let mut responses = Map::new();
    for answer in &operation.answers {
        responses.insert(answer.status.to_string(), answered(answer));
    }
    for (status, codes) in by_status(&operation.problems) {
        let place = format!("#/components/responses/{}", refusal(status, &codes));
        responses.insert(status.to_string(), json!({ "$ref": place }));
    }
    all["responses"] = responses.into();
    all
}

fn asked(operation: &Operation) -> Vec<Value> {
    let mut asked = Vec::new();
    if let (Some((meaning, example)), Some(name)) = (operation.named, path_parameter(operation.path)) {
        asked.push(json!({
            "name": name, "in": "path", "required": true, "description": meaning,
            "schema": { "type": "string", "minLength": 1 }, "example": example,
        }));
    }
    for name in &operation.names {
        let own = operation.said.iter().find(|(said, _)| said == name).map(|(_, shape)| shape.clone());
        let mut shape = own.or_else(|| parameter::common(name)).unwrap_or_else(|| json!({}));
        let about = shape.as_object_mut().and_then(|shape| shape.shift_remove("description"));
        let example = shape.as_object_mut().and_then(|shape| shape.shift_remove("example"));
        let mut parameter = json!({
            "name": name, "in": "query", "required": operation.required.contains(name),
            "description": about.unwrap_or_default(), "schema": shape,
        });
        if let Some(example) = example {
            parameter["example"] = example;
        }
        asked.push(parameter);
    }
    for (name, meaning) in &operation.headers {
        asked.push(json!({
            "name": name, "in": "header", "required": false, "description": meaning,
            "schema": { "type": "string" },
        }));
    }
    if operation.is_keyed_write() {
        asked.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    asked.push(json!({ "$ref": "#/components/parameters/CorrelationId" }));
    asked
}

/// The name between the braces of a path, of which no path has two.
pub(super) fn path_parameter(path: &str) -> Option<&str> {
    path.split_once('{')?.1.split_once('}').map(|(name, _)| name)
}

fn answered(answer: &Answer) -> Value {
    let mut headers = json!({ "X-Correlation-Id": { "$ref": "#/components/headers/CorrelationId" } });
    for (name, meaning) in answer.headers {
        headers[*name] = json!({ "description": meaning, "schema": { "type": "string" } });
    }
    let mut all = json!({ "description": answer.meaning, "headers": headers });
    if let Some(content) = &answer.content {
        let mut body = json!({ "schema": content.schema });
        if !content.example.is_null() {
            body["example"] = content.example.clone();
        }
        all["content"] = json!({ content.media: body });
    }
    all
}

/// The codes by their status, in the order in which they were named.
pub(super) fn by_status(codes: &[Code]) -> BTreeMap<u16, Vec<Code>> {
    let mut statuses: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes {
        statuses.entry(code.status().as_u16()).or_default().push(*code);
    }
    statuses
}

/// The name of the answer with one of `codes`, which many operations have.
fn refusal(status: u16, codes: &[Code]) -> String {
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    format!("{status}-{}", words.join("-"))
}

fn refused(codes: &[Code]) -> Value {
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let meanings: Vec<String> =
        codes.iter().map(|code| format!("`{}`: {}.", code.as_str(), code.title())).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| {
            let place = format!("#/components/examples/{}", code.as_str());
            (code.as_str().to_owned(), json!({ "$ref": place }))
        })
        .collect();
    let mut headers = json!({ "X-Correlation-Id": { "$ref": "#/components/headers/CorrelationId" } });
    if codes.iter().any(|code| code.may_say_when()) {
        headers["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
    }
    if codes.contains(&Code::KeyMissing) {
        headers["WWW-Authenticate"] = json!({ "$ref": "#/components/headers/Authenticate" });
    }
    json!({
        "description": meanings.join(" "),
        "headers": headers,
        "content": { "application/problem+json": {
            "schema": {
                "allOf": [named("Problem"), { "properties": { "code": { "enum": words } } }],
            },
            "examples": examples,
        } },
    })
}

/// A problem of each code, as its caller may see it.
fn examples() -> Map<String, Value> {
    let shown = |code: Code| {
        Problem::new(code, code.example()).correlation(CorrelationId::from_entropy([7; 12])).json()
    };
    Code::ALL
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({ "summary": code.title(), "value": shown(*code) })))
        .collect()
}

fn problem() -> Value {
    let codes = Code::ALL.iter().map(|code| code.as_str());
    let problem = partly(
        "An error, by RFC 9457. Some codes have members of their own beside these, such as `errors` or `field`.",
        [
            ("type", text("Where its page is, relative to the broker.")),
            ("title", text("What kind it is, in words that never change for it.")),
            ("status", integer("The HTTP status.")),
            ("detail", text("What to mend in this request.")),
            ("code", word(codes, "What kind it is. Match on this.")),
            ("correlationId", text("Names this request in the broker's log and answers.")),
        ],
        [("tenantId", text("The tenant that the request named."))],
    );
    open(problem)
}

fn parameters() -> Value {
    json!({
        "IdempotencyKey": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "The same key with the same body gets the same answer for 24 hours, and nothing is done \
                            twice. `X-Idempotency-Key` means the same.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        },
        "CorrelationId": {
            "name": "X-Correlation-Id", "in": "header", "required": false,
            "description": "Names the request; given back, and passed on to the receivers. One that is not of 1 to 128 \
                            visible ASCII characters is not taken over.",
            "schema": { "type": "string" },
        },
    })
}

fn headers() -> Value {
    json!({
        "CorrelationId": {
            "description": "Names the request: the caller's own id, or one that was made. On every problem.",
            "schema": { "type": "string" },
        },
        "RetryAfter": {
            "description": "Seconds after which it is worth to ask again.",
            "schema": { "type": "integer", "minimum": 1 },
        },
        "Authenticate": { "description": "`Bearer`", "schema": { "type": "string" } },
    })
}

fn security(access: Access) -> Value {
    let scoped =
        |scope: Scope| [json!({ "bearer": [scope.as_str()] }), json!({ "apiKey": [scope.as_str()] })];
    match access {
        Access::Open => json!([]),
        Access::Key(scope) => scoped(scope).into_iter().collect(),
        Access::Proof => [
            json!({ "ecosystemSignature": [], "ecosystemTimestamp": [] }),
            json!({ "standardId": [], "standardTimestamp": [], "standardSignature": [] }),
        ]
        .into_iter()
        .chain(scoped(Scope::EventsWrite))
        .collect(),
    }
}

fn security_schemes() -> Value {
    let header = |name: &str, about: &str| json!({ "type": "apiKey", "in": "header", "name": name, "description": about });
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer",
            "description": "A key, made by POST /v1/keys or with `camino keys create`. Its scopes: `read` sees \
                            everything but secrets; `operate` moves deliveries, and includes `read`; `admin` keeps \
                            keys, endpoints and secrets, and includes `operate`; `events:write` posts events of one \
                            source, and is included in no other.",
        },
        "apiKey": header("X-API-Key", "The same key, in a header of its own."),
        "ecosystemSignature": header(
            "X-Webhook-Signature",
            "`sha256=` and the hex HMAC-SHA256 of the raw body with the source's secret.",
        ),
        "ecosystemTimestamp": header("X-Webhook-Timestamp", "Unix seconds; within five minutes of the broker's clock."),
        "standardId": header("webhook-id", "Standard Webhooks v1: part of what is signed."),
        "standardTimestamp": header("webhook-timestamp", "Standard Webhooks v1: Unix seconds."),
        "standardSignature": header(
            "webhook-signature",
            "Standard Webhooks v1: `v1,` and the base64 HMAC-SHA256 of id, timestamp and raw body.",
        ),
    })
}
