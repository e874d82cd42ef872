//! `/replays`: many deliveries made again. First they are counted, then a person says yes.

use axum::Extension;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use maud::{Markup, html};

use super::form::Fields;
use super::sent::Unchanged;
use super::text::Text as T;
use super::view::table::{Column, facts, table};
use super::view::{self, Html, choice, field, number};
use super::visit::Visit;
use crate::domain::time::Millis;
use crate::http::page::List;
use crate::http::problem::{Code, Problem};
use crate::operations::filters::parsed;
use crate::operations::replays::{self, Counted, RATE_DEFAULT};
use crate::store::control::key::Scope;
use crate::store::control::replays::{Asked, EndedAs, Replay, State};

/// How what is to be made again may have ended.
const ENDED: [&str; 3] = ["dead", "delivered", "cancelled"];

/// `GET /replays`.
pub(super) async fn list(visit: Visit, List { paging, .. }: List<()>) -> Result<Html, Problem> {
    let is_first = paging.cursor.is_none();
    let page = replays::list(&visit.web.ops, paging.cursor, paging.limit.into()).await?;
    let next = page.next.map(|number| number.to_string());
    let content = html! {
        @if is_first && visit.may(Scope::Operate) { (form(&visit)) }
        div data-live=[is_first.then_some("3")] {
            @if page.items.is_empty() { (view::empty(visit.t(T::NoReplays), visit.t(T::NoReplaysMend))) }
            @else { (listed(&visit, &page.items)) }
        }
        (view::next(&visit, "/replays", &[], next.as_deref()))
    };
    Ok(view::page(&visit, view::REPLAYS, visit.t(T::Replays), &content))
}

fn form(visit: &Visit) -> Markup {
    html! {
        details {
            summary { (visit.t(T::NewReplay)) }
            form.search method="post" action="/replays" {
                (view::token(visit))
                (choice(visit.lang, "state", visit.t(T::EndedAs), "dead", &ENDED))
                (field("receiver", visit.t(T::Receiver), "", ""))
                (field("source", visit.t(T::Source), "", ""))
                (field("eventType", visit.t(T::Type), "", "payment.completed"))
                (field("organization", visit.t(T::Organization), "", ""))
                (field("since", visit.t(T::Since), "", "2026-04-16T12:00:00Z"))
                (field("until", visit.t(T::Until), "", "2026-04-16T13:00:00Z"))
                (field("ratePerSecond", visit.t(T::RatePerSecond), "", &RATE_DEFAULT.to_string()))
                div.actions { button.primary type="submit" { (visit.t(T::CountFirst)) } }
            }
        }
    }
}

fn listed(visit: &Visit, items: &[Replay]) -> Markup {
    let columns = [
        Column(visit.t(T::Began), false),
        Column(visit.t(T::State), false),
        Column(visit.t(T::Asked), false),
        Column(visit.t(T::Matched), true),
        Column(visit.t(T::Done), true),
        Column(visit.t(T::Skipped), true),
        Column(visit.t(T::Actions), false),
    ];
    let row = |job: &Replay| {
        let is_running = job.state == State::Running;
        vec![
            view::time(visit.now, job.created_at),
            view::state(visit.lang, word(job.state)),
            asked_for(visit, &job.asked),
            html! { (number(job.matched)) },
            html! { (number(job.done)) @if is_running { br; progress max=(job.matched.max(1)) value=(job.done + job.skipped) {} } },
            html! { (number(job.skipped)) },
            html! {
                @if is_running && visit.may(Scope::Operate) {
                    (view::button(visit, &format!("/replays/{}/cancel", job.replay_id), visit.t(T::Cancel), ""))
                } @else { "–" }
            },
        ]
    };
    table(visit.t(T::Replays), &columns, items.iter().map(row).collect())
}

fn word(state: State) -> &'static str {
    match state {
        State::Running => "running",
        State::Done => "done",
        State::Cancelled => "cancelled",
    }
}

