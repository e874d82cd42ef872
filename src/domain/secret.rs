//! Shared secrets: values that never show up in a log line, an error or a debug print.
//!
//! Must never implement `Display` or `Serialize`.

use std::fmt;

/// A secret as written in the config, prefix included.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Takes the secret as written.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The key bytes of the ecosystem's scheme: the text's UTF-8 bytes, prefix included.
    pub fn text_key(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
