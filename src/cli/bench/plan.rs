//! What to measure, as the command line says it, checked.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser as Range;
use serde::Serialize;

use super::body::BYTES_MIN;
use super::protocol::{Load, Manner};
use crate::cli::failure::Failure;

/// Events unless another number is given.
const MESSAGES: u64 = 20_000;
/// Longest post, which is the broker's own bound by default.
const POST_BYTES_MAX: usize = 1 << 20;

/// What the bench can be told.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Endpoints that get every event; several numbers, such as 5,50,1000, are compared at as many
    /// deliveries as --messages makes with the first.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "5", value_parser = Range::<usize>::new().range(1..=1000))]
    pub(super) endpoints: Vec<usize>,
    /// Events a second by a fixed schedule, instead of as fast as they are answered.
    #[arg(long, value_name = "N", value_parser = Range::<u64>::new().range(1..=1_000_000))]
    rate: Option<u64>,
    /// Bytes of an event.
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    size: usize,
    /// The engine under the outbox.
    #[arg(long, value_enum, default_value_t = Engine::Sled)]
    engine: Engine,
    /// Events in all; 20000 unless --seconds or --minutes is given.
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = Range::<u64>::new().range(1..=1_000_000_000))]
    messages: Option<u64>,
    /// Post for so long instead, and show each third of it.
    #[arg(long, value_name = "N", value_parser = Range::<u64>::new().range(1..=1_000_000))]
    seconds: Option<u64>,
    /// The same in minutes.
    #[arg(long, value_name = "N", conflicts_with_all = ["messages", "seconds"], value_parser = Range::<u64>::new().range(1..=10_000))]
    minutes: Option<u64>,
    /// Connections of the generator.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = Range::<usize>::new().range(1..=4000))]
    connections: usize,
    /// Events a post, through the batch path.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = Range::<u64>::new().range(1..=500))]
    batch: u64,
    /// Endpoints, of all, that refuse connections; the others are compared with a run without these.
    #[arg(long, value_name = "N", default_value_t = 0)]
    dead: usize,
    /// Endpoints, of all, that never answer; the others are compared with a run without these.
    #[arg(long, value_name = "N", default_value_t = 0)]
    hang: usize,
    /// Share of the deliveries that are answered 503.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = Range::<u64>::new().range(0..=90))]
    fail: u64,
    /// Post while all endpoints are down, kill the broker, start it again, and let the backlog drain.
    #[arg(long, conflicts_with_all = ["dead", "hang", "fail", "seconds", "minutes"])]
    down: bool,
    /// The same with so many deliveries waiting, instead of --messages; several numbers are compared.
    #[arg(long, value_name = "N,...", value_delimiter = ',',
        conflicts_with_all = ["messages", "dead", "hang", "fail", "seconds", "minutes"],
        value_parser = Range::<u64>::new().range(1..=1_000_000_000))]
    pub(super) backlog: Vec<u64>,
    /// Make every run so often, and show the medians.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = Range::<usize>::new().range(1..=100))]
    pub(super) repeat: usize,
    /// An empty folder for the store, which stays; a temporary one unless given.
    #[arg(long, value_name = "DIR")]
    pub(super) store: Option<PathBuf>,
    /// The numbers as one JSON object.
    #[arg(long)]
    pub(super) json: bool,
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Engine {
    Sled,
    Redb,
}

/// A run that can be made.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Plan {
    /// Endpoints in all.
    pub(super) endpoints: usize,
    /// Those that refuse connections.
    pub(super) dead: usize,
    /// Those that never answer.
    pub(super) hang: usize,
    /// Deliveries of a hundred that are answered 503.
    pub(super) fail_percent: u64,
    /// Whether it is about an outage.
    pub(super) down: bool,
    /// The engine's name in the config.
    pub(super) engine: &'static str,
    /// Events a second.
    pub(super) rate: Option<u64>,
    /// Events in all.
    pub(super) messages: Option<u64>,
    /// How long to post.
    pub(super) seconds: Option<u64>,
    /// Bytes of an event.
    pub(super) size: usize,
    /// Connections of the generator.
    pub(super) connections: usize,
    /// Events a post.
    pub(super) batch: u64,
}

impl Plan {
    /// The plan of `args`.
    pub(super) fn of(args: &Args) -> Result<Self, Failure> {
        let endpoints = args.endpoints.first().copied().unwrap_or_default();
        if args.dead + args.hang >= endpoints {
            let what = format!("of {endpoints} endpoints none is left that receives");
            return Err(Failure::new(what, "--endpoints takes more than --dead and --hang together"));
        }
        if args.size < BYTES_MIN {
            let what = format!("an event has at least {BYTES_MIN} bytes");
            return Err(Failure::new(what, "--size takes a larger number"));
        }
        let batch = usize::try_from(args.batch).unwrap_or(usize::MAX);
        if args.size.saturating_add(1).saturating_mul(batch).saturating_add(64) > POST_BYTES_MAX {
            let what =
                format!("a post of {batch} x {} bytes is over the broker's {POST_BYTES_MAX}", args.size);
            return Err(Failure::new(what, "--size or --batch takes a smaller number"));
        }
        let seconds = args.seconds.or(args.minutes.map(|minutes| minutes * 60));
        let backlog = args.backlog.first().map(|waiting| events_for(*waiting, endpoints));
        Ok(Self {
            endpoints,
            dead: args.dead,
            hang: args.hang,
            fail_percent: args.fail,
            down: args.down || backlog.is_some(),
            engine: match args.engine {
                Engine::Sled => "sled",
                Engine::Redb => "redb",
            },
            rate: args.rate,
            messages: backlog.or(args.messages).or(seconds.is_none().then_some(MESSAGES)),
            seconds,
            size: args.size,
            connections: args.connections,
            batch: args.batch,
        })
    }

