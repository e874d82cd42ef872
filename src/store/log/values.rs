//! Whole values over the rows of any log.
//!
//! A value whose chunks have a gap is damage: a batch writes and removes all of them or none.

use std::ops::ControlFlow;
use std::path::PathBuf;

use super::row::{ROW_BYTES_MAX, RowId, Space};
use super::{Error, Log};

/// Bytes `offset..offset + len` of a value, reading only the rows they lie in; `None` if the value
/// doesn't have them all.
pub fn read_value(
    log: &dyn Log,
    space: Space,
    commit: u64,
    offset: usize,
    len: usize,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(end) = offset.checked_add(len) else { return Ok(None) };
    let first = offset.saturating_sub(usize::from(len == 0)) / ROW_BYTES_MAX;
    let last = end.saturating_sub(1) / ROW_BYTES_MAX;
    let mut bytes = Vec::new();
    for place in first..=last {
        let Ok(chunk) = u32::try_from(place) else { return Ok(None) };
        let Some(row) = log.read(RowId { space, commit, chunk })? else { return Ok(None) };
        let start = offset.saturating_sub(place * ROW_BYTES_MAX);
        let stop = ROW_BYTES_MAX.min(end - place * ROW_BYTES_MAX);
        let Some(part) = row.get(start..stop) else { return Ok(None) };
        bytes.extend_from_slice(part);
    }
    Ok(Some(bytes))
}

/// Visits the values of `space` in order, from the one of `from_commit` on, until `visit` breaks.
pub fn replay_values(
    log: &dyn Log,
    space: Space,
    from_commit: u64,
    visit: &mut dyn FnMut(u64, &[u8]) -> ControlFlow<()>,
) -> Result<(), Error> {
    let mut value = Vec::new();
    // The next row of the value in hand, and `None` before the first.
    let mut next: Option<RowId> = None;
    let mut gap = None;
    let mut stopped = false;
    log.replay(space, from_commit, &mut |row, bytes| {
        if next != Some(row) {
            if row.chunk != 0 {
                gap = Some(row);
                return ControlFlow::Break(());
            }
            if let Some(next) = next {
                stopped = visit(next.commit, &value).is_break();
                if stopped {
                    return ControlFlow::Break(());
                }
            }
            value.clear();
        }
        value.extend_from_slice(bytes);
        next = Some(RowId { chunk: row.chunk + 1, ..row });
        ControlFlow::Continue(())
    })?;
    if let Some(row) = gap {
        let detail = format!("row {} of value {} in {:?} follows a gap", row.chunk, row.commit, row.space);
        return Err(Error::Damaged { path: PathBuf::from("the log"), detail });
    }
    if let (Some(next), false) = (next, stopped) {
        let _ = visit(next.commit, &value);
    }
    Ok(())
}
