//! `/tickets`: what people asked of support, and what was made of it.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::contacts::reach;
use super::events::Search;
use super::form::{Fields, segment};
use super::text::Text as T;
use super::view::table::{Column, facts, table};
use super::view::{self, Html, field, options};
use super::visit::Visit;
use crate::domain::triage::{Area, Category, Priority};
use crate::http::page::List;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::hub::tickets::reading::{self, STATUSES, SupportTicket, TicketFilter};
use crate::store::control::key::Scope;

/// Which tickets.
#[derive(Debug)]
pub(super) struct Wanted {
    filter: TicketFilter,
    organization: Option<String>,
}

impl Parameters for Wanted {
    const NAMES: &'static [&'static str] = &["organization", "status", "category", "priority", "source"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        let filter = TicketFilter {
            status: text("status"),
            category: text("category"),
            priority: text("priority"),
            source: text("source"),
            ..TicketFilter::default()
        };
        Ok(Self { filter, organization: text("organization") })
    }
}

/// `GET /tickets`.
pub(super) async fn list(
    visit: Visit,
    List { filters: search, paging }: List<Search<Wanted>>,
) -> Result<Html, Problem> {
    let (filter, reach) = (search.filter.filter.clone(), reach(search.filter.organization.as_ref()));
    let page =
        visit.web.ops.hub_list(paging, move |file, paging| reading::tickets(file, &reach, &filter, paging));
    let page = page.await?;
    let columns = [
        Column(visit.t(T::OpenedAt), false),
        Column(visit.t(T::Subject), false),
        Column(visit.t(T::Organization), false),
        Column(visit.t(T::App), false),
        Column(visit.t(T::Category), false),
        Column(visit.t(T::Priority), false),
        Column(visit.t(T::State), false),
    ];
    let row = |ticket: &SupportTicket| {
        vec![
            view::time(visit.now, ticket.opened_at),
            html! { a href={ "/tickets/" (segment(&ticket.ticket_id)) } { (ticket.subject) } },
            html! { (ticket.organization_id) },
            html! { (ticket.source) },
            html! { (visit.lang.triage(&ticket.classification.category)) },
            pressing(&visit, &ticket.classification.priority),
            standing(&visit, &ticket.status),
        ]
    };
    let any = [("", visit.t(T::Any))];
    let among = |words: Vec<(&'static str, &'static str)>| any.into_iter().chain(words);
    let content = html! {
        form.search method="get" action="/tickets" role="search" {
            (options("category", visit.t(T::Category), search.get("category"), among(categories(&visit))))
            (options("priority", visit.t(T::Priority), search.get("priority"), among(priorities(&visit))))
            (options("status", visit.t(T::State), search.get("status"), among(statuses(&visit))))
            (field("source", visit.t(T::App), search.get("source"), ""))
            (field("organization", visit.t(T::Organization), search.get("organization"), ""))
            div.actions { button.primary type="submit" { (visit.t(T::Search)) } }
        }
        @if page.items.is_empty() { (search.nothing(&visit, [T::NoTickets, T::NoTicketsMend])) }
        @else { (table(visit.t(T::Tickets), &columns, page.items.iter().map(row).collect())) }
        (view::next(&visit, "/tickets", &search.pairs(), page.next.as_deref()))
    };
    Ok(view::page(&visit, view::TICKETS, visit.t(T::Tickets), &content))
}

/// Words with their texts.
type Words = Vec<(&'static str, &'static str)>;

fn categories(visit: &Visit) -> Words {
    Category::ALL.iter().map(|word| (word.as_str(), visit.lang.triage(word.as_str()))).collect()
}

fn priorities(visit: &Visit) -> Words {
    Priority::ALL.iter().map(|word| (word.as_str(), visit.lang.triage(word.as_str()))).collect()
}

fn areas(visit: &Visit) -> Words {
    Area::ALL.iter().map(|word| (word.as_str(), visit.lang.triage(word.as_str()))).collect()
}

fn statuses(visit: &Visit) -> Words {
    STATUSES.iter().map(|word| (*word, visit.lang.ticket(word))).collect()
}

/// How pressing a ticket is.
fn pressing(visit: &Visit, priority: &str) -> Markup {
    view::toned(view::Tone::of(priority), visit.lang.triage(priority))
}

/// How a ticket stands: its words mean other things than those of breakers.
fn standing(visit: &Visit, status: &str) -> Markup {
    let tone = match status {
        "open" | "in_progress" => view::Tone::Waiting,
        "resolved" => view::Tone::Good,
        _ => view::Tone::Quiet,
    };
    view::toned(tone, visit.lang.ticket(status))
}

