//! What is kept for a person, and for how long: dead deliveries, quarantined events, and what waits for a
//! receiver that doesn't come back.
//!
//! The outbox tells them itself. The journal lags, and forgets by rules of its own.

use super::index::Kept;
use super::{Error, Outbox, lock, pack};
use crate::domain::time::Millis;

impl Outbox {
    /// The oldest that are kept, at most `limit`, up to the first accepted at or after `until`. Reads the
    /// disk.
    pub fn kept_before(&self, until: Millis, limit: usize) -> Result<Vec<Kept>, Error> {
        let mut oldest = lock(&self.shared.index).oldest_kept(limit);
        let mut looked_at = None;
        for at in 0..oldest.len() {
            let seq = oldest[at].seq();
            // None: let go of in this moment, and its pack with it.
            let Some((commit, first, size)) = lock(&self.shared.index).locate(seq) else { continue };
            // The events of one commit are of one age.
            if looked_at == Some(commit) {
                continue;
            }
            let place = usize::try_from(seq - first).unwrap_or(usize::MAX);
            match pack::read_one(self.shared.log.as_ref(), commit, size, place) {
                Ok(event) if event.accepted_at >= until => {
                    oldest.truncate(at);
                    break;
                }
                Ok(_) => looked_at = Some(commit),
                Err(_) if lock(&self.shared.index).locate(seq).is_none() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(oldest)
    }
}
