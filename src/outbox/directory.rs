//! Who takes part: the apps of the config with what operators changed on top, as whole snapshots.
//!
//! Readers take a snapshot and keep it for one decision; a change swaps in a new one. Holds secrets,
//! so nothing here is ever printed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::config::{App, Config, Filter, Ordering, Retry};
use crate::domain::breaker::BreakerPolicy;
use crate::domain::id::{AppSlug, EventType};
use crate::domain::retry::RetryPolicy;
use crate::domain::routing::Standing;
use crate::domain::scheduler::{Block, LanePolicy};
use crate::domain::secret::Secret;
use crate::store::control::overlay::{DisabledReason, Overlay};

/// Events that the hub has at a time: what one transaction of it may take, and as much again that waits.
const HUB_IN_FLIGHT_MAX: usize = 256;
/// Time beyond an attempt's own timeout before the scheduler gives it up.
const LEASE_MARGIN: Duration = Duration::from_secs(10);

/// One app that takes part.
#[derive(Clone, Debug)]
pub struct Participant {
    /// What it signs with when it posts, newest first.
    pub signing_secrets: Vec<Secret>,
    /// Where its events go; `None`: it only sends.
    pub endpoint: Option<EndpointSettings>,
    /// Whether it gets its own events back.
    pub echo: bool,
    /// What it wants.
    pub filter: Filter,
    /// Events a minute that it may post.
    pub ingest_quota: Option<u32>,
}

/// An endpoint as it is in force.
#[derive(Clone, Debug)]
pub struct EndpointSettings {
    /// Where it is.
    pub target: TargetSettings,
    /// Time for one attempt.
    pub timeout: Duration,
    /// 4xx statuses that are tried again.
    pub retry_on: Vec<u16>,
    /// Whether events of one organization go one by one, in order.
    pub is_ordered: bool,
    /// How it is served.
    pub policy: LanePolicy,
    /// Why it may not be sent to, if so.
    pub block: Option<Blocked>,
    /// Whether an operator's change is in force.
    pub overlaid: bool,
}

/// Where an endpoint is.
#[derive(Clone, Debug)]
pub enum TargetSettings {
    /// Across the network.
    Http(AddressSettings),
    /// In this process: the hub.
    Internal,
}

/// The address of an endpoint across the network, and what it knows us by.
#[derive(Clone, Debug)]
pub struct AddressSettings {
    /// Its address.
    pub url: http::Uri,
    /// What we sign with, newest first.
    pub secrets: Vec<Secret>,
    /// The same for events of some sources.
    pub secrets_by_source: BTreeMap<AppSlug, Vec<Secret>>,
}

impl EndpointSettings {
    /// Its address, if it is across the network.
    pub fn address(&self) -> Option<&AddressSettings> {
        match &self.target {
            TargetSettings::Http(address) => Some(address),
            TargetSettings::Internal => None,
        }
    }
}

/// Why an endpoint is blocked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Paused or disabled.
    pub block: Block,
    /// More for people: `paused` or `gone`.
    pub reason: &'static str,
}

impl Blocked {
    /// The word for people.
    pub fn as_str(&self) -> &'static str {
        match self.block {
            Block::Paused => "paused",
            Block::Disabled => "disabled",
        }
    }

    /// What `overlay` says; a disabled endpoint is that first, paused or not.
    fn of(overlay: &Overlay) -> Option<Self> {
        match &overlay.disabled {
            Some(disabled) => {
                let reason = match disabled.reason {
                    DisabledReason::Gone => "gone",
                };
                Some(Self { block: Block::Disabled, reason })
            }
            None => overlay.paused.then_some(Self { block: Block::Paused, reason: "paused" }),
        }
    }
}

/// Everybody at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    participants: BTreeMap<AppSlug, Participant>,
}

/// The directory; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    current: Arc<ArcSwap<Snapshot>>,
    /// Held from the reading of what a snapshot is made of until it is in force.
    changing: Arc<Mutex<()>>,
}

impl Directory {
    /// A directory with one snapshot.
    pub fn new(snapshot: Snapshot) -> Self {
        Self { current: Arc::new(ArcSwap::from_pointee(snapshot)), changing: Arc::default() }
    }

    /// Everybody now.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts the snapshot that `read` makes in force. One at a time: of two changes at once the later
    /// reading is the one that stays.
    pub fn update<E>(&self, read: impl FnOnce() -> Result<Snapshot, E>) -> Result<(), E> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(Arc::new(read()?));
        Ok(())
    }
}

impl Snapshot {
    /// The apps of `config` with `overlays` on top, and the hub, which always takes part. An overlay of an
    /// app without an endpoint makes one if it has an address and secrets.
    pub fn new(config: &Config, overlays: &BTreeMap<AppSlug, Overlay>) -> Self {
        let nobody = App::default();
        let slugs = config.apps.keys().chain(overlays.keys());
        let mut participants: BTreeMap<AppSlug, Participant> = slugs
            .map(|slug| {
                let app = config.apps.get(slug).unwrap_or(&nobody);
                (slug.clone(), participant(config, slug, app, overlays.get(slug)))
            })
            .collect();
        let slug = AppSlug::hub();
        let hub = hub(config, &slug, overlays.get(&slug));
        participants.insert(slug, hub);
        Self { participants }
    }

