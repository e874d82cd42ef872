//! A receiver to copy: verifies what comes, takes each event in once, and answers.
//!
//! ```text
//! ENDPOINT_SECRETS=... cargo run --example receiver -- 127.0.0.1:9001 inbox.db [ecosystem]
//! ```
//!
//! `ENDPOINT_SECRETS` are the secrets that Camino may sign with, separated by commas: two while one is being
//! replaced. What must not be lost in a copy: the signature is checked over the raw bytes; the inbox row and the event's
//! effect are one transaction, so that a crash leaves both or neither; the answer comes after the commit; a
//! repeat is answered 200, and so is a type that it doesn't know.
//!
//! Needs anyhow, axum, base64, bytes, const-hex (as hex), hmac, http, jiff, rusqlite, serde_json, sha2, tokio.

mod verifying;

use std::env;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use rusqlite::{Connection, params};
use serde_json::Value;
use tokio::net::TcpListener;

/// As much as Camino accepts by default.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What became of a request that holds.
enum Taken {
    New,
    Repeat,
    Unknown,
}

struct Receiver {
    secrets: Vec<String>,
    /// Whether the ecosystem's scheme is checked, and not Standard Webhooks.
    is_ecosystem: bool,
    database: Mutex<Connection>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = env::args().skip(1);
    let listen = args.next().context("the address to listen on is missing, such as 127.0.0.1:9001")?;
    let database = Connection::open(args.next().context("the database's file is missing")?)?;
    database.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, at TEXT NOT NULL);
         CREATE TABLE IF NOT EXISTS payments (id TEXT PRIMARY KEY, cents INTEGER NOT NULL);",
    )?;
    let secrets = env::var("ENDPOINT_SECRETS").context("ENDPOINT_SECRETS is not set")?;
    let secrets = secrets.split(',').map(str::to_owned).collect();
    let is_ecosystem = args.next().as_deref() == Some("ecosystem");
    let receiver = Arc::new(Receiver { secrets, is_ecosystem, database: Mutex::new(database) });
    let routes = Router::new()
        .route("/api/ecosystem/webhooks", post(receive))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(receiver);
    let listener = TcpListener::bind(listen).await?;
    say(&format!("listening on http://{}/api/ecosystem/webhooks", listener.local_addr()?));
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    // 401 parks nothing and is final: Camino keeps it as a dead letter, and stops after some in a row.
    let check = if receiver.is_ecosystem { verifying::ecosystem } else { verifying::standard };
    if !check(&headers, &body, &receiver.secrets, now().as_second()) {
        return StatusCode::UNAUTHORIZED;
    }
    // Standard Webhooks signs this id; the ecosystem's scheme signs no header, so there the body's counts.
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
    let id = id.filter(|_| !receiver.is_ecosystem);
    let taken = tokio::task::spawn_blocking(move || receiver.take(id, &body)).await;
    match taken {
        Ok(Ok(Taken::New | Taken::Repeat | Taken::Unknown)) => StatusCode::OK,
        // It is not our event's fault: Camino shall come again.
        Ok(Err(error)) => {
            say(&format!("not taken in: {error:#}"));
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Receiver {
    /// The row that remembers the id, and what the event changes, in one transaction.
    fn take(&self, id: Option<String>, body: &[u8]) -> anyhow::Result<Taken> {
        let event: Value = serde_json::from_slice(body)?;
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        let id = id.unwrap_or_else(|| format!("{} {}", text("source"), text("eventId")));
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let change = database.transaction()?;
        let at = now().to_string();
        if change.execute("INSERT OR IGNORE INTO inbox VALUES (?1, ?2)", params![id, at])? == 0 {
            say(&format!("repeat {id}"));
            return Ok(Taken::Repeat);
        }
        let taken = match text("eventType") {
            "payment.completed" => {
                let payment = &event["data"];
                change.execute(
                    "INSERT OR IGNORE INTO payments VALUES (?1, ?2)",
                    params![payment["paymentId"].as_str(), payment["amount"].as_i64()],
                )?;
                Taken::New
            }
            // Types are added; one that is not ours is no error.
            _ => Taken::Unknown,
        };
        change.commit()?;
        say(&format!("taken in {} {id}", text("eventType")));
        Ok(taken)
    }
}

#[expect(clippy::disallowed_methods, reason = "an app of its own, which has no port for the clock")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

#[expect(clippy::print_stdout, reason = "an example that tells what it does")]
fn say(line: &str) {
    println!("{line}");
}
