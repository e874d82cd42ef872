//! A shared secret as written in the config, and the two keys that the two schemes make of it.
//!
//! Never shows itself: `Debug` and `Display` print a mask, there is no `Serialize`, comparison takes
//! the same time wherever the texts differ, and the memory is wiped when the value goes.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD as STANDARD_ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// Marks a secret whose rest is the base64 of a Standard Webhooks key.
pub const WEBHOOK_PREFIX: &str = "whsec_";
/// Below this a key is short: it works, and is worth a warning.
pub const KEY_BYTES_MIN: usize = 24;

/// Some tools cut the padding off, which changes nothing about the key.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD_ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Why a text can't be a secret: the rule, to stand behind the secret's name. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing was written.
    #[error("must not be empty")]
    Empty,
    /// A line end or blank around the text, as files and shells leave behind.
    #[error("must not begin or end with white space")]
    Padded,
    /// The prefix promises base64 and the rest isn't.
    #[error(
        "begins with `{WEBHOOK_PREFIX}`, so the rest must be base64, such as `openssl rand -base64 32` prints; a secret of another kind must not begin so"
    )]
    NotBase64,
}

/// One shared secret.
#[derive(Clone)]
pub struct Secret {
    text: Zeroizing<String>,
    /// Present when the text has [`WEBHOOK_PREFIX`].
    decoded: Option<Zeroizing<Vec<u8>>>,
}

impl Secret {
    /// Takes the secret as written, prefix included.
    pub fn new(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::Empty);
        }
        if text.trim() != text {
            return Err(Error::Padded);
        }
        let decoded = match text.strip_prefix(WEBHOOK_PREFIX) {
            None => None,
            Some("") => return Err(Error::Empty),
            Some(rest) => Some(Zeroizing::new(BASE64.decode(rest).map_err(|_| Error::NotBase64)?)),
        };
        Ok(Self { text: Zeroizing::new(text.to_owned()), decoded })
    }

    /// Makes a new secret of 32 unpredictable bytes, in the form with the prefix.
    pub fn from_entropy(entropy: &[u8; 32]) -> Self {
        let text = Zeroizing::new(format!("{WEBHOOK_PREFIX}{}", BASE64.encode(entropy)));
        Self { text, decoded: Some(Zeroizing::new(entropy.to_vec())) }
    }

    /// The key of the ecosystem's scheme: the bytes of the text as written.
    pub fn text_key(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The key of Standard Webhooks: what follows the prefix, decoded; without it, the text's bytes.
    pub fn webhook_key(&self) -> &[u8] {
        self.decoded.as_ref().map_or_else(|| self.text.as_bytes(), |key| key.as_slice())
    }

    /// The text itself, for the one answer or command that hands a new secret to its owner.
    pub fn reveal(&self) -> &str {
        &self.text
    }

    /// Whether the key has less than [`KEY_BYTES_MIN`] bytes.
    pub fn is_short(&self) -> bool {
        self.webhook_key().len() < KEY_BYTES_MIN
    }

    /// Whether a signature made with one of the two could pass for one made with the other.
    pub fn shares_key_with(&self, other: &Self) -> bool {
        let mut shared = Choice::from(0);
        for mine in [self.text_key(), self.webhook_key()] {
            for theirs in [other.text_key(), other.webhook_key()] {
                shared |= mine.ct_eq(theirs);
            }
        }
        shared.into()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.text_key().ct_eq(other.text_key()).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl std::str::FromStr for Secret {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREFIXED: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn the_two_keys_of_a_prefixed_secret_differ_and_of_a_plain_one_do_not() {
        let prefixed = Secret::new(PREFIXED).unwrap();
        assert_eq!(prefixed.text_key(), PREFIXED.as_bytes());
        assert_eq!(prefixed.webhook_key(), (0..32).collect::<Vec<u8>>());
        let plain = Secret::new("correct horse battery staple").unwrap();
        assert_eq!(plain.text_key(), plain.webhook_key());
    }

    #[test]
    fn padding_of_the_base64_is_optional() {
        let bare = Secret::new(PREFIXED.trim_end_matches('=')).unwrap();
        assert_eq!(bare.webhook_key(), Secret::new(PREFIXED).unwrap().webhook_key());
    }

    #[test]
    fn a_text_that_cannot_be_meant_is_refused() {
        for (text, error) in [
            ("", Error::Empty),
            ("whsec_", Error::Empty),
            ("secret\n", Error::Padded),
            (" secret", Error::Padded),
            ("whsec_not base64!", Error::NotBase64),
        ] {
            assert_eq!(Secret::new(text).err(), Some(error), "{text:?}");
        }
    }

    #[test]
    fn nothing_prints_the_text() {
        let secret = Secret::new("correct horse battery staple").unwrap();
        assert!(!format!("{secret} {secret:?} {:?}", [Some(&secret)]).contains("horse"));
    }

    #[test]
    fn short_is_counted_on_the_key_not_on_its_spelling() {
        assert!(Secret::new("12345678901234567890123").unwrap().is_short());
        assert!(!Secret::new("123456789012345678901234").unwrap().is_short());
        // 30 characters, but 18 bytes of key.
        assert!(Secret::new("whsec_AAECAwQFBgcICQoLDA0ODxAR").unwrap().is_short());
    }

    #[test]
    fn a_made_secret_reads_back_as_itself() {
        let made = Secret::from_entropy(&[7; 32]);
        let read = Secret::new(made.reveal()).unwrap();
        assert_eq!(made, read);
        assert_eq!(read.webhook_key(), [7; 32]);
    }

    #[test]
    fn a_key_is_shared_whatever_the_spelling() {
        let prefixed = Secret::new("whsec_c2VjcmV0").unwrap();
        let plain = Secret::new("secret").unwrap();
        assert_ne!(prefixed, plain);
        assert!(prefixed.shares_key_with(&plain));
        assert!(!plain.shares_key_with(&Secret::new("other").unwrap()));
    }
}