    /// One app, if it takes part.
    pub fn get(&self, slug: &AppSlug) -> Option<&Participant> {
        self.participants.get(slug)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&AppSlug, &Participant)> {
        self.participants.iter()
    }

    /// All endpoints.
    pub fn endpoints(&self) -> impl Iterator<Item = (&AppSlug, &EndpointSettings)> {
        self.participants.iter().filter_map(|(slug, app)| Some((slug, app.endpoint.as_ref()?)))
    }

    /// What routing must know of `receiver`; `None` if it takes no part as one.
    pub fn standing(
        &self,
        receiver: &AppSlug,
        source: &AppSlug,
        event_type: &EventType,
    ) -> Option<Standing<'_>> {
        let app = self.participants.get(receiver)?;
        let endpoint = app.endpoint.as_ref()?;
        Some(Standing {
            blocked: endpoint.block.as_ref().map(Blocked::as_str),
            echo: app.echo,
            wanted: app.filter.admits(source, event_type),
        })
    }
}

fn participant(config: &Config, slug: &AppSlug, app: &App, overlay: Option<&Overlay>) -> Participant {
    let none = Overlay::default();
    let changed = overlay.unwrap_or(&none);
    let url = changed.url.as_ref().or(app.endpoint.as_ref());
    let secrets = if changed.secrets.is_empty() { &app.endpoint_secrets } else { &changed.secrets };
    let signs = !secrets.is_empty() || !app.endpoint_secrets_by_source.is_empty();
    let endpoint = url.filter(|_| signs).map(|url| EndpointSettings {
        target: TargetSettings::Http(AddressSettings {
            url: url.clone(),
            secrets: secrets.clone(),
            secrets_by_source: app.endpoint_secrets_by_source.clone(),
        }),
        timeout: config.delivery.timeout,
        retry_on: app.retry_on.clone(),
        policy: lane_policy(config, slug, app, changed),
        is_ordered: app.ordering == Ordering::Organization,
        block: Blocked::of(changed),
        overlaid: overlay.is_some(),
    });
    Participant {
        signing_secrets: app.signing_secrets.clone(),
        endpoint,
        echo: app.echo,
        filter: app.filter.clone(),
        ingest_quota: app.ingest_quota,
    }
}

/// The hub: no address, no filter, and nothing of what it refuses holds back the rest. An operator can
/// pause it.
fn hub(config: &Config, slug: &AppSlug, overlay: Option<&Overlay>) -> Participant {
    let none = Overlay::default();
    let changed = overlay.unwrap_or(&none);
    let mut policy = lane_policy(config, slug, &App::default(), changed);
    policy.in_flight_max = HUB_IN_FLIGHT_MAX.min(config.delivery.in_flight_max.max(1) as usize);
    policy.breaker.failures = u32::MAX;
    let endpoint = EndpointSettings {
        is_ordered: false,
        target: TargetSettings::Internal,
        timeout: config.delivery.timeout,
        retry_on: Vec::new(),
        policy,
        block: Blocked::of(changed),
        overlaid: overlay.is_some(),
    };
    Participant {
        signing_secrets: Vec::new(),
        endpoint: Some(endpoint),
        // It keeps off only what it emitted itself, which `outbox::admission` sees to.
        echo: true,
        filter: Filter::default(),
        ingest_quota: None,
    }
}

fn lane_policy(config: &Config, slug: &AppSlug, app: &App, changed: &Overlay) -> LanePolicy {
    let delivery = &config.delivery;
    let in_flight =
        changed.in_flight_max.or(app.in_flight_max).unwrap_or(delivery.endpoint_in_flight_max) as usize;
    LanePolicy {
        in_flight_max: in_flight.max(1),
        rate_per_second: changed.rate_per_second.or(app.rate_per_second),
        lease: delivery.timeout + LEASE_MARGIN,
        retry: retry_policy(&config.retry_for(slug)),
        breaker: BreakerPolicy {
            failures: delivery.breaker.failures,
            cooldown: delivery.breaker.cooldown,
            cooldown_max: delivery.breaker.cooldown_max,
            drain_per_second: delivery.breaker.drain_per_second,
        },
    }
}

fn retry_policy(retry: &Retry) -> RetryPolicy {
    RetryPolicy {
        first: retry.first,
        factor: retry.factor,
        max: retry.max,
        max_attempts: u16::try_from(retry.max_attempts).unwrap_or(u16::MAX),
        max_age: retry.max_age,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_is_read_and_put_in_force_in_one_step() {
        let directory = Directory::default();
        let read = || {
            assert!(directory.changing.try_lock().is_err(), "another change could overtake this one");
            Ok::<_, ()>(Snapshot::default())
        };
        let before = directory.current();
        directory.update(read).unwrap();
        assert!(!Arc::ptr_eq(&before, &directory.current()));
        assert_eq!(directory.update(|| Err("unreadable")), Err("unreadable"));
        assert!(directory.changing.try_lock().is_ok());
    }
}
