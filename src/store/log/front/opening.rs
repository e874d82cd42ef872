//! Making the log in front of an engine, and reading it back.
//!
//! The segments are used in turn, and one is free, and is used again, only when the engine durably has all that was in it. So of
//! the two the later use comes over the earlier one, and both come over the engine, whatever of them it has already. A
//! record that does not verify is the end of its use, unless something verifies that was written after it: then it was damaged. Whether
//! the end is complete is for the tally and the mark to say. Changes nothing but to make durable what is there.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;

use super::layers::{Edge, Layers};
use super::record::{BLOCK_BYTES, Stamp};
use super::segment::{Beginning, NAMES, Run, Segment};
use crate::store::folder;
use crate::store::log::engine::{Engine, Fault};
use crate::store::log::files;
use crate::store::log::row::{Key, RowId, Space};

/// What the records of one use add up to: rows put, or removed.
type Sum = BTreeMap<Key, Option<Bytes>>;

/// The last uses of the segments, as far as they have records and the engine may lack them.
type Runs = [Option<Run>; 2];

/// What was read back.
pub(in crate::store::log) struct Found {
    pub(super) segments: [Segment; 2],
    runs: Runs,
    /// A use that has begun and has no record: the segment, and its stamp.
    torn: Option<(usize, Stamp)>,
    sums: [Sum; 2],
}

impl Found {
    /// The segment that was written last, and its use.
    pub(super) fn latest(&self) -> Option<(usize, Run)> {
        let runs = self.runs.iter().enumerate();
        let runs = runs.filter_map(|(segment, run)| run.map(|run| (segment, run)));
        runs.max_by_key(|(_, run)| run.first.usage)
    }

    /// A use without a record, where there is nothing else to go on with.
    pub(super) fn torn(&self) -> Option<(usize, Stamp)> {
        self.torn
    }

    /// The rows over an engine whose keys go up to `edge`: the earlier use as the frozen table, the later one as the active.
    pub(super) fn layers(&mut self, edge: Edge) -> Layers {
        let mut layers = Layers { edge: Some(edge), ..Layers::default() };
        let latest = self.latest().map_or(0, |(segment, _)| segment);
        for (key, value) in std::mem::take(&mut self.sums[1 - latest]) {
            layers.apply(key, value);
        }
        if self.runs.iter().all(Option::is_some) {
            drop(layers.freeze());
        }
        for (key, value) in std::mem::take(&mut self.sums[latest]) {
            layers.apply(key, value);
        }
        layers
    }
}

/// Makes both segments in the engine's folder, in the place of what is there.
pub(super) fn create(path: &Path, bytes: u64) -> Result<[Segment; 2], Fault> {
    let [a, b] = NAMES.map(|name| {
        files::remove_file(&path.join(name))?;
        Segment::create(&path.join(name), bytes.next_multiple_of(BLOCK_BYTES as u64))
    });
    let segments = [a?, b?];
    folder::sync(path)?;
    Ok(segments)
}

/// Reads both segments back, without the engine.
pub(in crate::store::log) fn read(path: &Path) -> Result<Found, Fault> {
    let [a, b] = NAMES.map(|name| match Segment::open(&path.join(name)) {
        Ok(segment) if segment.bytes() == 0 => Err(Fault::Damaged(format!("{name} is empty"))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(Fault::Damaged(format!("{name} is missing")))
        }
        opened => Ok(opened?),
    });
    let segments = [a?, b?];
    folder::sync(path)?;
    let mut sums = [Sum::new(), Sum::new()];
    let [a, b] = [0, 1].map(|at| segments[at].replay(&mut |rows| sums[at].extend(rows)));
    let runs = [a?, b?];
    let torn = check(&segments, runs)?;
    Ok(Found { segments, runs, torn, sums })
}

/// How far the keys of the engine go.
pub(super) fn edge(inner: &dyn Engine) -> Result<Edge, Fault> {
    let mut edge = Edge::default();
    for space in Space::ALL {
        let found = inner.edge(&RowId::first(space, 0).key(), &RowId::last(space).key())?;
        if let Some(key) = found {
            edge.raise(&key);
        }
    }
    Ok(edge)
}

/// Refuses what no crash leaves. Returns the use that has begun and has no record, if there is one.
fn check(segments: &[Segment; 2], runs: Runs) -> Result<Option<(usize, Stamp)>, Fault> {
    let broken = |name: &str, what: &str| Err(Fault::Damaged(format!("{name}: {what}")));
    let mut torn = None;
    for at in [0, 1] {
        let (first, end) = match (runs[at], segments[at].beginning()?) {
            (Some(run), _) => (run.first, run.end),
            (None, Beginning::Free) => continue,
            (None, Beginning::Use(first)) => {
                let follows = runs[1 - at].is_none_or(|other| first.usage == other.first.usage + 1);
                if !follows || torn.replace((at, first)).is_some() {
                    return broken(NAMES[at], "its first record cannot be read");
                }
                (first, 0)
            }
            (None, Beginning::Strange) => return broken(NAMES[at], "its beginning cannot be read"),
        };
        let is_of_it = |stamp: Stamp| (stamp.usage, stamp.salt) == (first.usage, first.salt);
        if let Some(later) = segments[at].find(end, is_of_it)? {
            return broken(NAMES[at], &format!("something before record {} cannot be read", later.seq));
        }
    }
    if let [Some(a), Some(b)] = runs {
        let (earlier, later) = if a.first.usage < b.first.usage { (a, b) } else { (b, a) };
        if later.first.usage != earlier.first.usage + 1 || later.first.seq != earlier.last_seq + 1 {
            let (last, next) = (earlier.last_seq, later.first.seq);
            return broken("front", &format!("after record {last} comes record {next}"));
        }
    }
    Ok(torn)
}
