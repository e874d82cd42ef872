//! Backups of the store.

use axum::http::Method;
use serde_json::{Value, json};

use crate::admin::backup::DIR_BYTES_MAX;
use crate::http::contract::shape::{
    bounded, count, formed, integer, list, named, object, partly, text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::store::backup::{ControlPart, JournalPart, OutboxPart, Stage};
use crate::store::control::key::Scope;

const DIR: &str = "/var/backups/camino/2026-04-16";

pub(super) fn chapter() -> Chapter {
    let begun =
        json!({ "state": "running", "dir": DIR, "beganAt": "2026-04-16T12:00:00Z", "stage": "control" });
    let mut dir = formed("^/", "An absolute path on the broker's host, where nothing is.");
    dir["maxLength"] = DIR_BYTES_MAX.into();
    Chapter {
        name: "backup",
        about: "Copies of the store, taken while the broker works.",
        operations: vec![
            Operation::new(
                Method::GET,
                "/v1/backup",
                "showBackup",
                "How the backup goes, or the last one went",
            )
            .about("Of this run of the broker; the backup itself says by its list whether it is whole.")
            .keyed(Scope::Admin)
            .answers(200, "The backup.", named("Backup"), done()),
            Operation::new(Method::POST, "/v1/backup", "beginBackup", "Take a backup of the store")
                .about("Onto the broker's host, in the background. A folder where something is fails it.")
                .keyed(Scope::Admin)
                .takes(object("Where to.", [("dir", dir)]), json!({ "dir": DIR }))
                .answers(202, "It is being taken.", named("Backup"), begun)
                .refuses(&[Code::StateConflict]),
        ],
        shapes: vec![("Backup", backup())],
    }
}

fn backup() -> Value {
    let stages = [Stage::Control, Stage::Journal, Stage::Outbox(0), Stage::Hub, Stage::Checking];
    partly(
        "A backup. Beyond its state, only what there is to say of it then.",
        [(
            "state",
            word(["none", "running", "done", "failed"], "`none` if this run of the broker took none."),
        )],
        [
            ("dir", text("Its folder, on the broker's host.")),
            ("beganAt", time("When it began: what was accepted before is in it.")),
            ("stage", word(stages.map(Stage::as_str), "What is done just now.")),
            ("rows", count("The outbox's rows that are copied by now.")),
            ("error", text("Why it failed.")),
            ("bytes", count("The length of all its files.")),
            ("files", bounded(1, 100, "How many files it has, beside its list.")),
            ("outbox", outbox()),
            ("journal", journal()),
            ("control", control()),
        ],
    )
}

fn outbox() -> Value {
    object(
        "What its outbox holds.",
        [
            ("commit", count("The last commit in it, before which the other files lie.")),
            ("appends", count("Batches ever appended.")),
            ("rows", count("Live rows.")),
            ("liveBytes", count("Their bytes.")),
        ],
    )
}

fn journal() -> Value {
    object(
        "What its journal holds.",
        [
            ("position", count("The last commit in it; what came after is in the outbox.")),
            ("events", count("Events.")),
        ],
    )
}

fn control() -> Value {
    object(
        "What its control file holds.",
        [
            ("schema", integer("The schema of its tables.")),
            ("keys", count("Keys.")),
            ("overlays", count("Endpoints that were changed over the API.")),
            ("audit", count("Entries of the audit log.")),
            (
                "sealedWith",
                list(text("A key's name."), "What its secrets are sealed with; the keys are not in it."),
            ),
        ],
    )
}

fn done() -> Value {
    json!({
        "state": "done", "dir": DIR, "beganAt": "2026-04-16T12:00:00Z", "bytes": 73_400_320, "files": 4,
        "outbox": OutboxPart { commit: 90_211, appends: 88_020, rows: 4_120, live_bytes: 6_291_456 },
        "journal": JournalPart { position: 90_180, events: 61_004 },
        "control": ControlPart { schema: 3, keys: 4, overlays: 1, audit: 212, sealed_with: vec!["2026".to_owned()] },
    })
}
