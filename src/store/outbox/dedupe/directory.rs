//! The directory: leaves on disk that say where the records of old runs are, and what memory holds of
//! them: where each leaf begins, and a filter block for each.
//!
//! It is cut into sections, which are written and replaced whole. A section covers all runs before a
//! number; a look-up asks the runs from there on by themselves.

use std::collections::BTreeMap;

use super::filter;
use super::leaf::{Draft, Entry};
use super::row::{self, SPAN};

#[derive(Debug)]
pub(super) struct Section {
    pub end: u64,
    pub covers: u64,
    /// The number of its first leaf; the others follow.
    pub first_leaf: u64,
    starts: Box<[u64]>,
    /// A block of the same length for each leaf.
    filter: Box<[u64]>,
    pub entries: u32,
    hashes: u8,
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    sections: BTreeMap<u64, Section>,
    /// The newest that any section covers.
    pub covers_max: u64,
    leaves: usize,
    entries: u64,
    filter_bytes: usize,
}

/// What a section takes in memory, with its place in the map.
const SECTION_BYTES: usize = (size_of::<(u64, Section)>() + 32) * 3 / 2;

impl Section {
    /// A section over leaves that begin at `starts`, with `words` of filter for each, still empty.
    pub fn new(end: u64, covers: u64, first_leaf: u64, starts: Vec<u64>, entries: u32, words: usize) -> Self {
        let per_leaf = entries as usize / starts.len().max(1);
        let filter = vec![0; words * starts.len()].into_boxed_slice();
        let hashes = filter::hashes_for(words * 64, per_leaf);
        Self { end, covers, first_leaf, starts: starts.into_boxed_slice(), filter, entries, hashes }
    }

    /// The section that `draft` becomes, numbered from `first_leaf` on.
    pub fn of(draft: &Draft, covers: u64, first_leaf: u64, words: usize) -> Self {
        let entries: usize = draft.leaves.iter().map(|(_, entries, _)| entries.len()).sum();
        let starts = draft.leaves.iter().map(|(first, ..)| *first).collect();
        let entries = u32::try_from(entries).unwrap_or(u32::MAX);
        let mut section = Self::new(draft.end, covers, first_leaf, starts, entries, words);
        for (at, (_, entries, _)) in draft.leaves.iter().enumerate() {
            section.fill(at, entries);
        }
        section
    }

    /// Puts a leaf's entries into its block.
    pub fn fill(&mut self, leaf: usize, entries: &[Entry]) {
        let words = self.filter.len() / self.starts.len().max(1);
        let Some(block) = self.filter.get_mut(leaf * words..(leaf + 1) * words) else { return };
        if !block.is_empty() {
            for (prefix, _) in entries {
                filter::set(block, self.hashes, filter::mix(*prefix));
            }
        }
    }

    pub fn leaves(&self) -> u64 {
        self.starts.len() as u64
    }

    fn may_hold(&self, leaf: usize, prefix: u64) -> bool {
        let words = self.filter.len() / self.starts.len().max(1);
        filter::may_hold(&self.filter[leaf * words..(leaf + 1) * words], self.hashes, filter::mix(prefix))
    }
}

impl Directory {
    pub fn insert(&mut self, start: u64, section: Section) {
        self.covers_max = self.covers_max.max(section.covers);
        self.leaves += section.starts.len();
        self.entries += u64::from(section.entries);
        self.filter_bytes += section.filter.len() * 8;
        self.sections.insert(start, section);
    }

    pub fn remove(&mut self, start: u64) -> Option<Section> {
        let section = self.sections.remove(&start)?;
        self.leaves -= section.starts.len();
        self.entries -= u64::from(section.entries);
        self.filter_bytes -= section.filter.len() * 8;
        Some(section)
    }

    /// The section that begins at `start`.
    pub fn at(&self, start: u64) -> Option<&Section> {
        self.sections.get(&start)
    }

    /// See [`at`](Self::at).
    pub fn at_mut(&mut self, start: u64) -> Option<&mut Section> {
        self.sections.get_mut(&start)
    }

    /// The first run that the section of `prefix` leaves out, and the leaves that may have the prefix.
    pub fn find(&self, prefix: u64) -> (u64, Vec<u64>) {
        let found = self.sections.range(..=prefix).next_back().filter(|(_, section)| prefix < section.end);
        let Some((_, section)) = found else { return (0, Vec::new()) };
        let places = row::places(&section.starts, prefix);
        let may = places.filter(|leaf| section.may_hold(*leaf, prefix));
        (section.covers, may.map(|leaf| section.first_leaf + leaf as u64).collect())
    }

    /// Every run before this one is covered, whatever the prefix.
    pub fn covered(&self) -> u64 {
        let whole = self.sections.last_key_value().is_some_and(|(_, section)| section.end == SPAN);
        let covers = self.sections.values().map(|section| section.covers).min();
        covers.filter(|_| whole).unwrap_or_default()
    }

    /// Where sections begin to cover less than others, if a pass was under way.
    pub fn unfinished(&self) -> Option<u64> {
        let behind = self.sections.iter().find(|(_, section)| section.covers < self.covers_max);
        let end = self.sections.last_key_value().map(|(_, section)| section.end);
        behind.map(|(start, _)| *start).or(end).filter(|at| *at < SPAN)
    }

    /// Whether the sections leave no gap from the beginning on.
    pub fn is_sound(&self) -> bool {
        let mut at = 0;
        self.sections.iter().all(|(start, section)| std::mem::replace(&mut at, section.end) == *start)
    }

    /// Forgets everything and says which leaves there were.
    pub fn clear(&mut self) -> Vec<u64> {
        let sections = std::mem::take(self).sections.into_values();
        sections.flat_map(|section| section.first_leaf..section.first_leaf + section.leaves()).collect()
    }

    /// Gives filters up until `bytes` of them are left at most.
    pub fn drop_filters(&mut self, bytes: usize) {
        for section in self.sections.values_mut() {
            if self.filter_bytes <= bytes {
                return;
            }
            self.filter_bytes -= section.filter.len() * 8;
            section.filter = Box::default();
        }
    }

    pub fn leaves(&self) -> usize {
        self.leaves
    }

    pub fn entries(&self) -> u64 {
        self.entries
    }

    pub fn filter_bytes(&self) -> usize {
        self.filter_bytes
    }

    /// Without the filters.
    pub fn memory_bytes(&self) -> usize {
        self.sections.len() * SECTION_BYTES + self.leaves * 8
    }
}
