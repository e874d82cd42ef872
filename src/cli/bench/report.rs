//! Everything that a run found, as it is printed with `--json`.
//!
//! Only arithmetic on what was measured; a number that is not known is null, never zero.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::disk;
use super::histogram::Histogram;
use super::number::{float, ms, per_second, ratio};
use super::plan::Plan;
use super::protocol::{Posted, Tally};
use super::rig::WorkersCpu;
use super::soak::{Soak, Third};
use super::trial::Spent;
use super::usage;

/// A run.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    /// Where it ran.
    pub(super) machine: Machine,
    /// What was asked for.
    pub(super) plan: Plan,
    /// The floor of latency.
    pub(super) floor: Floor,
    /// The ceiling of throughput.
    pub(super) raw: Raw,
    /// The broker.
    pub(super) broker: Broker,
    /// The broker against the ceiling and the floor.
    pub(super) ratios: Ratios,
    /// The thirds of a run by time.
    pub(super) thirds: Vec<Third>,
    /// The first and the last of it.
    pub(super) soak: Option<Soak>,
    /// What the outage showed.
    pub(super) outage: Option<Outage>,
}

/// Where a run was made.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    /// Cores that the process may use.
    pub(super) cores: usize,
    /// Before the run.
    pub(super) load_average: Option<[f64; 3]>,
    /// `release` or `debug`.
    pub(super) build: &'static str,
    /// What the store is on.
    pub(super) filesystem: Option<String>,
    /// Whether that keeps nothing, so that a sync has nothing to do.
    pub(super) syncs_are_free: bool,
}

impl Machine {
    /// This one, with the store in `folder`.
    pub(super) fn here(folder: &Path) -> Self {
        let filesystem = disk::filesystem(folder);
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            load_average: usage::load_average(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" },
            syncs_are_free: matches!(filesystem.as_deref(), Some("tmpfs" | "ramfs")),
            filesystem,
        }
    }

    /// Whether its numbers say little.
    pub(super) fn is_debug(&self) -> bool {
        self.build == "debug"
    }
}

/// What an event takes at least.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Floor {
    /// A write of 4 KiB and its fdatasync, the median.
    pub(super) sync_ms: f64,
    /// A post to the receiver and its answer, the median.
    pub(super) round_trip_ms: f64,
    /// Both.
    pub(super) sum_ms: f64,
    /// Both at the pace of a run by schedule: a disk and processors that have idled take longer.
    pub(super) paced_sum_ms: Option<f64>,
}

impl Floor {
    /// Of the two; `paced` is their sum at the pace of the run, if it has one.
    pub(super) fn new(sync: Duration, round_trip: Duration, paced: Option<Duration>) -> Self {
        let paced_sum_ms = paced.map(ms);
        Self { sync_ms: ms(sync), round_trip_ms: ms(round_trip), sum_ms: ms(sync + round_trip), paced_sum_ms }
    }
}

/// Times in milliseconds that so many do not exceed.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Quantiles {
    /// Half of them.
    pub(super) p50: f64,
    /// All but one in a hundred.
    pub(super) p99: f64,
    /// All but one in a thousand.
    pub(super) p999: f64,
    /// All.
    pub(super) max: f64,
}

impl Quantiles {
    /// Those of `histogram`; `None` of nothing.
    pub(super) fn of(histogram: &Histogram) -> Option<Self> {
        let quantile = |share| histogram.quantile(share).map(ms);
        Some(Self {
            p50: quantile(5_000)?,
            p99: quantile(9_900)?,
            p999: quantile(9_990)?,
            max: ms(histogram.max()?),
        })
    }
}

/// Cores that were busy on average.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Cores {
    /// With the broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) broker: Option<f64>,
    /// With posting.
    pub(super) generator: f64,
    /// With receiving.
    pub(super) receiver: f64,
}

impl Cores {
    fn of_workers(before: WorkersCpu, after: WorkersCpu, took: Duration) -> Self {
        let busy =
            |after: Duration, before| ratio(after.saturating_sub(before).as_secs_f64(), took.as_secs_f64());
        Self {
            broker: None,
            generator: busy(after.generator, before.generator),
            receiver: busy(after.receiver, before.receiver),
        }
    }

