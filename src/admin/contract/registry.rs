//! The registry in force.

use axum::http::Method;
use serde_json::{Value, json};

use crate::domain::catalog::{AppDef, EventDef};
use crate::domain::id::{AppSlug, EventType};
use crate::http::contract::shape::{
    any, event_type, flag, list, named, object, or_null, page_of, page_with, slug, text, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::store::control::key::Scope;

pub(super) fn chapter() -> Chapter {
    let get = |path, id, summary| Operation::new(Method::GET, path, id, summary).keyed(Scope::Read);
    Chapter {
        name: "registry",
        about: "The apps of the ecosystem and the types of event: who sends what to whom.",
        operations: vec![
            get("/v1/registry/apps", "listApps", "List apps, by slug").lists::<()>().answers(
                200,
                "A page.",
                page_of("App"),
                page_with(&app()),
            ),
            get("/v1/registry/apps/{id}", "showApp", "Show an app")
                .named("The app's slug.", "colectiva")
                .answers(200, "The app.", named("App"), app()),
            get("/v1/registry/events", "listEventTypes", "List types of event, by name")
                .lists::<()>()
                .answers(200, "A page.", page_of("EventType"), page_with(&kind())),
            get("/v1/registry/events/{id}", "showEventType", "Show a type of event")
                .about("For a name that nobody knows, the problem's `didYouMean` names the nearest.")
                .named("The type's name.", "payment.completed")
                .answers(200, "The type.", named("EventType"), kind()),
        ],
        shapes: vec![
            (
                "App",
                object(
                    "An app of the ecosystem.",
                    [
                        ("slug", slug("Its name in envelopes and lists.")),
                        ("name", text("Its name for people.")),
                        ("role", text("What it is for.")),
                        ("tier", or_null(text("How central it is."))),
                        ("url", or_null(text("Where it lives."))),
                    ],
                ),
            ),
            (
                "EventType",
                object(
                    "A type of event.",
                    [
                        ("type", event_type("Its name.")),
                        ("description", text("What happened.")),
                        ("senders", list(slug("An app."), "The apps that send it.")),
                        ("receivers", list(slug("An app."), "The apps that receive it.")),
                        ("sendersComplete", flag("Whether `senders` is all of them.")),
                        ("receiversComplete", flag("Whether `receivers` is all of them.")),
                        (
                            "schema",
                            any(
                                "The shape of its `data` as JSON Schema 2020-12; null if nobody documented it.",
                            ),
                        ),
                        ("example", any("A `data` that fits; null if there is none.")),
                        (
                            "status",
                            word(["active", "incomplete"], "`incomplete`: known by name only, never routed."),
                        ),
                    ],
                ),
            ),
        ],
    }
}

fn app() -> Value {
    let slug = AppSlug::new("colectiva").ok();
    json!(slug.map(|slug| AppDef {
        slug,
        name: "Colectiva".to_owned(),
        role: "Payments".to_owned(),
        tier: Some("T1".to_owned()),
        url: None,
    }))
}

fn kind() -> Value {
    let name = EventType::new("payment.completed").ok();
    json!(name.map(|name| EventDef {
        description: "A payment went through.".to_owned(),
        senders: AppSlug::new("colectiva").into_iter().collect(),
        receivers: AppSlug::new("constanza").into_iter().collect(),
        senders_complete: true,
        ..EventDef::new(name)
    }))
}
