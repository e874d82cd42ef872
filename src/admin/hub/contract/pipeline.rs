//! Deals, the funnel, deadlines, products, alerts and receivables.

use axum::http::Method;
use serde_json::{Value, json};

use super::super::Organization;
use super::super::pipeline::{Deals, Owed, Span};
use super::{CONTACT, EVENT, ORGANIZATION, change, get, organization, summary, updated};
use crate::domain::time::Millis;
use crate::http::contract::Chapter;
use crate::http::contract::shape::{
    any, count, flag, integer, list, named, number, object, or_null, page_of, page_with, partly, text, time,
    with_one_of, word,
};
use crate::hub::crm::reading::{
    Alert, Deadline, Deal, Funnel, KINDS, PHASES, Product, Receivable, STATUSES, Step, Summary,
};

const DEAL: &str = "dea_7f6e5d4c3b2a1908";
const RECEIVABLE: &str = "rec_90a1b2c3d4e5f607";
const SINCE: Millis = Millis(1_776_340_800_000);

pub(super) fn chapter() -> Chapter {
    let owed = partly(
        "At least one of them.",
        [],
        [
            ("status", or_null(word(STATUSES, "How it stands."))),
            ("note", or_null(text("What a person notes."))),
        ],
    );
    let staged = json!({ "dealId": DEAL, "stage": "ganado", "phase": "won" });
    let stood = json!({ "receivableId": RECEIVABLE, "invoiceId": "inv_7", "status": "promised" });
    Chapter {
        name: "pipeline",
        about: "Deals, legal matters and leads, what is owed, and what an organization's people should look at.",
        operations: vec![
            get("/api/crm/deals", "listDeals", "List deals, the last begun first")
                .lists::<Deals>()
                .says("kind", word(KINDS, "Only this kind."))
                .says("phase", word(PHASES, "Only those in this phase."))
                .says("stage", text("Only those in this stage, by the app's own word."))
                .answers(200, "A page.", page_of("Deal"), page_with(&json!(deal()))),
            change(Method::PATCH, "/api/crm/deals/{id}", "changeDeal", "Move a deal to another stage")
                .about("Winning it tells the other apps.")
                .named("The deal's id.", DEAL)
                .takes(object("Where to.", [("stage", text("The stage."))]), json!({ "stage": "ganado" }))
                .answers(200, "Where it stands now.", moved(), staged),
            get("/api/analytics/conversion-funnel", "showFunnel", "How many deals came how far")
                .asks::<Span>()
                .says("kind", word(KINDS, "Only this kind."))
                .answers(200, "The funnel.", named("Funnel"), json!(funnel())),
            get("/api/crm/deadlines", "listDeadlines", "List deadlines, the last said first")
                .lists::<Organization>()
                .answers(200, "A page.", page_of("Deadline"), page_with(&json!(deadline()))),
            get("/api/crm/products", "listProducts", "List products, the last changed first")
                .lists::<Organization>()
                .answers(200, "A page.", page_of("Product"), page_with(&json!(product()))),
            get("/api/crm/alerts", "listAlerts", "List alerts, the last said first")
                .lists::<Organization>()
                .answers(200, "A page.", page_of("Alert"), page_with(&json!(alert()))),
            get(
                "/api/cobranza",
                "listReceivables",
                "List what invoices' customers owe, the last changed first",
            )
            .lists::<Owed>()
            .says("status", word(STATUSES, "Only those that stand so."))
            .answers(200, "A page.", page_of("Receivable"), page_with(&json!(receivable()))),
            change(Method::PATCH, "/api/cobranza/{id}", "changeReceivable", "Say how a receivable stands")
                .named("The receivable's id.", RECEIVABLE)
                .takes(
                    with_one_of(owed, &["status", "note"]),
                    json!({ "status": "promised", "note": "pays on Friday" }),
                )
                .answers(200, "How it stands now.", standing(), stood),
        ],
        shapes: shapes(),
    }
}

fn moved() -> Value {
    object(
        "A deal that was moved.",
        [
            ("dealId", text("The deal.")),
            ("stage", text("Its stage.")),
            ("phase", word(PHASES, "What that means.")),
        ],
    )
}

fn standing() -> Value {
    object(
        "How a receivable stands.",
        [
            ("receivableId", text("The receivable.")),
            ("invoiceId", text("The invoice.")),
            ("status", word(STATUSES, "How it stands.")),
        ],
    )
}

fn shapes() -> Vec<(&'static str, Value)> {
    let step = object(
        "One step.",
        [
            ("phase", word(PHASES, "Its name.")),
            ("reached", count("Those that came at least this far.")),
            ("rate", or_null(number("Of those that came to the step before."))),
        ],
    );
    vec![
        ("Deal", deal_shape()),
        (
            "Funnel",
            object(
                "How many came how far.",
                [
                    ("steps", list(step, "The steps, the widest first.")),
                    ("lost", count("Those that ended without being won.")),
                ],
            ),
        ),
        (
            "Deadline",
            object(
                "A date that must not pass.",
                [
                    ("organizationId", organization()),
                    ("source", text("The app that it comes from.")),
                    ("externalId", text("Its id there.")),
                    ("title", or_null(text("What it is."))),
                    ("dueAt", or_null(time("When."))),
                    ("matterId", or_null(text("The legal matter."))),
                    ("contactId", or_null(text("Whom it is about."))),
                    ("updatedAt", time("When it was last said.")),
                ],
            ),
        ),
        (
            "Product",
            object(
                "A product of a store.",
                [
                    ("organizationId", organization()),
                    ("source", text("The app that it comes from.")),
                    ("externalId", text("Its id there.")),
                    ("name", or_null(text("Its name."))),
                    ("sku", or_null(text("Its stock keeping unit."))),
                    ("priceCents", any("Its price, in cents; null if nobody said it.")),
                    ("storeId", or_null(text("The store."))),
                    ("isActive", flag("Whether it is on sale.")),
                    ("deletedAt", or_null(time("When it was taken away."))),
                    ("updatedAt", updated()),
                ],
            ),
        ),
        ("Alert", alert_shape()),
        ("Receivable", receivable_shape()),
    ]
}

