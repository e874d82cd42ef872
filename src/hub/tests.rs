//! The hub over a file of its own: exactly once, refusals, emissions, commands.

use bytes::Bytes;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::crm::Crm;
use super::crm::reading::{self, Of, Reach};
use super::organizations::{self, Claim, Organizations};
use super::*;
use crate::deliver::{Endpoint, Target};
use crate::domain::id::{AppSlug, CorrelationId, DeliveryId, EventId, EventType};
use crate::domain::time::Millis;

const NOON: &str = "2026-04-16T12:00:00Z";

/// Refuses, panics or emits as the type says.
struct Odd;

impl Subscriber for Odd {
    fn name(&self) -> &'static str {
        "odd"
    }

    fn steps(&self) -> &'static [&'static str] {
        &["CREATE TABLE odd (event_id TEXT PRIMARY KEY) STRICT"]
    }

    fn derived(&self) -> &'static [(&'static str, &'static str)] {
        &[("odd", "event_id")]
    }

    fn handle(&self, work: &mut Work<'_>, event: &Event<'_>) -> Result<(), Trouble> {
        match event.event_type.as_str() {
            "odd.refused" => return Err(Trouble::Refused("no such thing".to_owned())),
            "odd.panics" => panic!("at the wrong moment"),
            "odd.breaks" => work.tx.execute_batch("INSERT INTO odd VALUES (NULL), ('x'), ('x')")?,
            "odd.echoes" => {
                work.emit("deal.won", &json!({ "of": event.event_id }))?;
            }
            _ => {}
        }
        work.tx.prepare_cached("INSERT INTO odd VALUES (?1)")?.execute([event.event_id.as_str()])?;
        Ok(())
    }
}

struct Bench {
    hub: Hub,
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::with(|| vec![Box::new(Organizations), Box::new(Crm::new())])
    }

    fn odd() -> Self {
        Self::with(|| vec![Box::new(Odd)])
    }

    fn with(subscribers: impl FnOnce() -> Vec<Box<dyn Subscriber>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hub = Hub::open(dir.path(), subscribers(), Arc::new(Metrics::new().unwrap())).unwrap();
        Self { hub, dir }
    }

    fn take(&self, events: &[Attempt]) -> Vec<Verdict> {
        self.hub.handle(events).unwrap()
    }

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        self.hub.read(|file| file.query_row(&sql, (), |row| row.get(0))).unwrap()
    }

    fn contacts(&self, q: &str) -> Vec<reading::Contact> {
        let q = Some(q).filter(|q| !q.is_empty());
        self.hub.read(|file| reading::contacts(file, &Reach::All, q, None, 50)).unwrap().unwrap().items
    }

    fn command(&self, n: u32, kind: &str, body: Value) -> Result<Value, CommandError> {
        self.hub.command(&Command {
            id: format!("cmd_{n}"),
            at: Millis(1_776_400_000_000),
            actor: "key_1".to_owned(),
            organization: "org_1".to_owned(),
            correlation: format!("cid_{n}"),
            kind: kind.to_owned(),
            body,
        })
    }
}

/// An event of `source` in `org_1`.
fn event(n: u64, source: &str, event_type: &str, data: &Value) -> Attempt {
    event_at(n, source, event_type, data, NOON, "org_1")
}

pub(in crate::hub) fn event_at(
    n: u64,
    source: &str,
    event_type: &str,
    data: &Value,
    at: &str,
    organization: &str,
) -> Attempt {
    let slug = |text: &str| AppSlug::new(text).unwrap();
    let event_id = EventId::new(&format!("e-{n}")).unwrap();
    let body = json!({
        "eventId": event_id, "eventType": event_type, "timestamp": at, "source": source,
        "organizationId": organization, "data": data,
    });
    let endpoint = Endpoint {
        app: AppSlug::hub(),
        target: Target::Internal,
        timeout: std::time::Duration::from_secs(9),
        retry_on: Vec::new(),
    };
    Attempt {
        seq: n,
        delivery_id: DeliveryId::derive(&slug(source), &event_id, &AppSlug::hub(), 0),
        event_type: EventType::new(event_type).unwrap(),
        source: slug(source),
        receiver: AppSlug::hub(),
        correlation_id: CorrelationId::derive(&slug(source), &event_id),
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
    }
}

