//! `[apps.<slug>]`: one table per app that takes part, as sender, as receiver or both.
//!
//! The hub (`camino`) takes part by itself and has no table.

use std::collections::BTreeMap;
use std::time::Duration;

use figment::value::{Dict, Value};
use http::Uri;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::delivery::Retry;
use super::filter::Filter;
use super::limit::{self, Fault};
use super::{list, secret, unit};
use crate::domain::address::{UrlError, parse_url};
use crate::domain::id::{AppSlug, HUB};
use crate::domain::secret::Secret;

/// Live secrets at once: the newest, and the one it replaces.
const SECRETS_MAX: usize = 2;

/// The settings of `[apps.<slug>]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct App {
    /// What the app signs with when it posts to us, newest first.
    #[serde(deserialize_with = "secret::list")]
    pub signing_secrets: Vec<Secret>,
    /// Where its events go; `None` means that it receives nothing.
    #[serde(deserialize_with = "endpoint")]
    pub endpoint: Option<Uri>,
    /// What we sign with when we deliver to it, newest first.
    #[serde(deserialize_with = "secret::list")]
    pub endpoint_secrets: Vec<Secret>,
    /// Other endpoint secrets for events of the named sources.
    #[serde(deserialize_with = "secret::by_source")]
    pub endpoint_secrets_by_source: BTreeMap<AppSlug, Vec<Secret>>,
    /// Whether it gets its own events back.
    pub echo: bool,
    /// Whether events are held back so that they arrive in order.
    pub ordering: Ordering,
    /// 4xx statuses that are tried again instead of being final.
    #[serde(deserialize_with = "list::items")]
    pub retry_on: Vec<u16>,
    /// Most deliveries a second; `None` means no cap.
    pub rate_per_second: Option<u32>,
    /// Attempts in flight at once, instead of `delivery.endpoint_in_flight_max`.
    pub in_flight_max: Option<u32>,
    /// Which events it wants of those that the registry routes to it.
    pub filter: Filter,
    /// Events a minute that it may post; `None` means no quota.
    pub ingest_quota: Option<u32>,
    /// Its own retry policy, over `[delivery.retry]`.
    pub retry: RetryOverride,
}

/// Whether events are held back so that they arrive in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ordering {
    /// Each event goes when it can.
    #[default]
    None,
    /// Events of one organization go one by one, in the order they were accepted.
    Organization,
}

/// What an app sets of [`Retry`]; the rest comes from `[delivery.retry]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryOverride {
    /// See [`Retry::first`].
    #[serde(deserialize_with = "unit::optional_span")]
    pub first: Option<Duration>,
    /// See [`Retry::factor`].
    pub factor: Option<f64>,
    /// See [`Retry::max`].
    #[serde(deserialize_with = "unit::optional_span")]
    pub max: Option<Duration>,
    /// See [`Retry::max_attempts`].
    pub max_attempts: Option<u32>,
    /// See [`Retry::max_age`].
    #[serde(deserialize_with = "unit::optional_span")]
    pub max_age: Option<Duration>,
}

impl RetryOverride {
    /// These settings over `base`.
    pub fn over(&self, base: &Retry) -> Retry {
        Retry {
            first: self.first.unwrap_or(base.first),
            factor: self.factor.unwrap_or(base.factor),
            max: self.max.unwrap_or(base.max),
            max_attempts: self.max_attempts.unwrap_or(base.max_attempts),
            max_age: self.max_age.unwrap_or(base.max_age),
        }
    }
}

impl App {
    /// Every secret that deliveries to this app are signed with.
    pub fn all_endpoint_secrets(&self) -> impl Iterator<Item = &Secret> {
        self.endpoint_secrets.iter().chain(self.endpoint_secrets_by_source.values().flatten())
    }

    pub(super) fn check(&self, slug: &AppSlug) -> Result<(), Fault> {
        let key = |name: &str| format!("apps.{slug}.{name}");
        if self.endpoint.is_some() && self.all_endpoint_secrets().next().is_none() {
            let rule = "needs `endpoint_secrets` beside it: every delivery is signed";
            return Err(Fault::new(key("endpoint"), rule));
        }
        at_most_two(&key("signing_secrets"), &self.signing_secrets)?;
        at_most_two(&key("endpoint_secrets"), &self.endpoint_secrets)?;
        for (source, secrets) in &self.endpoint_secrets_by_source {
            at_most_two(&key(&format!("endpoint_secrets_by_source.{source}")), secrets)?;
        }
        limit::optional(&key("rate_per_second"), self.rate_per_second, 1_000_000)?;
        limit::optional(&key("in_flight_max"), self.in_flight_max, 100_000)?;
        limit::optional(&key("ingest_quota"), self.ingest_quota, 100_000_000)?;
        self.filter.check(&key("filter"))
    }
}

impl list::Item for u16 {
    const WANTED: &'static str = "HTTP statuses from 400 to 499, such as 409";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|status| (400..=499).contains(status))
    }
}

fn at_most_two(key: &str, secrets: &[Secret]) -> Result<(), Fault> {
    if secrets.len() <= SECRETS_MAX {
        return Ok(());
    }
    let rule = format!("holds {} secrets, but at most {SECRETS_MAX} may be live at once", secrets.len());
    Err(Fault::new(key, rule))
}

/// The address is not repeated in the error: it may carry a token.
fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Uri>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_url(&text).map(Some).map_err(|error| match error {
        UrlError::Malformed => {
            D::Error::custom("must be a URL, such as https://cosmospet.example/api/ecosystem/webhooks")
        }
        error => D::Error::custom(error),
    })
}

/// Checks the slugs of `[apps]` before the tables are read, so that the error names the table.
pub fn check_slugs(tree: &Dict) -> Result<(), Fault> {
    let Some(Value::Dict(_, apps)) = tree.get("apps") else { return Ok(()) };
    for slug in apps.keys() {
        let key = format!("apps.{slug}");
        if let Err(error) = AppSlug::new(slug) {
            return Err(Fault::new(key, format!("is no app slug: it {error}")));
        }
        if slug == HUB {
            return Err(Fault::new(key, "is the hub, which takes part by itself; remove the table"));
        }
    }
    Ok(())
}

/// Refuses a secret with which one app could forge another's events.
pub fn check_shared_secrets(apps: &BTreeMap<AppSlug, App>) -> Result<(), Fault> {
    let signers =
        || apps.iter().flat_map(|(slug, app)| app.signing_secrets.iter().map(move |own| (slug, own)));
    for (receiver, app) in apps {
        for secret in app.all_endpoint_secrets() {
            let sharing = signers().find(|(sender, own)| *sender != receiver && own.shares_key_with(secret));
            if let Some((sender, _)) = sharing {
                let rule = format!(
                    "shares a secret with `apps.{sender}.signing_secrets`, so {receiver} could forge events of \
                     {sender}; give each its own"
                );
                return Err(Fault::new(format!("apps.{receiver}.endpoint_secrets"), rule));
            }
        }
    }
    Ok(())
}