/// `GET /tickets/{id}`.
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Html, Problem> {
    let wanted = id.clone();
    let found = visit.web.ops.hub_read(move |file| reading::ticket(file, &wanted)).await?;
    let ticket = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no ticket `{id}`")))?;
    let made = &ticket.classification;
    let or_dash = |text: &Option<String>| html! { (text.as_deref().unwrap_or("–")) };
    let content = html! {
        p.lead.text { (ticket.description) }
        (facts(vec![
            (visit.t(T::State), standing(&visit, &ticket.status)),
            (visit.t(T::Organization), html! { (ticket.organization_id) }),
            (visit.t(T::App), html! { (ticket.source) " · " code { (ticket.source_ticket_id) } }),
            (visit.t(T::OpenedBy), or_dash(&ticket.user_name)),
            (visit.t(T::Email), html! { (view::soft(ticket.user_email.as_deref().unwrap_or("–"))) }),
            (visit.t(T::OpenedAt), view::time(visit.now, ticket.opened_at)),
            (visit.t(T::EscalatesAt), view::time_or_dash(visit.now, ticket.escalates_at)),
            (visit.t(T::EscalationLevel), html! { (ticket.escalation_level) }),
            (visit.t(T::Assignee), or_dash(&ticket.assignee)),
            (visit.t(T::Note), or_dash(&ticket.note)),
        ]))
        h2 { (visit.t(T::Triage)) }
        (facts(vec![
            (visit.t(T::Category), html! { (visit.lang.triage(&made.category)) " (" (made.confidence) " %)" }),
            (visit.t(T::Priority), pressing(&visit, &made.priority)),
            (visit.t(T::Area), html! { (visit.lang.triage(&made.product_area)) }),
            (visit.t(T::Why), html! { (made.reason) }),
            (visit.t(T::DecidedBy), html! { (visit.lang.word(&made.by)) }),
        ]))
        @if visit.may(Scope::Operate) { (change_form(&visit, &ticket)) }
        p { a href=(view::event_path(&ticket.source, &ticket.event_id)) { (visit.t(T::ItsEvent)) } }
    };
    Ok(view::page(&visit, view::TICKETS, &ticket.subject, &content))
}

/// What a person may say of a ticket, and what is said of it now.
fn said(ticket: &SupportTicket) -> [(&'static str, &str); 6] {
    let made = &ticket.classification;
    [
        ("status", &ticket.status),
        ("category", &made.category),
        ("priority", &made.priority),
        ("area", &made.product_area),
        ("assignee", ticket.assignee.as_deref().unwrap_or_default()),
        ("note", ticket.note.as_deref().unwrap_or_default()),
    ]
}

/// What stands beside the field `name`: what it was when the form was shown.
fn was(name: &str) -> String {
    format!("was_{name}")
}

/// A person's word about a ticket.
fn change_form(visit: &Visit, ticket: &SupportTicket) -> Markup {
    let made = &ticket.classification;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    html! {
        details {
            summary { (visit.t(T::ChangeTicket)) }
            p.muted { (visit.t(T::ChangeTicketMeans)) }
            form.search method="post" action={ "/tickets/" (segment(&ticket.ticket_id)) } {
                (view::token(visit))
                @for (name, value) in said(ticket) { (view::hidden(&was(name), value)) }
                (options("status", visit.t(T::State), &ticket.status, statuses(visit)))
                (options("category", visit.t(T::Category), &made.category, categories(visit)))
                (options("priority", visit.t(T::Priority), &made.priority, priorities(visit)))
                (options("area", visit.t(T::Area), &made.product_area, areas(visit)))
                (field("assignee", visit.t(T::Assignee), &text(&ticket.assignee), ""))
                (field("note", visit.t(T::Note), &text(&ticket.note), ""))
                div.actions { button.primary type="submit" { (visit.t(T::Save)) } }
            }
        }
    }
}

/// What a person changed in the form: what they did not touch is no judgement, and may be another's by now.
fn changed(ticket: &SupportTicket, fields: &Fields) -> Map<String, Value> {
    let value = |name: &str| fields.get(name).unwrap_or_default();
    let names = said(ticket).map(|(name, _)| name);
    let touched = names.into_iter().filter(|name| value(name) != value(&was(name)));
    touched.map(|name| (name.to_owned(), value(name).into())).collect()
}

/// `POST /tickets/{id}`.
pub(super) async fn change(
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    let wanted = id.clone();
    let found = visit.web.ops.hub_read(move |file| reading::ticket(file, &wanted)).await?;
    let ticket = found.ok_or_else(|| Problem::new(Code::NotFound, format!("there is no ticket `{id}`")))?;
    let mut body = changed(&ticket, &fields);
    if body.is_empty() {
        visit.tell(visit.t(T::NothingChanged));
    } else {
        body.insert("ticket".to_owned(), id.as_str().into());
        let organization = ticket.organization_id;
        match visit.web.ops.hub_command(&visit.principal, organization, "tickets.correct", body.into()).await
        {
            Ok(_) => visit.tell(visit.t(T::Saved)),
            Err(problem) => visit.tell_trouble(&problem),
        }
    }
    Ok(view::see(&format!("/tickets/{}", segment(&id))).into_response())
}
