//! What pages are made of: the frame around each, tables, states, times, links to the next page.
//!
//! Never takes a text that is not escaped. A state is a word first, and a colour beside it.

mod fields;
pub(super) mod indent;
pub(super) mod table;

use axum::http::header::{CONTENT_TYPE, LOCATION};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON, SCRIPT, STYLE};
use super::form::{query, segment};
use super::text::{Lang, Text as T};
use super::visit::Visit;
use crate::domain::time::Millis;
use crate::http::problem::Problem;
use crate::store::control::key::Scope;
pub(super) use fields::{button, choice, field, hidden, options, token};

/// A page as an answer.
pub(super) struct Html(pub(super) Markup);

impl IntoResponse for Html {
    fn into_response(self) -> Response {
        ([(CONTENT_TYPE, "text/html; charset=utf-8")], self.0.into_string()).into_response()
    }
}

/// "Go and look there", after a form.
pub(super) fn see(path: &str) -> (StatusCode, [(HeaderName, String); 1]) {
    (StatusCode::SEE_OTHER, [(LOCATION, path.to_owned())])
}

/// A place in the menu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    path: &'static str,
    name: T,
}

const fn place(path: &'static str, name: T) -> Place {
    Place { path, name }
}

pub(super) const OVERVIEW: Place = place("/", T::Overview);
pub(super) const EVENTS: Place = place("/events", T::Events);
pub(super) const ENDPOINTS: Place = place("/endpoints", T::Endpoints);
pub(super) const DEAD: Place = place("/dead-letters", T::DeadLetters);
pub(super) const QUARANTINE: Place = place("/quarantine", T::Quarantine);
pub(super) const REPLAYS: Place = place("/replays", T::Replays);
pub(super) const REGISTRY: Place = place("/registry", T::Registry);
pub(super) const CONTACTS: Place = place("/contacts", T::Contacts);
pub(super) const SUBSCRIPTIONS: Place = place("/subscriptions", T::Subscriptions);
pub(super) const TICKETS: Place = place("/tickets", T::Tickets);
pub(super) const AUDIT: Place = place("/audit", T::AuditLog);
pub(super) const KEYS: Place = place("/keys", T::Keys);

/// No place of the menu.
const NOWHERE: Place = place("", T::Trouble);

const BROKER: [Place; 7] = [OVERVIEW, EVENTS, ENDPOINTS, DEAD, QUARANTINE, REPLAYS, REGISTRY];
const HUB: [Place; 3] = [CONTACTS, SUBSCRIPTIONS, TICKETS];
const ADMINISTRATION: [Place; 2] = [KEYS, AUDIT];

/// A whole page for somebody who is signed in.
pub(super) fn page(visit: &Visit, at: Place, title: &str, content: &Markup) -> Html {
    let notice = visit.told();
    framed(
        visit.lang,
        title,
        &html! {
            a.skip href="#main" { (visit.t(T::SkipToContent)) }
            header.side {
                a.brand href="/" { "Camino" }
                (menu(visit, at))
                (account(visit))
            }
            main id="main" data-from=(visit.path) {
                p.notice.stale id="stale" role="alert" hidden {
                    (visit.t(T::NoLongerLive)) " " a href=(visit.path) { (visit.t(T::SignInAgain)) }
                }
                @if let Some(notice) = notice {
                    @let tone = if notice.is_trouble { "notice bad" } else { "notice good" };
                    p class=(tone) role="status" { (notice.text) }
                }
                h1 { (soft(title)) }
                (content)
            }
        },
    )
}

/// A page for somebody who is not.
pub(super) fn bare(lang: Lang, title: &str, content: &Markup) -> Html {
    framed(lang, title, &html! { main.narrow id="main" { (content) } })
}

fn framed(lang: Lang, title: &str, body: &Markup) -> Html {
    Html(html! {
        (DOCTYPE)
        html lang=(lang.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Camino" }
                link rel="icon" type="image/svg+xml" href=(ICON.path);
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
            }
            body { (body) }
        }
    })
}

fn menu(visit: &Visit, at: Place) -> Markup {
    let link = |place: &Place| {
        html! {
            li { a href=(place.path) aria-current=[(*place == at).then_some("page")] { (visit.t(place.name)) } }
        }
    };
    html! {
        nav aria-label=(visit.t(T::Menu)) {
            ul {
                @for place in &BROKER { (link(place)) }
            }
            p.heading { (visit.t(T::Hub)) }
            ul {
                @for place in &HUB { (link(place)) }
            }
            @if visit.may(Scope::Admin) {
                p.heading { (visit.t(T::Administration)) }
                ul { @for place in &ADMINISTRATION { (link(place)) } }
            }
        }
    }
}

fn account(visit: &Visit) -> Markup {
    html! {
        div.account {
            p { span.muted { (visit.t(T::SignedInAs)) " " } (visit.principal.name) }
            (languages(visit.lang, &visit.path))
            form method="post" action="/sign-out" {
                (token(visit))
                button.plain type="submit" { (visit.t(T::SignOut)) }
            }
        }
    }
}

/// The switch between languages; comes back to `path`.
pub(super) fn languages(lang: Lang, path: &str) -> Markup {
    html! {
        p.languages {
            @for other in Lang::ALL {
                @if other == lang {
                    span lang=(other.as_str()) { (other.name()) }
                } @else {
                    a lang=(other.as_str()) hreflang=(other.as_str())
                        href={ "/language/" (other.as_str()) (query([("next", Some(path))])) } { (other.name()) }
                }
            }
        }
    }
}

