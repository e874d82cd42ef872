//! What the demo plays on: a config with throwaway secrets, and a receiver for each app that gets one of
//! its events.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::receiver::{Heard, Receiver};
use crate::config::{App, Config, Retry};
use crate::domain::catalog::{Catalog, EventDef};
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::domain::time::Millis;
use crate::runtime::clock::Clock;
use crate::runtime::entropy::Entropy;

/// The events: type and source, in the order they are posted.
pub(super) const SCENES: [(&str, &str); 4] = [
    ("appointment.completed", "cosmos-pet"),
    ("task.completed", "servilleta"),
    (PAID, "colectiva"),
    ("payment.completed", "colectiva"),
];
/// The event that opens [`FEATURE`] to the organization.
const PAID: &str = "subscription.renewed";
/// What the organization may do once it has paid, and the app it is of.
pub(super) const FEATURE: (&str, &str) = ("cosmos-pet", "appointments.create");
/// The plan of that app that has it.
const PLAN: &str = "pro";
/// How long it has paid for.
const PERIOD: Duration = Duration::from_hours(30 * 24);
/// The receiver that is down for a moment.
pub(super) const UNSTEADY: &str = "cosmos-pet";
/// How often it fails before it accepts.
pub(super) const FAILURES: u32 = 2;
/// The customer that the hub's events are about, by the field that all apps share.
pub(super) const CUSTOMER: &str = "ana@example.com";
/// The demo writes a few kilobytes, so a disk that is nearly full will do.
const FREE_BYTES_MIN: u64 = 16 << 20;

/// Everything but the broker.
pub(super) struct Stage {
    /// The broker's settings.
    pub(super) config: Config,
    /// The apps that receive.
    pub(super) receivers: BTreeSet<AppSlug>,
    /// The receivers' listeners; they go away with it.
    pub(super) listeners: JoinSet<()>,
}

impl Stage {
    /// Opens the receivers and writes the config around them, with the store below `folder`.
    pub(super) async fn set(
        catalog: &Catalog,
        folder: &Path,
        clock: &Arc<dyn Clock>,
        entropy: &dyn Entropy,
        heard: &mpsc::Sender<Heard>,
    ) -> anyhow::Result<Self> {
        let mut config = settings(folder);
        config.server.admin_key = Some(secret(entropy));
        // Nobody must be told to keep a key of what is gone in a moment.
        config.store.secret_key = vec![secret(entropy)];
        let receivers = receivers(catalog);
        let mut listeners = JoinSet::new();
        for slug in &receivers {
            let secret = secret(entropy);
            let failures = if slug.as_str() == UNSTEADY { FAILURES } else { 0 };
            let receiver = Receiver {
                slug: slug.clone(),
                secret: secret.clone(),
                failures: failures.into(),
                clock: Arc::clone(clock),
                heard: heard.clone(),
            };
            let app = config.apps.entry(slug.clone()).or_default();
            app.endpoint = Some(receiver.open(&mut listeners).await?);
            app.endpoint_secrets = vec![secret];
        }
        for (_, source) in SCENES {
            let app: &mut App = config.apps.entry(AppSlug::new(source)?).or_default();
            app.signing_secrets = vec![secret(entropy)];
        }
        Ok(Self { config, receivers, listeners })
    }

    /// What `source` signs with.
    pub(super) fn signing_secret(&self, source: &AppSlug) -> Option<&Secret> {
        self.config.apps.get(source)?.signing_secrets.first()
    }
}

/// Who receives any of the events, the hub left out.
fn receivers(catalog: &Catalog) -> BTreeSet<AppSlug> {
    let events = SCENES.iter().filter_map(|(name, _)| catalog.event(name));
    let all = events.flat_map(|event| event.receivers.iter().cloned());
    all.filter(|slug| !slug.is_hub()).collect()
}

fn settings(folder: &Path) -> Config {
    let mut config = Config::default();
    config.server.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    config.server.drain = Duration::from_secs(2);
    config.store.path = folder.join("store");
    config.store.free_bytes_min = FREE_BYTES_MIN;
    config.delivery.allowed_networks = vec![IpAddr::from(Ipv4Addr::LOCALHOST).into()];
    // What takes minutes in earnest takes a moment here.
    config.delivery.retry = Retry {
        first: Duration::from_millis(300),
        factor: 2.0,
        max: Duration::from_secs(2),
        ..Retry::default()
    };
    config
}

fn secret(entropy: &dyn Entropy) -> Secret {
    let mut bytes = [0; 32];
    entropy.fill(&mut bytes);
    Secret::from_entropy(&bytes)
}

/// The `data` of an event: the registry's example, or ours where it has none; with the customer, where the
/// hub gets it, and the plan, where it is about one.
pub(super) fn data(event: &EventDef, now: Millis) -> Value {
    let mut data = event.example.clone().unwrap_or_else(|| {
        json!({
            "taskId": "tsk_20260416_0107",
            "workerId": "wrk_luis_ortega",
            "clientId": "cli_8841",
            "amountCents": 48000,
            "completedAt": "2026-04-16T18:10:00.000Z",
        })
    });
    if event.receivers.iter().any(AppSlug::is_hub) {
        data["clientName"] = "Ana Sofía Luna".into();
        data["clientEmail"] = CUSTOMER.into();
    }
    if event.event_type.as_str() == PAID {
        data["app"] = FEATURE.0.into();
        data["planId"] = PLAN.into();
        data["nextBillingDate"] = format!("{:.10}", now.plus(PERIOD).rfc3339()).into();
    }
    data
}

/// How many of the scenes come to the hub, and so stand on the customer's timeline.
pub(super) fn scenes_of_the_hub(catalog: &Catalog) -> usize {
    let events = SCENES.iter().filter_map(|(name, _)| catalog.event(name));
    events.filter(|event| event.receivers.iter().any(AppSlug::is_hub)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::catalog::{SenderCheck, sender_allowed};
    use crate::registry::embedded;

    #[test]
    fn every_scene_is_one_that_the_registry_lets_play() {
        let catalog = embedded::catalog().unwrap();
        for (name, source) in SCENES {
            let event = catalog.event(name).unwrap();
            let source = AppSlug::new(source).unwrap();
            assert_eq!(sender_allowed(event, &source), SenderCheck::Declared, "{name}");
            let schema = event.schema.as_ref();
            assert!(schema.is_none_or(|schema| schema.check(&data(event, Millis(0))).is_empty()), "{name}");
        }
    }

    #[test]
    fn the_unsteady_one_receives_and_the_hub_does_not() {
        let receivers = receivers(&embedded::catalog().unwrap());
        assert!(
            receivers.contains(UNSTEADY) && !receivers.iter().any(AppSlug::is_hub) && receivers.len() >= 5
        );
    }
}
