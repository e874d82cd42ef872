//! Follows a broker's journal: page after page in the order of acceptance, and on when there is more.
//!
//! Keeps its place while the broker is away, says so once on stderr, and goes on from there. Never passes
//! an event over.

use std::time::Duration;

use http::Method;
use serde::Deserialize;
use serde_json::Value;

use super::broker::{Broker, escaped};
use super::client::Answer;
use super::failure::Failure;
use super::output;

/// What the API calls the place after all that there is.
const END: &str = "end";
/// Between two looks at a journal that had nothing more.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// Between two tries to reach a broker that is away: the first time, and at most.
const RETRY_FIRST: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Events of one page.
const PAGE_EVENTS: u32 = 200;

/// Which events. Filters hold together.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub(super) struct Select {
    /// Only what is delivered to this app.
    #[arg(long, value_name = "APP")]
    pub(super) receiver: Option<String>,
    /// Only events from this app.
    #[arg(long, value_name = "APP")]
    pub(super) source: Option<String>,
    /// Only events of this type.
    #[arg(long = "type", alias = "event-type", value_name = "TYPE")]
    pub(super) event_type: Option<String>,
    /// Only events of this organization.
    #[arg(long, value_name = "ORG")]
    pub(super) organization: Option<String>,
}

impl Select {
    /// By the names of the API.
    pub(super) fn named(&self) -> Vec<(&'static str, &str)> {
        [
            ("receiver", &self.receiver),
            ("source", &self.source),
            ("eventType", &self.event_type),
            ("organization", &self.organization),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.as_deref()?)))
        .collect()
    }
}

/// Where to begin.
#[derive(Clone, Debug)]
pub(super) enum Begin {
    /// With what comes from now on.
    End,
    /// With what was accepted at this time or later, in RFC 3339.
    Since(String),
    /// At a place that a page ended at.
    Place(String),
}

/// A page of the journal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    /// Events, oldest first, as the API writes them.
    pub(super) items: Vec<Value>,
    /// The place after them.
    pub(super) next: String,
    /// Whether there is more now.
    pub(super) more: bool,
    /// Events since the place before that the broker no longer has.
    pub(super) past_retention: u64,
}

/// A place in a broker's journal.
pub(super) struct Follow<'a> {
    broker: &'a Broker,
    query: String,
    cursor: String,
    /// Counts until something was found: later the place says all, and a clock that was put back must not
    /// make events look too old.
    since: Option<String>,
    /// Events that the broker no longer has, not told yet.
    gone: u64,
    is_away: bool,
}

impl<'a> Follow<'a> {
    /// Follows `select` with further parameters `with`.
    pub(super) fn new(broker: &'a Broker, select: &Select, with: &[(&str, &str)], begin: Begin) -> Self {
        let mut query = format!("limit={PAGE_EVENTS}");
        for (name, value) in select.named().iter().chain(with) {
            query = format!("{query}&{name}={}", escaped(value));
        }
        let (cursor, since) = match begin {
            Begin::End => (END.to_owned(), None),
            Begin::Since(time) => (String::new(), Some(time)),
            Begin::Place(cursor) => (cursor, None),
        };
        Self { broker, query, cursor, since, gone: 0, is_away: false }
    }

    /// The next page, as soon as the broker can be asked; empty if there is nothing now. The place moves on
    /// with it.
    pub(super) fn page(&mut self) -> anyhow::Result<Page> {
        let since = self.since.as_deref().map(|since| format!("&since={}", escaped(since)));
        let (query, cursor) = (&self.query, escaped(&self.cursor));
        let path = format!("/v1/journal?{query}&cursor={cursor}{}", since.unwrap_or_default());
        let mut pause = RETRY_FIRST;
        loop {
            let (why, mend) = match self.broker.call(Method::GET, &path, None) {
                Ok(answer) if answer.status >= 500 || answer.status == 429 => {
                    (format!("the broker answers {}", answer.status), None)
                }
                Ok(answer) => return self.read(&answer),
                Err(failure) => (failure.to_string(), Some(failure.mend)),
            };
            if !std::mem::replace(&mut self.is_away, true) {
                output::say(&format!("{why}; waiting, and going on from the same place"));
                if let Some(mend) = mend {
                    output::say(&format!("  {mend}"));
                }
            }
            self.broker.wait(pause);
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    fn read(&mut self, answer: &Answer) -> anyhow::Result<Page> {
        let page = match Broker::judged(answer) {
            Ok(page) => page,
            // A wrong filter is refused with the first page, which has no place to go on from.
            Err(error) if answer.status == 400 && self.has_place() => return Err(foreign(&error).into()),
            Err(error) => return Err(error),
        };
        let page: Page = serde_json::from_value(page)
            .map_err(|error| Failure::new(format!("the answer is no page of a journal: {error}"), OTHER))?;
        if std::mem::take(&mut self.is_away) {
            output::say("the broker is back; going on from where it was");
        }
        self.gone += page.past_retention;
        if !page.more && self.gone > 0 {
            let gone = std::mem::take(&mut self.gone);
            output::say(&format!("{gone} events in between are past the broker's retention, and left out"));
        }
        page.next.clone_into(&mut self.cursor);
        if !page.items.is_empty() {
            self.since = None;
        }
        Ok(page)
    }

    fn has_place(&self) -> bool {
        !self.cursor.is_empty() && self.cursor != END
    }

    /// Lets some time pass before the next look.
    pub(super) fn rest(&self) {
        self.broker.wait(LOOK_EVERY);
    }
}

const OTHER: &str = "is the broker of the same version as this binary?";

fn foreign(error: &anyhow::Error) -> Failure {
    let mend = "if the broker's store was made anew, remove the state file and give --since";
    Failure::new(format!("cannot go on from the place that was kept: {error}"), mend)
}
