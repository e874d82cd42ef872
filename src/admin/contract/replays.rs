//! Replays: many deliveries made again.

use axum::http::Method;
use serde_json::{Value, json};

use crate::domain::time::Millis;
use crate::http::contract::shape::{
    bounded, count, event_type, flag, instant, named, object, or_null, page_of, page_with, partly, slug,
    text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::operations::replays::{RATE_DEFAULT, RATE_MAX};
use crate::store::control::key::Scope;
use crate::store::control::replays::{Asked, EndedAs, Replay, State};

const ID: &str = "The replay's id.";
const EXAMPLE: &str = "rpl_4f1d2c3b5a69788796a5b4c3";

pub(super) fn chapter() -> Chapter {
    let new = |method, path, id, summary| Operation::new(method, path, id, summary);
    let counted = json!({ "replayId": null, "matched": 1204, "state": "dry_run", "done": 0 });
    Chapter {
        name: "replays",
        about: "Many deliveries made again, by filter: counted first, rate-limited, durable, cancellable.",
        operations: vec![
            new(Method::GET, "/v1/replays", "listReplays", "List replays, newest first")
                .keyed(Scope::Read)
                .lists::<()>()
                .answers(200, "A page.", page_of("Replay"), page_with(&example()))
                .refuses(&[Code::Overloaded, Code::StoreFailing]),
            new(Method::POST, "/v1/replays", "beginReplay", "Begin a replay, or count what it would be")
                .about(
                    "Takes what there is when it is asked for, and nothing later. With `dryRun` it only counts. \
                     The same ids by default: `asNew` gives new ones, for receivers that dedupe on them.",
                )
                .keyed(Scope::Operate)
                .takes(named("ReplayAsked"), json!({ "receiver": "constanza", "state": "dead", "dryRun": true }))
                .answers(202, "It goes on from here, after a restart too.", named("Replay"), example())
                .answers(200, "How many match; nothing was begun.", named("ReplayCount"), counted)
                .refuses(&[Code::NotFound, Code::StateConflict]),
            new(Method::GET, "/v1/replays/{id}", "showReplay", "Show a replay")
                .keyed(Scope::Read)
                .named(ID, EXAMPLE)
                .answers(200, "The replay.", named("Replay"), example())
                .refuses(&[Code::Overloaded, Code::StoreFailing]),
            new(Method::POST, "/v1/replays/{id}/cancel", "cancelReplay", "Stop a replay")
                .about("Nothing more is made; what was made stays. One that is over stays as it is.")
                .keyed(Scope::Operate)
                .named(ID, EXAMPLE)
                .answers(200, "The replay.", named("Replay"), example()),
        ],
        shapes: shapes(),
    }
}

fn shapes() -> Vec<(&'static str, Value)> {
    let ended = || word(["delivered", "dead", "cancelled"], "Only those that ended so.");
    let rate = || bounded(1, RATE_MAX.into(), "Most deliveries a second.");
    let mut rate_asked = rate();
    rate_asked["default"] = RATE_DEFAULT.into();
    let asked = partly(
        "Which deliveries; everything given must hold.",
        [],
        [
            (
                "receiver",
                or_null(slug("Deliveries to this app, and what it was never sent for want of an endpoint.")),
            ),
            ("source", or_null(slug("Of events from this app."))),
            ("eventType", or_null(event_type("Of events of this type."))),
            ("organization", or_null(text("Of events of this organization."))),
            ("state", or_null(ended())),
            ("since", or_null(instant("Of events accepted then or later."))),
            ("until", or_null(instant("Of events accepted then or earlier."))),
            ("dryRun", flag("Only count.")),
            ("asNew", flag("Under new ids.")),
            ("ratePerSecond", or_null(rate_asked)),
        ],
    );
    vec![
        ("ReplayAsked", asked),
        (
            "Replay",
            object(
                "A replay.",
                [
                    ("replayId", text("Its id.")),
                    ("matched", count("Deliveries that matched when it began.")),
                    ("state", word(["running", "done", "cancelled"], "Where it stands.")),
                    ("done", count("Deliveries made.")),
                    (
                        "skipped",
                        count(
                            "Matched, and not made: the receiver takes no part now, or somebody was faster.",
                        ),
                    ),
                    ("asked", named("ReplayAsked")),
                    ("createdAt", time("When it began.")),
                    ("endedAt", or_null(time("When it ended."))),
                ],
            ),
        ),
        (
            "ReplayCount",
            object(
                "What a replay would be.",
                [
                    ("replayId", json!({ "type": "null", "description": "There is none." })),
                    ("matched", count("Deliveries that match.")),
                    ("state", word(["dry_run"], "Always this.")),
                    ("done", count("Always 0.")),
                ],
            ),
        ),
    ]
}

fn example() -> Value {
    json!(Replay {
        replay_id: EXAMPLE.to_owned(),
        matched: 1204,
        state: State::Running,
        done: 300,
        skipped: 2,
        asked: Asked { state: Some(EndedAs::Dead), ..Asked::default() },
        created_at: Millis(1_776_340_800_000),
        ended_at: None,
        number: 0,
        cursor: 0,
        below: 0,
    })
}
