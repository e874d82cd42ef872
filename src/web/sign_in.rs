//! Signing in with a key, signing out, and the choice of a language.
//!
//! The key is looked at once and thrown away: the cookie holds a random id, the session a fingerprint. Wrong
//! keys are counted by address, together with those of the API.

use axum::extract::{Path, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use maud::html;

use super::form::{Fields, TOKEN};
use super::session::{AGE_MAX, random};
use super::text::{Lang, Text as T};
use super::visit::{Visit, is_refresh};
use super::{Web, cookie, view};
use crate::http::problem::{Code, Problem};
use crate::http::server::Peer;
use crate::operations;
use crate::store::control::audit::{Actor, Entry};
use crate::store::control::key::{Fingerprint, Scope};

/// How long a sign-in form may stay open.
const FORM_SECONDS: u64 = 3_600;
/// How long a choice of language holds.
const LANGUAGE_SECONDS: u64 = 365 * 86_400;
/// Longest key that is looked at, in bytes.
const KEY_BYTES_MAX: usize = 512;

/// The form. `next` is where the visitor wanted to go.
pub(super) fn form(web: &Web, headers: &HeaderMap, next: &str, trouble: Option<T>) -> Response {
    let lang = Lang::of(headers);
    let token = random(web.ops.parts.entropy.as_ref());
    let content = html! {
        h1.brand { "Camino" }
        p.lead { (lang.t(T::SignInLead)) }
        @if let Some(trouble) = trouble { p.notice.bad role="alert" { (lang.t(trouble)) } }
        form method="post" action="/sign-in" {
            input type="hidden" name=(TOKEN) value=(token);
            input type="hidden" name="next" value=(local(next));
            label {
                span { (lang.t(T::Key)) }
                input type="password" name="key" required autofocus autocomplete="current-password" spellcheck="false";
            }
            button.primary type="submit" { (lang.t(T::SignIn)) }
        }
        p.muted { (lang.t(T::KeyHint)) }
        (view::languages(lang, local(next)))
    };
    let mut response = view::bare(lang, lang.t(T::SignIn), &content).into_response();
    if is_refresh(headers) {
        // The script throws this form away; the cookie would take the token of one that somebody fills in.
        return response;
    }
    let kept = cookie::write(cookie::VISIT, &token, FORM_SECONDS, is_secure(web, headers));
    response.headers_mut().extend(kept.map(|cookie| (SET_COOKIE, cookie)));
    response
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(web): State<Web>,
    Peer(peer): Peer,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Problem> {
    let parts = &web.ops.parts;
    let now = parts.clock.now();
    let next = local(fields.get("next").unwrap_or("/"));
    let key = fields.get("key").filter(|key| key.len() <= KEY_BYTES_MAX).unwrap_or_default();
    let Some(principal) = parts.control.authenticate(key, now) else {
        if let Some(slowed) = web.guesses.wrong_key(peer.ip(), now) {
            return Err(slowed);
        }
        return Ok(form(&web, &headers, next, Some(T::WrongKey)));
    };
    if operations::allow(&principal, Scope::Read).is_err() {
        return Ok(form(&web, &headers, next, Some(T::KeyOpensNoPages)));
    }
    let entry =
        Entry::new(now, Actor::from(principal.as_ref()), "dashboard.sign_in", principal.key_id.as_str());
    web.ops.on_control(move |control| control.record(&entry)).await?;
    if let Some(old) = cookie::read(&headers, cookie::SESSION) {
        web.end(old);
    }
    let id = web.begin(Fingerprint::of(key));
    let mut response = view::see(next).into_response();
    let is_secure = is_secure(&web, &headers);
    let cookies = [
        cookie::write(cookie::SESSION, &id, AGE_MAX.as_secs(), is_secure),
        cookie::write(cookie::VISIT, "", 0, is_secure),
    ];
    for cookie in cookies {
        let cookie = cookie.ok_or_else(|| Problem::new(Code::Internal, "the session could not be begun"))?;
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// `POST /sign-out`.
pub(super) async fn sign_out(visit: Visit, headers: HeaderMap) -> Response {
    visit.end();
    let mut response = view::see("/").into_response();
    let gone = cookie::write(cookie::SESSION, "", 0, is_secure(&visit.web, &headers));
    response.headers_mut().extend(gone.map(|cookie| (SET_COOKIE, cookie)));
    response
}

/// `GET /language/{lang}?next=`: from now on in that language.
pub(super) async fn language(
    State(web): State<Web>,
    Path(lang): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let missing = || Problem::new(Code::NotFound, "the pages speak Spanish (es) and English (en)");
    let lang = Lang::parse(&lang).ok_or_else(missing)?;
    let fields = Fields::of(uri.query().unwrap_or_default().as_bytes());
    let mut response = view::see(local(fields.get("next").unwrap_or("/"))).into_response();
    let kept = cookie::write(cookie::LANGUAGE, lang.as_str(), LANGUAGE_SECONDS, is_secure(&web, &headers));
    response.headers_mut().extend(kept.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}

/// `path`, if it is one of ours: nobody is sent elsewhere from here.
pub(super) fn local(path: &str) -> &str {
    let is_ours = path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours { path } else { "/" }
}

/// Whether the cookie may be kept from plain connections. A proxy that claims TLS can only make it stricter.
fn is_secure(web: &Web, headers: &HeaderMap) -> bool {
    web.is_tls || headers.get("x-forwarded-proto").is_some_and(|value| value == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for path in ["/", "/events?q=a%20b", "/events/caracol/e-1"] {
            assert_eq!(local(path), path);
        }
        for path in ["", "//evil.example", "https://evil.example", "/\\evil.example", "/a\r\nb", "evil"] {
            assert_eq!(local(path), "/", "{path}");
        }
    }
}
