//! `/dead-letters`: what failed for good, by cause, and the way to send it again.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::event::retry_button;
use super::events::{Search, fields};
use super::text::Text as T;
use super::view::table::{Column, table};
use super::view::{self, Html, choice, number};
use super::visit::Visit;
use crate::domain::outcome::Reason;
use crate::http::page::List;
use crate::http::problem::Problem;
use crate::operations::filters::Letters;
use crate::operations::journal::read;
use crate::store::control::key::Scope;
use crate::store::journal::DeliveryRow;

/// Dead letters that are looked at for their causes.
const GROUPED_MAX: usize = 500;

/// `GET /dead-letters`.
pub(super) async fn list(
    visit: Visit,
    List { filters: search, paging }: List<Search<Letters>>,
) -> Result<Html, Problem> {
    let parked = visit.web.ops.why_parked();
    let (filter, cursor, limit) = (search.filter.0.clone(), paging.cursor.clone(), usize::from(paging.limit));
    let is_first = cursor.is_none();
    let (found, latest) = read(&visit.web.ops, move |reader| {
        let found = reader.dead_letters(&filter, cursor.as_deref(), limit, &parked)?;
        let latest = if is_first {
            reader.dead_letters(&filter, None, GROUPED_MAX, &parked)?.items
        } else {
            Vec::new()
        };
        Ok((found, latest))
    })
    .await?;
    let content = html! {
        (form(&visit, &search))
        @if found.items.is_empty() && found.next.is_none() {
            (search.nothing(&visit, [T::NoDead, T::NoDeadMend]))
        } @else if found.items.is_empty() {
            (view::empty(visit.t(T::NothingSoFar), visit.t(T::NothingSoFarMend)))
        } @else {
            @if is_first { (causes(&visit, &latest)) }
            @if visit.may(Scope::Operate) { (again(&visit, &search)) }
            h2 { (visit.t(T::OneByOne)) }
            (listed(&visit, &found.items))
        }
        (view::next(&visit, "/dead-letters", &search.pairs(), found.next.as_deref()))
    };
    Ok(view::page(&visit, view::DEAD, visit.t(T::DeadLetters), &content))
}

fn form(visit: &Visit, search: &Search<Letters>) -> Markup {
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    html! {
        form.search method="get" action="/dead-letters" role="search" {
            label.wide {
                span { (visit.t(T::Words)) }
                input type="search" name="q" value=(search.get("q")) placeholder=(visit.t(T::WordsHint));
            }
            (choice(visit.lang, "reason", visit.t(T::Why), search.get("reason"), &reasons))
            (fields(visit, search, &html! {}))
            div.actions {
                button.primary type="submit" { (visit.t(T::Search)) }
                @if !search.is_empty() { a href="/dead-letters" { (visit.t(T::ClearFilters)) } }
            }
        }
    }
}

/// Dead letters with one cause: receiver, reason, status; how many; the latest one.
type Causes<'a> = BTreeMap<(&'a str, &'a str, Option<u16>), (u64, &'a DeliveryRow)>;

fn by_cause(latest: &[DeliveryRow]) -> Causes<'_> {
    let mut causes = Causes::new();
    for letter in latest {
        let reason = letter.reason.as_deref().unwrap_or_default();
        let cause = (letter.receiver.as_str(), reason, letter.last_status);
        causes.entry(cause).or_insert((0, letter)).0 += 1;
    }
    causes
}

fn causes(visit: &Visit, latest: &[DeliveryRow]) -> Markup {
    let columns = [
        Column(visit.t(T::Receiver), false),
        Column(visit.t(T::Why), false),
        Column(visit.t(T::Answer), false),
        Column(visit.t(T::HowMany), true),
        Column(visit.t(T::Said), false),
    ];
    let mut causes: Vec<_> = by_cause(latest).into_iter().collect();
    causes.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let row =
        |((receiver, reason, status), (count, letter)): &((&str, &str, Option<u16>), (u64, &DeliveryRow))| {
            let pairs = [("receiver", Some(*receiver)), ("reason", Some(*reason))];
            vec![
                html! { a href={ "/dead-letters" (super::form::query(pairs)) } { (receiver) } },
                view::toned(view::Tone::Bad, visit.lang.word(reason)),
                html! { @match status { Some(status) => { "HTTP " (status) } None => { "–" } } },
                html! { (number(*count)) },
                html! { span.said { (letter.last_error.as_deref().unwrap_or("–")) } },
            ]
        };
    html! {
        h2 { (visit.t(T::ByCause)) }
        @if latest.len() == GROUPED_MAX { p.muted { (visit.t(T::OfTheLatest)) " " (GROUPED_MAX) } }
        (table(visit.t(T::ByCause), &columns, causes.iter().map(row).collect()))
    }
}

/// The way from this list to a replay of what it shows.
fn again(visit: &Visit, search: &Search<Letters>) -> Markup {
    let known = ["receiver", "source", "eventType", "organization", "since", "until"];
    html! {
        @if search.get("q").is_empty() && search.get("reason").is_empty() {
            form.inline method="post" action="/replays" {
                (view::token(visit))
                input type="hidden" name="state" value="dead";
                @for name in known {
                    @if !search.get(name).is_empty() { input type="hidden" name=(name) value=(search.get(name)); }
                }
                button type="submit" { (visit.t(T::CountForRetry)) }
            }
            p.muted { (visit.t(T::CountForRetryMeans)) }
        } @else {
            p.muted { (visit.t(T::RetryFilterLimits)) }
        }
    }
}

fn listed(visit: &Visit, items: &[DeliveryRow]) -> Markup {
    let columns = [
        Column(visit.t(T::AcceptedAt), false),
        Column(visit.t(T::Receiver), false),
        Column(visit.t(T::Type), false),
        Column(visit.t(T::Why), false),
        Column(visit.t(T::Attempts), true),
        Column(visit.t(T::EventId), false),
        Column(visit.t(T::Actions), false),
    ];
    let row = |letter: &DeliveryRow| {
        let reason = letter.reason.as_deref().unwrap_or("–");
        let status = letter.last_status.map(|status| format!("{status} ")).unwrap_or_default();
        vec![
            view::time(visit.now, letter.accepted_at),
            html! { (letter.receiver) },
            view::soft(&letter.event_type),
            view::toned(view::Tone::Bad, &format!("{status}{}", visit.lang.word(reason))),
            html! { (letter.attempts) },
            html! { a.id href=(view::event_path(&letter.source, &letter.event_id)) { (letter.event_id) } },
            html! { @if visit.may(Scope::Operate) { (retry_button(visit, letter)) } @else { "–" } },
        ]
    };
    table(visit.t(T::DeadLetters), &columns, items.iter().map(row).collect())
}
