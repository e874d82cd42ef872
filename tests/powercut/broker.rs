//! The broker as a process over a given store, with the interposer in front of the C library or without.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Connection, Gone, get, until};
use crate::dice::Dice;
use crate::load::SENDERS;

/// Below every range from which systems take the ports of outgoing connections.
const PORTS: std::ops::Range<u64> = 12_000..20_000;
/// The first administrator's key.
pub const ADMIN_KEY: &str = "the-key-of-the-first-administrator";

/// A part of the paths of the log in front of the outbox's engine, and of no other's.
pub const OUTBOX_LOG: &str = "/front.";

#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sled,
    Redb,
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Sled, Self::Redb];

    /// A part of the path of the engine's own file with the outbox's rows, and of no other's.
    pub fn rows(self) -> &'static str {
        match self {
            Self::Sled => "/db",
            Self::Redb => "/rows.redb",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

/// One process.
pub struct Broker {
    child: Child,
    log: PathBuf,
    pub address: SocketAddr,
}

/// Why a broker didn't get ready: how it ended, and its log.
#[derive(Debug)]
pub struct NotReady(pub ExitStatus, pub String);

/// A port that nobody has.
pub fn free_address() -> SocketAddr {
    let mut dice = Dice::new(crate::dice::seed() ^ u64::from(std::process::id()));
    std::iter::repeat_with(|| PORTS.start + dice.below(PORTS.end - PORTS.start))
        .map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap())))
        .take(1_000)
        .find(|address| TcpListener::bind(address).is_ok())
        .expect("a port is free")
}

/// What a broker is started with.
pub struct Setup<'a> {
    pub engine: Engine,
    /// Where config and log go.
    pub folder: &'a Path,
    pub store: &'a Path,
    pub address: SocketAddr,
    pub receivers: &'a [(&'static str, SocketAddr)],
    /// Further lines of the section `[store]`.
    pub store_settings: &'a str,
}

impl Setup<'_> {
    /// Starts a process and doesn't wait for it.
    pub fn spawn(&self, environment: &[(&str, OsString)]) -> Broker {
        let config = self.folder.join("config.toml");
        fs::write(&config, self.config()).unwrap();
        let log = self.folder.join("log");
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_camino"))
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .current_dir(self.folder)
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Broker { child, log, address: self.address }
    }

    fn config(&self) -> String {
        let mut text = format!(
            "[server]\nlisten = \"{}\"\nadmin_key = \"{ADMIN_KEY}\"\n\
             [store]\npath = \"{}\"\nengine = \"{}\"\n{}\
             [delivery]\nallowed_networks = [\"127.0.0.0/8\"]\n\
             [delivery.retry]\nfirst = \"20ms\"\nmax = \"200ms\"\nmax_attempts = 1000\n\
             [telemetry]\nlog = \"warn\"\n",
            self.address,
            self.store.display(),
            self.engine.name(),
            self.store_settings,
        );
        for sender in SENDERS {
            writeln!(text, "[apps.{}]\nsigning_secrets = [\"{}\"]", sender.source, sender.secret).unwrap();
        }
        for (name, address) in self.receivers {
            let secret = format!("whsec_{}", hex::encode(name.as_bytes().repeat(4)));
            let url = format!("http://{address}/1");
            writeln!(text, "[apps.{name}]\nendpoint = \"{url}\"\nendpoint_secrets = [\"{secret}\"]").unwrap();
        }
        text
    }
}

impl Broker {
    /// Waits until it takes events; an error if it ends before.
    pub async fn ready(&mut self) -> Result<(), NotReady> {
        let address = self.address;
        let ended = until("the broker gets ready or ends", async || {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(Some(status));
            }
            get(address, "/readyz").await.ok().filter(|(status, _)| status.is_success()).map(|_| None)
        })
        .await;
        ended.map_or(Ok(()), |status| Err(NotReady(status, self.log())))
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        until("the broker ends", async || self.child.try_wait().unwrap()).await
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Asks the management API as the first administrator.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(StatusCode, serde_json::Value), Gone> {
        self.ask_as(ADMIN_KEY, method, path, body).await
    }

    /// Asks the management API with `key`.
    pub async fn ask_as(
        &self,
        key: &str,
        method: Method,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<(StatusCode, serde_json::Value), Gone> {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .unwrap();
        let (status, body) = Connection::open(self.address).await?.send(request).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the broker's log:\n{}", self.log());
        }
    }
}
