//! Leaves of the directory: one row each, which says for a stretch of prefixes which row of which run
//! holds a record that begins so.
//!
//! Layout: the kind of index row, a head, then for each entry the distance to the prefix before
//! (a varint) and the row, as a distance to the oldest row in the leaf's section (as many bytes as the
//! head says). About 5 bytes a record. A leaf never says less than all of what its section covers.

use serde::{Deserialize, Serialize};

use super::row::SPAN;
use crate::store::log::ROW_BYTES_MAX;

/// The kind of an index row that is a leaf.
pub(super) const LEAF: u8 = 1;
/// Leaves of a section, when it is made.
const SECTION_LEAVES: usize = 16;
/// More than these are split into sections.
const SECTION_LEAVES_MAX: usize = 24;
/// Room for the kind and the head.
const HEAD_ROOM: usize = 80;
const ENTRY_BYTES_MAX: usize = ROW_BYTES_MAX - HEAD_ROOM;

/// A prefix, and the number of the row that has it.
pub(super) type Entry = (u64, u64);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The section: all leaves that were written at once, and the prefixes they are for.
    pub start: u64,
    pub end: u64,
    /// Every run before this one is in the section.
    pub covers: u64,
    /// Where the rows of the runs end that are.
    pub rows_until: u64,
    /// The first prefix of this leaf.
    pub first: u64,
    /// How many entries there are.
    pub entries: u32,
    base: u64,
    row_bytes: u8,
}

/// A section to be written.
#[derive(Debug)]
pub(super) struct Draft {
    pub start: u64,
    pub end: u64,
    /// The first prefix of each leaf, its entries, and its row.
    pub leaves: Vec<(u64, Vec<Entry>, Vec<u8>)>,
}

/// What is said of all leaves at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub start: u64,
    pub end: u64,
    pub covers: u64,
    pub rows_until: u64,
}

/// Leaves over sorted entries, in sections. At least one leaf, if an empty one.
pub(super) fn write(stretch: Stretch, entries: &[Entry]) -> Vec<Draft> {
    let base = entries.iter().map(|(_, row)| *row).min().unwrap_or_default();
    let newest = entries.iter().map(|(_, row)| *row).max().unwrap_or_default();
    let row_bytes = (8 - (newest - base).leading_zeros() / 8).max(1);
    let row_bytes = u8::try_from(row_bytes).unwrap_or(8);
    let leaves = cut(stretch.start, entries, row_bytes);
    let sections = if leaves.len() > SECTION_LEAVES_MAX { leaves.len().div_ceil(SECTION_LEAVES) } else { 1 };
    let mut drafts: Vec<Draft> = Vec::new();
    let full = leaves.len().div_ceil(sections);
    let mut last = None;
    for leaf in leaves {
        let first = leaf.first().map_or(stretch.start, |(prefix, _)| *prefix);
        match drafts.last_mut() {
            // Never two sections for one prefix.
            Some(draft) if draft.leaves.len() < full || last == Some(first) => {
                draft.leaves.push((first, leaf.to_vec(), Vec::new()));
            }
            _ => {
                let start = if drafts.is_empty() { stretch.start } else { first };
                if let Some(draft) = drafts.last_mut() {
                    draft.end = start;
                }
                let leaves = vec![(start, leaf.to_vec(), Vec::new())];
                drafts.push(Draft { start, end: stretch.end, leaves });
            }
        }
        last = leaf.last().map(|(prefix, _)| *prefix);
    }
    for draft in &mut drafts {
        let about = Stretch { start: draft.start, end: draft.end, ..stretch };
        for (first, entries, row) in &mut draft.leaves {
            *row = encode(about, *first, entries, base, row_bytes);
        }
    }
    drafts
}

/// Leaves of about the same length, each short enough for a row.
fn cut(start: u64, entries: &[Entry], row_bytes: u8) -> Vec<&[Entry]> {
    let cost = |before: u64, entry: &Entry| varint_bytes(entry.0 - before) + usize::from(row_bytes);
    let mut before = start;
    let costs: Vec<usize> =
        entries.iter().map(|entry| cost(std::mem::replace(&mut before, entry.0), entry)).collect();
    let total: usize = costs.iter().sum();
    // The first entry of a leaf may cost less than here, where it follows another one.
    let leaves = total.div_ceil(ENTRY_BYTES_MAX - HEAD_ROOM).max(1);
    let full = total.div_ceil(leaves);
    let (mut cuts, mut from, mut bytes) = (Vec::with_capacity(leaves), 0, 0);
    for (at, cost) in costs.iter().enumerate() {
        if bytes >= full {
            cuts.push(&entries[from..at]);
            (from, bytes) = (at, 0);
        }
        bytes += cost;
    }
    cuts.push(&entries[from..]);
    cuts
}

