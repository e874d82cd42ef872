//! The numbers that runs are compared by: what each is called, and where in a report it stands.
//!
//! A ratio is always that of one run to its own ceiling, never of one run to another.

use super::number::{about_bytes, float, percent, ratio, shown};
use super::report::{Outage, Quantiles, Report};

/// A number of a run.
#[derive(Clone, Copy)]
pub(super) struct Figure {
    /// Its name in JSON.
    pub(super) key: &'static str,
    /// Its name for people.
    pub(super) title: &'static str,
    /// What it is counted in.
    pub(super) unit: Unit,
    /// Where it stands; `None` where the run has no such thing.
    pub(super) of: fn(&Report) -> Option<f64>,
}

/// What a number is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Nothing.
    Plain,
    /// Per second.
    PerSecond,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Bytes.
    Bytes,
    /// A share of the raw ceiling.
    OfRaw,
    /// A multiple.
    Times,
}

impl Unit {
    /// `value` with what it is counted in.
    pub(super) fn show(self, value: f64) -> String {
        match self {
            Self::Plain => shown(value),
            Self::PerSecond => format!("{}/s", shown(value)),
            Self::Ms => format!("{} ms", shown(value)),
            Self::Us => format!("{} us", shown(value)),
            Self::Bytes => about_bytes(value),
            Self::OfRaw => percent(value),
            Self::Times => format!("{} x", shown(value)),
        }
    }
}

const fn figure(
    key: &'static str,
    title: &'static str,
    unit: Unit,
    of: fn(&Report) -> Option<f64>,
) -> Figure {
    Figure { key, title, unit, of }
}

/// What tells how well endpoints are kept from each other.
pub(super) const END_TO_END_P99: &str = "endToEndP99Ms";

/// All of them, in the order in which they are shown.
pub(super) const FIGURES: &[Figure] = &[
    figure("loadBefore", "load before", Unit::Plain, |run| run.machine.load_average.map(|[one, ..]| one)),
    figure("floorMs", "floor", Unit::Ms, |run| Some(run.floor.sum_ms)),
    figure("floorPacedMs", "  at the run's pace", Unit::Ms, |run| run.floor.paced_sum_ms),
    figure("rawPostsPerSecond", "raw posts", Unit::PerSecond, |run| Some(run.raw.posts_per_second)),
    figure("acceptedPerSecond", "accepted", Unit::PerSecond, |run| Some(run.broker.accepted_per_second)),
    figure("acceptedToRaw", "  of raw", Unit::OfRaw, |run| Some(run.ratios.accepted_to_raw)),
    figure("deliveredPerSecond", "delivered", Unit::PerSecond, |run| Some(run.broker.delivered_per_second)),
    figure("deliveredToRaw", "  of raw", Unit::OfRaw, |run| Some(run.ratios.delivered_to_raw)),
    figure("answerP50Ms", "answer p50", Unit::Ms, |run| Some(run.broker.answer_ms?.p50)),
    figure("answerP99Ms", "answer p99", Unit::Ms, |run| Some(run.broker.answer_ms?.p99)),
    figure("endToEndP50Ms", "end to end p50", Unit::Ms, |run| Some(end_to_end(run)?.p50)),
    figure("p50ToFloor", "  to the floor", Unit::Times, |run| run.ratios.p50_to_floor),
    figure("p50ToPacedFloor", "  to that at its pace", Unit::Times, |run| run.ratios.p50_to_paced_floor),
    figure(END_TO_END_P99, "end to end p99", Unit::Ms, |run| Some(end_to_end(run)?.p99)),
    figure("p99ToFloor", "  to the floor", Unit::Times, |run| {
        Some(ratio(end_to_end(run)?.p99, run.floor.sum_ms))
    }),
    figure("endToEndP999Ms", "end to end p99.9", Unit::Ms, |run| Some(end_to_end(run)?.p999)),
    figure("acceptUsPerEvent", "time to accept an event", Unit::Us, |run| {
        time(run.broker.accepted_per_second)
    }),
    figure("deliverUsPerDelivery", "time to deliver one", Unit::Us, |run| {
        time(run.broker.delivered_per_second)
    }),
    figure("cpuUsPerEvent", "cpu an event", Unit::Us, cpu_us_per_event),
    figure("cpuUsPerDelivery", "cpu a delivery", Unit::Us, |run| run.broker.cpu_us_per_delivery),
    figure("cpuToRaw", "  to a raw post", Unit::Times, |run| run.ratios.cpu_to_raw),
    figure("rssPeakBytes", "memory at the peak", Unit::Bytes, |run| {
        // With an outage there are two processes.
        let before = run.outage.map_or(0, |outage| outage.rss_full_peak_bytes);
        Some(float(run.broker.rss_peak_bytes.max(before)))
    }),
    figure("writtenBytesPerEvent", "written an event", Unit::Bytes, |run| run.broker.written_bytes_per_event),
    figure("storeBytes", "store", Unit::Bytes, |run| Some(float(run.broker.store_bytes))),
    figure("journalBehindMs", "journal behind", Unit::Ms, |run| run.broker.journal_behind_ms),
    figure("backlogRssBytes", "memory with the backlog", Unit::Bytes, |run| {
        outage(run, |outage| float(outage.rss_full_bytes))
    }),
    figure("backlogStoreBytes", "store with the backlog", Unit::Bytes, |run| {
        outage(run, |outage| float(outage.store_full_bytes))
    }),
    figure("readyMs", "ready after the kill", Unit::Ms, |run| outage(run, |outage| outage.ready_ms)),
    figure("rssReadyBytes", "memory when ready", Unit::Bytes, |run| {
        outage(run, |outage| float(outage.rss_ready_bytes))
    }),
    figure("firstDeliveryMs", "first delivery", Unit::Ms, |run| run.outage?.first_delivery_ms),
    figure("drainedMs", "drained", Unit::Ms, |run| run.outage?.drained_ms),
    figure("firstThirdPerSecond", "delivered, first third", Unit::PerSecond, |run| {
        Some(run.thirds.first()?.delivered_per_second)
    }),
    figure("lastThirdPerSecond", "delivered, last third", Unit::PerSecond, |run| {
        Some(run.thirds.last()?.delivered_per_second)
    }),
    figure("rssFirstBytes", "memory at first", Unit::Bytes, |run| Some(float(run.soak?.rss_first_bytes))),
    figure("rssLastBytes", "memory at last", Unit::Bytes, |run| Some(float(run.soak?.rss_last_bytes))),
    figure("storeBytesPerEvent", "store an event", Unit::Bytes, |run| Some(run.soak?.store_bytes_per_event)),
    figure("storeBytesPerEventWithoutDedupe", "  without dedupe", Unit::Bytes, |run| {
        run.soak?.store_bytes_per_event_without_dedupe
    }),
];

