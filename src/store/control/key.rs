//! API keys as values: what a key may do, and how one is made from entropy.
//!
//! A key's text is random over 192 bits, so a plain SHA-256 of it is as good as a slow hash: there is
//! nothing to guess. The text exists once, in the answer that hands it out.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::instant;
use crate::domain::event::ORGANIZATION_BYTES_MAX;
use crate::domain::id::AppSlug;
use crate::domain::time::Millis;

/// How every key begins, so that scanners for leaked keys can find it.
pub const PREFIX: &str = "cmn_";
/// Random bytes that make one key and its id.
pub const ENTROPY_BYTES: usize = 32;
/// Longest name of a key, in bytes.
pub const NAME_BYTES_MAX: usize = 128;
/// Most organizations of one key.
pub const ORGANIZATIONS_MAX: usize = 1_000;
/// Of the entropy, what goes into the id.
const ID_BYTES: usize = 8;
/// The id of the key that the config or `admin.key` gives.
const ADMIN: &str = "admin";

/// Why a key is not made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is empty, too long or unprintable.
    #[error("a key's name must have 1 to {NAME_BYTES_MAX} bytes and no control characters")]
    Name,
    /// It could do nothing.
    #[error("a key needs at least one scope: read, operate, admin or events:write")]
    NoScope,
    /// It could post for everybody.
    #[error("a key with the scope events:write needs the source it may post for")]
    NoSource,
    /// It would see nothing, or the organizations would bind nothing.
    #[error(
        "organizations are 1 to {ORGANIZATIONS_MAX} names, for keys with the scopes read or operate alone"
    )]
    Organizations,
    /// A source binds nothing but that scope, and must not look as if it did.
    #[error("a source is only for keys with the scope events:write")]
    SourceWithoutScope,
    /// It would never be accepted.
    #[error("a key must expire in the future")]
    Expired,
}

/// A key's public name: `key_` and 16 hex digits, or `admin`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// The key that the config or `admin.key` gives.
    pub fn admin() -> Self {
        Self(Arc::from(ADMIN))
    }

    /// Reads the text form.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = |digits: &str| {
            digits.len() == 2 * ID_BYTES && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        (text == ADMIN || text.strip_prefix("key_").is_some_and(is_hex)).then(|| Self(Arc::from(text)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for KeyId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for KeyId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("is no key id"))
    }
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// See everything but secrets.
    #[serde(rename = "read")]
    Read,
    /// Retry, replay, release, pause: what moves deliveries. Includes `read`.
    #[serde(rename = "operate")]
    Operate,
    /// Keys, endpoints and secrets. Includes `operate`.
    #[serde(rename = "admin")]
    Admin,
    /// Post events for one source. No other scope includes it.
    #[serde(rename = "events:write")]
    EventsWrite,
}

/// The scopes of a key, as given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<Scope>);

impl Scope {
    /// The word in keys' descriptions and errors.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
            Self::EventsWrite => "events:write",
        }
    }
}

impl Scopes {
    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Scope> + '_ {
        self.0.iter().copied()
    }

    /// Whether `scope` is among them or included in one of them.
    pub fn allow(&self, scope: Scope) -> bool {
        let including: &[Scope] = match scope {
            Scope::Read => &[Scope::Read, Scope::Operate, Scope::Admin],
            Scope::Operate => &[Scope::Operate, Scope::Admin],
            Scope::Admin => &[Scope::Admin],
            Scope::EventsWrite => &[Scope::EventsWrite],
        };
        including.iter().any(|scope| self.0.contains(scope))
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        Self(scopes.into_iter().collect())
    }
}

/// Who makes a request, once its key has been accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// The key.
    pub key_id: KeyId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The source it may post for, if it may post.
    pub source: Option<AppSlug>,
    /// The organizations whose things it sees; none: everybody's.
    pub organizations: Option<BTreeSet<String>>,
}

impl Principal {
    /// Whether it may do what needs `scope`.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.allow(scope)
    }

    /// Whether it may post events of `source`.
    pub fn may_post_for(&self, source: &AppSlug) -> bool {
        self.allows(Scope::EventsWrite) && self.source.as_ref() == Some(source)
    }
}

/// A key to be made; what `POST /v1/keys` takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The source it may post for; needed with `events:write`, and only there.
    #[serde(default)]
    pub source: Option<AppSlug>,
    /// From when on it is refused.
    #[serde(default, with = "instant::option")]
    pub expires_at: Option<Millis>,
    /// The organizations whose things it sees; none: everybody's. One that is bound sees nothing else.
    #[serde(default)]
    pub organizations: Option<BTreeSet<String>>,
}

impl NewKey {
    /// Checks the rules.
    pub fn check(&self, now: Millis) -> Result<(), Error> {
        let writes = self.scopes.allow(Scope::EventsWrite);
        let is_name = !self.name.trim().is_empty()
            && self.name.len() <= NAME_BYTES_MAX
            && !self.name.chars().any(char::is_control);
        match () {
            () if !is_name => Err(Error::Name),
            () if self.scopes.0.is_empty() => Err(Error::NoScope),
            () if writes && self.source.is_none() => Err(Error::NoSource),
            () if !writes && self.source.is_some() => Err(Error::SourceWithoutScope),
            () if !self.binds_well() => Err(Error::Organizations),
            () if self.expires_at.is_some_and(|at| at <= now) => Err(Error::Expired),
            () => Ok(()),
        }
    }
}