#[test]
fn an_event_has_its_effect_once() {
    let bench = Bench::odd();
    let one = event(1, "rito", "odd.echoes", &json!({}));
    assert_eq!(bench.take(&[one.clone(), one.clone()]), [Verdict::Taken, Verdict::Taken]);
    bench.take(&[one]);
    assert_eq!((bench.count("inbox"), bench.count("odd"), bench.count("emissions")), (1, 1, 1));
}

#[test]
fn what_is_refused_leaves_nothing_and_holds_no_other_up() {
    let bench = Bench::odd();
    let mut broken = event(5, "rito", "odd.fine", &json!({}));
    broken.body = Bytes::from_static(b"{}");
    let batch = [
        event(1, "rito", "odd.fine", &json!({})),
        event(2, "rito", "odd.refused", &json!({})),
        event(3, "rito", "odd.panics", &json!({})),
        event(4, "rito", "odd.breaks", &json!({})),
        broken,
        event(6, "rito", "odd.fine", &json!({})),
    ];
    let verdicts = bench.take(&batch);
    let refused = |at: usize| match &verdicts[at] {
        Verdict::Refused(reason) => reason.as_str(),
        other => panic!("{other:?}"),
    };
    assert_eq!((&verdicts[0], &verdicts[5]), (&Verdict::Taken, &Verdict::Taken));
    assert_eq!(refused(1), "odd: no such thing");
    assert_eq!(refused(2), "odd: panicked: at the wrong moment");
    assert!(refused(3).contains("NOT NULL"), "{}", refused(3));
    assert!(refused(4).starts_with("the body is no envelope"), "{}", refused(4));
    assert_eq!((bench.count("inbox"), bench.count("odd")), (2, 2));
}

#[test]
fn an_emission_is_the_same_however_often_its_cause_is_handled() {
    let body = |bench: &Bench| {
        bench.take(&[event(1, "rito", "odd.echoes", &json!({}))]);
        bench.hub.waiting(9).unwrap()
    };
    let (one, other) = (body(&Bench::odd()), body(&Bench::odd()));
    assert_eq!((one.len(), &one), (1, &other));
    let envelope = crate::domain::event::parse(&one[0].body).unwrap();
    assert!(envelope.has_uuid() && envelope.source.is_hub());
    assert_eq!(envelope.timestamp, Millis::parse_rfc3339(NOON).unwrap(), "its cause's time");
}

#[test]
fn a_relayed_emission_does_not_come_back() {
    let bench = Bench::odd();
    bench.take(&[event(1, "rito", "odd.echoes", &json!({}))]);
    let emitted = bench.hub.waiting(9).unwrap();
    bench.hub.relayed(&emitted).unwrap();
    assert!(bench.hub.waiting(9).unwrap().is_empty());
    let mut own = event(2, "camino", "deal.won", &json!({}));
    own.event_id = EventId::new(&emitted[0].event_id).unwrap();
    bench.take(&[own, event(3, "camino", "deal.won", &json!({}))]);
    assert_eq!(bench.count("odd"), 2, "its own had no effect, another of the same source had");
}

#[test]
fn a_cycle_of_emissions_ends_at_the_cap() {
    let bench = Bench::odd();
    let cycle = u64::from(HOPS_MAX) + 10;
    for n in 1..=cycle {
        let mut one = event(n, "rito", "odd.echoes", &json!({}));
        one.correlation_id = CorrelationId::new("cid_round").unwrap();
        assert_eq!(bench.take(&[one]), [Verdict::Taken]);
    }
    assert_eq!(bench.hub.waiting(999).unwrap().len(), usize::try_from(HOPS_MAX).unwrap());
    assert_eq!(bench.count("emissions WHERE state = 2"), 10);
    let held = bench.hub.metrics.hub_emissions.with_label_values(&["held_back"]).get();
    assert_eq!(held, 10);
    bench.take(&[event(999, "rito", "odd.echoes", &json!({}))]);
    assert_eq!(bench.count("emissions WHERE state = 0"), i64::from(HOPS_MAX) + 1, "others go on");
}

