//! Tickets over a hub of their own: mirrored, corrected, escalated, and judged by a model that is a stand-in.

mod hosted;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::classifier::{Classifier, Error, Judged, Judging};
use super::desk::{Desk, Model};
use super::hosted::Hosted;
use super::reading::{self, SupportTicket, TicketFilter};
use super::*;
use crate::deliver::internal::{Host as _, Verdict as Delivered};
use crate::deliver::{Attempt, Endpoint, Target};
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::time::Millis;
use crate::hub::crm::reading::Reach;
use crate::hub::organizations::Organizations;
use crate::hub::{CommandError, Hub};
use crate::runtime::clock::Clock;
use crate::telemetry::metrics::Metrics;
use crate::testing::clock::ManualClock;

const NOON: &str = "2026-04-16T12:00:00Z";

struct Bench {
    hub: Arc<Hub>,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let subscribers: Vec<Box<dyn Subscriber>> = vec![Box::new(Organizations), Box::new(Tickets::new())];
        let hub = Hub::open(dir.path(), subscribers, Arc::new(Metrics::new().unwrap())).unwrap();
        Self { hub: Arc::new(hub), _dir: dir }
    }

    fn take(&self, events: &[Attempt]) {
        let verdicts = self.hub.handle(events).unwrap();
        assert!(verdicts.iter().all(|verdict| *verdict == Delivered::Taken), "{verdicts:?}");
    }

    fn tickets(&self, filter: &TicketFilter, reach: &Reach) -> Vec<SupportTicket> {
        self.hub.read(|file| reading::tickets(file, reach, filter, (None, 50))).unwrap().unwrap().items
    }

    fn only(&self) -> SupportTicket {
        let mut all = self.tickets(&TicketFilter::default(), &Reach::All);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn correct(&self, n: u32, body: Value) -> Result<Value, CommandError> {
        self.hub.command(&Command {
            id: format!("cmd_{n}"),
            at: Millis::parse_rfc3339(NOON).unwrap().plus(Duration::from_secs(60)),
            actor: "key_1".to_owned(),
            organization: "org_1".to_owned(),
            correlation: format!("cid_{n}"),
            kind: "tickets.correct".to_owned(),
            body,
        })
    }

    fn desk(
        &self,
        classifier: Option<Arc<dyn Classifier>>,
        clock: &Arc<ManualClock>,
        tokens_per_day: u64,
    ) -> Desk {
        let model = classifier.map(|classifier| Model { classifier, tokens_per_day });
        Desk { hub: Arc::clone(&self.hub), model, clock: Arc::clone(clock) as Arc<dyn Clock> }
    }
}

fn event(n: u64, data: &Value, at: &str, organization: &str) -> Attempt {
    let source = AppSlug::new("constanza").unwrap();
    let event_id = EventId::new(&format!("e-{n}")).unwrap();
    let body = json!({
        "eventId": event_id, "eventType": CREATED, "timestamp": at, "source": "constanza",
        "organizationId": organization, "data": data,
    });
    let endpoint = Endpoint {
        app: AppSlug::hub(),
        target: Target::Internal,
        timeout: Duration::from_secs(9),
        retry_on: Vec::new(),
    };
    Attempt {
        seq: n,
        delivery_id: DeliveryId::derive(&source, &event_id, &AppSlug::hub(), 0),
        event_type: EventType::new(CREATED).unwrap(),
        receiver: AppSlug::hub(),
        correlation_id: CorrelationId::derive(&source, &event_id),
        attempt: 1,
        tenant: None,
        body: Bytes::from(body.to_string()),
        webhook_id: event_id.to_string(),
        idempotency_key: String::new(),
        replay_of: None,
        traceparent: None,
        endpoint: Arc::new(endpoint),
        turn: None,
        event_id,
        source,
    }
}

fn said(id: &str, subject: &str, description: &str) -> Value {
    json!({ "source_ticket_id": id, "user_id": "u1", "subject": subject, "description": description })
}

fn stamping(id: &str) -> Value {
    said(id, "Error al timbrar", "Desde ayer no puedo timbrar, marca error. Nadie puede facturar.")
}

