//! `/contacts`: the people and firms that events were about, and what happened to each.

use axum::extract::Path;
use maud::{Markup, html};

use super::events::Search;
use super::form::segment;
use super::text::{Lang, Text as T};
use super::view::table::{Column, facts, table};
use super::view::{self, Html, field};
use super::visit::Visit;
use crate::http::page::List;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::hub::crm::reading::{self, Contact, Entry, Of, Reach};

/// Which contacts.
#[derive(Debug)]
pub(super) struct Wanted {
    q: Option<String>,
    organization: Option<String>,
}

impl Parameters for Wanted {
    const NAMES: &'static [&'static str] = &["q", "organization"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        Ok(Self { q: text("q"), organization: text("organization") })
    }
}

/// Everybody's things, or those of one organization.
pub(super) fn reach(organization: Option<&String>) -> Reach {
    organization.map_or(Reach::All, |organization| Reach::Of(vec![organization.clone()]))
}

/// `GET /contacts`.
pub(super) async fn list(
    visit: Visit,
    List { filters: search, paging }: List<Search<Wanted>>,
) -> Result<Html, Problem> {
    let (q, reach) = (search.filter.q.clone(), reach(search.filter.organization.as_ref()));
    let page = visit.web.ops.hub_list(paging, move |file, (cursor, limit)| {
        reading::contacts(file, &reach, q.as_deref(), cursor, limit)
    });
    let page = page.await?;
    let columns = [
        Column(visit.t(T::Name), false),
        Column(visit.t(T::Organization), false),
        Column(visit.t(T::Email), false),
        Column(visit.t(T::Phone), false),
        Column(visit.t(T::Changed), false),
    ];
    let row = |contact: &Contact| {
        vec![
            html! { a href={ "/contacts/" (segment(&contact.contact_id)) } { (name(contact)) } },
            html! { (contact.organization_id) },
            view::soft(contact.emails.first().map_or("–", String::as_str)),
            html! { (contact.phones.first().map_or("–", String::as_str)) },
            view::time(visit.now, contact.updated_at),
        ]
    };
    let content = html! {
        form.search method="get" action="/contacts" role="search" {
            label.wide {
                span { (visit.t(T::Words)) }
                input type="search" name="q" value=(search.get("q")) placeholder=(visit.t(T::ContactHint));
            }
            (field("organization", visit.t(T::Organization), search.get("organization"), ""))
            div.actions { button.primary type="submit" { (visit.t(T::Search)) } }
        }
        @if page.items.is_empty() { (search.nothing(&visit, [T::NoContacts, T::NoContactsMend])) }
        @else { (table(visit.t(T::Contacts), &columns, page.items.iter().map(row).collect())) }
        (view::next(&visit, "/contacts", &search.pairs(), page.next.as_deref()))
    };
    Ok(view::page(&visit, view::CONTACTS, visit.t(T::Contacts), &content))
}

fn name(contact: &Contact) -> &str {
    contact.name.as_deref().or(contact.emails.first().map(String::as_str)).unwrap_or(&contact.contact_id)
}

/// `GET /contacts/{id}`.
pub(super) async fn show(
    visit: Visit,
    Path(id): Path<String>,
    List { paging, .. }: List<()>,
) -> Result<Html, Problem> {
    let wanted = id.clone();
    let found = visit.web.ops.hub_read(move |file| reading::contact(file, &wanted)).await?;
    let contact = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no contact `{id}`")))?;
    // What became part of another has its past there.
    let of = contact.merged_into.clone().unwrap_or_else(|| contact.contact_id.clone());
    let timeline = visit.web.ops.hub_list(paging, move |file, (cursor, limit)| {
        reading::timeline(file, Of::Contact(&of), cursor, limit)
    });
    let timeline = timeline.await?;
    let listed = |texts: &[String]| html! { @if texts.is_empty() { "–" } @else { (texts.join(", ")) } };
    let content = html! {
        (facts(vec![
            (visit.t(T::Organization), html! { (contact.organization_id) }),
            (visit.t(T::Email), html! { @for email in &contact.emails { div { (view::soft(email)) } } @if contact.emails.is_empty() { "–" } }),
            (visit.t(T::Phone), listed(&contact.phones)),
            (visit.t(T::TaxId), html! { (contact.rfc.as_deref().unwrap_or("–")) }),
            (visit.t(T::Tags), listed(&contact.tags)),
            (visit.t(T::KnownAs), listed(&contact.external_ids)),
            (visit.t(T::FirstSeen), view::time(visit.now, contact.created_at)),
            (visit.t(T::DeletionAsked), view::time_or_dash(visit.now, contact.deletion_requested_at)),
        ]))
        @if let Some(other) = &contact.merged_into {
            p { (visit.t(T::PartOf)) " " a href={ "/contacts/" (segment(other)) } { (other) } }
        }
        h2 { (visit.t(T::Timeline)) }
        @if timeline.items.is_empty() { p.muted { (visit.t(T::NothingHappened)) } }
        @else { ol.trip { @for entry in &timeline.items { li { (happened(&visit, entry)) } } } }
        (view::next(&visit, &format!("/contacts/{}", segment(&id)), &[], timeline.next.as_deref()))
    };
    Ok(view::page(&visit, view::CONTACTS, name(&contact), &content))
}

fn happened(visit: &Visit, entry: &Entry) -> Markup {
    let told = match visit.lang {
        Lang::Es => &entry.summary.es,
        Lang::En => &entry.summary.en,
    };
    html! {
        p { (view::time(visit.now, entry.at)) " · " strong { (told) } }
        p.muted { (entry.event_type) " · " (entry.source) }
    }
}