fn alert_shape() -> Value {
    object(
        "What an organization's people should look at.",
        [
            ("organizationId", organization()),
            ("kind", text("What kind.")),
            ("subject", text("About what.")),
            ("severity", text("How grave.")),
            ("summary", summary()),
            ("times", integer("How often it was said.")),
            ("firstAt", time("Since when.")),
            ("lastAt", time("When last.")),
            ("eventId", text("The last event that said it.")),
            ("source", text("Who sent that.")),
        ],
    )
}

fn deal_shape() -> Value {
    object(
        "A deal, a legal matter or a lead.",
        [
            ("dealId", text("Its id.")),
            ("organizationId", organization()),
            ("kind", word(KINDS, "What it is.")),
            ("source", text("The app that it comes from.")),
            ("externalId", text("Its id there.")),
            ("name", or_null(text("Its name."))),
            ("contactId", or_null(text("Whom it is about."))),
            ("stage", text("The app's own word for where it stands.")),
            ("phase", word(PHASES, "What that means.")),
            ("amount", any("Its amount, as the app gives it; null if it gives none.")),
            ("currency", or_null(text("What that is in."))),
            ("owner", or_null(text("Who works on it."))),
            ("strategy", or_null(text("The strategy that was recommended for it."))),
            ("assetClass", or_null(text("What kind of asset it is."))),
            ("createdAt", time("When it began.")),
            ("stageAt", or_null(time("When it came to its stage."))),
        ],
    )
}

fn receivable_shape() -> Value {
    object(
        "What an invoice's customer owes.",
        [
            ("receivableId", text("Its id.")),
            ("organizationId", organization()),
            ("invoiceId", text("The invoice.")),
            ("status", word(STATUSES, "How it stands.")),
            ("reason", or_null(text("Why it failed last."))),
            ("amountCents", any("How much, in cents; null if nobody said it.")),
            ("currency", or_null(text("Of what."))),
            ("contactId", or_null(text("Who owes it."))),
            ("note", or_null(text("What a person noted."))),
            ("failures", integer("How often collecting it failed.")),
            ("paidAt", or_null(time("When it was paid."))),
            ("updatedAt", updated()),
        ],
    )
}

fn deal() -> Deal {
    Deal {
        deal_id: DEAL.to_owned(),
        organization_id: ORGANIZATION.to_owned(),
        kind: "deal".to_owned(),
        source: "mancha".to_owned(),
        external_id: "d_1".to_owned(),
        name: Some("Renovación 2026".to_owned()),
        contact_id: Some(CONTACT.to_owned()),
        stage: "negociación".to_owned(),
        phase: "open".to_owned(),
        amount: Some(json!(125_000)),
        currency: Some("MXN".to_owned()),
        owner: None,
        strategy: None,
        asset_class: None,
        created_at: SINCE,
        stage_at: None,
    }
}

fn receivable() -> Receivable {
    Receivable {
        receivable_id: RECEIVABLE.to_owned(),
        organization_id: ORGANIZATION.to_owned(),
        invoice_id: "inv_7".to_owned(),
        status: "pending".to_owned(),
        reason: None,
        amount_cents: Some(json!(125_000)),
        currency: Some("MXN".to_owned()),
        contact_id: Some(CONTACT.to_owned()),
        note: None,
        failures: 0,
        paid_at: None,
        updated_at: SINCE,
    }
}

fn funnel() -> Funnel {
    let first = Step { phase: "lead", reached: 120, rate: None };
    Funnel { steps: vec![first, Step { phase: "qualified", reached: 60, rate: Some(0.5) }], lost: 12 }
}

fn deadline() -> Deadline {
    Deadline {
        organization_id: ORGANIZATION.to_owned(),
        source: "mancha".to_owned(),
        external_id: "t_3".to_owned(),
        title: Some("Contestar la demanda".to_owned()),
        due_at: Some(SINCE),
        matter_id: None,
        contact_id: None,
        updated_at: SINCE,
    }
}

fn product() -> Product {
    Product {
        organization_id: ORGANIZATION.to_owned(),
        source: "bloom".to_owned(),
        external_id: "p_1".to_owned(),
        name: Some("Maceta".to_owned()),
        sku: Some("MAC-1".to_owned()),
        price_cents: Some(json!(19_900)),
        store_id: None,
        is_active: true,
        deleted_at: None,
        updated_at: SINCE,
    }
}

fn alert() -> Alert {
    Alert {
        organization_id: ORGANIZATION.to_owned(),
        kind: "stock".to_owned(),
        subject: "MAC-1".to_owned(),
        severity: "warning".to_owned(),
        summary: Summary { es: "Quedan 3".to_owned(), en: "3 are left".to_owned() },
        times: 2,
        first_at: SINCE,
        last_at: SINCE,
        event_id: EVENT.to_owned(),
        source: "bloom".to_owned(),
    }
}