#[test]
fn a_ticket_is_mirrored_field_by_field_and_classified() {
    let bench = Bench::new();
    let data = json!({
        "source_ticket_id": "T-1", "tenant_id": "montes", "user_id": "u1", "user_name": "Eva", "user_email": "e@x.mx",
        "user_phone": "5511122233", "subscription_plan": "pro", "subject": "Error al timbrar",
        "description": "No puedo timbrar, marca error", "category": "bug", "priority": "optional, low",
        "ai_chat_history": [{"role": "user"}], "conversation_history": "none", "attachments": ["a.png"],
        "metadata": {"page": "/cfdi"},
    });
    bench.take(&[event(1, &data, NOON, "org_1")]);
    let ticket = bench.only();
    let shown = serde_json::to_value(&ticket).unwrap();
    for (name, field) in [
        ("sourceTicketId", "source_ticket_id"),
        ("tenantId", "tenant_id"),
        ("userId", "user_id"),
        ("userName", "user_name"),
        ("userEmail", "user_email"),
        ("userPhone", "user_phone"),
        ("subscriptionPlan", "subscription_plan"),
        ("subject", "subject"),
        ("description", "description"),
        ("statedCategory", "category"),
        ("aiChatHistory", "ai_chat_history"),
        ("conversationHistory", "conversation_history"),
        ("attachments", "attachments"),
        ("metadata", "metadata"),
    ] {
        assert_eq!(shown[name], data[field], "{field}");
    }
    assert_eq!(ticket.stated_priority, None, "no such priority");
    assert_eq!(
        (ticket.classification.category.as_str(), ticket.classification.by.as_str()),
        ("bug", "offline")
    );
    assert_eq!(ticket.classification.language, "es");
    assert!(!ticket.classification.reason.is_empty());
}

#[test]
fn a_ticket_is_one_whatever_is_told_again_and_in_what_order() {
    let bench = Bench::new();
    let later = said("T-1", "Factura de mi plan", "me cobraron dos veces la mensualidad de mi plan");
    bench.take(&[
        event(1, &stamping("T-1"), NOON, "org_1"),
        event(2, &later, "2026-04-16T12:05:00Z", "org_1"),
        event(3, &stamping("T-1"), "2026-04-16T12:01:00Z", "org_1"),
        event(4, &stamping("T-1"), "2026-04-16T13:00:00Z", "org_other"),
        event(5, &json!({ "subject": "no id" }), NOON, "org_1"),
        event(6, &json!("no object"), NOON, "org_1"),
    ]);
    let ticket = bench.only();
    assert_eq!((ticket.organization_id.as_str(), ticket.subject.as_str()), ("org_1", "Factura de mi plan"));
    assert_eq!(ticket.classification.category, "billing");
    assert_eq!(ticket.opened_at, Millis::parse_rfc3339(NOON).unwrap());
}

