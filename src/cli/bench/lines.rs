//! JSON values over a pipe, one a line.

use std::io;
use std::os::fd::OwnedFd;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::unix::pipe;

/// The end of a pipe that values come out of.
#[derive(Debug)]
pub(super) struct Inbox {
    lines: Lines<BufReader<pipe::Receiver>>,
}

impl Inbox {
    /// Reads from the pipe `end`.
    pub(super) fn new(end: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self { lines: BufReader::new(pipe::Receiver::from_owned_fd(end.into())?).lines() })
    }

    /// The next value; `None` when the other side is gone. Dropped half-way, it loses nothing.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> io::Result<Option<T>> {
        let Some(line) = self.lines.next_line().await? else { return Ok(None) };
        Ok(Some(serde_json::from_str(&line)?))
    }
}

/// The end of a pipe that values go into.
#[derive(Debug)]
pub(super) struct Outlet {
    pipe: pipe::Sender,
}

impl Outlet {
    /// Writes to the pipe `end`.
    pub(super) fn new(end: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Self { pipe: pipe::Sender::from_owned_fd(end.into())? })
    }

    /// Sends a value.
    pub(super) async fn send(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.pipe.write_all(&line).await
    }
}
