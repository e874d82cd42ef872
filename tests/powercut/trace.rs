//! What the interposer wrote down, in its order.

use std::ops::Range;
use std::path::Path;

/// Bytes of a record before its path and its data.
const HEAD_BYTES: usize = 32;

/// One thing that happened. Paths are below the root; data are places in [`Trace::bytes`].
#[derive(Clone, Debug)]
pub enum Step {
    /// Another process begins; what the one before had open is closed.
    Start,
    Open {
        fd: u32,
        created: bool,
        truncated: bool,
        path: String,
    },
    Close {
        fd: u32,
    },
    Write {
        fd: u32,
        at: u64,
        data: Range<usize>,
    },
    Resize {
        fd: u32,
        bytes: u64,
    },
    SyncBegin {
        fd: u32,
        id: u64,
    },
    SyncEnd {
        id: u64,
    },
    Rename {
        from: String,
        to: String,
    },
    Unlink {
        path: String,
    },
    MakeDir {
        path: String,
    },
    RemoveDir {
        path: String,
    },
    /// The begin of an answer that says yes, or of a delivery.
    Sent {
        fd: u32,
        head: Range<usize>,
    },
    /// A receiver said yes.
    Received {
        fd: u32,
    },
    /// An injected error.
    Fault,
}

pub struct Trace {
    pub bytes: Vec<u8>,
    pub steps: Vec<Step>,
}

impl Trace {
    pub fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap();
        let mut steps = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            at = read_step(&bytes, at, &mut steps);
        }
        Self { bytes, steps }
    }
}

/// Reads the record at `at` and says where the next one is.
fn read_step(bytes: &[u8], at: usize, steps: &mut Vec<Step>) -> usize {
    let word = |from: usize| u32::from_ne_bytes(bytes[at + from..at + from + 4].try_into().unwrap());
    let long = |from: usize| u64::from_ne_bytes(bytes[at + from..at + from + 8].try_into().unwrap());
    let (kind, fd, a) = (word(0), word(4), long(8));
    let [path_bytes, data_bytes] = [24, 28].map(|from| word(from) as usize);
    let text = |range: Range<usize>| String::from_utf8(bytes[range].to_vec()).unwrap();
    let path = at + HEAD_BYTES..at + HEAD_BYTES + path_bytes;
    let data = path.end..path.end + data_bytes;
    let end = data.end;
    steps.push(match kind {
        1 => Step::Start,
        2 => Step::Open { fd, created: a & 1 != 0, truncated: a & 2 != 0, path: text(path) },
        3 => Step::Close { fd },
        4 => Step::Write { fd, at: a, data },
        5 => Step::Resize { fd, bytes: a },
        6 => Step::SyncBegin { fd, id: a },
        7 => Step::SyncEnd { id: a },
        8 => Step::Rename { from: text(path), to: text(data) },
        9 => Step::Unlink { path: text(path) },
        10 => Step::MakeDir { path: text(path) },
        11 => Step::RemoveDir { path: text(path) },
        12 => Step::Sent { fd, head: data },
        13 => Step::Received { fd },
        14 => Step::Fault,
        other => panic!("a record of kind {other}"),
    });
    end
}
