//! `GET /v1/journal`: the events in the order of their acceptance, for whoever follows them.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;

use super::Admin;
use crate::http::page::List;
use crate::http::problem::{Code, Problem};
use crate::http::query::{Given, Parameters};
use crate::operations::filters::Events;
use crate::operations::journal;
use crate::operations::names::{self, Names};
use crate::store::control::key::Scope;
use crate::store::journal::{Begin, Filter, Onward, OnwardAsked};

/// The cursor that stands for the end of what there is.
const END: &str = "end";

/// What to follow.
#[derive(Debug)]
pub(super) struct Followed {
    filter: Filter,
    asked: OnwardAsked,
}

impl Parameters for Followed {
    const NAMES: &'static [&'static str] =
        &["receiver", "source", "eventType", "organization", "since", "q", "again", "body"];

    fn read(given: &Given) -> Result<Self, Problem> {
        let Events(filter) = Events::read(given)?;
        let asked = OnwardAsked { again: flag(given, "again")?, body: flag(given, "body")? };
        Ok(Self { filter, asked })
    }
}

fn flag(given: &Given, name: &str) -> Result<bool, Problem> {
    match given.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => {
            let problem = Problem::new(Code::RequestInvalid, format!("`{name}` must be true or false"));
            Err(problem.with("field", name.into()))
        }
    }
}

/// `GET /v1/journal`: events oldest first, each with the deliveries made of it: `{items, next, more,
/// pastRetention}`. `next` is always there and says where to go on, now or a day later; no event is passed
/// over, because a page ends below the first event that the journal has not taken in. Without `cursor` it
/// begins at the oldest event kept (or at `since`), with `cursor=end` after all there is. `again=true` also
/// lists what was made again, at its place; `body=true` adds the received bytes as `bodyText`.
/// `pastRetention` counts places since the cursor whose events are no longer kept.
pub(super) async fn list(
    State(admin): State<Admin>,
    headers: HeaderMap,
    List { filters: Followed { filter, asked }, paging }: List<Followed>,
) -> Result<Json<Onward>, Problem> {
    admin.allow(&headers, Scope::Read)?;
    let begin = match paging.cursor {
        None => Begin::Oldest,
        Some(cursor) if cursor == END => Begin::End,
        Some(cursor) => Begin::At(cursor),
    };
    // Whoever goes on from a place has been let in by these names.
    if !matches!(begin, Begin::At(_)) {
        names::check(&admin.operations, Names::from(&filter)).await?;
    }
    // Asked before the journal is: it never shows more than this.
    let accepted = admin.parts.intake.store.next_seq();
    let parked = admin.operations.why_parked();
    let limit = (usize::from(paging.limit), asked);
    journal::read(&admin.operations, move |reader| reader.onward(&filter, &begin, limit, accepted, &parked))
        .await
        .map(Json)
}
