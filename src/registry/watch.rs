//! Tells when a registry's folder changes, once per burst of changes.
//!
//! Says only that something changed: whoever is called loads the folder anew and decides. Also
//! follows a folder that is replaced as a whole, by a rename or by a link that is turned elsewhere.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::Error;

/// Silence after which a burst of changes counts as over.
pub const QUIET_MS: u64 = 200;
/// Changes after which the call is made although the burst goes on.
const BURST_MAX: usize = 1000;

enum Signal {
    Changed,
    Replaced,
    Stop,
}

/// A running watch; dropping it stops it, and no call is under way once the drop returns.
pub struct Watch {
    signals: Sender<Signal>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Watches the folder `dir` and calls `changed` after each burst of changes in it.
    pub fn start(dir: impl AsRef<Path>, changed: impl FnMut() + Send + 'static) -> Result<Self, Error> {
        Self::start_with(dir.as_ref(), Duration::from_millis(QUIET_MS), changed)
    }

    /// As [`Watch::start`], with the silence that ends a burst.
    pub fn start_with(
        dir: &Path,
        quiet: Duration,
        changed: impl FnMut() + Send + 'static,
    ) -> Result<Self, Error> {
        let failed = |cause: String| Error::Watch { path: dir.display().to_string(), cause };
        // Absolute, because that is how changes of the folder itself are told.
        let dir = std::path::absolute(dir).map_err(|error| failed(error.to_string()))?;
        let (signals, received) = mpsc::channel();
        let tell = Tell { dir: dir.clone(), signals: signals.clone() };
        let handler = move |event| tell.event(event);
        let mut watcher = notify::recommended_watcher(handler).map_err(|error| failed(error.to_string()))?;
        watcher.watch(&dir, RecursiveMode::Recursive).map_err(|error| failed(error.to_string()))?;
        if let Some(parent) = dir.parent() {
            // Only to see the folder being replaced; a parent that cannot be watched costs just that.
            drop(watcher.watch(parent, RecursiveMode::NonRecursive));
        }
        let follower = Follower { dir, watcher, received, quiet, changed };
        // A thread of its own and not a task: it sleeps in a channel for nearly all of its life. Its
        // owner is this value, which stops and joins it; a panic in `changed` ends only the watch.
        let thread = std::thread::Builder::new()
            .name("registry-watch".into())
            .spawn(move || follower.run())
            .map_err(|error| failed(error.to_string()))?;
        Ok(Self { signals, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Both fail only when the thread has already ended, which is what they are for.
        drop(self.signals.send(Signal::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// The watcher's side: turns what the operating system tells into signals.
struct Tell {
    dir: PathBuf,
    signals: Sender<Signal>,
}

impl Tell {
    fn event(&self, event: notify::Result<Event>) {
        let signal = match event {
            Ok(event) if !writes(event.kind) => return,
            Ok(event) if event.paths.contains(&self.dir) => Signal::Replaced,
            Ok(event) if event.paths.iter().all(|path| !path.starts_with(&self.dir)) => return,
            // An error means that changes may have been missed: better one look too many.
            Ok(_) | Err(_) => Signal::Changed,
        };
        // Fails only once the watch is being dropped.
        drop(self.signals.send(signal));
    }
}

/// Reading the folder must not count as a change, or each reload would cause the next one.
fn writes(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    }
}

struct Follower<F> {
    dir: PathBuf,
    watcher: RecommendedWatcher,
    received: Receiver<Signal>,
    quiet: Duration,
    changed: F,
}

impl<F: FnMut()> Follower<F> {
    fn run(mut self) {
        loop {
            let Some(replaced) = self.burst() else { return };
            if replaced {
                // The old watch sticks to the old folder. The new one may not be there yet; then
                // its coming is the next signal.
                drop(self.watcher.unwatch(&self.dir));
                drop(self.watcher.watch(&self.dir, RecursiveMode::Recursive));
            }
            (self.changed)();
        }
    }

    /// Waits for a burst of changes and for its end: whether the folder itself was replaced in it, or
    /// `None` when the watch shall stop.
    fn burst(&self) -> Option<bool> {
        let mut replaced = false;
        let mut next = self.received.recv().map_err(|_| RecvTimeoutError::Disconnected);
        for _ in 0..BURST_MAX {
            match next {
                Ok(Signal::Changed) => {}
                Ok(Signal::Replaced) => replaced = true,
                Err(RecvTimeoutError::Timeout) => return Some(replaced),
                Ok(Signal::Stop) | Err(RecvTimeoutError::Disconnected) => return None,
            }
            next = self.received.recv_timeout(self.quiet);
        }
        // Whatever came last was not looked at, and it may be the one that ends the watch.
        match next {
            Ok(Signal::Stop) => None,
            Ok(Signal::Replaced) => Some(true),
            _ => Some(replaced),
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{CreateKind, DataChange, ModifyKind, RemoveKind};

    use super::*;

    fn told(kind: EventKind, path: &str) -> Option<Signal> {
        let (signals, received) = mpsc::channel();
        Tell { dir: "/r/registry".into(), signals }.event(Ok(Event::new(kind).add_path(path.into())));
        received.try_recv().ok()
    }

    #[test]
    fn reads_and_other_folders_are_no_change() {
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        assert!(matches!(told(written, "/r/registry/apps.json"), Some(Signal::Changed)));
        assert!(matches!(told(EventKind::Remove(RemoveKind::Any), "/r/registry"), Some(Signal::Replaced)));
        assert!(told(EventKind::Create(CreateKind::Any), "/r/other").is_none());
        for mode in [AccessMode::Read, AccessMode::Any] {
            for kind in [AccessKind::Open(mode), AccessKind::Close(mode), AccessKind::Read] {
                assert!(told(EventKind::Access(kind), "/r/registry/apps.json").is_none(), "{kind:?}");
            }
        }
    }
}