#[test]
fn a_correction_stands_and_is_learned_from() {
    let bench = Bench::new();
    let odd = "La zanfoña del vestíbulo suena";
    bench.take(&[event(1, &said("T-1", "Zanfoña", odd), NOON, "org_1")]);
    let id = bench.only().ticket_id;
    for n in 0..20 {
        let body =
            json!({ "ticket": id, "category": "onboarding", "priority": "high", "status": "in_progress" });
        bench.correct(n, body).unwrap();
    }
    bench.take(&[
        event(2, &said("T-2", "Zanfoña", odd), NOON, "org_1"),
        event(3, &said("T-1", "Otra", "otra cosa"), "2026-04-16T14:00:00Z", "org_1"),
    ]);
    let all = bench.tickets(&TicketFilter::default(), &Reach::All);
    let of = |id: &str| all.iter().find(|ticket| ticket.source_ticket_id == id).unwrap();
    assert_eq!(of("T-2").classification.category, "onboarding", "learned");
    assert_eq!((of("T-1").classification.by.as_str(), of("T-1").status.as_str()), ("person", "in_progress"));
    assert_eq!(
        (of("T-1").classification.category.as_str(), of("T-1").subject.as_str()),
        ("onboarding", "Otra")
    );
    for (body, missing) in [
        (json!({ "ticket": id, "category": "nonsense" }), false),
        (json!({ "ticket": id, "status": "gone" }), false),
        (json!({ "ticket": "tkt_none", "status": "closed" }), true),
    ] {
        match bench.correct(90, body) {
            Err(CommandError::Missing(_)) => assert!(missing),
            Err(CommandError::Invalid(_)) => assert!(!missing),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn lists_are_filtered_and_scoped() {
    let bench = Bench::new();
    bench.take(&[
        event(1, &stamping("T-1"), NOON, "org_1"),
        event(2, &said("T-2", "Gracias", "Gracias por su ayuda"), NOON, "org_2"),
    ]);
    let count = |filter: TicketFilter, reach: &Reach| bench.tickets(&filter, reach).len();
    let category = |word: &str| TicketFilter { category: Some(word.to_owned()), ..TicketFilter::default() };
    assert_eq!(count(TicketFilter::default(), &Reach::All), 2);
    assert_eq!(count(category("bug"), &Reach::All), 1);
    assert_eq!(count(category("bug"), &Reach::Of(vec!["org_2".to_owned()])), 0);
    assert_eq!(count(TicketFilter::default(), &Reach::Of(vec!["org_2".to_owned()])), 1);
    assert_eq!(count(TicketFilter { level_min: Some(1), ..TicketFilter::default() }, &Reach::All), 0);
    let first =
        bench.hub.read(|file| reading::tickets(file, &Reach::All, &TicketFilter::default(), (None, 1)));
    let first = first.unwrap().unwrap();
    let next = bench.hub.read(|file| {
        reading::tickets(file, &Reach::All, &TicketFilter::default(), (first.next.as_deref(), 1))
    });
    let next = next.unwrap().unwrap();
    assert_eq!(
        (first.items[0].source_ticket_id.as_str(), next.items[0].source_ticket_id.as_str()),
        ("T-2", "T-1")
    );
    assert_eq!(next.next, None);
    let wrong =
        bench.hub.read(|file| reading::tickets(file, &Reach::All, &TicketFilter::default(), (Some("x"), 1)));
    assert_eq!(wrong.unwrap(), None);
}

#[tokio::test]
async fn what_waits_is_escalated_once_for_each_level() {
    let bench = Bench::new();
    bench.take(&[event(1, &stamping("T-1"), NOON, "org_1")]);
    let id = bench.only().ticket_id;
    bench.correct(1, json!({ "ticket": id, "priority": "urgent" })).unwrap();
    let clock = Arc::new(ManualClock::new(Millis::parse_rfc3339(NOON).unwrap()));
    let desk = bench.desk(None, &clock, 0);
    for (minutes, level) in [(59, 0), (1, 1), (0, 1), (60, 2), (60, 3), (6_000, 3)] {
        clock.advance(Duration::from_secs(60 * minutes));
        desk.look().await.unwrap();
        assert_eq!(bench.only().escalation_level, level, "after {minutes} min more");
    }
    bench.take(&[event(2, &stamping("T-2"), NOON, "org_1")]);
    let second = bench.tickets(&TicketFilter::default(), &Reach::All)[0].ticket_id.clone();
    bench.correct(2, json!({ "ticket": second, "status": "closed" })).unwrap();
    assert_eq!(desk.look().await.unwrap(), 0, "what has ended waits for nobody");
}

const TICKET: Ticket<'static> =
    Ticket { source: "constanza", subject: "Error al timbrar", description: "No puedo timbrar, marca error" };

/// Says the same of every ticket, for 450 tokens.
struct Parrot(Result<Verdict, Error>);

impl Classifier for Parrot {
    fn classify<'a>(&'a self, _: Ticket<'a>) -> Judging<'a> {
        let judged = Judged { verdict: self.0.clone(), by: "hosted", tokens: 450 };
        Box::pin(std::future::ready(judged))
    }
}

#[tokio::test]
async fn the_models_word_counts_unless_it_fails_or_a_person_has_spoken() {
    let bench = Bench::new();
    let clock = Arc::new(ManualClock::new(Millis::parse_rfc3339(NOON).unwrap()));
    let verdict: Verdict = serde_json::from_value(json!({
        "category": "billing", "priority": "urgent", "sentiment": "negative", "language": "en", "area": "payments",
        "confidence": 90, "reason": "because",
    }))
    .unwrap();
    bench.take(&[event(1, &stamping("T-1"), NOON, "org_1")]);
    let failing = bench.desk(Some(Arc::new(Parrot(Err(Error::Late)))), &clock, 1_000_000);
    assert_eq!(failing.look().await.unwrap(), 1);
    let ticket = bench.only();
    assert_eq!(
        (ticket.classification.by.as_str(), ticket.classification.category.as_str()),
        ("offline", "bug")
    );
    assert_eq!(ticket.classification.trouble.as_deref(), Some("it did not answer in time"));
    assert_eq!(failing.look().await.unwrap(), 0, "each ticket is asked about once");
    bench.take(&[event(2, &stamping("T-2"), NOON, "org_1")]);
    let desk = bench.desk(Some(Arc::new(Parrot(Ok(verdict)))), &clock, 1_000_000);
    assert_eq!(desk.look().await.unwrap(), 1);
    let second = &bench.tickets(&TicketFilter::default(), &Reach::All)[0];
    assert_eq!(
        (second.classification.by.as_str(), second.classification.category.as_str()),
        ("hosted", "billing")
    );
    bench.correct(1, json!({ "ticket": second.ticket_id, "category": "question" })).unwrap();
    assert_eq!(bench.tickets(&TicketFilter::default(), &Reach::All)[0].classification.by, "person");
}

#[tokio::test]
async fn beyond_its_budget_the_model_is_not_asked() {
    let bench = Bench::new();
    let clock = Arc::new(ManualClock::new(Millis::parse_rfc3339(NOON).unwrap()));
    bench.take(&[event(1, &stamping("T-1"), NOON, "org_1"), event(2, &stamping("T-2"), NOON, "org_1")]);
    let once = Hosted::tokens_max(&TICKET) + 400;
    let desk = bench.desk(Some(Arc::new(Parrot(Err(Error::Late)))), &clock, once);
    assert_eq!(desk.look().await.unwrap(), 1);
    assert_eq!(desk.look().await.unwrap(), 0);
    let spent = bench
        .hub
        .read(|file| reading::tokens_since(file, clock.now().minus(Duration::from_secs(1))))
        .unwrap();
    assert_eq!(spent, 450);
}