/// What was asked, in words.
fn asked_for(visit: &Visit, asked: &Asked) -> Markup {
    let ended = asked.state.map(|state| match state {
        EndedAs::Delivered => "delivered",
        EndedAs::Dead => "dead",
        EndedAs::Cancelled => "cancelled",
    });
    let said = [
        ended.map(|word| visit.lang.word(word).to_owned()),
        asked.receiver.as_ref().map(|to| format!("→ {to}")),
        asked.source.as_ref().map(|from| format!("{from} →")),
        asked.event_type.as_ref().map(ToString::to_string),
        asked.organization.clone(),
        asked.since.map(|at| format!("≥ {}", at.rfc3339())),
        asked.until.map(|at| format!("≤ {}", at.rfc3339())),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    html! { @if said.is_empty() { (visit.t(T::Everything)) } @else { (said.join(" · ")) } }
}

/// `POST /replays`: counts. With what was counted before it begins just that, unless more match by now: then
/// that is counted, and nothing begins that nobody has seen.
pub(super) async fn begin(visit: Visit, fields: Fields) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    let asked = asked(&fields)?;
    replays::check(&asked)?;
    let ops = &visit.web.ops;
    let seen = seen(&fields)?;
    if let Some(seen) = seen {
        let now = replays::count(ops, &asked, Some(seen.below)).await?;
        if now.matched <= seen.matched {
            let job = replays::begin(ops, &visit.principal, asked, now).await?;
            visit.tell(format!("{}: {}", visit.t(T::ReplayBegun), number(job.matched)));
            return Ok(view::see("/replays").into_response());
        }
    }
    let counted = replays::count(ops, &asked, None).await?;
    let lead = if seen.is_some() { T::CountedMore } else { T::CountedLead };
    Ok((Extension(Unchanged), confirm(&visit, &fields, &asked, counted, lead)).into_response())
}

/// What the page showed that this form comes from.
fn seen(fields: &Fields) -> Result<Option<Counted>, Problem> {
    let (matched, below) = (parsed("matched", fields.get("matched"))?, parsed("below", fields.get("below"))?);
    Ok(matched.zip(below).map(|(matched, below)| Counted { matched, below }))
}

fn confirm(visit: &Visit, fields: &Fields, asked: &Asked, counted: Counted, lead: T) -> Html {
    let names =
        ["state", "receiver", "source", "eventType", "organization", "since", "until", "ratePerSecond"];
    let rate = asked.rate_per_second.unwrap_or(RATE_DEFAULT);
    let Counted { matched, below } = counted;
    let content = html! {
        p.lead { (visit.t(lead)) }
        (facts(vec![
            (visit.t(T::Asked), asked_for(visit, asked)),
            (visit.t(T::Matched), html! { strong { (number(matched)) } }),
            (visit.t(T::RatePerSecond), html! { (rate) }),
            (visit.t(T::Takes), html! { (view::span(matched.div_ceil(u64::from(rate.max(1))))) }),
        ]))
        @if matched == 0 {
            (view::empty(visit.t(T::NothingFound), visit.t(T::NothingFoundMend)))
        } @else {
            form.inline method="post" action="/replays" {
                (view::token(visit))
                (view::hidden("matched", &matched.to_string()))
                (view::hidden("below", &below.to_string()))
                @for name in names {
                    @if let Some(value) = fields.get(name) { (view::hidden(name, value)) }
                }
                button.primary type="submit" { (visit.t(T::BeginReplay)) " (" (number(matched)) ")" }
            }
        }
        p { a href="/replays" { (visit.t(T::Back)) } }
    };
    view::page(visit, view::REPLAYS, visit.t(T::NewReplay), &content)
}

fn asked(fields: &Fields) -> Result<Asked, Problem> {
    let refused = |name: &str, rule: &str| Problem::new(Code::RequestInvalid, format!("`{name}` {rule}"));
    let time = |name: &str| {
        let rule = "must be RFC 3339, such as 2026-04-16T12:00:00Z";
        fields
            .get(name)
            .map(|text| Millis::parse_rfc3339(text).ok_or_else(|| refused(name, rule)))
            .transpose()
    };
    let state = |word: &str| match word {
        "dead" => Ok(EndedAs::Dead),
        "delivered" => Ok(EndedAs::Delivered),
        "cancelled" => Ok(EndedAs::Cancelled),
        _ => Err(refused("state", "must be dead, delivered or cancelled")),
    };
    Ok(Asked {
        receiver: parsed("receiver", fields.get("receiver"))?,
        source: parsed("source", fields.get("source"))?,
        event_type: parsed("eventType", fields.get("eventType"))?,
        organization: fields.get("organization").map(ToOwned::to_owned),
        state: fields.get("state").map(state).transpose()?,
        since: time("since")?,
        until: time("until")?,
        dry_run: false,
        as_new: false,
        rate_per_second: parsed("ratePerSecond", fields.get("ratePerSecond"))?,
    })
}

/// `POST /replays/{id}/cancel`.
pub(super) async fn cancel(visit: Visit, Path(id): Path<String>) -> Result<Response, Problem> {
    visit.allow(Scope::Operate)?;
    match replays::cancel(&visit.web.ops, &visit.principal, id).await {
        Ok(_) => visit.tell(visit.t(T::ReplayCancelled)),
        Err(problem) => visit.tell_trouble(&problem),
    }
    Ok(view::see("/replays").into_response())
}
