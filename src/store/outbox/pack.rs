//! A pack: the events of one commit in one value, each readable by itself.
//!
//! Layout: `count: u32 LE`, then for each event the offset of its end (`u32 LE`, from the end of this
//! directory), then the events. The directory fits the value's first row.

use std::sync::Arc;

use super::Error;
use super::record::{PackSize, StoredEvent};
use crate::store::log::{Log, ROW_BYTES_MAX, Space, read_value};

/// Most events in one pack: what a directory in one row can name.
pub const EVENTS_MAX: usize = ROW_BYTES_MAX / 4 - 1;

/// The value that holds `events`.
pub fn encode(events: &[Arc<StoredEvent>]) -> Result<Vec<u8>, Error> {
    if events.len() > EVENTS_MAX {
        return Err(Error::Encode(format!("a pack of {} events, at most {EVENTS_MAX}", events.len())));
    }
    let directory = 4 + 4 * events.len();
    let bodies: usize = events.iter().map(|event| event.body.len() + 256).sum();
    let mut value = Vec::with_capacity(directory + bodies);
    value.extend_from_slice(&length(events.len())?.to_le_bytes());
    value.resize(directory, 0);
    for (at, event) in events.iter().enumerate() {
        value =
            postcard::to_extend(event.as_ref(), value).map_err(|error| Error::Encode(error.to_string()))?;
        let end = length(value.len() - directory)?;
        value[4 + 4 * at..8 + 4 * at].copy_from_slice(&end.to_le_bytes());
    }
    Ok(value)
}

fn length(bytes: usize) -> Result<u32, Error> {
    u32::try_from(bytes).map_err(|_| Error::Encode("a pack over 4 GiB".to_owned()))
}

/// All events of a pack.
pub fn decode(value: &[u8]) -> Result<Vec<Arc<StoredEvent>>, Error> {
    let count = number(value, 0)?;
    (0..count).map(|at| decode_at(value, at, count).map(Arc::new)).collect()
}

fn decode_at(value: &[u8], at: usize, count: usize) -> Result<StoredEvent, Error> {
    let (start, end) = bounds(value, at, count)?;
    let bytes = value.get(start..end).ok_or_else(torn)?;
    postcard::from_bytes(bytes).map_err(|error| Error::Damaged(format!("an event cannot be read: {error}")))
}

/// Where the event number `at` lies in the value, by its directory.
fn bounds(value: &[u8], at: usize, count: usize) -> Result<(usize, usize), Error> {
    let directory = 4 + 4 * count;
    let start = if at == 0 { 0 } else { number(value, 4 * at)? };
    Ok((directory + start, directory + number(value, 4 + 4 * at)?))
}

fn number(value: &[u8], at: usize) -> Result<usize, Error> {
    let bytes = value.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).ok_or_else(torn)?;
    Ok(u32::from_le_bytes(bytes) as usize)
}

fn torn() -> Error {
    Error::Damaged("a pack of events is shorter than its directory says".to_owned())
}

/// Reads event number `at` of the pack that `commit` wrote, touching only the rows it lies in.
pub fn read_one(log: &dyn Log, commit: u64, size: PackSize, at: usize) -> Result<StoredEvent, Error> {
    let total = size.bytes as usize;
    let head = read_value(log, Space::Events, commit, 0, total.min(ROW_BYTES_MAX))?.ok_or_else(torn)?;
    let (start, end) = bounds(&head, at, number(&head, 0)?)?;
    let bytes = match head.get(start..end) {
        Some(bytes) => bytes.to_vec(),
        None => read_value(log, Space::Events, commit, start, end.saturating_sub(start))?.ok_or_else(torn)?,
    };
    postcard::from_bytes(&bytes).map_err(|error| Error::Damaged(format!("an event cannot be read: {error}")))
}
