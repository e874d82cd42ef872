//! A body from a file or from stdin, byte for byte.

use std::io::{self, Read};
use std::path::Path;

use super::failure::Failure;

/// Longest body read, in bytes: well above what any broker takes.
const BODY_BYTES_MAX: u64 = 64 << 20;

/// The bytes of `file`; `-` is stdin.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        io::stdin().lock().take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|file| file.take(BODY_BYTES_MAX + 1).read_to_end(&mut bytes))
    };
    let name = file.display();
    match read {
        Err(error) => {
            Err(Failure::new(format!("cannot read {name}: {error}"), "name a file, or `-` for stdin"))
        }
        Ok(_) if bytes.len() as u64 > BODY_BYTES_MAX => {
            let mend = "a body is one event, or one batch of events";
            Err(Failure::new(format!("{name} is longer than {BODY_BYTES_MAX} bytes"), mend))
        }
        Ok(_) => Ok(bytes),
    }
}