    fn of_all(before: &Spent, after: &Spent) -> Self {
        let took = Duration::from_nanos(after.at_ns.saturating_sub(before.at_ns));
        let broker = ratio(after.broker_cpu_since(before).as_secs_f64(), took.as_secs_f64());
        Self { broker: Some(broker), ..Self::of_workers(before.workers, after.workers, took) }
    }
}

/// The generator straight to the receiver.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Raw {
    /// Posts answered a second.
    pub(super) posts_per_second: f64,
    /// From a post to its answer.
    pub(super) answer_ms: Option<Quantiles>,
    /// The CPU of both workers for each post, in microseconds.
    pub(super) cpu_us_per_post: Option<f64>,
    /// Who was busy.
    pub(super) cores: Cores,
}

impl Raw {
    /// Of what was posted, with what the workers had used before and after.
    pub(super) fn new(posted: &Posted, before: WorkersCpu, after: WorkersCpu) -> Self {
        let took = Duration::from_nanos(posted.ended_ns.saturating_sub(posted.began_ns));
        let used = (after.generator + after.receiver).saturating_sub(before.generator + before.receiver);
        let is_known = !(after.generator + after.receiver).is_zero();
        Self {
            cpu_us_per_post: is_known.then(|| ratio(ms(used) * 1e3, float(posted.accepted))),
            posts_per_second: per_second(posted.accepted, posted.began_ns, posted.ended_ns),
            answer_ms: Quantiles::of(&posted.answer),
            cores: Cores::of_workers(before, after, took),
        }
    }
}

/// The broker under load.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Broker {
    /// Events accepted.
    pub(super) accepted: u64,
    /// The same a second.
    pub(super) accepted_per_second: f64,
    /// Events answered otherwise, by status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// Events without an answer.
    pub(super) unanswered: u64,
    /// Deliveries that must arrive: accepted events times endpoints that receive.
    pub(super) expected: u64,
    /// Those that did.
    pub(super) delivered: u64,
    /// The same a second, until the last one.
    pub(super) delivered_per_second: f64,
    /// Those that did not.
    pub(super) missing: u64,
    /// Arrivals beyond the first of a delivery.
    pub(super) repeated: u64,
    /// Deliveries that were answered 503 on purpose.
    pub(super) failed_on_purpose: u64,
    /// Requests at the receiver that are no event of this run.
    pub(super) strange: u64,
    /// From when a post was due to its answer.
    pub(super) answer_ms: Option<Quantiles>,
    /// From when a post was due to its arrival at an endpoint.
    pub(super) end_to_end_ms: Option<Quantiles>,
    /// From when a post was due to when the generator sent it.
    pub(super) late_ms: Option<Quantiles>,
    /// The broker's CPU until its journal held everything.
    pub(super) cpu_seconds: f64,
    /// The same for each delivery, in microseconds.
    pub(super) cpu_us_per_delivery: Option<f64>,
    /// Who was busy until the last delivery.
    pub(super) cores: Cores,
    /// The most memory that ever was resident.
    pub(super) rss_peak_bytes: u64,
    /// Bytes that it had written to the disk for each event.
    pub(super) written_bytes_per_event: Option<f64>,
    /// The store at the end.
    pub(super) store_bytes: u64,
    /// From the last arrival until the journal was seen to hold everything.
    pub(super) journal_behind_ms: Option<f64>,
}

impl Broker {
    /// Events that were posted and not accepted.
    pub(super) fn lost_posts(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.unanswered
    }
}

/// The broker against the machine.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ratios {
    /// Events accepted to posts straight to the receiver.
    pub(super) accepted_to_raw: f64,
    /// Deliveries to posts straight to the receiver.
    pub(super) delivered_to_raw: f64,
    /// The median end to end to one sync and one round trip.
    pub(super) p50_to_floor: Option<f64>,
    /// The same to both at the pace of the run.
    pub(super) p50_to_paced_floor: Option<f64>,
    /// The broker's CPU for a delivery to that of both workers for a post.
    pub(super) cpu_to_raw: Option<f64>,
}

