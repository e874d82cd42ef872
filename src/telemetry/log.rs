//! The log: one line per thing that happens, to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::SubscriberBuilder;
use tracing_subscriber::util::SubscriberInitExt;

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The filter can't be read.
    #[error("the log filter can't be read: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// Somebody else logs already.
    #[error("the process has a log already: {0}")]
    Taken(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the process's log. `filter` is a level, or `target=level` pairs with commas.
pub fn init(filter: &str, format: Format) -> Result<(), Error> {
    let lines = SubscriberBuilder::default()
        .with_env_filter(EnvFilter::try_new(filter)?)
        // Its way to tell of a line that can't be written is a panic, if stderr is that disk which is full.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        Format::Text => lines.finish().try_init()?,
        Format::Json => lines.json().flatten_event(true).finish().try_init()?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_is_none_is_refused() {
        let error = init("camino_broker=loud", Format::Text).unwrap_err();
        assert!(error.to_string().starts_with("the log filter can't be read"), "{error}");
    }
}
