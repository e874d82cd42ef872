//! Support tickets.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::tickets::{TEXT_CHARS_MAX, Tickets};
use super::{AT, EVENT, ORGANIZATION, change, get, organization, updated};
use crate::domain::triage::escalation::LEVEL_MAX;
use crate::domain::triage::{Area, Category, Language, Priority, Sentiment};
use crate::http::contract::Chapter;
use crate::http::contract::shape::{
    any, bounded, count, named, object, or_null, page_of, page_with, partly, text, time, with_one_of, word,
};
use crate::hub::tickets::reading::STATUSES;

const ID: &str = "The ticket's id.";
const TICKET: &str = "tck_1029384756afbecd";

pub(super) fn chapter() -> Chapter {
    let corrected = json!({
        "ticketId": TICKET, "status": "in_progress", "category": "billing", "priority": "high", "area": "payments",
    });
    Chapter {
        name: "tickets",
        about: "Support tickets of all apps in one queue, classified when they are opened.",
        operations: vec![
            get("/api/support/tickets", "listTickets", "List tickets, the last that came first")
                .lists::<Tickets>()
                .says("status", status("Only those that stand so."))
                .says("source", text("Only those that were opened in this app."))
                .says("category", category("Only those that are this."))
                .says("priority", priority("Only those that are so pressing."))
                .says("area", area("Only those for this area."))
                .says(
                    "escalated",
                    bounded(0, LEVEL_MAX.into(), "Only those that were escalated at least so often."),
                )
                .answers(200, "A page.", page_of("Ticket"), page_with(&ticket())),
            get("/api/support/tickets/{id}", "showTicket", "Show a ticket").named(ID, TICKET).answers(
                200,
                "The ticket.",
                named("Ticket"),
                ticket(),
            ),
            change(
                Method::PATCH,
                "/api/support/tickets/{id}",
                "changeTicket",
                "Say what a ticket is, or how it stands",
            )
            .about("A person's judgement is final, and the classifier learns from it.")
            .named(ID, TICKET)
            .takes(changes(), json!({ "status": "in_progress", "category": "billing" }))
            .answers(200, "The ticket's new standing.", standing(), corrected),
        ],
        shapes: vec![("Ticket", shape()), ("Classification", classification())],
    }
}

fn status(about: &str) -> Value {
    word(STATUSES, about)
}

fn category(about: &str) -> Value {
    word(Category::ALL.iter().map(|one| one.as_str()), about)
}

fn priority(about: &str) -> Value {
    word(Priority::ALL.iter().map(|one| one.as_str()), about)
}

fn area(about: &str) -> Value {
    word(Area::ALL.iter().map(|one| one.as_str()), about)
}

fn changes() -> Value {
    let mut written = text("What a person notes.");
    written["maxLength"] = TEXT_CHARS_MAX.into();
    let all = partly(
        "At least one of them.",
        [],
        [
            ("status", or_null(status("How it stands."))),
            ("category", or_null(category("What has to be done."))),
            ("priority", or_null(priority("How pressing it is."))),
            ("area", or_null(area("Who should look at it."))),
            ("assignee", or_null(text("Who works on it."))),
            ("note", or_null(written)),
        ],
    );
    with_one_of(all, &["status", "category", "priority", "area", "assignee", "note"])
}

fn standing() -> Value {
    object(
        "How a ticket stands.",
        [
            ("ticketId", text("The ticket.")),
            ("status", status("How it stands.")),
            ("category", category("What has to be done.")),
            ("priority", priority("How pressing it is.")),
            ("area", area("Who should look at it.")),
        ],
    )
}

fn classification() -> Value {
    object(
        "What was made of a ticket.",
        [
            ("category", category("What has to be done.")),
            ("priority", priority("How pressing it is.")),
            ("sentiment", word(Sentiment::ALL.iter().map(|one| one.as_str()), "How it sounds.")),
            ("language", word(Language::ALL.iter().map(|one| one.as_str()), "What it is written in.")),
            ("productArea", area("Who should look at it.")),
            ("confidence", count("How sure the category is, in hundredths.")),
            ("reason", text("Why.")),
            ("by", word(["offline", "hosted", "person"], "Who says so.")),
            ("trouble", or_null(text("Why the hosted model's answer is not used, if it was asked."))),
        ],
    )
}

fn shape() -> Value {
    object(
        "A support ticket.",
        [
            ("ticketId", text("Its id here.")),
            ("organizationId", organization()),
            ("source", text("The app that it was opened in.")),
            ("sourceTicketId", text("Its id there.")),
            ("tenantId", or_null(text("The tenant there."))),
            ("userId", or_null(text("Who opened it: their id there."))),
            ("userName", or_null(text("Their name."))),
            ("userEmail", or_null(text("Their address."))),
            ("userPhone", or_null(text("Their number."))),
            ("subscriptionPlan", or_null(text("The plan that they are on."))),
            ("subject", text("The title.")),
            ("description", text("The text.")),
            ("statedCategory", or_null(text("What the app said that it is."))),
            ("statedPriority", or_null(text("How pressing the app said that it is."))),
            ("aiChatHistory", any("The talk with the app's own assistant, as it came.")),
            ("conversationHistory", any("The talk with people, as it came.")),
            ("attachments", any("What was attached, as it came.")),
            ("metadata", any("The rest, as it came.")),
            ("status", status("How it stands.")),
            ("assignee", or_null(text("Who works on it."))),
            ("note", or_null(text("What a person noted."))),
            ("classification", named("Classification")),
            ("escalationLevel", bounded(0, LEVEL_MAX.into(), "How often it was escalated.")),
            ("escalatesAt", or_null(time("When it will be next."))),
            ("openedAt", time("When it was opened.")),
            ("updatedAt", updated()),
            ("eventId", text("The event that brought it.")),
        ],
    )
}

fn ticket() -> Value {
    json!({
        "ticketId": TICKET, "organizationId": ORGANIZATION, "source": "colectiva", "sourceTicketId": "t-17",
        "tenantId": null, "userId": "u_1", "userName": "Ana Robles", "userEmail": "ana@example.com",
        "userPhone": null, "subscriptionPlan": "pro", "subject": "Me cobraron dos veces",
        "description": "El cargo aparece dos veces en mi tarjeta.", "statedCategory": null, "statedPriority": null,
        "aiChatHistory": null, "conversationHistory": null, "attachments": null, "metadata": null,
        "status": "open", "assignee": null, "note": null,
        "classification": {
            "category": "billing", "priority": "high", "sentiment": "negative", "language": "es",
            "productArea": "payments", "confidence": 91, "reason": "cobraron, cargo", "by": "offline",
            "trouble": null,
        },
        "escalationLevel": 0, "escalatesAt": "2026-04-16T16:00:00Z", "openedAt": AT, "updatedAt": AT,
        "eventId": EVENT,
    })
}
