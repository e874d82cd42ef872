//! What the operating system says of a process and of the machine: CPU, memory, bytes written, load.
//!
//! Reads `/proc`; where there is none, there are no numbers, and the report says so.

use std::fs;
use std::time::Duration;

use serde::Serialize;

/// What `/proc` counts CPU in: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// What a process has used up to an instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Usage {
    /// User and system time of all its threads.
    pub(super) cpu: Duration,
    /// Memory that is resident now.
    pub(super) rss_bytes: u64,
    /// The most that ever was.
    pub(super) rss_peak_bytes: u64,
    /// Bytes that it caused to be written to a disk.
    pub(super) written_bytes: u64,
}

impl Usage {
    /// What the process `pid` has used; `None` when it cannot be known.
    pub(super) fn of(pid: u32) -> Option<Self> {
        let read = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).ok();
        let status = read("status")?;
        Some(Self {
            cpu: cpu(&read("stat")?)?,
            rss_bytes: number(&status, "VmRSS:")? * 1024,
            rss_peak_bytes: number(&status, "VmHWM:")? * 1024,
            // Not everybody may read it.
            written_bytes: read("io").and_then(|io| number(&io, "write_bytes:")).unwrap_or(0),
        })
    }
}

/// User and system time, fields 14 and 15; the name in field 2 may hold blanks and brackets.
fn cpu(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u32>().ok();
    Some(TICK * ticks()?.checked_add(ticks()?)?)
}

/// The first number behind `name` at the begin of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The load averages, over one, five and fifteen minutes.
pub(super) fn load_average() -> Option<[f64; 3]> {
    averages(&fs::read_to_string("/proc/loadavg").ok()?)
}

fn averages(text: &str) -> Option<[f64; 3]> {
    let mut fields = text.split_whitespace().map(|field| field.parse().ok());
    Some([fields.next()??, fields.next()??, fields.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_read_as_the_kernel_writes_them() {
        let stat = "42 (a (b) c) S 1 42 42 0 -1 4194304 900 0 3 0 250 125 0 0 20 0 9 0 77 1 2";
        assert_eq!(cpu(stat), Some(Duration::from_millis(3_750)));
        let status = "Name:\tcamino\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n";
        assert_eq!((number(status, "VmHWM:"), number(status, "VmSwap:")), (Some(2_048), None));
        assert_eq!(number("rchar: 1\nwrite_bytes: 4096\n", "write_bytes:"), Some(4_096));
        assert_eq!(averages("0.24 0.45 0.34 1/200 4711\n"), Some([0.24, 0.45, 0.34]));
        assert_eq!((cpu("nonsense"), averages("")), (None, None));
    }
}