fn encode(stretch: Stretch, first: u64, entries: &[Entry], base: u64, row_bytes: u8) -> Vec<u8> {
    let Stretch { start, end, covers, rows_until } = stretch;
    let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
    let head = Head { start, end, covers, rows_until, first, entries: count, base, row_bytes };
    let mut row = postcard::to_extend(&head, vec![LEAF]).unwrap_or_default();
    let mut before = first;
    for (prefix, number) in entries {
        let mut distance = prefix - before;
        while distance >= 0x80 {
            row.push(u8::try_from(distance & 0x7f).unwrap_or_default() | 0x80);
            distance >>= 7;
        }
        row.push(u8::try_from(distance).unwrap_or_default());
        row.extend_from_slice(&(number - base).to_le_bytes()[..usize::from(row_bytes)]);
        before = *prefix;
    }
    row
}

fn varint_bytes(number: u64) -> usize {
    ((64 - number.leading_zeros()).div_ceil(7)).max(1) as usize
}

/// What a leaf's row says; `None` if it makes no sense.
pub(super) fn read(row: &[u8]) -> Option<(Head, Vec<Entry>)> {
    let (LEAF, rest) = row.split_first().map(|(kind, rest)| (*kind, rest))? else { return None };
    let (head, mut rest) = postcard::take_from_bytes::<Head>(rest).ok()?;
    let sound = head.start <= head.first && head.first < head.end && head.end <= SPAN;
    if !sound || !(1..=8).contains(&head.row_bytes) {
        return None;
    }
    let mut entries = Vec::with_capacity(ROW_BYTES_MAX.min(head.entries as usize));
    let mut prefix = head.first;
    for _ in 0..head.entries {
        let (mut distance, mut shift) = (0, 0);
        loop {
            let (byte, after) = rest.split_first()?;
            rest = after;
            distance |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (number, after) = rest.split_at_checked(usize::from(head.row_bytes))?;
        rest = after;
        let number = number.iter().rev().fold(0, |word: u64, byte| (word << 8) | u64::from(*byte));
        prefix = prefix.checked_add(distance)?;
        entries.push((prefix, head.base.checked_add(number)?));
    }
    Some((head, entries))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::filter::mix;
    use super::*;

    fn stretch() -> Stretch {
        Stretch { start: 0, end: SPAN, covers: 9, rows_until: 1 << 40 }
    }

    fn assert_written(entries: &[Entry]) -> Vec<Draft> {
        let drafts = write(stretch(), entries);
        let mut back = Vec::new();
        let mut at = 0;
        for draft in &drafts {
            assert_eq!(draft.start, at, "sections leave no gap");
            assert_eq!(draft.leaves[0].0, draft.start);
            at = draft.end;
            for (first, _, row) in &draft.leaves {
                assert!(row.len() <= ROW_BYTES_MAX, "{} bytes", row.len());
                let (head, held) = read(row).unwrap();
                assert_eq!((head.first, head.covers), (*first, 9));
                assert!(held.iter().all(|(prefix, _)| (draft.start..draft.end).contains(prefix)));
                back.extend(held);
            }
        }
        assert_eq!(at, SPAN);
        assert_eq!(back, entries);
        drafts
    }

    #[test]
    fn a_stretch_with_nothing_in_it_has_a_leaf() {
        assert_eq!(assert_written(&[])[0].leaves.len(), 1);
    }

    #[test]
    fn a_record_takes_five_bytes_at_scale() {
        let mut entries: Vec<Entry> =
            (0..40_000_u64).map(|n| ((mix(n) >> 40) << 4, mix(n) % 2_000_000)).collect();
        entries.sort_unstable();
        // As dense as 260 million records are over the whole span.
        let drafts = write(Stretch { end: 40_000 << 12, ..stretch() }, &dense(&entries));
        let leaves: usize = drafts.iter().map(|draft| draft.leaves.len()).sum();
        assert!(leaves <= 36, "{leaves} leaves for 40,000 records");
        assert!(drafts.iter().all(|draft| draft.leaves.len() <= SECTION_LEAVES_MAX));
    }

    fn dense(entries: &[Entry]) -> Vec<Entry> {
        entries.iter().zip(0_u64..).map(|((_, row), n)| ((n << 12) + mix(n) % 4096, *row)).collect()
    }

    #[test]
    fn one_prefix_many_times_stays_in_one_section() {
        let mut entries: Vec<Entry> = (0..60_000).map(|row| (77, row)).collect();
        entries.push((78, 1));
        let drafts = assert_written(&entries);
        assert_eq!(drafts.iter().filter(|draft| (draft.start..draft.end).contains(&77)).count(), 1);
    }

    #[test]
    fn a_row_cut_short_is_noticed() {
        let row = &write(stretch(), &[(1 << 39, 5), (1 << 39, 7)])[0].leaves[0].2;
        assert!((0..row.len()).all(|end| read(&row[..end]).is_none()));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            mut entries in prop::collection::vec((0..SPAN, 0..u64::MAX / 2), 0..5_000),
            shift in 0..40_u32,
        ) {
            for entry in &mut entries {
                *entry = (entry.0 >> shift, entry.1 >> shift);
            }
            entries.sort_unstable();
            assert_written(&entries);
        }
    }
}
