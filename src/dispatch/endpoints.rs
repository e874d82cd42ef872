//! The sink's view of each endpoint, kept as long as nothing about it changes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::deliver::{Address, Endpoint, LiveSecrets, SecretSet, Target};
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::outbox::directory::{AddressSettings, EndpointSettings, Snapshot, TargetSettings};

/// Whom a lane serves.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) name: AppSlug,
    /// `None` while it has no endpoint.
    pub(super) endpoint: Option<Arc<Endpoint>>,
    /// Whether its events go in order.
    pub(super) is_ordered: bool,
}

/// Endpoints by app. An unchanged one keeps its identity, and so what it remembers of its secrets.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    by_app: HashMap<AppSlug, (EndpointSettings, Arc<Endpoint>)>,
}

impl Endpoints {
    /// Takes a snapshot in.
    pub(super) fn update(&mut self, snapshot: &Snapshot) {
        let before = std::mem::take(&mut self.by_app);
        for (app, settings) in snapshot.endpoints() {
            let kept =
                before.get(app).filter(|(old, _)| same(old, settings)).map(|(_, kept)| Arc::clone(kept));
            if let Some(endpoint) = kept.or_else(|| build(app, settings).map(Arc::new)) {
                self.by_app.insert(app.clone(), (settings.clone(), endpoint));
            }
        }
    }

    /// The endpoint of `app`.
    pub(super) fn get(&self, app: &AppSlug) -> Option<Arc<Endpoint>> {
        self.by_app.get(app).map(|(_, endpoint)| Arc::clone(endpoint))
    }
}

fn build(app: &AppSlug, settings: &EndpointSettings) -> Option<Endpoint> {
    let target = match &settings.target {
        TargetSettings::Http(address) => Target::Http(Box::new(signed(address)?)),
        TargetSettings::Internal => Target::Internal,
    };
    let (timeout, retry_on) = (settings.timeout, settings.retry_on.clone());
    Some(Endpoint { app: app.clone(), target, timeout, retry_on })
}

fn signed(settings: &AddressSettings) -> Option<Address> {
    let by_source = &settings.secrets_by_source;
    let usual = if settings.secrets.is_empty() { by_source.values().next()? } else { &settings.secrets };
    let mut secrets = SecretSet::new(LiveSecrets::from_list(usual.clone())?);
    for (source, own) in by_source {
        if let Some(own) = LiveSecrets::from_list(own.clone()) {
            secrets = secrets.with_source(source.clone(), own);
        }
    }
    Some(Address { url: settings.url.clone(), secrets })
}

fn same(old: &EndpointSettings, new: &EndpointSettings) -> bool {
    let is_same_target = match (&old.target, &new.target) {
        (TargetSettings::Http(old), TargetSettings::Http(new)) => same_address(old, new),
        (TargetSettings::Internal, TargetSettings::Internal) => true,
        _ => false,
    };
    is_same_target && old.timeout == new.timeout && old.retry_on == new.retry_on
}

fn same_address(old: &AddressSettings, new: &AddressSettings) -> bool {
    let lists = |a: &[Secret], b: &[Secret]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.text_key() == b.text_key())
    };
    old.url == new.url
        && lists(&old.secrets, &new.secrets)
        && old.secrets_by_source.len() == new.secrets_by_source.len()
        && old
            .secrets_by_source
            .iter()
            .all(|(source, a)| new.secrets_by_source.get(source).is_some_and(|b| lists(a, b)))
}
