//! The broker as a process, in a folder of its own, on a free port.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::client::{get, until};

pub struct Broker {
    folder: TempDir,
    vars: Vec<(&'static str, String)>,
    child: Option<Child>,
    address: SocketAddr,
    starts: usize,
}

impl Broker {
    /// Starts on `config`, with `vars` and nothing else of an environment, and waits until it is ready.
    pub async fn start(config: &str, vars: Vec<(&'static str, String)>) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("config.toml"), config).unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut broker = Self { folder, vars, child: None, address, starts: 0 };
        broker.start_again().await;
        broker
    }

    /// Starts on what the last run left.
    pub async fn start_again(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_camino"))
            .args(["serve", "--config", "config.toml"])
            .current_dir(self.folder())
            .env_clear()
            .envs(self.vars.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        self.starts += 1;
        self.address = until("the broker listens", async || self.listens()).await;
        let address = self.address;
        until("the broker gets ready", async || {
            get(address, "/readyz").await.ok().filter(|(status, _)| status.is_success())
        })
        .await;
    }

    /// The address in the last line that tells of a start.
    fn listens(&mut self) -> Option<SocketAddr> {
        let ended = self.child.as_mut().unwrap().try_wait().unwrap();
        assert_eq!(ended, None, "it ended:\n{}", self.log());
        let log = self.log();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains("camino is ready")).collect();
        let line = lines.get(self.starts - 1)?;
        line.split_once("listen=")?.1.split_whitespace().next()?.parse().ok()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(self.child.as_ref().unwrap())
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let child = self.child.as_mut().unwrap();
        let status = until("the broker ends", async || child.try_wait().unwrap()).await;
        assert!(status.success(), "{status}:\n{}", self.log());
        self.child = None;
    }

    /// The most memory that it ever had, in KiB; `None` where the system doesn't tell.
    pub fn memory_peak_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid().as_raw_pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix(" kB")?.trim().parse().ok()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder().join("log")).unwrap()).into_owned()
    }

    /// Every file in its folder.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.folder().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already, and a failing test needs no second failure.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
