//! Keys and the audit log.

use axum::http::Method;
use serde_json::{Value, json};

use crate::domain::time::Millis;
use crate::http::contract::shape::{
    any, integer, named, object, or_null, page_of, page_with, partly, slug, some, text, time, word,
};
use crate::http::contract::{Chapter, Operation};
use crate::http::problem::Code;
use crate::store::control::audit::{Actor, Entry, Recorded};
use crate::store::control::key::{Key, KeyId, NAME_BYTES_MAX, ORGANIZATIONS_MAX, Scope};

const KEY: &str = "key_0123456789abcdef";
const SCOPES: [Scope; 4] = [Scope::Read, Scope::Operate, Scope::Admin, Scope::EventsWrite];

pub(super) fn chapter() -> Chapter {
    let new = |method, path, id, summary| Operation::new(method, path, id, summary).keyed(Scope::Admin);
    let made = json!({ "keyId": KEY, "key": "cmn_dGhpcy1pcy1hbi1leGFtcGxlLW9ubHkh" });
    Chapter {
        name: "access",
        about: "Who may do what, and what operators did.",
        operations: vec![
            new(Method::GET, "/v1/keys", "listKeys", "List keys, newest first, without their text")
                .lists::<()>()
                .answers(200, "A page.", page_of("Key"), page_with(&key()))
                .refuses(&[Code::Overloaded, Code::StoreFailing]),
            new(Method::POST, "/v1/keys", "createKey", "Make a key")
                .about("The key is shown in this answer only.")
                .takes(new_key(), json!({ "name": "dashboard", "scopes": ["read"] }))
                .answers(201, "The key.", named("MadeKey"), made)
                .refuses(&[Code::StateConflict]),
            new(Method::DELETE, "/v1/keys/{id}", "revokeKey", "Revoke a key")
                .named("The key's id.", KEY)
                .answers(
                    200,
                    "It is refused from now on.",
                    named("RevokedKey"),
                    json!({ "keyId": KEY, "revoked": true }),
                ),
            new(Method::GET, "/v1/audit", "listAudit", "List what operators did, newest first")
                .lists::<()>()
                .answers(200, "A page.", page_of("AuditEntry"), page_with(&recorded()))
                .refuses(&[Code::Overloaded, Code::StoreFailing]),
        ],
        shapes: shapes(),
    }
}

fn scopes() -> Value {
    let mut scopes =
        some(word(SCOPES.map(Scope::as_str), "A scope."), SCOPES.len() as u64, "What it may do.");
    scopes["uniqueItems"] = true.into();
    scopes
}

fn organizations() -> Value {
    let mut name = text("An organization.");
    name["minLength"] = 1.into();
    let about = "The organizations whose things it sees, and nothing else; null for everybody's.";
    or_null(some(name, ORGANIZATIONS_MAX as u64, about))
}

fn new_key() -> Value {
    let mut name = text("What people call it.");
    name["minLength"] = 1.into();
    name["maxLength"] = NAME_BYTES_MAX.into();
    partly(
        "A key to be made.",
        [("name", name), ("scopes", scopes())],
        [
            (
                "source",
                or_null(slug("The source it may post for; needed with `events:write`, and only there.")),
            ),
            ("expiresAt", or_null(time("From when on it is refused."))),
            ("organizations", organizations()),
        ],
    )
}

fn shapes() -> Vec<(&'static str, Value)> {
    let actor = object(
        "Who did it.",
        [
            ("keyId", or_null(text("The key; null if the broker did it by itself."))),
            ("name", text("Its name then.")),
        ],
    );
    vec![
        (
            "Key",
            object(
                "A key, without its text.",
                [
                    ("keyId", text("Its public name.")),
                    ("name", text("What people call it.")),
                    ("scopes", scopes()),
                    ("source", or_null(slug("The source it may post for."))),
                    ("organizations", organizations()),
                    ("createdAt", time("When it was made.")),
                    ("expiresAt", or_null(time("From when on it is refused."))),
                    ("revokedAt", or_null(time("When it was revoked."))),
                    ("lastUsedAt", or_null(time("When it was last accepted."))),
                ],
            ),
        ),
        (
            "MadeKey",
            object(
                "A key, shown once.",
                [
                    ("keyId", text("Its public name.")),
                    (
                        "key",
                        or_null(text("The key; null in the repeat of an answer, by its Idempotency-Key.")),
                    ),
                ],
            ),
        ),
        (
            "RevokedKey",
            object(
                "A key that is refused.",
                [
                    ("keyId", text("Its public name.")),
                    ("revoked", json!({ "const": true, "description": "Always true." })),
                ],
            ),
        ),
        (
            "AuditEntry",
            object(
                "One thing that was done.",
                [
                    ("seq", integer("Grows with each entry.")),
                    ("at", time("When.")),
                    ("actor", actor),
                    ("action", text("What, such as `endpoints.pause`.")),
                    ("target", text("To what.")),
                    ("detail", any("More about it; never a secret.")),
                    ("correlationId", or_null(text("The request it came with."))),
                ],
            ),
        ),
    ]
}

fn key() -> Value {
    json!(KeyId::parse(KEY).map(|key_id| Key {
        key_id,
        name: "dashboard".to_owned(),
        scopes: [Scope::Read].into_iter().collect(),
        source: None,
        organizations: None,
        created_at: Millis(1_776_340_800_000),
        expires_at: None,
        revoked_at: None,
        last_used_at: Some(Millis(1_776_427_200_000)),
    }))
}

fn recorded() -> Value {
    let actor = Actor { key_id: KeyId::parse(KEY), name: "dashboard".to_owned() };
    let entry = Entry::new(Millis(1_776_340_800_000), actor, "endpoints.pause", "constanza");
    json!(Recorded { seq: 7, entry })
}