#[test]
fn a_hub_that_is_opened_again_has_what_it_had() {
    let Bench { hub, dir } = Bench::new();
    hub.handle(&[event(1, "caracol", "customer.created", &json!({"customerId": "c", "email": "a@b.mx"}))])
        .unwrap();
    let before = hub.checksums().unwrap();
    drop(hub);
    let subscribers: Vec<Box<dyn Subscriber>> = vec![Box::new(Organizations), Box::new(Crm::new())];
    let hub = Hub::open(dir.path(), subscribers, Arc::new(Metrics::new().unwrap())).unwrap();
    assert_eq!(hub.checksums().unwrap(), before);
    assert!(before.iter().any(|sum| sum.table == "contacts" && sum.rows == 1));
}

#[test]
fn one_person_of_many_apps_is_one_contact() {
    let bench = Bench::new();
    bench.take(&[
        event(1, "caracol", "customer.created", &json!({
            "customerId": "cus_1", "name": "Ana Sofía Luna", "email": "Ana@Example.com", "phone": "55 1112 2233",
        })),
        event(2, "cosmos-pet", "appointment.completed", &json!({
            "appointmentId": "apt_1", "clientId": "cli_1", "clientEmail": "ana@example.com", "amountCents": 65000,
        })),
        event(3, "mancha", "customer.identified", &json!({"customerId": "m_1", "phone": "+52 1 55 1112 2233"})),
        event(4, "cosmos-pet", "appointment.completed", &json!({"appointmentId": "apt_2", "clientId": "cli_1"})),
        event_at(5, "caracol", "customer.created", &json!({"email": "ana@example.com"}), NOON, "org_2"),
    ]);
    let contacts = bench.contacts("");
    assert_eq!(contacts.len(), 2, "another organization's contact is another");
    let ana = bench.contacts("sofia lu").remove(0);
    assert_eq!(ana.external_ids, ["caracol:cus_1", "cosmos-pet:cli_1", "mancha:m_1"]);
    assert_eq!(
        (ana.emails, ana.phones),
        (vec!["ana@example.com".to_owned()], vec!["+525511122233".to_owned()])
    );
    assert_eq!(bench.contacts("example.com").len(), 2);
    let of = Of::Contact(&ana.contact_id);
    let page = |cursor: Option<String>| {
        bench.hub.read(|file| reading::timeline(file, of, cursor.as_deref(), 3)).unwrap().unwrap()
    };
    let (first, rest) = (page(None), page(page(None).next));
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (3, 1, None));
    assert_eq!(first.items[2].summary.es, "Cita apt_1 terminada: $650.00 MXN");
    assert_eq!(first.items[2].amount, Some(json!({"value": 65000, "unit": "cents", "currency": null})));
    assert_eq!(first.items[2].event["href"], "/v1/events/e-2?source=cosmos-pet");
}

#[test]
fn keys_of_two_contacts_in_one_event_propose_a_duplicate_and_a_person_merges() {
    let bench = Bench::new();
    bench.take(&[
        event(
            1,
            "caracol",
            "customer.created",
            &json!({"customerId": "c_1", "name": "Ana Luna", "email": "a@b.mx"}),
        ),
        event(
            2,
            "comal",
            "customer.created",
            &json!({"customerId": "c_2", "name": "ana luna", "phone": "5511122233"}),
        ),
        event(3, "comal", "customer.created", &json!({"customerId": "c_2", "email": "a@b.mx"})),
    ]);
    let pairs =
        bench.hub.read(|file| reading::duplicates(file, &Reach::All, (None, 9))).unwrap().unwrap().items;
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    let (one, other) = (pairs[0].contact_id.clone(), pairs[0].other_contact_id.clone());
    let merge = |contact: &str, into: &str, n| {
        bench.command(n, "crm.merge", json!({"contact": contact, "into": into}))
    };
    assert!(matches!(merge(&one, &one, 1), Err(CommandError::Invalid(_))));
    assert!(matches!(merge(&one, "con_none", 2), Err(CommandError::Missing(_))));
    assert_eq!(merge(&one, &other, 3).unwrap()["mergedContactId"], json!(one));
    assert!(matches!(merge(&one, &other, 4), Err(CommandError::Conflict(_))));
    let found = bench.contacts("ana luna");
    assert_eq!((found.len(), found[0].external_ids.len()), (1, 2));
    assert_eq!(bench.count(&format!("timeline WHERE contact = '{one}'")), 0);
    let emitted = bench.hub.waiting(9).unwrap();
    let merged = emitted.iter().find(|emission| emission.event_type == "customer.merged").unwrap();
    let body: Value = serde_json::from_slice(&merged.body).unwrap();
    assert_eq!(body["data"]["survivingCustomerId"], json!(other));
    bench.take(&[event(9, "comal", "customer.created", &json!({"customerId": "c_1x", "email": "a@b.mx"}))]);
    assert_eq!(bench.contacts("").len(), 1, "what comes later finds the one that stays");
}

