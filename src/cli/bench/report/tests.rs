//! A run with round numbers, and the report's arithmetic over it.

use super::*;
use crate::cli::bench::plan::tests::args;
use crate::cli::bench::usage::Usage;

const SECOND: u64 = 1_000_000_000;

fn spent(second: u64, broker_s: u64, workers_s: u64) -> Spent {
    let workers = Duration::from_secs(workers_s);
    Spent {
        broker: Usage {
            cpu: Duration::from_secs(broker_s),
            rss_bytes: 1 << 20,
            rss_peak_bytes: 2 << 20,
            written_bytes: broker_s << 20,
        },
        workers: WorkersCpu { generator: workers, receiver: workers * 2 },
        at_ns: second * SECOND,
    }
}

fn histogram(nanos: u64) -> Histogram {
    let mut histogram = Histogram::default();
    histogram.record(nanos);
    histogram
}

/// A run of ten seconds with round numbers.
pub(in crate::cli::bench) fn measured() -> Measured {
    let posted = Posted {
        accepted: 1_000,
        began_ns: 10 * SECOND,
        ended_ns: 15 * SECOND,
        answer: histogram(1_000_000),
        late: histogram(1_000),
        ..Posted::default()
    };
    Measured {
        posted,
        expected: 2_000,
        tally: Tally { arrived: 1_990, repeated: 3, last_ns: 20 * SECOND, ..Tally::default() },
        delivering_from_ns: 10 * SECOND,
        latency: Some(histogram(4_000_000)),
        before: spent(10, 0, 0),
        then: spent(20, 8, 1),
        after: spent(21, 9, 1),
        journalled_ns: Some(21 * SECOND),
        store_bytes: 3 << 20,
    }
}

/// The report of that run, with a load average to tell it by.
pub(in crate::cli::bench) fn report_of(load: f64) -> Report {
    let machine = Machine {
        cores: 2,
        load_average: Some([load, 0.4, 0.3]),
        build: "release",
        filesystem: Some("ext4".to_owned()),
        syncs_are_free: false,
    };
    let floor = Floor { sync_ms: 0.5, round_trip_ms: 0.1, sum_ms: 0.6, paced_sum_ms: Some(1.2) };
    let second = Duration::from_secs(1);
    let used = WorkersCpu { generator: second, receiver: second };
    let raw = Raw::new(&measured().posted, WorkersCpu::default(), used);
    let found = Found { measured: measured(), thirds: Vec::new(), soak: None, outage: None };
    Report::new(&Plan::of(&args("").unwrap()).unwrap(), machine, floor, raw, found)
}

#[test]
fn the_numbers_are_those_of_the_run() {
    let broker = measured().broker();
    assert_eq!((broker.missing, broker.repeated, broker.lost_posts()), (10, 3, 0));
    let close = |value: f64, wanted: f64| (value - wanted).abs() < wanted / 100.0;
    assert!(close(broker.accepted_per_second, 200.0) && close(broker.delivered_per_second, 199.0));
    assert!(close(broker.cpu_us_per_delivery.unwrap(), 9e6 / 1990.0));
    assert!(close(broker.written_bytes_per_event.unwrap(), 9_437.2));
    assert!(close(broker.cores.broker.unwrap(), 0.8) && close(broker.cores.receiver, 0.2));
    assert!(close(broker.journal_behind_ms.unwrap(), 1_000.0));
    assert!(close(broker.end_to_end_ms.unwrap().p999, 4.0));
}

#[test]
fn cpu_is_compared_with_that_of_a_raw_post() {
    let report = report_of(0.0);
    let close = |value: f64, wanted: f64| (value - wanted).abs() < wanted / 100.0;
    assert!(close(report.raw.cpu_us_per_post.unwrap(), 2_000.0));
    assert!(close(report.ratios.cpu_to_raw.unwrap(), 9e6 / 1990.0 / 2_000.0));
}

#[test]
fn what_the_system_does_not_tell_is_not_zero() {
    let unknown = Measured { before: Spent::default(), after: Spent::default(), ..measured() };
    let broker = unknown.broker();
    assert_eq!((broker.cpu_us_per_delivery, broker.written_bytes_per_event), (None, None));
}
