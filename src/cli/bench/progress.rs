//! What a person sees while it works: one line that changes on a terminal, else a line every few seconds.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use crate::cli::output;

/// The pause between two lines where they stay.
const LINE_EVERY: Duration = Duration::from_secs(5);
const TERMINAL_EVERY: Duration = Duration::from_millis(200);

/// The teller.
#[derive(Debug)]
pub(super) struct Progress {
    terminal: bool,
    told_at: Option<Duration>,
}

impl Progress {
    /// Tells on stderr.
    pub(super) fn new() -> Self {
        Self { terminal: io::stderr().is_terminal(), told_at: None }
    }

    /// How far it is, at `now`.
    pub(super) fn tell(&mut self, now: Duration, text: &str) {
        let every = if self.terminal { TERMINAL_EVERY } else { LINE_EVERY };
        // Short runs need no lines, so the first one comes late.
        let since = *self.told_at.get_or_insert(now);
        if now.saturating_sub(since) < every {
            return;
        }
        self.told_at = Some(now);
        if self.terminal {
            // With stderr gone there is nobody left to tell.
            let _ = write!(io::stderr(), "\r\x1b[K{text}");
        } else {
            output::say(text);
        }
    }

    /// Takes the line that changes away.
    pub(super) fn clear(&mut self) {
        if self.terminal && self.told_at.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