/// A page that says what went wrong.
pub(super) fn trouble(visit: Option<&Visit>, lang: Lang, problem: &Problem) -> Html {
    let title = lang.t(T::Trouble);
    let (named, mend) = lang.problem(problem.code());
    let said = html! {
        p.lead { (named) }
        p.sentence { (problem.detail()) }
        p.muted { (problem.status().as_u16()) " · " code { (problem.code().as_str()) } " · " (mend) }
        p { a href="/" { (lang.t(T::BackToOverview)) } }
    };
    match visit {
        Some(visit) => page(visit, NOWHERE, title, &said),
        None => bare(lang, title, &html! { h1 { (title) } (said) }),
    }
}

/// What a form is answered that was sent before. What came of it then is told as well, if it is not yet.
pub(super) fn sent_already(visit: &Visit) -> Response {
    let said = html! {
        p.lead { (visit.t(T::SentAlreadyLead)) }
        p { (visit.t(T::SentAlreadyMeans)) }
        p { a href="/" { (visit.t(T::BackToOverview)) } }
    };
    (StatusCode::CONFLICT, page(visit, NOWHERE, visit.t(T::SentAlready), &said)).into_response()
}

/// How good or bad a word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Waiting,
    Bad,
    Quiet,
}

impl Tone {
    /// Of a word that a state has anywhere on the pages.
    pub(super) fn of(word: &str) -> Self {
        match word {
            "delivered" | "active" | "closed" | "routed" | "released" | "done" | "queued" | "resolved" => {
                Self::Good
            }
            "pending"
            | "parked"
            | "paused"
            | "half_open"
            | "quarantined"
            | "running"
            | "trialing"
            | "in_progress"
            | "pending_cancellation" => Self::Waiting,
            "dead" | "disabled" | "open" | "rejected" | "past_due" | "suspended" | "urgent" | "high" => {
                Self::Bad
            }
            _ => Self::Quiet,
        }
    }

    const fn class(self) -> &'static str {
        match self {
            Self::Good => "state good",
            Self::Waiting => "state waiting",
            Self::Bad => "state bad",
            Self::Quiet => "state quiet",
        }
    }
}

/// A state: its word in the visitor's language, with its colour.
pub(super) fn state(lang: Lang, word: &str) -> Markup {
    toned(Tone::of(word), lang.word(word))
}

/// `text` with a colour.
pub(super) fn toned(tone: Tone, text: &str) -> Markup {
    html! { span class=(tone.class()) { (text) } }
}

/// A name that has no spaces, such as a type, an address or a URL: it may go on in the next line behind its signs.
pub(super) fn soft(name: &str) -> Markup {
    html! {
        @for part in name.split_inclusive(['.', '_', '@', '/', ':']) { (part) wbr; }
    }
}

/// An instant: the time of day, with the date unless it is today's; the whole of it on demand.
pub(super) fn time(now: Millis, at: Millis) -> Markup {
    let (whole, today) = (at.rfc3339(), now.rfc3339());
    let (date, clock) = (&whole[..10], &whole[11..19]);
    html! {
        time datetime=(whole) title=(whole) {
            @if date != &today[..10] { (date) " " }
            (clock)
        }
    }
}

/// An instant that may be missing.
pub(super) fn time_or_dash(now: Millis, at: Option<Millis>) -> Markup {
    at.map_or_else(|| html! { span.muted { "–" } }, |at| time(now, at))
}

/// How long `seconds` are, in the largest unit that fits.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A large number in groups of three.
pub(super) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// The path of an event's page.
pub(super) fn event_path(source: &str, id: &str) -> String {
    format!("/events/{}/{}", segment(source), segment(id))
}

/// Nothing to show, and what one can do about it.
pub(super) fn empty(what: &str, mend: &str) -> Markup {
    html! { div.empty { p { (what) } p.muted { (mend) } } }
}

/// The way to the next page of a list.
pub(super) fn next(
    visit: &Visit,
    path: &str,
    filters: &[(&str, Option<&str>)],
    cursor: Option<&str>,
) -> Markup {
    let link = |cursor: &str| {
        let pairs = filters.iter().copied().chain([("cursor", Some(cursor))]);
        format!("{path}{}", query(pairs))
    };
    html! {
        @if let Some(cursor) = cursor {
            p.next { a rel="next" href=(link(cursor)) { (visit.t(T::OlderEntries)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn today_is_not_said() {
        let at = Millis::parse_rfc3339("2026-04-16T12:00:05Z").unwrap();
        let noon = Millis::parse_rfc3339("2026-04-16T13:00:00Z").unwrap();
        let later = Millis::parse_rfc3339("2026-04-17T00:00:00Z").unwrap();
        assert!(time(noon, at).into_string().contains(">12:00:05<"));
        assert!(time(later, at).into_string().contains(">2026-04-16 12:00:05<"));
    }

    #[test]
    fn numbers_and_spans_are_readable() {
        let grouped: Vec<_> = [0, 999, 1_000, 12_345_678].map(number).into();
        assert_eq!(grouped, ["0", "999", "1\u{202f}000", "12\u{202f}345\u{202f}678"]);
        assert_eq!([5, 60, 7_200, 200_000].map(span), ["5 s", "1 min", "2 h", "2 d"]);
    }

    #[test]
    fn what_others_wrote_is_escaped() {
        let shown = empty("<script>", "\"&").into_string();
        assert!(shown.contains("&lt;script&gt;") && shown.contains("&quot;&amp;"), "{shown}");
    }
}
