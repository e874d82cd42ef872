//! Files that hold one key, made by the broker for itself.
//!
//! Written whole under another name and then given its own, so that a crash leaves either no key or a
//! good one. Readable by its owner only. Its text is in no log.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// Longest content that is read.
const BYTES_MAX: u64 = 4096;

/// The key in the file at `path`; `None` if it holds none.
pub(super) fn read(path: &Path) -> io::Result<Option<Secret>> {
    let mut text = Zeroizing::new(String::new());
    File::open(path)?.take(BYTES_MAX).read_to_string(&mut text)?;
    Ok(Secret::new(text.trim()).ok())
}

/// Makes the file `name` in the folder `store`, with `key` in it.
pub(super) fn make(store: &Path, name: &str, key: &str) -> io::Result<()> {
    let fresh = store.join(format!("{name}.new"));
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(key.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&fresh, store.join(name))?;
    File::open(store)?.sync_all()
}