#[test]
fn a_request_for_deletion_marks_and_deletes_nothing() {
    let bench = Bench::new();
    bench.take(&[event(1, "caracol", "customer.created", &json!({"customerId": "c", "email": "a@b.mx"}))]);
    let id = bench.contacts("")[0].contact_id.clone();
    let ask = |n| bench.command(n, "crm.request_deletion", json!({"contact": id})).unwrap();
    let first = ask(1);
    assert_eq!((ask(2), bench.contacts("").len()), (first, 1));
    assert!(bench.contacts("")[0].deletion_requested_at.is_some());
    let emitted = bench.hub.waiting(9).unwrap();
    assert_eq!(emitted.iter().filter(|e| e.event_type == "account.deletion_requested").count(), 1);
}

#[test]
fn a_paper_leads_to_the_contact_that_it_belongs_to() {
    let bench = Bench::new();
    bench.take(&[
        event(
            1,
            "caracol",
            "caracol.order.created",
            &json!({"orderId": "ord_1", "customerId": "c_1", "total": 2380}),
        ),
        event(
            2,
            "caracol",
            "caracol.order.status_changed",
            &json!({
                "orderId": "ord_1", "previousStatus": "preparing", "newStatus": "ready",
            }),
        ),
        event(3, "caracol", "caracol.order.status_changed", &json!({"orderId": "ord_9"})),
    ]);
    assert_eq!(bench.count("timeline WHERE contact IS NOT NULL"), 2);
    assert_eq!(bench.count("timeline WHERE contact IS NULL"), 1);
}

#[test]
fn what_is_told_late_does_not_undo_what_came_later() {
    let bench = Bench::new();
    let (early, late) = ("2026-04-16T10:00:00Z", "2026-04-16T11:00:00Z");
    let deal = |n, stage: &str, at| {
        event_at(n, "rito", "deal.status_changed", &json!({"dealId": "d_1", "newStatus": stage}), at, "org_1")
    };
    let failed = json!({"invoiceId": "inv_1", "reason": "card_declined", "failedAt": early});
    let paid = json!({"invoiceId": "inv_1", "amount": 100, "currency": "MXN", "paidAt": late});
    bench.take(&[
        deal(1, "won", late),
        deal(2, "analysis", early),
        deal(3, "won", late),
        event_at(4, "colectiva", "invoice.paid", &paid, late, "org_1"),
        event_at(5, "colectiva", "invoice.failed", &failed, early, "org_1"),
    ]);
    assert_eq!(bench.count("deals WHERE phase = 'won'"), 1);
    assert_eq!(bench.count("receivables WHERE status = 'paid' AND failures = 1"), 1);
    let won = bench.hub.waiting(9).unwrap();
    assert_eq!(won.iter().filter(|emission| emission.event_type == "deal.won").count(), 1, "once");
    let id: String =
        bench.hub.read(|file| file.query_row("SELECT id FROM receivables", (), |row| row.get(0))).unwrap();
    let set =
        |n, status: &str| bench.command(n, "crm.receivable", json!({"receivable": id, "status": status}));
    assert!(matches!(set(1, "maybe"), Err(CommandError::Invalid(_))));
    assert_eq!(set(2, "written_off").unwrap()["status"], "written_off");
}

