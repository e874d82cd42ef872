//! The rows of an engine under what lies over them. Pure.
//!
//! Each side was read only so far; beyond the nearer of the two ends nothing is said. Never gives a row twice.

use super::layers::Overlay;
use crate::store::log::engine::{Room, Rows};
use crate::store::log::row::Key;

/// What a scan of both sides found.
pub(super) struct Merged {
    pub rows: Rows,
    /// All rows up to here are among them.
    pub until: Key,
}

/// Puts `overlay` over the rows of the engine `below`, which were read into `room` up to `last` at most. Holds up to `room` of
/// both together.
pub(super) fn merge(overlay: Overlay, below: Rows, last: &Key, room: Room) -> Merged {
    let is_full = |rows: usize, bytes: usize| rows >= room.rows || bytes >= room.bytes;
    let below_bytes = below.iter().map(|(_, value)| value.len()).sum();
    let below_until = match below.last() {
        Some((end, _)) if is_full(below.len(), below_bytes) => *end,
        _ => *last,
    };
    let until = overlay.until.min(below_until);
    let mut over = overlay.rows.into_iter().take_while(|(key, _)| *key <= until).peekable();
    let mut under = below.into_iter().take_while(|(key, _)| *key <= until).peekable();
    let (mut rows, mut bytes) = (Rows::new(), 0);
    loop {
        let next = match (over.peek(), under.peek()) {
            (Some((above, _)), Some((below, _))) if above > below => under.next(),
            (Some((above, _)), below) => {
                if below.is_some_and(|(below, _)| above == below) {
                    under.next();
                }
                over.next().and_then(|(key, value)| Some((key, value?.to_vec())))
            }
            (None, Some(_)) => under.next(),
            (None, None) => return Merged { rows, until },
        };
        let Some((key, value)) = next else { continue };
        bytes += value.len();
        rows.push((key, value));
        if is_full(rows.len(), bytes) {
            return Merged { rows, until: key };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::Bound;

    use proptest::prelude::*;

    use super::*;

    type Over = BTreeMap<u8, Option<u8>>;
    type Under = BTreeMap<u8, u8>;

    fn key(byte: u8) -> Key {
        let mut key = Key::default();
        key[12] = byte;
        key
    }

    /// One scan from `start` on, with each side read as far as it fits.
    fn scan(over: &Over, under: &Under, start: u8, room: Room) -> Merged {
        let (mut rows, mut bytes, mut until) = (Vec::new(), 0, key(200));
        for (at, value) in over.range(start..=200) {
            let value = value.map(|bytes| vec![*at; usize::from(bytes)]);
            bytes += value.as_ref().map_or(0, Vec::len);
            rows.push((key(*at), value.map(Into::into)));
            if rows.len() >= room.rows || bytes >= room.bytes {
                until = key(*at);
                break;
            }
        }
        let (mut below, mut bytes) = (Rows::new(), 0);
        for (at, length) in under.range((Bound::Included(start), Bound::Included(200))) {
            bytes += usize::from(*length);
            below.push((key(*at), vec![*at; usize::from(*length)]));
            if below.len() >= room.rows || bytes >= room.bytes {
                break;
            }
        }
        merge(Overlay { rows, until }, below, &key(200), room)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn scan_after_scan_every_row_is_seen_once(
            over in proptest::collection::btree_map(0..200_u8, proptest::option::of(0..9_u8), 0..60),
            under in proptest::collection::btree_map(0..200_u8, 0..9_u8, 0..60),
            rows in 1..20_usize,
            bytes in 1..60_usize,
        ) {
            let mut wanted = under.clone();
            for (key, value) in &over {
                match value {
                    Some(length) => wanted.insert(*key, *length),
                    None => wanted.remove(key),
                };
            }
            let (mut seen, mut start) = (Under::new(), 0);
            loop {
                let merged = scan(&over, &under, start, Room { rows, bytes });
                prop_assert!(merged.rows.len() <= rows);
                for (key, value) in &merged.rows {
                    prop_assert!(*key <= merged.until);
                    prop_assert!(value.iter().all(|byte| *byte == key[12]));
                    let length = u8::try_from(value.len()).unwrap();
                    prop_assert_eq!(seen.insert(key[12], length), None);
                }
                if merged.until == key(200) {
                    break;
                }
                start = merged.until[12] + 1;
            }
            prop_assert_eq!(seen, wanted);
        }
    }
}
