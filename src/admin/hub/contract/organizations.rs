//! Organizations and their timeline.

use axum::http::Method;
use serde_json::{Value, json};

use super::{EVENT, ORGANIZATION, get, line, organization, summary};
use crate::domain::time::Millis;
use crate::http::contract::shape::{
    any, count, list, named, object, or_null, page_of, page_with, slug, text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::hub::organizations::{Binding, Conflict, Organization};
use crate::store::control::key::Scope;

const ID: &str = "The organization's canonical id.";

pub(super) fn chapter() -> Chapter {
    let claim = json!({ "anyOf": [
        object("By an app's own name for it.", [("app", text("The app.")), ("tenantId", text("Its tenant."))]),
        object("By its canonical id.", [("organizationId", text("The id."))]),
    ] });
    Chapter {
        name: "organizations",
        about: "Canonical organizations, and the tenants of apps that are bound to them. A key that is bound to \
                organizations sees theirs only: anything else is not there.",
        operations: vec![
            get("/api/orgs/{id}", "showOrganization", "Show an organization")
                .named(ID, ORGANIZATION)
                .answers(200, "The organization.", named("Organization"), json!(example())),
            get("/api/orgs/{id}/timeline", "listOrganizationTimeline", "What happened, newest first")
                .named(ID, ORGANIZATION)
                .lists::<()>()
                .answers(200, "A page.", page_of("TimelineEntry"), page_with(&line())),
            Operation::new(
                Method::POST,
                "/api/orgs/resolve",
                "resolveOrganization",
                "Find the canonical organization",
            )
            .keyed(Scope::Read)
            .takes(claim, json!({ "app": "colectiva", "tenantId": "t_9" }))
            .answers(
                200,
                "It is known.",
                named("Resolution"),
                json!({ "organizationId": ORGANIZATION, "by": "binding" }),
            )
            .refuses(&[Code::NotFound]),
        ],
        shapes: shapes(),
    }
}

fn shapes() -> Vec<(&'static str, Value)> {
    let binding = object(
        "A tenant of an app, bound to an organization.",
        [
            ("app", text("The app.")),
            ("tenantId", text("Its own name for the organization.")),
            ("how", word(["seen", "provisioned"], "By an event, or by the app.")),
            ("since", time("Since when.")),
        ],
    );
    let conflict = object(
        "A claim that was not followed.",
        [
            ("app", text("The app.")),
            ("tenantId", text("Its tenant.")),
            ("boundTo", text("What it stays bound to.")),
            ("claimed", text("What was claimed.")),
            ("times", count("How often.")),
            ("since", time("Since when.")),
            ("eventId", text("The event that claimed it first.")),
        ],
    );
    vec![
        (
            "Organization",
            object(
                "An organization.",
                [
                    ("organizationId", text("Its canonical id.")),
                    ("status", word(["provisional", "provisioned"], "`provisional`: known by its use only.")),
                    ("firstSeenAt", time("The time of the first event about it.")),
                    ("bindings", list(binding, "Its tenants.")),
                    ("conflicts", list(conflict, "Claims of others to them, or of it to others' tenants.")),
                    ("contacts", count("Its contacts.")),
                    ("events", count("Lines of its timeline.")),
                ],
            ),
        ),
        (
            "Resolution",
            object(
                "What a claim comes to.",
                [
                    ("organizationId", text("The canonical id.")),
                    ("by", word(["binding", "canonical"], "By what.")),
                ],
            ),
        ),
        (
            "TimelineEntry",
            object(
                "One line of a timeline.",
                [
                    ("at", time("When it happened, by its own time.")),
                    ("eventType", text("What happened.")),
                    ("source", slug("Who said so; `command` if a person did it here.")),
                    ("organizationId", organization()),
                    ("contactId", or_null(text("Whom it is about."))),
                    ("summary", summary()),
                    ("amount", any("The amount, in the unit of its field; null if there is none.")),
                    ("event", any("The event behind it.")),
                ],
            ),
        ),
    ]
}

fn example() -> Organization {
    let since = Millis(1_776_340_800_000);
    Organization {
        organization_id: ORGANIZATION.to_owned(),
        status: "provisioned",
        first_seen_at: since,
        bindings: vec![Binding {
            app: "colectiva".to_owned(),
            tenant_id: "t_9".to_owned(),
            how: "provisioned",
            since,
        }],
        conflicts: vec![Conflict {
            app: "hoja".to_owned(),
            tenant_id: "t_9".to_owned(),
            bound_to: ORGANIZATION.to_owned(),
            claimed: "org_7".to_owned(),
            times: 1,
            since,
            event_id: EVENT.to_owned(),
        }],
        contacts: 318,
        events: 4021,
    }
}