#[test]
fn the_funnel_counts_who_came_how_far() {
    let bench = Bench::new();
    let deal = |n, id: &str, stage: &str| {
        event(n, "rito", "deal.created", &json!({"dealId": id, "dealName": id, "status": stage}))
    };
    bench.take(&[
        deal(1, "a", "analysis"),
        deal(2, "b", "won"),
        deal(3, "c", "lost"),
        event(4, "patadas", "referral.created", &json!({"businessId": "biz_1", "productAppId": "comal"})),
    ]);
    let funnel = bench.hub.read(|file| reading::funnel(file, &Reach::All, None, None, None)).unwrap();
    let steps: Vec<_> = funnel.steps.iter().map(|step| (step.phase, step.reached)).collect();
    assert_eq!(steps, [("lead", 4), ("qualified", 3), ("open", 3), ("won", 1)]);
    assert_eq!((funnel.lost, funnel.steps[1].rate), (1, Some(0.75)));
}

#[test]
fn a_binding_is_learned_and_a_conflict_reported_and_not_followed() {
    let bench = Bench::new();
    let order = |n, tenant: &str, organization: &str| {
        event_at(
            n,
            "caracol",
            "caracol.order.status_changed",
            &json!({"tenantId": tenant}),
            NOON,
            organization,
        )
    };
    bench.take(&[
        order(1, "vinos", "org_1"),
        order(2, "vinos", "org_2"),
        order(3, "vinos", ""),
        order(4, "nobody", ""),
        event_at(5, "caracol", "caracol.order.status_changed", &json!({}), NOON, "vinos"),
        event(
            6,
            "escuela",
            "tenant.provisioned",
            &json!({
                "ecosystemOrgId": "org_3", "appOrgId": "montes", "app": "escuela",
            }),
        ),
    ]);
    let resolved = |app: &str, tenant: &str| {
        let claim = Claim::Tenant { app, tenant };
        let found = bench.hub.read(|file| organizations::resolve(file, claim)).unwrap();
        found.map(|found| found.organization_id)
    };
    assert_eq!(resolved("caracol", "vinos").as_deref(), Some("org_1"));
    assert_eq!(resolved("escuela", "montes").as_deref(), Some("org_3"));
    assert_eq!(resolved("hoja", "vinos"), None, "a tenant's name is its app's");
    let org = |id: &str| bench.hub.read(|file| organizations::organization(file, id)).unwrap().unwrap();
    assert_eq!((org("org_1").status, org("org_3").status), ("provisional", "provisioned"));
    assert_eq!(
        (org("org_1").conflicts.len(), org("org_2").conflicts.len(), org("org_1").bindings.len()),
        (1, 1, 1)
    );
    assert_eq!(org("org_1").events, 4, "two found by the binding, the provisioning among them");
    assert_eq!(org(organizations::UNASSIGNED).events, 1);
}

#[test]
fn an_alert_is_raised_once_for_each_thing() {
    let bench = Bench::new();
    let low = |n, product: &str| {
        event(n, "caracol", "inventory.low", &json!({"productId": product, "currentStock": 3}))
    };
    bench.take(&[low(1, "a"), low(2, "a"), low(3, "b")]);
    let alerts = bench.hub.read(|file| reading::alerts(file, &Reach::All, (None, 9))).unwrap().unwrap().items;
    let told: Vec<_> = alerts.iter().map(|alert| (alert.subject.as_str(), alert.times)).collect();
    assert_eq!(told, [("b", 1), ("a", 2)]);
}

#[test]
fn data_of_any_shape_lands_on_the_timeline() {
    let bench = Bench::new();
    let catalog = crate::registry::embedded::catalog().unwrap();
    let types = catalog.events().filter(|event| event.receivers.iter().any(AppSlug::is_hub));
    let shapes =
        [json!(null), json!([]), json!("text"), json!({"customerId": 7, "dealId": [1], "productId": true})];
    let (mut n, mut events) = (0, Vec::new());
    for event_type in types {
        for shape in &shapes {
            n += 1;
            events.push(event(n, "rito", event_type.event_type.as_str(), shape));
        }
    }
    assert!(events.len() >= 64 * shapes.len());
    assert!(bench.take(&events).iter().all(|verdict| *verdict == Verdict::Taken));
    assert_eq!(bench.count("timeline"), i64::try_from(n).unwrap());
}