/// What an outage of all endpoints and a `kill -9` showed.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Outage {
    /// Memory with the whole backlog.
    pub(super) rss_full_bytes: u64,
    /// The most until then.
    pub(super) rss_full_peak_bytes: u64,
    /// The store with the whole backlog.
    pub(super) store_full_bytes: u64,
    /// The broker's CPU to take in one event, in microseconds.
    pub(super) cpu_us_per_event: f64,
    /// From the new process to its readiness.
    pub(super) ready_ms: f64,
    /// Memory then.
    pub(super) rss_ready_bytes: u64,
    /// From the endpoints' return to the first arrival.
    pub(super) first_delivery_ms: Option<f64>,
    /// From the endpoints' return to the last arrival, if all arrived.
    pub(super) drained_ms: Option<f64>,
}

/// What was measured of the broker.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// How the posts went.
    pub(super) posted: Posted,
    /// Deliveries that must arrive.
    pub(super) expected: u64,
    /// What arrived.
    pub(super) tally: Tally,
    /// From when deliveries count: the first post, or the endpoints' return.
    pub(super) delivering_from_ns: u64,
    /// How long they took; `None` when that says nothing.
    pub(super) latency: Option<Histogram>,
    /// Used before.
    pub(super) before: Spent,
    /// Used until the last delivery.
    pub(super) then: Spent,
    /// Used until the journal held everything.
    pub(super) after: Spent,
    /// When that was.
    pub(super) journalled_ns: Option<u64>,
    /// The store at the end.
    pub(super) store_bytes: u64,
}

impl Measured {
    fn broker(&self) -> Broker {
        let Self { posted, tally, .. } = self;
        let known = self.after.broker.rss_peak_bytes > 0;
        let cpu = self.after.broker_cpu_since(&self.before);
        let written = self.after.broker.written_bytes.saturating_sub(self.before.broker.written_bytes);
        let behind = |at_ns: u64| ms(Duration::from_nanos(at_ns.saturating_sub(tally.last_ns)));
        Broker {
            accepted: posted.accepted,
            accepted_per_second: per_second(posted.accepted, posted.began_ns, posted.ended_ns),
            refused: posted.refused.clone(),
            unanswered: posted.unanswered,
            expected: self.expected,
            delivered: tally.arrived,
            delivered_per_second: per_second(tally.arrived, self.delivering_from_ns, tally.last_ns),
            missing: self.expected.saturating_sub(tally.arrived),
            repeated: tally.repeated,
            failed_on_purpose: tally.failed,
            strange: tally.strange,
            answer_ms: Quantiles::of(&posted.answer),
            end_to_end_ms: self.latency.as_ref().and_then(Quantiles::of),
            late_ms: Quantiles::of(&posted.late),
            cpu_seconds: cpu.as_secs_f64(),
            cpu_us_per_delivery: known.then(|| ratio(ms(cpu) * 1e3, float(tally.arrived))),
            cores: Cores::of_all(&self.before, &self.then),
            rss_peak_bytes: self.after.broker.rss_peak_bytes,
            written_bytes_per_event: known.then(|| ratio(float(written), float(posted.accepted))),
            store_bytes: self.store_bytes,
            journal_behind_ms: self.journalled_ns.map(behind),
        }
    }
}

/// What came of the broker's part.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// The numbers of every run.
    pub(super) measured: Measured,
    /// The thirds of a run by time.
    pub(super) thirds: Vec<Third>,
    /// The first and the last of it.
    pub(super) soak: Option<Soak>,
    /// What the outage showed.
    pub(super) outage: Option<Outage>,
}

impl Report {
    /// Puts it together.
    pub(super) fn new(plan: &Plan, machine: Machine, floor: Floor, raw: Raw, found: Found) -> Self {
        let broker = found.measured.broker();
        let p50 = broker.end_to_end_ms.map(|times| times.p50);
        let ratios = Ratios {
            accepted_to_raw: ratio(broker.accepted_per_second, raw.posts_per_second),
            delivered_to_raw: ratio(broker.delivered_per_second, raw.posts_per_second),
            p50_to_floor: p50.map(|p50| ratio(p50, floor.sum_ms)),
            p50_to_paced_floor: p50.zip(floor.paced_sum_ms).map(|(p50, floor)| ratio(p50, floor)),
            cpu_to_raw: broker.cpu_us_per_delivery.zip(raw.cpu_us_per_post).map(|(us, raw)| ratio(us, raw)),
        };
        let Found { thirds, soak, outage, .. } = found;
        Self { machine, plan: plan.clone(), floor, raw, broker, ratios, thirds, soak, outage }
    }
}

#[cfg(test)]
pub(super) mod tests;
