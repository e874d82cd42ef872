//! A worker as the bench sees it: a process of the same binary, told by lines and heard by lines.
//!
//! Ends with its value, and also by itself when the bench is gone, because its stdin closes.

use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::WorkerRole;
use super::lines::{Inbox, Outlet};
use super::usage::Usage;

/// A worker that runs.
#[derive(Debug)]
pub(super) struct Worker {
    role: &'static str,
    child: Child,
    outlet: Outlet,
    inbox: Inbox,
}

impl Worker {
    /// Starts one.
    pub(super) fn start(role: WorkerRole) -> anyhow::Result<Self> {
        let role = role.name();
        let mut child = Command::new(std::env::current_exe()?)
            .args(["bench-worker", role])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("the {role} does not start"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let (Some(stdin), Some(stdout)) = (stdin, stdout) else {
            anyhow::bail!("the {role} has no pipes");
        };
        Ok(Self { role, child, outlet: Outlet::new(stdin)?, inbox: Inbox::new(stdout)? })
    }

    /// Tells it something.
    pub(super) async fn tell(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        self.outlet.send(value).await.with_context(|| format!("the {} has ended", self.role))
    }

    /// The next thing it says.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<T> {
        let heard = self.inbox.next().await.with_context(|| format!("the {} says nonsense", self.role))?;
        heard.with_context(|| format!("the {} has ended", self.role))
    }

    /// What it has used so far.
    pub(super) fn usage(&self) -> Option<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It holds nothing that could be lost, and may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
