//! What the store's folder is on, how long one sync takes there, and how much a store has come to.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use crate::runtime::clock::Clock;
use crate::store::log::{self, Space};

/// Most syncs measured, the longest time for them, and bytes written before each.
const SYNCS: usize = 200;
const SYNCS_WITHIN: Duration = Duration::from_secs(3);
const SYNC_BYTES: usize = 4096;
/// Where in a store the outbox is.
const OUTBOX: &str = "outbox";

/// The median time of a write of 4 KiB and an fdatasync in `folder`, with a `pause` before each.
pub(super) async fn sync_time(folder: &Path, clock: &dyn Clock, pause: Duration) -> io::Result<Duration> {
    let path = folder.join("sync-probe");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    let began = clock.monotonic();
    while times.is_empty() || times.len() < SYNCS && clock.monotonic().saturating_sub(began) < SYNCS_WITHIN {
        if !pause.is_zero() {
            clock.sleep(pause).await;
        }
        let before = clock.monotonic();
        file.write_all(&[b'x'; SYNC_BYTES])?;
        file.sync_data()?;
        times.push(clock.monotonic().saturating_sub(before));
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

/// Bytes of all files below `folder`; what goes away meanwhile counts nothing.
pub(super) fn bytes_below(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Bytes of the dedupe records in the outbox of `store`, which no process has open.
pub(super) fn dedupe_bytes(store: &Path, engine: &str) -> anyhow::Result<u64> {
    let log = log::open(&store.join(OUTBOX), engine.parse()?, log::Options::default())?;
    let mut bytes = 0;
    for space in [Space::DedupeFresh, Space::DedupeIndex, Space::DedupeData] {
        log.replay(space, 0, &mut |_, row| {
            bytes += row.len() as u64;
            ControlFlow::Continue(())
        })?;
    }
    log.close()?;
    Ok(bytes)
}

/// The kind of filesystem that `folder` is on, such as `ext4`; `None` when it cannot be known.
pub(super) fn filesystem(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().ok()?;
    mounted(&fs::read_to_string("/proc/self/mounts").ok()?, &folder).map(str::to_owned)
}

/// The kind of the deepest mount that holds `folder`; of two at one place the later one covers the other.
fn mounted<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    let parsed = mounts.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        Some((Path::new(fields.next()?), fields.next()?))
    });
    let holding = parsed.filter(|(place, _)| folder.starts_with(place));
    holding.max_by_key(|(place, _)| place.components().count()).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::log::{Batch, EngineKind};

    #[test]
    fn the_deepest_mount_counts() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /dev/shm tmpfs rw 0 0\nx / overlay rw 0 0\n/dev/b /data xfs rw 0 0\n";
        for (folder, kind) in [("/dev/shm/x", "tmpfs"), ("/database", "overlay"), ("/data/x/y", "xfs")] {
            assert_eq!(mounted(mounts, Path::new(folder)), Some(kind), "{folder}");
        }
        assert_eq!(mounted("", Path::new("/")), None);
    }

    #[test]
    fn dedupe_records_are_told_from_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let log = log::open(&folder.path().join(OUTBOX), EngineKind::Redb, log::Options::default()).unwrap();
        let mut batch = Batch::new();
        for (space, len) in [(Space::Events, 500), (Space::DedupeFresh, 40), (Space::DedupeData, 7_000)] {
            batch.put_value(space, 1, &vec![b'x'; len]);
        }
        log.append(&batch).unwrap();
        log.close().unwrap();
        assert_eq!(dedupe_bytes(folder.path(), "redb").unwrap(), 7_040);
        assert!(dedupe_bytes(folder.path(), "sled").is_err());
    }

    #[test]
    fn bytes_are_counted_at_any_depth() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/c"), [0; 100]).unwrap();
        fs::write(folder.path().join("d"), [0; 11]).unwrap();
        assert_eq!(bytes_below(folder.path()), 111);
        assert_eq!(bytes_below(&folder.path().join("none")), 0);
    }
}
