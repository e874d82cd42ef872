//! Reading the records back: descriptions and leaves, the young runs, then what is fresh.
//!
//! Filters are not on disk; they are made anew, each at the size it is to have. What a crash left half
//! done is removed here: rows without an index, and leaves of which every run has expired.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::super::Error;
use super::directory::Section;
use super::filter::Filter;
use super::leaf::{self, Head};
use super::pass::{Pass, damaged};
use super::run::{Description, Run, Search};
use super::seal::RUN;
use super::state::State;
use super::{DedupeRecord, Sizes, row};
use crate::store::log::{Batch, Log, RowId, Space, chunk_count, replay_values};

/// What the index space holds.
#[derive(Default)]
struct Index {
    runs: Vec<(u64, Description)>,
    /// Leaves by section and number.
    leaves: BTreeMap<(u64, u64), Head>,
    next: u64,
}

/// What is there, and the pass that was under way.
pub(super) fn open(log: &dyn Log, sizes: Sizes) -> Result<(State, Option<Pass>), Error> {
    let mut state = State::new(sizes);
    let mut index = read_index(log)?;
    let first = index.runs.first().map(|(_, about)| about.number);
    let mut orphans = Batch::new();
    index.leaves.retain(|(_, number), head| {
        state.runs.next = state.runs.next.max(head.covers);
        state.runs.next_row = state.runs.next_row.max(head.rows_until);
        let alive = first.is_some_and(|first| first < head.covers);
        if !alive {
            orphans.remove_value(Space::DedupeIndex, *number, 1);
        }
        alive
    });
    state.next_index = index.next;
    add_sections(&mut state, &index.leaves)?;
    add_runs(&mut state, log, index.runs)?;
    fill_sections(&mut state, log, index.leaves)?;
    let mut unreadable = false;
    replay_values(log, Space::DedupeFresh, 0, &mut |commit, value| {
        match postcard::from_bytes::<Vec<DedupeRecord>>(value) {
            Ok(records) => state.remember(commit, chunk_count(value.len()), &records),
            Err(_) => unreadable = true,
        }
        ControlFlow::Continue(())
    })?;
    if unreadable {
        return Err(Error::Damaged("a dedupe record cannot be read".to_owned()));
    }
    state.moved = 0;
    find_orphans(&state, log, &mut orphans)?;
    if !orphans.is_empty() {
        log.append(&orphans)?;
    }
    let pass = state.directory.unfinished().map(|at| {
        let until = state.directory.covers_max;
        let next = state.runs.uncovered().find(|(about, _)| about.number >= until);
        let rows_until = next.map_or(state.runs.next_row, |(about, _)| about.first_row);
        state.pass(at, until, rows_until)
    });
    state.bound();
    Ok((state, pass))
}

