//! What holds for every page: its headers, its forms' tokens, and how an error looks.
//!
//! Nothing is loaded but what this process serves, no script stands in a page, and no other site may frame
//! a page or send one of its forms. A form is carried out once, however often it is sent.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, LOCATION, ORIGIN, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::form::{Fields, TOKEN};
use super::sent::Unchanged;
use super::session::same;
use super::text::Lang;
use super::visit::{Trouble, Visit};
use super::{Web, cookie, sent, view};
use crate::http::body::read_capped;
use crate::http::correlation::Correlation;
use crate::http::problem::{Code, Problem};
use crate::http::server::Peer;
use crate::operations::refusals::Refused;

/// Longest form.
const FORM_BYTES_MAX: usize = 64 << 10;

/// What a page may load and where its forms may go.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 8] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_FRAME_OPTIONS, "DENY"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // With less, the browser would send the forms' origin as "null".
    (REFERRER_POLICY, "same-origin"),
    (CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=()"),
];

/// Puts the headers on every answer, and makes a page of every problem.
pub(super) async fn framed(State(web): State<Web>, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    // Nothing leads back to where a form was sent.
    let path = request.uri().path_and_query().filter(|_| request.method().is_safe());
    let path = path.map_or("/", PathAndQuery::as_str).to_owned();
    let mut response = next.run(request).await;
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        let retry_after = response.headers().get(RETRY_AFTER).cloned();
        let visit = Visit::of(&web, &headers, &path);
        let lang = visit.as_ref().map_or_else(|| Lang::of(&headers), |visit| visit.lang);
        let page = view::trouble(visit.as_ref(), lang, &problem);
        response = (problem.status(), page).into_response();
        response.headers_mut().extend(retry_after.map(|value| (RETRY_AFTER, value)));
    }
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Takes a form only from a page of ours, and carries out what it asks whether or not the sender waits. What
/// is refused to somebody who is signed in stands in the audit log.
pub(super) async fn written(
    State(web): State<Web>,
    peer: Peer,
    correlation: Correlation,
    mut request: Request,
    next: Next,
) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let is_sign_in = request.uri().path() == "/sign-in";
    let visit = Visit::of(&web, request.headers(), "/");
    // Without a session there is nothing to forge: the page refuses.
    if visit.is_none() && !is_sign_in {
        return (StatusCode::SEE_OTHER, [(LOCATION, "/")]).into_response();
    }
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let sender = visit.as_ref().filter(|_| !is_sign_in);
    let trouble = Trouble::default();
    request.extensions_mut().insert(trouble.clone());
    let outcome = taken(&web, sender, request, next).await;
    let response = outcome.unwrap_or_else(IntoResponse::into_response);
    let problem = response.extensions().get::<Problem>().or_else(|| trouble.get()).cloned();
    if let Some((visit, problem)) = visit.zip(problem) {
        let route = route.as_deref().unwrap_or_default();
        let refused = Refused { method: &method, route, problem: &problem, correlation: correlation.0 };
        web.ops.record_refused(&visit.principal, peer.0.ip(), refused).await;
    }
    response
}

/// Carries out a form of `sender`'s session, or of the sign-in.
async fn taken(web: &Web, sender: Option<&Visit>, request: Request, next: Next) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let body = read_capped(body, FORM_BYTES_MAX, web.ops.parts.clock.as_ref()).await?;
    let fields = Fields::of(&body);
    let token = fields.get(TOKEN).unwrap_or_default().to_owned();
    let is_ours = match sender {
        Some(visit) => sent::is_of(&visit.session, &token),
        None => same(&token, cookie::read(&parts.headers, cookie::VISIT).unwrap_or_default()),
    };
    if !is_ours || is_foreign(&parts.headers) {
        let detail = "this form is not from a page that is open now; load the page again and send it again";
        return Err(Problem::new(Code::FormForeign, detail));
    }
    if let Some(visit) = sender
        && !web.sent.take(&token)
    {
        return Ok(view::sent_already(visit));
    }
    parts.extensions.insert(fields);
    let sent = Arc::clone(&web.sent);
    let change = async move {
        let response = next.run(Request::from_parts(parts, Body::empty())).await;
        let said = response.extensions();
        if said.get::<Problem>().is_some() || said.get::<Unchanged>().is_some() {
            sent.give_back(&token);
        }
        response
    };
    web.ops.whole(change).await
}

/// Whether the browser says that another site sent this.
fn is_foreign(headers: &HeaderMap) -> bool {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let site = text(&HeaderName::from_static("sec-fetch-site"));
    let is_elsewhere = |origin: &str| {
        let host = origin.split_once("://").map_or(origin, |(_, host)| host);
        text(&HOST).is_none_or(|own| !own.eq_ignore_ascii_case(host))
    };
    site.is_some_and(|site| !matches!(site, "same-origin" | "none"))
        || text(&ORIGIN).is_some_and(is_elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_from_elsewhere_is_known_by_its_headers() {
        let table: [(&[(&'static str, &'static str)], bool); 6] = [
            (&[("host", "hub.example")], false),
            (&[("host", "hub.example"), ("origin", "https://hub.example")], false),
            (&[("host", "hub.example:8080"), ("origin", "http://hub.example:8080")], false),
            (&[("host", "hub.example"), ("origin", "https://evil.example")], true),
            (&[("host", "hub.example"), ("origin", "null")], true),
            (&[("host", "hub.example"), ("sec-fetch-site", "cross-site")], true),
        ];
        for (pairs, foreign) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            assert_eq!(is_foreign(&headers), foreign, "{pairs:?}");
        }
    }
}
