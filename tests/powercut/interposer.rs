//! Builds the interposer and says how it is preloaded.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::io::Errno;

/// What can fail.
#[derive(Clone, Copy, Debug)]
pub enum Call {
    /// Writes and changes of a file's size.
    Write,
    Sync,
    /// Opening a file to write it.
    Open,
    /// Right after a file has got this name; only for a kill.
    Rename,
}

/// What is preloaded, and what it shall do.
pub struct Interposer {
    pub environment: Vec<(&'static str, OsString)>,
}

impl Interposer {
    /// One that follows what happens below `root`.
    pub fn below(root: &Path) -> Self {
        let root = root.canonicalize().unwrap();
        Self { environment: vec![("LD_PRELOAD", library().into()), ("CAMINO_DISK_ROOT", root.into())] }
    }

    /// Appends what it sees to `trace`.
    pub fn recording(self, trace: &Path) -> Self {
        self.with("CAMINO_DISK_TRACE", trace)
    }

    /// Kills the process after so many changes of files.
    pub fn dying_after(self, changes: u64) -> Self {
        self.with("CAMINO_DISK_DIE", changes.to_string())
    }

    /// Does nothing for a sync of a file whose path has this part.
    pub fn not_syncing(self, part: &str) -> Self {
        self.with("CAMINO_DISK_UNSYNCED", part)
    }

    /// Fails, from when `flag` is there until it is gone, with an error of the system; kills the process if there
    /// is none.
    pub fn failing(self, what: Call, part: &str, error: Option<Errno>, flag: &Path) -> Self {
        let what = match what {
            Call::Write => "write",
            Call::Sync => "sync",
            Call::Open => "open",
            Call::Rename => "rename",
        };
        let error = error.map_or(0, Errno::raw_os_error);
        self.with("CAMINO_DISK_FAULT", format!("{what}:{error}:{part}:{}", flag.display()))
    }

    fn with(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

/// The built library; built once a run.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/powercut/interposer.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interposer.so");
        // Beside it first: another run may have the old one in use.
        let fresh = library.with_extension(format!("{}", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&fresh, &source])
            .output()
            .expect("a C compiler is there: SQLite needs one too");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        std::fs::rename(&fresh, &library).unwrap();
        library
    })
}
