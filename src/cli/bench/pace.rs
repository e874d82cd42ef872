//! When which events are posted: whenever a connection is free, or each at its own instant.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc};

use super::protocol::Load;
use super::stopwatch::now_ns;

/// One post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// The number of its first event.
    pub(super) first: u64,
    /// How many events it has.
    pub(super) count: u64,
    /// When it is due; `None` means when its turn comes.
    pub(super) due_ns: Option<u64>,
}

/// Gives out the turns.
#[derive(Debug)]
pub(super) enum Pace {
    /// The next one at once.
    Closed {
        /// All of them.
        plan: Plan,
        /// How many were given out.
        given: AtomicU64,
    },
    /// Each when it is due.
    Open(Mutex<mpsc::UnboundedReceiver<Turn>>),
}

impl Pace {
    /// The pace of `load`, which begins at `began_ns`.
    pub(super) fn new(load: &Load, began_ns: u64) -> io::Result<Self> {
        let plan = Plan::new(load, began_ns);
        if load.rate.is_none() {
            return Ok(Self::Closed { plan, given: AtomicU64::new(0) });
        }
        let (due, turns) = mpsc::unbounded_channel();
        // A thread's wait is some fifty microseconds late, the runtime's up to a millisecond.
        thread::Builder::new().name("schedule".to_owned()).spawn(move || {
            for turn in (0..).map_while(|index| plan.turn(index)) {
                wait_until(turn.due_ns.unwrap_or_default());
                if due.send(turn).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self::Open(Mutex::new(turns)))
    }

    /// The next turn, when it is due; `None` when all are given out.
    pub(super) async fn next(&self) -> Option<Turn> {
        match self {
            Self::Closed { plan, given } => {
                let turn = plan.turn(given.fetch_add(1, Ordering::Relaxed))?;
                (now_ns() < plan.ends_ns).then_some(turn)
            }
            Self::Open(turns) => turns.lock().await.recv().await,
        }
    }
}

fn wait_until(due_ns: u64) {
    loop {
        let left = due_ns.saturating_sub(now_ns());
        if left == 0 {
            return;
        }
        thread::park_timeout(Duration::from_nanos(left));
    }
}

/// Every turn of a load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    rate: Option<u64>,
    batch: u64,
    messages: u64,
    began_ns: u64,
    ends_ns: u64,
}

impl Plan {
    fn new(load: &Load, began_ns: u64) -> Self {
        let lasts = load.seconds.map(|seconds| seconds.saturating_mul(1_000_000_000));
        Self {
            rate: load.rate,
            batch: load.batch.max(1),
            messages: load.messages.unwrap_or(u64::MAX),
            began_ns,
            ends_ns: lasts.map_or(u64::MAX, |lasts| began_ns.saturating_add(lasts)),
        }
    }

    /// The turn `index`, from zero; `None` behind the last one.
    fn turn(&self, index: u64) -> Option<Turn> {
        let first = index.checked_mul(self.batch)?;
        let left = self.messages.checked_sub(first).filter(|left| *left > 0)?;
        let due_ns = self.rate.map(|rate| self.began_ns.saturating_add(due_after_ns(first, rate)));
        if due_ns.is_some_and(|due_ns| due_ns >= self.ends_ns) {
            return None;
        }
        Some(Turn { first, count: self.batch.min(left), due_ns })
    }
}

/// How long after the first event the event `number` is due. From the number and never from the event
/// before it, so that nothing adds up.
fn due_after_ns(number: u64, rate: u64) -> u64 {
    let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate.max(1));
    u64::try_from(nanos).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: Option<u64>, messages: Option<u64>, seconds: Option<u64>, batch: u64) -> Load {
        Load {
            target: "127.0.0.1:1".parse().unwrap(),
            path: "/".to_owned(),
            secret: "correct horse battery staple".to_owned(),
            run: 1,
            size: 0,
            batch,
            connections: 1,
            rate,
            messages,
            seconds,
        }
    }

    fn turns(plan: &Plan) -> Vec<Turn> {
        (0..).map_while(|index| plan.turn(index)).collect()
    }

    #[test]
    fn a_schedule_keeps_to_its_rate_and_ends_in_time() {
        let plan = Plan::new(&load(Some(300), None, Some(2), 1), 1_000);
        let turns = turns(&plan);
        assert_eq!(turns.len(), 600);
        assert_eq!(turns[1].due_ns, Some(1_000 + 3_333_333));
        assert_eq!(turns[300].due_ns, Some(1_000 + 1_000_000_000));
        assert_eq!((turns[599].first, turns[599].count), (599, 1));
    }

    #[test]
    fn batches_hold_every_event_once() {
        for rate in [None, Some(1_000)] {
            let plan = Plan::new(&load(rate, Some(25), None, 10), 0);
            let all: Vec<_> = turns(&plan).iter().map(|turn| (turn.first, turn.count)).collect();
            assert_eq!(all, [(0, 10), (10, 10), (20, 5)]);
        }
    }

    #[tokio::test]
    async fn an_open_pace_gives_out_the_whole_schedule_and_never_early() {
        let pace = Pace::new(&load(Some(10_000), Some(20), None, 1), now_ns()).unwrap();
        for number in 0..20 {
            let turn = pace.next().await.unwrap();
            assert_eq!(turn.first, number);
            assert!(turn.due_ns.unwrap() <= now_ns());
        }
        assert_eq!(pace.next().await, None);
    }

    #[tokio::test]
    async fn a_closed_pace_ends_with_its_time() {
        let pace = Pace::new(&load(None, None, Some(0), 1), now_ns()).unwrap();
        assert_eq!(pace.next().await, None);
    }
}