impl NewKey {
    /// Whether its organizations, if it has any, mean what they seem to.
    fn binds_well(&self) -> bool {
        let Some(organizations) = &self.organizations else { return true };
        let is_name = |name: &String| !name.trim().is_empty() && name.len() <= ORGANIZATION_BYTES_MAX;
        (1..=ORGANIZATIONS_MAX).contains(&organizations.len())
            && organizations.iter().all(is_name)
            && !self.scopes.allow(Scope::Admin)
            && !self.scopes.allow(Scope::EventsWrite)
    }
}

/// A key as lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// Its public name.
    pub key_id: KeyId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Scopes,
    /// The source it may post for.
    pub source: Option<AppSlug>,
    /// The organizations whose things it sees; none: everybody's.
    pub organizations: Option<BTreeSet<String>>,
    /// When it was made.
    #[serde(with = "instant")]
    pub created_at: Millis,
    /// From when on it is refused.
    #[serde(with = "instant::option")]
    pub expires_at: Option<Millis>,
    /// When it was revoked.
    #[serde(with = "instant::option")]
    pub revoked_at: Option<Millis>,
    /// When it was last accepted; after a crash some minutes behind.
    #[serde(with = "instant::option")]
    pub last_used_at: Option<Millis>,
}

/// A key's text, shown once to whoever asked for the key. Wiped from memory when dropped.
pub struct Plaintext(Zeroizing<String>);

impl Plaintext {
    /// The text.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Plaintext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Plaintext(***)")
    }
}

/// The SHA-256 of a key's text.
pub(super) type Hash = [u8; 32];

/// A key's id and text; they share no entropy.
pub(super) fn mint(entropy: &[u8; ENTROPY_BYTES]) -> (KeyId, Plaintext) {
    let (id, random) = entropy.split_at(ID_BYTES);
    let id = KeyId(Arc::from(format!("key_{}", hex::encode(id))));
    (id, Plaintext(text(random)))
}

/// The text of a key made of `random`.
pub(super) fn text(random: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// What is left of a key once its text is thrown away: enough to ask whose it is, later.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub(super) Hash);

impl Fingerprint {
    /// Of a key's text.
    pub fn of(presented: &str) -> Self {
        Self(hash(presented))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// What is stored of a key, and by what it is found.
pub(super) fn hash(text: &str) -> Hash {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new_key(scopes: &[Scope], source: Option<&str>) -> NewKey {
        NewKey {
            name: "shop floor".to_owned(),
            scopes: scopes.iter().copied().collect(),
            source: source.map(|source| AppSlug::new(source).unwrap()),
            expires_at: None,
            organizations: None,
        }
    }

    #[test]
    fn admin_includes_operate_includes_read_and_nothing_includes_posting() {
        use Scope::{Admin, EventsWrite, Operate, Read};
        for (given, allowed) in [
            (Read, &[Read][..]),
            (Operate, &[Read, Operate]),
            (Admin, &[Read, Operate, Admin]),
            (EventsWrite, &[EventsWrite]),
        ] {
            let scopes: Scopes = [given].into_iter().collect();
            for scope in [Read, Operate, Admin, EventsWrite] {
                assert_eq!(scopes.allow(scope), allowed.contains(&scope), "{given:?} {scope:?}");
            }
        }
    }

    #[test]
    fn a_key_that_means_nothing_is_refused() {
        let now = Millis(1000);
        let good = new_key(&[Scope::Read], None);
        assert_eq!(good.check(now), Ok(()));
        assert_eq!(new_key(&[Scope::EventsWrite, Scope::Read], Some("bloom")).check(now), Ok(()));
        for (bad, error) in [
            (NewKey { name: " ".to_owned(), ..good.clone() }, Error::Name),
            (NewKey { name: "a\nb".to_owned(), ..good.clone() }, Error::Name),
            (NewKey { name: "x".repeat(129), ..good.clone() }, Error::Name),
            (new_key(&[], None), Error::NoScope),
            (new_key(&[Scope::EventsWrite], None), Error::NoSource),
            (new_key(&[Scope::Admin], Some("bloom")), Error::SourceWithoutScope),
            (NewKey { expires_at: Some(now), ..good.clone() }, Error::Expired),
            (NewKey { organizations: Some(BTreeSet::new()), ..good.clone() }, Error::Organizations),
            (
                NewKey { organizations: Some(["org".to_owned()].into()), ..new_key(&[Scope::Admin], None) },
                Error::Organizations,
            ),
        ] {
            assert_eq!(bad.check(now), Err(error), "{bad:?}");
        }
    }

    #[test]
    fn a_minted_key_has_the_prefix_and_192_bits() {
        let mut entropy = [0xFF; ENTROPY_BYTES];
        entropy[0] = 1;
        let (id, text) = mint(&entropy);
        assert_eq!(id.as_str(), "key_01ffffffffffffff");
        assert_eq!(text.reveal(), format!("cmn_{}", "_".repeat(32)));
        assert_eq!(KeyId::parse(id.as_str()), Some(id));
        assert!(!format!("{text:?}").contains("cmn_"));
        for bad in ["key_", "key_01FFFFFFFFFFFFFF", "root", ""] {
            assert_eq!(KeyId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_body_of_a_request_reads_as_a_new_key() {
        let body =
            r#"{"name":"x","scopes":["events:write"],"source":"bloom","expiresAt":"2030-01-01T00:00:00Z"}"#;
        let key: NewKey = serde_json::from_str(body).unwrap();
        assert!(key.check(Millis(0)).is_ok());
        assert!(serde_json::from_str::<NewKey>(r#"{"name":"x","scopes":["read"]}"#).is_ok());
        for bad in [r#"{"name":"x","scopes":["root"]}"#, r#"{"name":"x","scopes":["read"],"scope":1}"#] {
            assert!(serde_json::from_str::<NewKey>(bad).is_err(), "{bad}");
        }
    }
}