    /// Endpoints that receive.
    pub(super) fn healthy(&self) -> usize {
        self.endpoints - self.dead - self.hang
    }

    /// The same deliveries at another number of endpoints.
    pub(super) fn spread_over(&self, endpoints: usize) -> Self {
        let spread = |messages: u64| events_for(messages.saturating_mul(self.endpoints as u64), endpoints);
        Self { endpoints, messages: self.messages.map(spread), ..self.clone() }
    }

    /// The same with so many deliveries waiting.
    pub(super) fn with_backlog(&self, waiting: u64) -> Self {
        Self { messages: Some(events_for(waiting, self.endpoints)), ..self.clone() }
    }

    /// The same without the endpoints that are dead or hang.
    pub(super) fn undisturbed(&self) -> Self {
        Self { endpoints: self.healthy(), dead: 0, hang: 0, ..self.clone() }
    }

    /// How the endpoints of the receiver behave.
    pub(super) fn manner(&self) -> Manner {
        Manner { endpoints: self.endpoints, hanging: self.hang, fail_percent: self.fail_percent }
    }

    /// What goes to the broker at `target`.
    pub(super) fn load(&self, target: SocketAddr, secret: &str, run: u32) -> Load {
        Load {
            target,
            path: if self.batch > 1 { "/v1/events/batch" } else { "/v1/events" }.to_owned(),
            secret: secret.to_owned(),
            run,
            size: self.size,
            batch: self.batch,
            connections: self.connections,
            rate: self.rate,
            messages: self.messages,
            seconds: self.seconds,
        }
    }

    /// All of it in a line.
    pub(super) fn in_words(&self) -> String {
        let mut words = match (self.messages, self.seconds) {
            (Some(messages), _) => format!("{messages} events"),
            (None, seconds) => format!("{} s of events", seconds.unwrap_or_default()),
        };
        let (size, endpoints, connections) = (self.size, self.endpoints, self.connections);
        let _ = write!(words, " of {size} B to {endpoints} endpoints over {connections} connections");
        for (count, word) in [(self.dead, "dead"), (self.hang, "hanging")] {
            if count > 0 {
                let _ = write!(words, ", {count} of them {word}");
            }
        }
        if self.fail_percent > 0 {
            let _ = write!(words, ", {} % answered 503", self.fail_percent);
        }
        if let Some(rate) = self.rate {
            let _ = write!(words, ", {rate} events a second");
        }
        if self.batch > 1 {
            let _ = write!(words, ", {} a post", self.batch);
        }
        if self.down {
            words.push_str(", all of them down at first");
        }
        let _ = write!(words, "; engine {}, every answer after its sync", self.engine);
        words
    }
}

/// Events that make at least so many deliveries to so many endpoints.
fn events_for(deliveries: u64, endpoints: usize) -> u64 {
    deliveries.div_ceil(endpoints.max(1) as u64).max(1)
}

#[cfg(test)]
pub(super) mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(Debug, clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    pub(in crate::cli::bench) fn args(line: &str) -> Result<Args, String> {
        let words = std::iter::once("bench").chain(line.split_whitespace());
        Line::try_parse_from(words).map(|line| line.args).map_err(|error| error.kind().to_string())
    }

    fn plan(line: &str) -> Result<Plan, String> {
        Plan::of(&args(line)?).map_err(|failure| failure.to_string())
    }

    #[test]
    fn without_a_number_there_is_one() {
        assert_eq!(plan("").unwrap().messages, Some(MESSAGES));
        assert_eq!(plan("--seconds 3").unwrap().messages, None);
        let words = plan("--dead 1 --hang 2 --fail 3 --rate 4 --batch 5").unwrap().in_words();
        let wanted = "20000 events of 1024 B to 5 endpoints over 64 connections, 1 of them dead, 2 of them hanging, \
                      3 % answered 503, 4 events a second, 5 a post; engine sled, every answer after its sync";
        assert_eq!(words, wanted);
    }

    #[test]
    fn what_cannot_be_run_is_refused() {
        for line in [
            "--endpoints 2 --dead 1 --hang 1",
            "--size 100",
            "--size 4000 --batch 300",
            "--messages 1 --seconds 1",
            "--down --fail 5",
            "--endpoints 0",
            "--endpoints 5,0",
            "--minutes 1 --messages 1",
            "--backlog 10 --messages 1",
            "--backlog 10 --hang 1",
            "--repeat 0",
            "--fail 91",
        ] {
            assert!(plan(line).is_err(), "{line}");
        }
        assert_eq!(plan("--endpoints 4 --dead 1 --hang 1").unwrap().healthy(), 2);
    }

    #[test]
    fn minutes_are_seconds_and_a_backlog_is_events() {
        assert_eq!(plan("--minutes 15").unwrap().seconds, Some(900));
        let full = plan("--backlog 1001 --endpoints 5").unwrap();
        assert_eq!((full.messages, full.down), (Some(201), true));
        assert_eq!(full.with_backlog(10).messages, Some(2));
        let wide = full.spread_over(1000);
        assert_eq!((wide.endpoints, wide.messages), (1000, Some(2)));
    }
}
