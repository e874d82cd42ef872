//! What the operating system asks of the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// One thing asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: finish and stop; asked again: stop at once.
    Stop,
    /// SIGHUP: read the registry and the certificate again.
    Reload,
}

/// The signals that the process listens to.
#[derive(Debug, Default)]
pub struct Signals {
    streams: Option<Streams>,
}

#[derive(Debug)]
struct Streams {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Listens from now on.
    pub fn listen() -> io::Result<Self> {
        let streams = Streams {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        };
        Ok(Self { streams: Some(streams) })
    }

    /// Listens to nothing, for a broker inside another program.
    pub fn none() -> Self {
        Self::default()
    }

    /// The next thing asked.
    pub async fn next(&mut self) -> Asked {
        let Some(streams) = &mut self.streams else { return std::future::pending().await };
        tokio::select! {
            _ = streams.terminate.recv() => Asked::Stop,
            _ = streams.interrupt.recv() => Asked::Stop,
            _ = streams.hangup.recv() => Asked::Reload,
        }
    }
}
