//! `/subscriptions`: who has which plan of which app, how it stands, and what comes next.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::contacts::reach;
use super::events::Search;
use super::form::{Fields, segment};
use super::text::Text as T;
use super::view::table::{Column, facts, table};
use super::view::{self, Html, field, options};
use super::visit::Visit;
use crate::domain::subscription::State;
use crate::domain::time::Millis;
use crate::http::page::List;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::hub::subscriptions::reading::{self, Filter};
use crate::store::control::key::Scope;

/// Which subscriptions.
#[derive(Debug)]
pub(super) struct Wanted {
    filter: Filter,
    organization: Option<String>,
}

impl Parameters for Wanted {
    const NAMES: &'static [&'static str] = &["organization", "app", "state"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let text = |name| given.get(name).map(ToOwned::to_owned);
        let filter = Filter { app: text("app"), state: text("state"), is_unresolved: false };
        Ok(Self { filter, organization: text("organization") })
    }
}

/// The text in the field `name`.
fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or("–")
}

/// The instant in the field `name`.
fn instant(visit: &Visit, json: &Value, name: &str) -> Markup {
    view::time_or_dash(visit.now, json[name].as_str().and_then(Millis::parse_rfc3339))
}

/// How a subscription stands.
fn standing(visit: &Visit, state: &str) -> Markup {
    view::toned(view::Tone::of(state), visit.lang.subscription(state))
}

/// `GET /subscriptions`.
pub(super) async fn list(
    visit: Visit,
    List { filters: search, paging }: List<Search<Wanted>>,
) -> Result<Html, Problem> {
    let (filter, reach) = (search.filter.filter.clone(), reach(search.filter.organization.as_ref()));
    let page = visit
        .web
        .ops
        .hub_list(paging, move |file, paging| reading::subscriptions(file, &reach, &filter, paging));
    let page = page.await?;
    let columns = [
        Column(visit.t(T::Organization), false),
        Column(visit.t(T::App), false),
        Column(visit.t(T::Plan), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::Since), false),
        Column(visit.t(T::PeriodEnds), false),
    ];
    let row = |held: &Value| {
        vec![
            html! { a href={ "/subscriptions/" (segment(text(held, "subscriptionId"))) } { (text(held, "organizationId")) } },
            html! { (text(held, "app")) },
            html! { (text(held, "planId")) },
            standing(&visit, text(held, "state")),
            instant(&visit, held, "since"),
            instant(&visit, held, "periodEndsAt"),
        ]
    };
    let states = State::ALL.iter().map(|state| (state.as_str(), visit.lang.subscription(state.as_str())));
    let states = [("", visit.t(T::Any))].into_iter().chain(states);
    let content = html! {
        form.search method="get" action="/subscriptions" role="search" {
            (field("organization", visit.t(T::Organization), search.get("organization"), ""))
            (field("app", visit.t(T::App), search.get("app"), ""))
            (options("state", visit.t(T::State), search.get("state"), states))
            div.actions { button.primary type="submit" { (visit.t(T::Search)) } }
        }
        @if page.items.is_empty() { (search.nothing(&visit, [T::NoSubscriptions, T::NoSubscriptionsMend])) }
        @else { (table(visit.t(T::Subscriptions), &columns, page.items.iter().map(row).collect())) }
        (view::next(&visit, "/subscriptions", &search.pairs(), page.next.as_deref()))
    };
    Ok(view::page(&visit, view::SUBSCRIPTIONS, visit.t(T::Subscriptions), &content))
}

/// `GET /subscriptions/{id}`.
pub(super) async fn show(visit: Visit, Path(id): Path<String>) -> Result<Html, Problem> {
    let wanted = id.clone();
    let found = visit.web.ops.hub_read(move |file| reading::subscription(file, &wanted)).await?;
    let missing = || Problem::new(Code::NotFound, format!("there is no subscription `{id}`"));
    let (organization, held) = found.ok_or_else(missing)?;
    let columns = [
        Column(visit.t(T::Began), false),
        Column(visit.t(T::WhatHappened), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::Why), false),
        Column(visit.t(T::Source), false),
    ];
    let row = |said: &Value| {
        vec![
            instant(&visit, said, "at"),
            html! { (visit.lang.subscription(text(said, "said"))) " · " (visit.lang.subscription(text(said, "outcome"))) },
            standing(&visit, text(said, "state")),
            html! { (text(said, "why")) },
            html! { (text(said, "source")) },
        ]
    };
    let history = held["history"].as_array().map(Vec::as_slice).unwrap_or_default();
    let content = html! {
        (facts(vec![
            (visit.t(T::State), standing(&visit, text(&held, "state"))),
            (visit.t(T::App), html! { (text(&held, "app")) }),
            (visit.t(T::Plan), html! { (text(&held, "planId")) }),
            (visit.t(T::Since), instant(&visit, &held, "since")),
            (visit.t(T::TrialEnds), instant(&visit, &held, "trialEndsAt")),
            (visit.t(T::PeriodEnds), instant(&visit, &held, "periodEndsAt")),
            (visit.t(T::NextStep), html! { (visit.lang.subscription(text(&held["next"], "what"))) " " (instant(&visit, &held["next"], "at")) }),
            (visit.t(T::Why), html! { (text(&held, "reason")) }),
        ]))
        @if visit.may(Scope::Operate) { (change_form(&visit, &id)) }
        h2 { (visit.t(T::History)) }
        @if history.is_empty() { p.muted { (visit.t(T::NothingHappened)) } }
        @else { (table(visit.t(T::History), &columns, history.iter().map(row).collect())) }
    };
    Ok(view::page(&visit, view::SUBSCRIPTIONS, &organization, &content))
}

/// What a person may ask; the hub knows which of it fits the state.
const ACTIONS: [&str; 7] = ["renew", "resume", "activate", "suspend", "cancel", "cancel_now", "plan"];

fn change_form(visit: &Visit, id: &str) -> Markup {
    let actions = ACTIONS.map(|action| (action, visit.lang.subscription(action)));
    html! {
        details {
            summary { (visit.t(T::ChangeSubscription)) }
            form.search method="post" action={ "/subscriptions/" (segment(id)) } {
                (view::token(visit))
                (options("action", visit.t(T::Change), "", actions))
                (field("planId", visit.t(T::NewPlan), "", visit.t(T::NewPlanHint)))
                div.actions { button.primary type="submit" { (visit.t(T::Save)) } }
            }
        }
    }
}

/// `POST /subscriptions/{id}`.
pub(super) async fn change(
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    let wanted = id.clone();
    let found = visit.web.ops.hub_read(move |file| reading::subscription(file, &wanted)).await?;
    let missing = || Problem::new(Code::NotFound, format!("there is no subscription `{id}`"));
    let (organization, _) = found.ok_or_else(missing)?;
    let body = match fields.get("action").unwrap_or_default() {
        "cancel_now" => json!({ "subscription": id, "action": "cancel", "atPeriodEnd": false }),
        "plan" => json!({ "subscription": id, "action": "plan", "planId": fields.get("planId") }),
        action => json!({ "subscription": id, "action": action }),
    };
    match visit.web.ops.hub_command(&visit.principal, organization, "subscriptions.change", body).await {
        Ok(_) => visit.tell(visit.t(T::Saved)),
        Err(problem) => visit.tell_trouble(&problem),
    }
    Ok(view::see(&format!("/subscriptions/{}", segment(&id))).into_response())
}