fn end_to_end(run: &Report) -> Option<Quantiles> {
    run.broker.end_to_end_ms
}

fn outage(run: &Report, number: fn(&Outage) -> f64) -> Option<f64> {
    run.outage.as_ref().map(number)
}

/// Microseconds for each, at so many a second.
fn time(per_second: f64) -> Option<f64> {
    (per_second > 0.0).then(|| 1e6 / per_second)
}

/// All CPU for an event; with a backlog that is apart, only what it took to let it in.
fn cpu_us_per_event(run: &Report) -> Option<f64> {
    let of_all = run
        .broker
        .cpu_us_per_delivery
        .map(|_| ratio(run.broker.cpu_seconds * 1e6, float(run.broker.accepted)));
    run.outage.map_or(of_all, |outage| Some(outage.cpu_us_per_event))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::cli::bench::report::tests::report_of;

    fn value(key: &str, run: &Report) -> Option<f64> {
        let figure = FIGURES.iter().find(|figure| figure.key == key).unwrap();
        (figure.of)(run)
    }

    #[test]
    fn each_name_stands_for_one_number() {
        let keys: BTreeSet<_> = FIGURES.iter().map(|figure| figure.key).collect();
        assert_eq!(keys.len(), FIGURES.len());
        assert!(keys.contains(END_TO_END_P99));
    }

    #[test]
    fn numbers_are_those_of_the_report() {
        let run = report_of(0.25);
        let wanted = [
            ("loadBefore", 0.25),
            ("acceptUsPerEvent", 5_000.0),
            ("cpuUsPerEvent", 9_000.0),
            (END_TO_END_P99, 4.0),
            ("p99ToFloor", 4.0 / 0.6),
            ("p50ToPacedFloor", 4.0 / 1.2),
        ];
        for (key, wanted) in wanted {
            let found = value(key, &run).unwrap();
            assert!((found - wanted).abs() <= wanted / 100.0, "{key}: {found}");
        }
        assert_eq!(value("readyMs", &run), None, "there was no outage");
    }

    #[test]
    fn numbers_are_shown_with_their_unit() {
        let shown = [
            Unit::Plain.show(1.5),
            Unit::PerSecond.show(2_000.0),
            Unit::Ms.show(0.5),
            Unit::Us.show(12.3),
            Unit::Bytes.show(1536.0),
            Unit::OfRaw.show(0.5),
            Unit::Times.show(1.1),
        ];
        assert_eq!(shown, ["1.50", "2,000/s", "0.500 ms", "12.3 us", "1.50 KiB", "50.0 %", "1.10 x"]);
    }
}
