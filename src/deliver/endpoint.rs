//! A receiver: its address and the secrets it knows us by, or that it lives in this process.
//!
//! Fixed once made, except for one bit of memory: which of two live secrets the receiver takes. That bit
//! is lost with the process or a reload, which costs one refused request.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use ::http::Uri;

use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::domain::signature::Signer;

/// Where a receiver's deliveries go.
#[derive(Debug)]
pub struct Endpoint {
    /// The receiver.
    pub app: AppSlug,
    /// Where that is.
    pub target: Target,
    /// The longest an attempt may take, from the first look-up to the last byte.
    pub timeout: Duration,
    /// Statuses of 4xx that mean "later" at this receiver.
    pub retry_on: Vec<u16>,
}

/// Where an endpoint is.
#[derive(Debug)]
pub enum Target {
    /// Across the network.
    Http(Box<Address>),
    /// In this process: the hub.
    Internal,
}

/// An endpoint across the network.
#[derive(Debug)]
pub struct Address {
    /// An http or https URL, as `domain::address::parse_url` accepts it.
    pub url: Uri,
    /// What deliveries are signed with.
    pub secrets: SecretSet,
}

/// An endpoint's secrets: the usual ones, and those for single sources.
#[derive(Debug)]
pub struct SecretSet {
    usual: LiveSecrets,
    by_source: HashMap<AppSlug, LiveSecrets>,
}

impl SecretSet {
    /// One set for every source.
    pub fn new(usual: LiveSecrets) -> Self {
        Self { usual, by_source: HashMap::new() }
    }

    /// Signs the events of `source` with `secrets` instead.
    #[must_use]
    pub fn with_source(mut self, source: AppSlug, secrets: LiveSecrets) -> Self {
        self.by_source.insert(source, secrets);
        self
    }

    /// What the events of `source` are signed with.
    pub fn of(&self, source: &AppSlug) -> &LiveSecrets {
        self.by_source.get(source).unwrap_or(&self.usual)
    }
}

/// One secret, or two while a rotation lasts.
#[derive(Debug)]
pub struct LiveSecrets {
    newest: Live,
    older: Option<Live>,
    /// The index that the receiver took last.
    working: AtomicU8,
}

/// A secret, and the same ready to sign.
#[derive(Debug)]
struct Live {
    secret: Secret,
    signer: Signer,
}

impl Live {
    fn new(secret: Secret) -> Self {
        Self { signer: Signer::new(&secret), secret }
    }

    fn signer(&self) -> &Signer {
        &self.signer
    }
}

impl LiveSecrets {
    /// Takes `newest`, and `older` while the receiver may not know the newest yet.
    pub fn new(newest: Secret, older: Option<Secret>) -> Self {
        Self { newest: Live::new(newest), older: older.map(Live::new), working: AtomicU8::new(0) }
    }

    /// Takes a list, newest first; `None` unless it holds one or two.
    pub fn from_list(secrets: Vec<Secret>) -> Option<Self> {
        let mut secrets = secrets.into_iter();
        let newest = secrets.next()?;
        let older = secrets.next();
        secrets.next().is_none().then(|| Self::new(newest, older))
    }

    /// What signs with all of them, newest first.
    pub fn signers(&self) -> impl Iterator<Item = &Signer> {
        std::iter::once(&self.newest).chain(&self.older).map(Live::signer)
    }

    /// The secret of this index; the newest when there is no older one.
    pub fn get(&self, index: u8) -> &Secret {
        &self.live(index).secret
    }

    /// What signs with the secret of this index.
    pub fn signer(&self, index: u8) -> &Signer {
        self.live(index).signer()
    }

    fn live(&self, index: u8) -> &Live {
        match (index, &self.older) {
            (1, Some(older)) => older,
            _ => &self.newest,
        }
    }

    /// The index that the receiver took last, at first the newest.
    pub fn working(&self) -> u8 {
        self.working.load(Ordering::Relaxed)
    }

    /// The index to try when the receiver refuses `index`.
    pub fn other_than(&self, index: u8) -> Option<u8> {
        self.older.as_ref().map(|_| u8::from(index == 0))
    }

    /// Notes that the receiver took `index`.
    pub fn remember(&self, index: u8) {
        self.working.store(index, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text).unwrap()
    }

    #[test]
    fn a_list_holds_one_or_two() {
        let list = |texts: &[&str]| texts.iter().map(|text| secret(text)).collect::<Vec<_>>();
        assert!(LiveSecrets::from_list(list(&[])).is_none());
        assert!(LiveSecrets::from_list(list(&["a", "b", "c"])).is_none());
        assert_eq!(LiveSecrets::from_list(list(&["a"])).unwrap().other_than(0), None);
        let two = LiveSecrets::from_list(list(&["a", "b"])).unwrap();
        assert_eq!((two.other_than(0), two.other_than(1)), (Some(1), Some(0)));
        assert_eq!(two.get(1), &secret("b"));
        assert_eq!(two.working(), 0);
        two.remember(1);
        assert_eq!(two.working(), 1);
    }

    #[test]
    fn a_source_may_have_its_own() {
        let slug = |text| AppSlug::new(text).unwrap();
        let set = SecretSet::new(LiveSecrets::new(secret("usual"), None))
            .with_source(slug("caracol"), LiveSecrets::new(secret("own"), None));
        assert_eq!(set.of(&slug("caracol")).get(0), &secret("own"));
        assert_eq!(set.of(&slug("colectiva")).get(0), &secret("usual"));
    }
}
