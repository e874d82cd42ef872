//! From the client's error to the reason a person reads.
//!
//! The client wraps errors in errors; the reason is the first one on the way down that tells.

use std::error::Error as StdError;
use std::io;

use super::connector;
use crate::domain::outcome::Failure;

/// Errors looked at, from the outside in.
const DEPTH_MAX: usize = 16;
/// Longest text kept.
const TEXT_BYTES_MAX: usize = 512;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No connection.
    #[error("no connection")]
    Connect(#[source] Box<dyn StdError + Send + Sync>),
    /// It broke, or what came back was no HTTP.
    #[error("no answer")]
    Exchange(#[source] hyper::Error),
}

/// The kind of failure, and what to tell about it.
pub(super) fn read(error: &Error) -> (Failure, String) {
    let mut texts: Vec<String> = Vec::new();
    let mut failure = None;
    let mut next = error.source();
    for _ in 0..DEPTH_MAX {
        let Some(current) = next else { break };
        failure = failure.or_else(|| of_one(current));
        let text = current.to_string();
        // Some wrappers print what they wrap.
        if !texts.iter().any(|told| told.contains(&text)) {
            texts.push(text);
        }
        next = inner(current);
    }
    // What fails to connect above our own connector is TLS: nothing else stands between.
    let rest = if matches!(error, Error::Connect(_)) { Failure::Tls } else { Failure::Connect };
    let mut text = texts.join(": ");
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    (failure.unwrap_or(rest), text)
}

fn of_one(error: &(dyn StdError + 'static)) -> Option<Failure> {
    if let Some(ours) = error.downcast_ref::<connector::Error>() {
        return Some(ours.failure());
    }
    // After the handshake too: a receiver may refuse us by an alert on the first read.
    error.downcast_ref::<rustls::Error>().map(|_| Failure::Tls)
}

fn inner<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    // `io::Error::source` skips the error it wraps and goes to that one's source.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    error.source()
}
