//! Envelopes as senders write them.

use camino_broker::runtime::clock::Clock;

/// A `data` that fits `payment.completed`.
pub const PAYMENT: &str = r#"{"paymentId":"pay_1","chargeId":"chg_1","amount":65000,"currency":"MXN","referenceId":"apt_1","referenceType":"appointment"}"#;
/// A `data` that fits `sale.completed`.
pub const SALE: &str = r#"{"saleId":"sale_1","total":2380,"items":3,"paymentMethod":"card"}"#;

/// The `n`-th event id.
pub fn id(n: u32) -> String {
    format!("0192f0c1-7a3b-7c11-9d55-{n:012}")
}

/// An envelope in the making; every field is JSON as it will stand in the body.
#[derive(Clone, Debug)]
pub struct Draft {
    fields: Vec<(&'static str, String)>,
    /// The app that signs it.
    pub source: String,
}

impl Draft {
    pub fn new(n: u32, source: &str, event_type: &str, data: &str, clock: &dyn Clock) -> Self {
        let text = |text: &str| format!("\"{text}\"");
        let fields = vec![
            ("eventId", text(&id(n))),
            ("eventType", text(event_type)),
            ("timestamp", text(&clock.now().rfc3339())),
            ("source", text(source)),
            ("organizationId", text("org_1")),
            ("data", data.to_owned()),
        ];
        Self { fields, source: source.to_owned() }
    }

    /// With `field` as the JSON `value`.
    pub fn with(mut self, field: &'static str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(name, _)| *name == field) {
            Some((_, old)) => value.clone_into(old),
            None => self.fields.push((field, value.to_owned())),
        }
        self
    }

    pub fn without(mut self, field: &str) -> Self {
        self.fields.retain(|(name, _)| *name != field);
        self
    }

    pub fn body(&self) -> String {
        let fields: Vec<String> =
            self.fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", fields.join(","))
    }
}
