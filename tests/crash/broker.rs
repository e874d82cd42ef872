//! The broker as a process: started on one store and one port, killed, asked to stop.
//!
//! Each start is an incarnation with a number of its own, which stands in the path of every endpoint,
//! so that a receiver knows for certain which process a request came from. Dropped, it is killed.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::{Connection, get, until};
use crate::dice::Dice;
use crate::load::SENDERS;

/// Attempts in flight at once to one receiver.
pub const IN_FLIGHT_MAX: u64 = 16;
/// Below every range from which systems take the ports of outgoing connections, so that nobody gets
/// the broker's while it is down.
const PORTS: std::ops::Range<u64> = 20_000..32_000;
/// What its log says when the registry was read.
const RELOADED: &str = "registry loaded";

#[derive(Clone, Copy, Debug)]
pub enum Engine {
    Sled,
    Redb,
}

impl Engine {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sled => "sled",
            Self::Redb => "redb",
        }
    }
}

pub struct Broker {
    folder: TempDir,
    engine: Engine,
    drain: Duration,
    receivers: Vec<(&'static str, SocketAddr)>,
    address: SocketAddr,
    child: Option<Child>,
    incarnation: u32,
    is_ordered: bool,
    /// Further lines of its config.
    extra: String,
}

impl Broker {
    /// A broker that was never started.
    pub fn new(engine: Engine, drain: Duration, receivers: &[(&'static str, SocketAddr)]) -> Self {
        let mut dice = Dice::new(crate::dice::seed() ^ u64::from(std::process::id()));
        let address = std::iter::repeat_with(|| PORTS.start + dice.below(PORTS.end - PORTS.start))
            .map(|port| SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap())))
            .take(1_000)
            .find(|address| TcpListener::bind(address).is_ok())
            .expect("a port is free");
        let folder = TempDir::new().unwrap();
        Self {
            folder,
            engine,
            drain,
            receivers: receivers.to_vec(),
            address,
            child: None,
            incarnation: 0,
            is_ordered: false,
            extra: String::new(),
        }
    }

    /// From the next start on, events of one organization go one by one, in order.
    pub fn in_order(mut self) -> Self {
        self.is_ordered = true;
        self
    }

    /// With further tables in its config.
    pub fn with_config(mut self, extra: &str) -> Self {
        extra.clone_into(&mut self.extra);
        self
    }

    /// The key that it made for its administrator.
    pub fn admin_key(&self) -> String {
        let text = fs::read_to_string(self.store().join("admin.key")).unwrap();
        text.trim().to_owned()
    }

    /// Where its data is.
    pub fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it runs; its store is `data` there.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// From now on no file can grow beyond `bytes`: as far as an engine can tell, the disk fails.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(Pid::from_child(self.child.as_ref().unwrap())), Resource::Fsize, limit).unwrap();
    }

    /// Waits until it has ended by itself, having failed; what its log says is the caller's to judge.
    pub async fn failed(&mut self) -> (ExitStatus, String) {
        let child = self.child.as_mut().unwrap();
        let status = until("the broker ends", async || child.try_wait().unwrap()).await;
        self.child = None;
        (status, self.log())
    }

    /// Starts the next incarnation and doesn't wait for it.
    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "one at a time");
        self.incarnation += 1;
        let config = self.folder.path().join("config.toml");
        fs::write(&config, self.config()).unwrap();
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        // A write beyond a limit on files shall be an error and no signal; only a parent can see to that.
        let child = Command::new("sh")
            .args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_camino")])
            .arg("serve")
            .arg("--config")
            .arg(&config)
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// Starts the next incarnation and waits until it takes events.
    pub async fn start(&mut self) {
        self.spawn();
        let address = self.address;
        until("the broker gets ready", async || {
            self.assert_runs();
            get(address, "/readyz").await.ok().filter(|(status, _)| status.is_success())
        })
        .await;
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        self.assert_runs();
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), None, "it ended by itself");
    }

    /// SIGTERM.
    pub fn terminate(&self) {
        let pid = Pid::from_child(self.child.as_ref().unwrap());
        kill_process(pid, Signal::TERM).unwrap();
    }

    /// SIGHUP; waits until the registry was read again.
    pub async fn reload(&self) {
        let times = || self.log().matches(RELOADED).count();
        let before = times();
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), Signal::HUP).unwrap();
        until("the registry is read again", async || (times() > before).then_some(())).await;
    }

    /// Asks its management API with the administrator's key.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.admin_key()))
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        let mut connection = Connection::open(self.address).await.unwrap();
        let (status, body) = connection.send(request).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = self.child.as_mut().unwrap();
        let status = until("the broker ends", async || child.try_wait().unwrap()).await;
        self.child = None;
        self.assert_log_is_clean();
        status
    }

    /// Waits until nothing is queued, waits for a retry or is under way.
    pub async fn idle(&self) {
        let address = self.address;
        until("nothing is pending", async || {
            let (_, page) = get(address, "/metrics").await.ok()?;
            let page = String::from_utf8(page.to_vec()).unwrap();
            // Measured last: without it the queues have not been looked at since the start.
            page.contains("camino_store_bytes{kind=\"payloads\"}").then_some(())?;
            let sum = |name: &str| -> u64 {
                let lines = page.lines().filter(|line| line.starts_with(name));
                lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
            };
            assert_eq!(sum("camino_dead_letters{"), 0, "nothing here is ever refused");
            (sum("camino_queue_depth{") == 0).then_some(())
        })
        .await;
    }

    fn assert_runs(&mut self) {
        if let Some(status) = self.child.as_mut().unwrap().try_wait().unwrap() {
            panic!("the broker ended by itself, {status}:\n{}", self.log());
        }
    }

    /// No incarnation panicked, failed or found its store damaged.
    pub fn assert_log_is_clean(&self) {
        let log = self.log();
        let bad = |line: &&str| line.contains("ERROR") || line.contains("panicked");
        assert_eq!(log.lines().find(bad), None, "in the log:\n{log}");
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn config(&self) -> String {
        let mut text = format!(
            "[server]\nlisten = \"{}\"\ndrain = \"{}ms\"\n\
             [store]\npath = \"data\"\nengine = \"{}\"\nfree_bytes_min = \"1MiB\"\n\
             [delivery]\nallowed_networks = [\"127.0.0.0/8\"]\nendpoint_in_flight_max = {IN_FLIGHT_MAX}\n\
             [delivery.retry]\nfirst = \"20ms\"\nmax = \"200ms\"\nmax_attempts = 1000\n\
             [telemetry]\nlog = \"warn,camino_broker::telemetry::event::process=info\"\n",
            self.address,
            self.drain.as_millis(),
            self.engine.name(),
        );
        for sender in SENDERS {
            writeln!(text, "[apps.{}]\nsigning_secrets = [\"{}\"]", sender.source, sender.secret).unwrap();
        }
        for (name, address) in &self.receivers {
            let url = format!("http://{address}/{}", self.incarnation);
            let secret = format!("whsec_{}", hex::encode(name.as_bytes().repeat(4)));
            writeln!(text, "[apps.{name}]\nendpoint = \"{url}\"\nendpoint_secrets = [\"{secret}\"]").unwrap();
            if self.is_ordered {
                writeln!(text, "ordering = \"organization\"").unwrap();
            }
        }
        text + &self.extra
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already, and a failing test needs no second failure.
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                eprintln!("the broker's log:\n{}", self.log());
            }
        }
    }
}
