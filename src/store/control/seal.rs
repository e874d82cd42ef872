//! How secrets lie in the file: the one place that knows.
//!
//! Sealed with ChaCha20-Poly1305 under a key that is not in the file, each row with a nonce of its own and
//! bound to its app, so that a row cannot be read without the key, changed, or put in another's place.
//! A leading byte tells the form. Rows of the first form, which was text, can be read and are never written.
//!
//! A nonce must not come twice under one key: it is random, and operators change secrets a few times a
//! day at most, far from the 2^32 rows at which chance would begin to count.

use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::Error;
use crate::domain::id::AppSlug;
use crate::domain::secret::Secret;
use crate::runtime::entropy::Entropy;

/// The form without encryption, of the first stores.
const PLAIN: u8 = 0;
/// ChaCha20-Poly1305: the key's name, the nonce, what is sealed.
const SEALED: u8 = 1;
/// What stands before that which is sealed.
const HEAD_BYTES: usize = 1 + NAME_BYTES + NONCE_LEN;
const NAME_BYTES: usize = 8;

/// Which key a row was sealed with, without saying anything of it.
pub(super) type Name = [u8; NAME_BYTES];

/// Why sealed secrets cannot be opened. Never contains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unopened {
    /// Cut off, changed, or of another app.
    #[error("sealed secrets cannot be opened: they are not what was sealed")]
    Damaged,
    /// Sealed with a key that isn't there.
    #[error("sealed secrets cannot be opened: they were sealed with key {}", hex::encode(.0))]
    OtherKey(Name),
}

/// Seals with the newest key, and opens what any of them sealed.
pub(super) struct Sealer {
    newest: Key,
    older: Vec<Key>,
    entropy: Arc<dyn Entropy>,
}

struct Key {
    name: Name,
    aead: LessSafeKey,
}

impl Sealer {
    /// A sealer with the key made of `newest`, which also opens what those made of `older` sealed.
    pub(super) fn new(newest: &Secret, older: &[Secret], entropy: Arc<dyn Entropy>) -> Result<Self, Error> {
        let older = older.iter().map(Key::new).collect::<Result<_, _>>()?;
        Ok(Self { newest: Key::new(newest)?, older, entropy })
    }

    /// The secrets of `app` as the file keeps them.
    pub(super) fn seal(&self, app: &AppSlug, secrets: &[Secret]) -> Result<Vec<u8>, Error> {
        let texts: Vec<&str> = secrets.iter().map(Secret::reveal).collect();
        let encoded = postcard::to_stdvec(&texts).map_err(|error| Error::Encode(error.to_string()))?;
        let mut sealed = Zeroizing::new(encoded);
        let mut nonce = [0; NONCE_LEN];
        self.entropy.fill(&mut nonce);
        let mut row = vec![SEALED];
        row.extend_from_slice(&self.newest.name);
        row.extend_from_slice(&nonce);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .newest
            .aead
            .seal_in_place_separate_tag(nonce, bound_to(app), sealed.as_mut())
            .map_err(|_| Error::Encode("secrets could not be sealed".to_owned()))?;
        row.extend_from_slice(&sealed);
        row.extend_from_slice(tag.as_ref());
        Ok(row)
    }

    /// The way back.
    pub(super) fn open(&self, app: &AppSlug, row: &[u8]) -> Result<Vec<Secret>, Unopened> {
        match row.split_first() {
            Some((&PLAIN, rest)) => decode(rest),
            Some((&SEALED, _)) => self.unseal(app, row),
            _ => Err(Unopened::Damaged),
        }
    }

    /// Whether `row` is as [`Self::seal`] would write it now.
    pub(super) fn is_current(&self, row: &[u8]) -> bool {
        name(row) == Some(self.newest.name)
    }

    fn unseal(&self, app: &AppSlug, row: &[u8]) -> Result<Vec<Secret>, Unopened> {
        let name = name(row).ok_or(Unopened::Damaged)?;
        let mut keys = std::iter::once(&self.newest).chain(&self.older);
        let key = keys.find(|key| key.name == name).ok_or(Unopened::OtherKey(name))?;
        let nonce = Nonce::try_assume_unique_for_key(&row[1 + NAME_BYTES..HEAD_BYTES]);
        let mut sealed = Zeroizing::new(row[HEAD_BYTES..].to_vec());
        let nonce = nonce.map_err(|_| Unopened::Damaged)?;
        let text =
            key.aead.open_in_place(nonce, bound_to(app), &mut sealed).map_err(|_| Unopened::Damaged)?;
        decode(text)
    }
}

