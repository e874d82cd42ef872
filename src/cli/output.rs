//! Lines for stdout and stderr, and their colours.
//!
//! Colours only where a person looks: on a terminal that is not `dumb`, and never with `NO_COLOR`.

use std::io::{self, IsTerminal, Write};

use serde::Serialize;

/// Writes one line of data.
pub(super) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout(), "{}", text.trim_end())
}

/// Writes one line of data as JSON.
pub(super) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(line(&serde_json::to_string(value)?)?)
}

/// Says something that is no data.
pub(super) fn say(text: &str) {
    // With stderr gone there is nobody left to tell.
    let _ = writeln!(io::stderr(), "{text}");
}

/// How words are emphasized, if at all.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Paint {
    on: bool,
}

impl Paint {
    /// As stdout and the environment want it.
    pub(super) fn for_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self { on: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb }
    }

    /// What went well.
    pub(super) fn good(self, text: &str) -> String {
        self.wrap("32", text)
    }

    /// What may go well yet.
    pub(super) fn doubtful(self, text: &str) -> String {
        self.wrap("33", text)
    }

    /// What went wrong.
    pub(super) fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    /// A heading.
    pub(super) fn strong(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// What is only there for whoever looks twice.
    pub(super) fn faint(self, text: &str) -> String {
        self.wrap("2", text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Rows as lines whose columns begin at the same place.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_begin_at_the_same_place_and_lines_end_without_blanks() {
        let rows = [["a", "long", ""], ["longer", "b", "c"]].map(|row| row.map(str::to_owned));
        assert_eq!(aligned(&rows), ["a       long", "longer  b     c"]);
        assert!(aligned::<2>(&[]).is_empty());
    }

    #[test]
    fn without_a_terminal_words_stay_as_they_are() {
        assert_eq!(Paint::default().good("200"), "200");
        assert_eq!(Paint { on: true }.good("200"), "\x1b[32m200\x1b[0m");
    }
}
