//! The entropy port: random bytes for jitter, ids and keys.

/// A source of random bytes. Production has [`OsEntropy`]; tests fix a seed.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number over the whole range.
    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

/// The operating system's random source.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsEntropy;

impl Entropy for OsEntropy {
    #[expect(clippy::disallowed_methods, reason = "the one room that asks the OS for randomness")]
    #[expect(
        clippy::expect_used,
        reason = "without randomness no key or id may be made; the OS never fails here after boot"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("the operating system has a random source");
    }
}
