//! Contacts.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::Organization;
use super::super::crm::Wanted;
use super::{AT, CONTACT, EVENT, ORGANIZATION, change, get, line, organization, updated};
use crate::domain::time::Millis;
use crate::http::contract::Chapter;
use crate::http::contract::shape::{list, named, object, or_null, page_of, page_with, text, time};
use crate::hub::crm::reading::Duplicate;

const ID: &str = "The contact's id.";

pub(super) fn chapter() -> Chapter {
    let other = "con_0a1b2c3d4e5f6a7b";
    Chapter {
        name: "contacts",
        about: "People and companies, put together from what apps say of them.",
        operations: vec![
            get("/api/crm/contacts", "listContacts", "List contacts")
                .lists::<Wanted>()
                .says("q", text("Words that begin its name, address, number, tax id or a tag."))
                .answers(200, "A page.", page_of("Contact"), page_with(&contact())),
            get("/api/crm/contacts/{id}", "showContact", "Show a contact").named(ID, CONTACT).answers(
                200,
                "The contact.",
                named("Contact"),
                contact(),
            ),
            get("/api/crm/contacts/{id}/timeline", "listContactTimeline", "What happened, newest first")
                .about("One that became part of another has its past there.")
                .named(ID, CONTACT)
                .lists::<()>()
                .answers(200, "A page.", page_of("TimelineEntry"), page_with(&line())),
            change(
                Method::POST,
                "/api/crm/contacts/{id}/merge",
                "mergeContact",
                "Make a contact part of another",
            )
            .named(ID, CONTACT)
            .takes(
                object("Into which.", [("into", text("The other contact's id."))]),
                json!({ "into": other }),
            )
            .answers(
                200,
                "Merged.",
                merged(),
                json!({ "contactId": other, "mergedContactId": CONTACT, "mergedAt": AT }),
            ),
            change(
                Method::POST,
                "/api/crm/contacts/{id}/deletion-request",
                "requestContactDeletion",
                "Ask that a contact be forgotten",
            )
            .about("Marks it, and tells the apps; deletes nothing here.")
            .named(ID, CONTACT)
            .answers(
                200,
                "Marked.",
                marked(),
                json!({ "contactId": CONTACT, "deletionRequestedAt": AT }),
            ),
            get("/api/crm/duplicates", "listDuplicates", "List pairs that may be one person")
                .lists::<Organization>()
                .answers(200, "A page.", page_of("Duplicate"), page_with(&json!(duplicate()))),
        ],
        shapes: shapes(),
    }
}

fn merged() -> Value {
    object(
        "A merge.",
        [
            ("contactId", text("The one that is left.")),
            ("mergedContactId", text("The one that is part of it now.")),
            ("mergedAt", time("When.")),
        ],
    )
}

fn marked() -> Value {
    object(
        "A request to be forgotten.",
        [
            ("contactId", text("The contact.")),
            ("deletionRequestedAt", time("When deletion was asked for first.")),
        ],
    )
}

fn shapes() -> Vec<(&'static str, Value)> {
    vec![
        (
            "Contact",
            object(
                "A contact.",
                [
                    ("contactId", text("Its id.")),
                    ("organizationId", organization()),
                    ("name", or_null(text("Its name, if anybody said it."))),
                    ("emails", list(text("An address."), "Its addresses, folded.")),
                    ("phones", list(text("A number."), "Its numbers, as E.164.")),
                    ("rfc", or_null(text("Its tax id."))),
                    ("tags", list(text("A tag."), "What it is.")),
                    ("externalIds", list(text("`app:id`."), "What apps call it.")),
                    ("deletionRequestedAt", or_null(time("When deletion was asked for."))),
                    ("mergedInto", or_null(text("The contact that it is part of now."))),
                    ("createdAt", time("The time of the event that brought it.")),
                    ("updatedAt", updated()),
                ],
            ),
        ),
        (
            "Duplicate",
            object(
                "Two contacts that may be one person.",
                [
                    ("organizationId", organization()),
                    ("contactId", text("One of them.")),
                    ("otherContactId", text("The other.")),
                    ("reason", text("Why.")),
                    ("at", time("Since when.")),
                    ("eventId", text("The event that showed it.")),
                ],
            ),
        ),
    ]
}

fn contact() -> Value {
    json!({
        "contactId": CONTACT, "organizationId": ORGANIZATION, "name": "Ana Robles",
        "emails": ["ana@example.com"], "phones": ["+525512345678"], "rfc": null, "tags": ["customer"],
        "externalIds": ["colectiva:cus_1"], "deletionRequestedAt": null, "mergedInto": null, "createdAt": AT,
        "updatedAt": AT,
    })
}

fn duplicate() -> Duplicate {
    Duplicate {
        organization_id: ORGANIZATION.to_owned(),
        contact_id: CONTACT.to_owned(),
        other_contact_id: "con_0a1b2c3d4e5f6a7b".to_owned(),
        reason: "phone".to_owned(),
        at: Millis(1_776_340_800_000),
        event_id: EVENT.to_owned(),
    }
}
