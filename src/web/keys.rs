//! `/keys`: who may do what. Needs a key with the scope `admin`, as over the API.
//!
//! A key's text is shown once, on the page that made it, and kept nowhere.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::form::Fields;
use super::text::Text as T;
use super::view::table::{Column, table};
use super::view::{self, Html, field};
use super::visit::Visit;
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;
use crate::http::page::{LIMIT_DEFAULT, List, Page, Paging};
use crate::http::problem::{Code, Problem};
use crate::operations::filters::parsed;
use crate::operations::keys;
use crate::store::control::key::{Key, KeyId, NewKey, Scope};

/// What a key may do, to choose from.
const SCOPES: [Scope; 4] = [Scope::Read, Scope::Operate, Scope::Admin, Scope::EventsWrite];

/// `GET /keys`.
pub(super) async fn list(visit: Visit, List { paging, .. }: List<()>) -> Result<Html, Problem> {
    visit.allow(Scope::Admin)?;
    shown(&visit, &paging, &html! {}).await
}

async fn shown(visit: &Visit, paging: &Paging, done: &Markup) -> Result<Html, Problem> {
    let page: Page<Key> = keys::list(&visit.web.ops, paging).await?;
    let content = html! {
        (done)
        p.lead { (visit.t(T::KeysMean)) }
        (form(visit))
        @if page.items.is_empty() { (view::empty(visit.t(T::NoKeys), visit.t(T::NoKeysMend))) }
        @else { (listed(visit, &page.items)) }
        (view::next(visit, "/keys", &[], page.next.as_deref()))
    };
    Ok(view::page(visit, view::KEYS, visit.t(T::Keys), &content))
}

fn form(visit: &Visit) -> Markup {
    html! {
        details {
            summary { (visit.t(T::NewKey)) }
            form.search method="post" action="/keys" {
                (view::token(visit))
                (field("name", visit.t(T::Name), "", visit.t(T::KeyNameHint)))
                (field("source", visit.t(T::KeySource), "", ""))
                (field("expiresAt", visit.t(T::ExpiresAt), "", "2027-04-16T12:00:00Z"))
                fieldset.wide {
                    legend { (visit.t(T::Scopes)) }
                    @for scope in SCOPES {
                        label.check {
                            input type="checkbox" name=(scope.as_str()) value="yes";
                            " " code { (scope.as_str()) } " " span { (visit.t(meaning(scope))) }
                        }
                    }
                }
                div.actions { button.primary type="submit" { (visit.t(T::MakeKey)) } }
            }
        }
    }
}

fn meaning(scope: Scope) -> T {
    match scope {
        Scope::Read => T::ScopeRead,
        Scope::Operate => T::ScopeOperate,
        Scope::Admin => T::ScopeAdmin,
        Scope::EventsWrite => T::ScopeWrite,
    }
}

fn listed(visit: &Visit, items: &[Key]) -> Markup {
    let columns = [
        Column(visit.t(T::Name), false),
        Column(visit.t(T::Scopes), false),
        Column(visit.t(T::KeyFor), false),
        Column(visit.t(T::MadeAt), false),
        Column(visit.t(T::LastUsed), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::Actions), false),
    ];
    let row = |key: &Key| {
        let scopes: Vec<&str> = key.scopes.iter().map(Scope::as_str).collect();
        let is_over = key.revoked_at.is_some() || key.expires_at.is_some_and(|at| at <= visit.now);
        vec![
            html! { (key.name) br; code.muted { (key.key_id) } },
            html! { (scopes.join(", ")) },
            bound(visit, key),
            view::time(visit.now, key.created_at),
            view::time_or_dash(visit.now, key.last_used_at),
            standing(visit, key),
            html! {
                @if is_over || key.key_id == KeyId::admin() { "–" }
                @else { (view::button(visit, &format!("/keys/{}/revoke", key.key_id), visit.t(T::Revoke), "danger")) }
            },
        ]
    };
    table(visit.t(T::Keys), &columns, items.iter().map(row).collect())
}

/// For whose things.
fn bound(visit: &Visit, key: &Key) -> Markup {
    html! {
        @if let Some(source) = &key.source { (source) }
        @else if let Some(organizations) = &key.organizations {
            (organizations.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
        } @else { (visit.t(T::Everything)) }
    }
}

fn standing(visit: &Visit, key: &Key) -> Markup {
    let is_expired = key.expires_at.is_some_and(|at| at <= visit.now);
    html! {
        @if let Some(at) = key.revoked_at {
            (view::toned(view::Tone::Quiet, visit.t(T::Revoked))) " " (view::time(visit.now, at))
        } @else if is_expired {
            (view::toned(view::Tone::Quiet, visit.t(T::Expired)))
        } @else {
            (view::toned(view::Tone::Good, visit.t(T::Valid)))
            @if let Some(at) = key.expires_at { " " (visit.t(T::Until)) " " (view::time(visit.now, at)) }
        }
    }
}

/// `POST /keys`: the key is shown on this page only.
pub(super) async fn create(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    visit.allow(Scope::Admin)?;
    let time = |text: &str| {
        let rule = "`expiresAt` must be RFC 3339, such as 2027-04-16T12:00:00Z";
        Millis::parse_rfc3339(text).ok_or_else(|| Problem::new(Code::RequestInvalid, rule))
    };
    let new = NewKey {
        name: fields.get("name").unwrap_or_default().to_owned(),
        scopes: SCOPES.into_iter().filter(|scope| fields.get(scope.as_str()).is_some()).collect(),
        source: parsed::<AppSlug>("source", fields.get("source"))?,
        expires_at: fields.get("expiresAt").map(time).transpose()?,
        organizations: None,
    };
    let name = new.name.clone();
    let done = match keys::create(&visit.web.ops, &visit.principal, new).await {
        Ok((_, text)) => html! {
            section.notice.good role="status" {
                h2 { (visit.t(T::NewKeyMade)) " " (name) }
                p { code.secret { (text.reveal()) } }
                p { (visit.t(T::KeyOnce)) }
            }
        },
        Err(problem) => {
            visit.tell_trouble(&problem);
            html! {}
        }
    };
    Ok(shown(&visit, &Paging { limit: LIMIT_DEFAULT, cursor: None }, &done).await?.into_response())
}

/// `POST /keys/{id}/revoke`.
pub(super) async fn revoke(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.allow(Scope::Admin)?;
    match keys::revoke(&visit.web.ops, &visit.principal, &id).await {
        Ok(()) => visit.tell(visit.t(T::KeyRevoked)),
        Err(problem) => visit.tell_trouble(&problem),
    }
    Ok(view::see("/keys").into_response())
}