fn read_index(log: &dyn Log) -> Result<Index, Error> {
    let mut index = Index::default();
    let mut bad = None;
    log.replay(Space::DedupeIndex, 0, &mut |row, bytes| {
        let number = row.commit;
        index.next = number + 1;
        match bytes.split_first() {
            Some((&RUN, about)) => match postcard::from_bytes::<Description>(about) {
                Ok(about) => index.runs.push((number, about)),
                Err(_) => bad = Some(number),
            },
            Some((&leaf::LEAF, _)) => match leaf::read(bytes) {
                Some((head, _)) => drop(index.leaves.insert((head.start, number), head)),
                None => bad = Some(number),
            },
            _ => bad = Some(number),
        }
        if bad.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    match bad {
        Some(number) => Err(Error::Damaged(format!("row {number} of the dedupe index cannot be read"))),
        None => Ok(index),
    }
}

/// Sections without filters: their size is known when all is.
fn add_sections(state: &mut State, leaves: &BTreeMap<(u64, u64), Head>) -> Result<(), Error> {
    let leaves: Vec<_> = leaves.iter().collect();
    for section in leaves.chunk_by(|(one, _), (other, _)| one.0 == other.0) {
        let ((start, first), head) = section[0];
        let whole = section.iter().zip(*first..).all(|(((_, number), _), wanted)| *number == wanted);
        if !whole || head.first != *start {
            return Err(damaged(*first));
        }
        let starts = section.iter().map(|(_, head)| head.first).collect();
        let entries = section.iter().map(|(_, head)| head.entries).sum();
        state.directory.insert(*start, Section::new(head.end, head.covers, *first, starts, entries, 0));
    }
    if state.directory.is_sound() {
        return Ok(());
    }
    Err(Error::Damaged("the dedupe directory has a gap".to_owned()))
}

/// The runs; those that the directory leaves out are read for their filters.
fn add_runs(state: &mut State, log: &dyn Log, runs: Vec<(u64, Description)>) -> Result<(), Error> {
    let covered = state.directory.covered();
    let mut searches = BTreeMap::new();
    // Their records count before their filters are made, for the size of these depends on it.
    let young = runs.iter().filter(|(_, about)| about.number >= covered);
    let from = young.clone().map(|(_, about)| about.number).min();
    let wanted: BTreeMap<u64, u32> = young.map(|(_, about)| (about.number, about.rows)).collect();
    if let Some(from) = from {
        let bits = state.run_bits();
        let (mut firsts, mut hashes) = (Vec::new(), Vec::new());
        log.replay(Space::DedupeData, from, &mut |id, bytes| {
            let Some(rows) = wanted.get(&id.commit) else { return ControlFlow::Break(()) };
            if id.chunk == 0 {
                (firsts, hashes) = (Vec::new(), Vec::new());
            }
            let mut keys = row::keys(bytes).peekable();
            // The rest of a long record has no key; it goes by the one before.
            let first = keys.peek().map(|key| row::prefix(key));
            firsts.push(first.or(firsts.last().copied()).unwrap_or_default());
            hashes.extend(keys.map(row::hash));
            if firsts.len() == *rows as usize && id.chunk + 1 == *rows {
                let filter = Filter::of(std::mem::take(&mut hashes).into_iter(), bits);
                let firsts = std::mem::take(&mut firsts).into_boxed_slice();
                searches.insert(id.commit, Box::new(Search { firsts, filter }));
            }
            ControlFlow::Continue(())
        })?;
    }
    for (index, about) in runs {
        let search = searches.remove(&about.number);
        if search.is_none() && about.number >= covered {
            return Err(Error::Damaged(format!("dedupe run {} is incomplete", about.number)));
        }
        state.runs.push(Run { about, index, search });
    }
    Ok(())
}

/// Gives the sections their filters, which takes a second look at the leaves.
fn fill_sections(state: &mut State, log: &dyn Log, heads: BTreeMap<(u64, u64), Head>) -> Result<(), Error> {
    let words = state.leaf_words();
    if heads.is_empty() || words == 0 {
        return Ok(());
    }
    let heads: Vec<_> = heads.into_iter().collect();
    for section in heads.chunk_by(|(one, _), (other, _)| one.0 == other.0) {
        let ((start, first_leaf), head) = &section[0];
        let starts = section.iter().map(|(_, head)| head.first).collect();
        let entries = section.iter().map(|(_, head)| head.entries).sum();
        state.directory.remove(*start);
        let empty = Section::new(head.end, head.covers, *first_leaf, starts, entries, words);
        state.directory.insert(*start, empty);
    }
    let oldest = heads.iter().map(|((_, number), _)| *number).min().unwrap_or_default();
    log.replay(Space::DedupeIndex, oldest, &mut |id, bytes| {
        if let Some((head, entries)) = leaf::read(bytes)
            && let Some(section) = state.directory.at_mut(head.start)
            && let Some(at) = id.commit.checked_sub(section.first_leaf)
        {
            section.fill(usize::try_from(at).unwrap_or(usize::MAX), &entries);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

/// Rows of runs whose index is gone: before the oldest run, where a crash met an expiry, and after
/// the newest, where it met a seal.
fn find_orphans(state: &State, log: &dyn Log, orphans: &mut Batch) -> Result<(), Error> {
    let mut rows: BTreeMap<u64, u32> = BTreeMap::new();
    for (from, until) in [(0, state.runs.first()), (state.runs.next, u64::MAX)] {
        log.replay(Space::DedupeData, from, &mut |RowId { commit, chunk, .. }, _| {
            if commit >= until {
                return ControlFlow::Break(());
            }
            rows.insert(commit, chunk + 1);
            ControlFlow::Continue(())
        })?;
    }
    for (run, chunks) in rows {
        orphans.remove_value(Space::DedupeData, run, chunks);
    }
    Ok(())
}
