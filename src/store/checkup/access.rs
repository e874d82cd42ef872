//! Who may read a store, and what room its disk has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Finding, Patient};
use crate::config::show_size;
use crate::store::control::{self, admin_file, sealing};
use crate::store::{folder, journal, outbox};

/// The group and everybody else.
const OTHERS: u32 = 0o077;

/// Whether only its owner may read the store.
pub(super) fn permissions(store: &Path, findings: &mut Vec<Finding>) {
    const SUBJECT: &str = "permissions";
    let is_open =
        |path: &Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & OTHERS != 0);
    // Whoever can't enter the folder reads nothing in it.
    if !is_open(store) {
        findings.push(Finding::good(SUBJECT, "only its owner may enter"));
        return;
    }
    let names = [outbox::FOLDER, control::FILE, journal::FILE, sealing::FILE, admin_file::FILE];
    let open: Vec<&str> = names.into_iter().filter(|name| is_open(&store.join(name))).collect();
    let mend = format!("chmod -R go= {}", store.display());
    let keys = open.iter().any(|name| [sealing::FILE, admin_file::FILE].contains(name));
    let what = if open.is_empty() {
        "others may enter the folder".to_owned()
    } else {
        format!("others may enter the folder and read {}", open.join(", "))
    };
    let finding =
        if keys { Finding::bad(SUBJECT, what, mend) } else { Finding::doubtful(SUBJECT, what, mend) };
    findings.push(finding);
}

/// Whether the broker would take events in.
pub(super) fn space(patient: &Patient<'_>, findings: &mut Vec<Finding>) {
    const SUBJECT: &str = "disk";
    let min_bytes = patient.free_bytes_min;
    let finding = match folder::free_bytes(patient.store) {
        None => Finding::doubtful(SUBJECT, "free space cannot be told", "check that the disk is there"),
        Some(free_bytes) if free_bytes < min_bytes => Finding::bad(
            SUBJECT,
            format!(
                "{} are free, less than store.free_bytes_min, {}",
                show_size(free_bytes),
                show_size(min_bytes)
            ),
            "make room: until then every new event is refused with 503",
        ),
        Some(free_bytes) if free_bytes < 2 * min_bytes => Finding::doubtful(
            SUBJECT,
            format!(
                "{} are free, and below {} events are refused",
                show_size(free_bytes),
                show_size(min_bytes)
            ),
            "make room soon",
        ),
        Some(free_bytes) => Finding::good(SUBJECT, format!("{} are free", show_size(free_bytes))),
    };
    findings.push(finding);
}
