//! Who asks for a page: the session and its owner, the language, the path.

use std::sync::{Arc, OnceLock};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};

use super::session::{Notice, Session};
use super::text::{Lang, Text as T};
use super::{Web, cookie, form, view};
use crate::domain::time::Millis;
use crate::http::problem::Problem;
use crate::operations;
use crate::store::control::key::{Principal, Scope};

/// What the script sends when it asks for a page again on its own.
const REFRESH: &str = "camino-refresh";

/// Where the live tail is.
pub(super) const STREAM: &str = "/stream";

/// Whether the script asks with these headers, and nobody's hand.
pub(super) fn is_refresh(headers: &HeaderMap) -> bool {
    headers.contains_key(REFRESH)
}

/// What went wrong with a form, for whoever writes it down: its page says so, and is a page like any other.
#[derive(Clone, Default)]
pub(super) struct Trouble(Arc<OnceLock<Problem>>);

impl Trouble {
    /// The first thing.
    pub(super) fn get(&self) -> Option<&Problem> {
        self.0.get()
    }
}

/// Somebody who is signed in.
#[derive(Clone)]
pub(super) struct Visit {
    pub(super) web: Web,
    pub(super) principal: Arc<Principal>,
    pub(super) session: Session,
    pub(super) lang: Lang,
    /// Path and query, for the way back.
    pub(super) path: String,
    pub(super) now: Millis,
    is_refresh: bool,
    id: String,
    trouble: Trouble,
}

impl Visit {
    /// Whose request has these headers, if they are signed in and their key still holds.
    pub(super) fn of(web: &Web, headers: &HeaderMap, path: &str) -> Option<Self> {
        let id = cookie::read(headers, cookie::SESSION)?;
        let clock = &web.ops.parts.clock;
        let now = clock.monotonic();
        // A browser goes back to the stream by itself as well, and cannot say so.
        let is_by_hand = !is_refresh(headers) && !path.starts_with(STREAM);
        let session = if is_by_hand { web.sessions.find(id, now) } else { web.sessions.look(id, now) }?;
        let now = clock.now();
        let Some(principal) = web.ops.parts.control.recognize(session.key, now) else {
            web.end(id);
            return None;
        };
        Some(Self {
            web: web.clone(),
            principal,
            session,
            lang: Lang::of(headers),
            path: path.to_owned(),
            now,
            is_refresh: is_refresh(headers),
            id: id.to_owned(),
            trouble: Trouble::default(),
        })
    }

    /// Whether the script asks on its own, to keep what is shown fresh: nobody is there to be told anything.
    pub(super) fn is_refresh(&self) -> bool {
        self.is_refresh
    }

    /// Whether the key has `scope`, so that what needs it is shown.
    pub(super) fn may(&self, scope: Scope) -> bool {
        operations::allow(&self.principal, scope).is_ok()
    }

    /// Refuses what needs `scope`.
    pub(super) fn allow(&self, scope: Scope) -> Result<(), Problem> {
        operations::allow(&self.principal, scope)
    }

    /// `text` in the visitor's language.
    pub(super) fn t(&self, text: T) -> &'static str {
        self.lang.t(text)
    }

    /// Keeps a word for the next page.
    pub(super) fn tell(&self, text: impl Into<String>) {
        self.web.sessions.tell(&self.id, Notice { is_trouble: false, text: text.into() });
    }

    /// Keeps what went wrong for the next page.
    pub(super) fn tell_trouble(&self, problem: &Problem) {
        let _ = self.trouble.0.set(problem.clone());
        let text = problem.detail().to_owned();
        self.web.sessions.tell(&self.id, Notice { is_trouble: true, text });
    }

    /// What was kept for this page. One that is only looked at for its numbers leaves it for the next.
    pub(super) fn told(&self) -> Option<Notice> {
        if self.is_refresh() { None } else { self.web.sessions.told(&self.id) }
    }

    /// Signs out.
    pub(super) fn end(&self) {
        self.web.end(&self.id);
    }

    /// Says whether the session still holds, and does not use it.
    pub(super) fn holding(&self) -> impl Fn() -> bool + Send + 'static {
        let (sessions, id) = (Arc::clone(&self.web.sessions), self.id.clone());
        let clock = Arc::clone(&self.web.ops.parts.clock);
        move || sessions.look(&id, clock.monotonic()).is_some()
    }

    /// The same visit, of the page at `path`: where an answer to a form would be found again.
    pub(super) fn at(&self, path: String) -> Self {
        Self { path, ..self.clone() }
    }
}

impl FromRequestParts<Web> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Response> {
        let path = parts.uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let visit = Self::of(web, &parts.headers, path).ok_or_else(|| {
            let next = (parts.method == Method::GET).then_some(path);
            view::see(&format!("/{}", form::query([("next", next)]))).into_response()
        })?;
        Ok(Self { trouble: parts.extensions.get().cloned().unwrap_or_default(), ..visit })
    }
}