impl Key {
    /// From the text of a secret, whatever its form and length: what is sealed needs 32 even bytes.
    fn new(secret: &Secret) -> Result<Self, Error> {
        let made = |what: &[u8]| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret.text_key()).map_err(|_| ())?;
            mac.update(what);
            Ok::<_, ()>(Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes())))
        };
        let unusable = || Error::Encode("the key for stored secrets cannot be used".to_owned());
        let bytes = made(b"camino: secrets at rest, key").map_err(|()| unusable())?;
        let shown = made(b"camino: secrets at rest, name").map_err(|()| unusable())?;
        let aead = UnboundKey::new(&CHACHA20_POLY1305, bytes.as_slice()).map_err(|_| unusable())?;
        let mut name = [0; NAME_BYTES];
        name.copy_from_slice(&shown[..NAME_BYTES]);
        Ok(Self { name, aead: LessSafeKey::new(aead) })
    }
}

/// The name of the key that `row` was sealed with; none if it wasn't.
pub(super) fn name(row: &[u8]) -> Option<Name> {
    let sealed = row.first() == Some(&SEALED) && row.len() >= HEAD_BYTES;
    sealed.then(|| row[1..=NAME_BYTES].try_into().ok()).flatten()
}

/// The name of the key made of `secret`.
pub(super) fn key_name(secret: &Secret) -> Result<Name, Error> {
    Ok(Key::new(secret)?.name)
}

fn bound_to(app: &AppSlug) -> Aad<Vec<u8>> {
    Aad::from([b"camino: endpoint secrets of ", app.as_str().as_bytes()].concat())
}

fn decode(bytes: &[u8]) -> Result<Vec<Secret>, Unopened> {
    let texts: Vec<&str> = postcard::from_bytes(bytes).map_err(|_| Unopened::Damaged)?;
    texts.into_iter().map(|text| Secret::new(text).map_err(|_| Unopened::Damaged)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::entropy::OsEntropy;

    fn secret(n: u8) -> Secret {
        Secret::from_entropy(&[n; 32])
    }

    fn sealer(newest: u8, older: &[u8]) -> Sealer {
        let older: Vec<Secret> = older.iter().copied().map(secret).collect();
        Sealer::new(&secret(newest), &older, Arc::new(OsEntropy)).unwrap()
    }

    fn app(slug: &str) -> AppSlug {
        AppSlug::new(slug).unwrap()
    }

    #[test]
    fn what_is_sealed_can_be_opened_and_not_read() {
        let secrets = [secret(1), Secret::new("an older one, as people write them").unwrap()];
        let sealer = sealer(9, &[]);
        for held in [&secrets[..], &[]] {
            let row = sealer.seal(&app("mancha"), held).unwrap();
            assert_eq!(sealer.open(&app("mancha"), &row).unwrap(), held);
            assert!(sealer.is_current(&row));
            let text = String::from_utf8_lossy(&row).into_owned();
            assert!(!text.contains("whsec_") && !text.contains("older"), "{text}");
        }
    }

    #[test]
    fn the_same_secrets_are_never_the_same_row() {
        let sealer = sealer(9, &[]);
        let row = |_| sealer.seal(&app("mancha"), &[secret(1)]).unwrap();
        let rows: std::collections::HashSet<Vec<u8>> = (0..100).map(row).collect();
        assert_eq!(rows.len(), 100);
    }

    #[test]
    fn a_changed_row_and_one_of_another_app_are_refused() {
        let sealer = sealer(9, &[]);
        let row = sealer.seal(&app("mancha"), &[secret(1)]).unwrap();
        assert_eq!(sealer.open(&app("bloom"), &row), Err(Unopened::Damaged));
        for at in 0..row.len() {
            let mut changed = row.clone();
            changed[at] ^= 1;
            assert!(sealer.open(&app("mancha"), &changed).is_err(), "byte {at}");
            assert!(sealer.open(&app("mancha"), &row[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn an_older_key_opens_what_it_sealed_and_a_stranger_is_told_by_name() {
        let row = sealer(1, &[]).seal(&app("mancha"), &[secret(7)]).unwrap();
        let rotated = sealer(2, &[1]);
        assert_eq!(rotated.open(&app("mancha"), &row).unwrap(), [secret(7)]);
        assert!(!rotated.is_current(&row));
        assert!(rotated.is_current(&rotated.seal(&app("mancha"), &[]).unwrap()));
        let stranger = sealer(3, &[]).open(&app("mancha"), &row);
        assert_eq!(stranger, Err(Unopened::OtherKey(name(&row).unwrap())));
    }

    #[test]
    fn the_first_form_can_be_read_and_is_not_current() {
        let mut row = vec![PLAIN];
        row.extend(postcard::to_stdvec(&vec![secret(1).reveal()]).unwrap());
        let sealer = sealer(9, &[]);
        assert_eq!(sealer.open(&app("mancha"), &row).unwrap(), [secret(1)]);
        assert!(!sealer.is_current(&row));
        for bad in [&[][..], &[PLAIN, 7], &[9, 0, 0]] {
            assert_eq!(sealer.open(&app("mancha"), bad), Err(Unopened::Damaged));
        }
    }
}
