//! `/openapi.json` and `/docs`: the whole interface as a document, and the same for people.
//!
//! Both are made of what each door says of itself, once, when somebody first asks. Open to anyone: nothing of
//! this broker's own is in them. The page loads nothing and runs nothing.

use std::sync::LazyLock;

use axum::Router;
use axum::http::Method;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};

use crate::http::contract::shape::{object, open, text, word};
use crate::http::contract::{Chapter, Operation, Page, document, page};
use crate::{admin, ingest};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| document(&chapters()));
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());
static PAGE: LazyLock<Page> = LazyLock::new(|| page(&chapters()));

/// The OpenAPI document.
pub fn openapi() -> &'static Value {
    &DOCUMENT
}

/// The routes.
pub(super) fn routes() -> Router {
    Router::new().route("/openapi.json", get(shown)).route("/docs", get(browsed))
}

async fn shown() -> Response {
    ([(CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

async fn browsed() -> Response {
    let head = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, PAGE.policy.as_str()),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (head, PAGE.html.as_str()).into_response()
}

fn chapters() -> Vec<Chapter> {
    let mut chapters = vec![ingest::chapter()];
    chapters.extend(admin::chapters());
    chapters.push(own());
    chapters
}

fn own() -> Chapter {
    let members =
        [("openapi", word(["3.1.0"], "The version of the format.")), ("info", open(object("About it.", [])))];
    let html = text("A page of HTML.");
    Chapter {
        name: "interface",
        about: "This description of itself.",
        operations: vec![
            Operation::new(Method::GET, "/openapi.json", "showOpenApi", "This document").answers(
                200,
                "OpenAPI 3.1.",
                open(object("An OpenAPI document.", members)),
                json!({ "openapi": "3.1.0", "info": { "title": "Camino", "version": env!("CARGO_PKG_VERSION") } }),
            ),
            Operation::new(Method::GET, "/docs", "showDocs", "This document, for people").answers_as(
                200,
                "The page.",
                "text/html; charset=utf-8",
                html,
                "<!doctype html>".into(),
            ),
        ],
        shapes: Vec::new(),
    }
}
