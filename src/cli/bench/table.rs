//! The report for people: a line for each thing measured, its number, and what belongs to it.

use super::number::{bytes, percent, ratio, shown};
use super::report::{Cores, Outage, Quantiles, Report};
use super::soak::{Soak, Third};
use crate::cli::output;

type Row = [String; 3];

/// The lines of `report`.
pub(super) fn lines(report: &Report) -> Vec<String> {
    let mut rows = machine(report);
    rows.extend(broker(report));
    rows.extend(report.outage.iter().flat_map(outage));
    let raw = report.raw.posts_per_second;
    rows.extend(report.thirds.iter().zip(1..).map(|(part, number)| third(part, number, raw)));
    rows.extend(report.soak.iter().flat_map(soak));
    output::aligned(&rows)
}

fn row(name: &str, value: String, detail: String) -> Row {
    [name.to_owned(), value, detail]
}

fn third(third: &Third, number: u32, raw: f64) -> Row {
    let [events, deliveries] = [third.accepted_per_second, third.delivered_per_second].map(shown);
    let share = percent(ratio(third.delivered_per_second, raw));
    let rates = format!("{events} events/s, {deliveries} deliveries/s, {share} of raw");
    let without = third.store_bytes_per_event_without_records;
    let without = without.map_or_else(String::new, |bytes| format!(", {} without records", shown(bytes)));
    let (memory, store) = (bytes(third.rss_bytes), bytes(third.store_bytes));
    let per_event = shown(third.store_bytes_per_event);
    row(&format!("third {number}"), rates, {
        format!("memory {memory}, store {store}: {per_event} B an event{without}")
    })
}

fn soak(soak: &Soak) -> Vec<Row> {
    let dedupe = soak.dedupe_bytes.map_or_else(|| "unknown".to_owned(), bytes);
    let without = soak.store_bytes_per_event_without_dedupe;
    let without = without.map_or_else(|| "unknown".to_owned(), |bytes| format!("{} B", shown(bytes)));
    let memory = format!("memory {} at first", bytes(soak.rss_first_bytes));
    vec![
        row("over time", memory, format!("{} at last", bytes(soak.rss_last_bytes))),
        row("store", format!("{} B an event", shown(soak.store_bytes_per_event)), {
            format!("{without} without dedupe records, which are {dedupe}")
        }),
    ]
}

fn machine(report: &Report) -> Vec<Row> {
    let (machine, floor, raw) = (&report.machine, &report.floor, &report.raw);
    let on = machine.filesystem.as_deref().unwrap_or("an unknown filesystem");
    let free = if machine.syncs_are_free { " (syncs are free there)" } else { "" };
    let load = machine.load_average.map_or_else(String::new, |[one, ..]| format!(", load {one} before"));
    vec![
        row(
            "machine",
            format!("{} cores{load}", machine.cores),
            format!("{} build, store on {on}{free}", machine.build),
        ),
        row("floor", format!("{} ms", shown(floor.sum_ms)), {
            let paced = floor.paced_sum_ms;
            let paced = paced.map_or_else(String::new, |ms| format!("; {} ms at the run's pace", shown(ms)));
            let (sync, round_trip) = (shown(floor.sync_ms), shown(floor.round_trip_ms));
            format!("fdatasync {sync} + raw round trip {round_trip} ms{paced}")
        }),
        row("raw ceiling", format!("{} posts/s", shown(raw.posts_per_second)), {
            format!("{}; {}", times(raw.answer_ms), busy(&raw.cores))
        }),
    ]
}

fn broker(report: &Report) -> Vec<Row> {
    let (broker, ratios) = (&report.broker, &report.ratios);
    let share = |share: f64| format!("{} of raw", percent(share));
    let floor = ratios.p50_to_floor.map_or_else(String::new, |ratio| {
        let paced = ratios.p50_to_paced_floor;
        let paced = paced.map_or_else(String::new, |ratio| format!(", {} x at its pace", shown(ratio)));
        format!("p50 is {} x the floor{paced}; sent {} late", shown(ratio), p99(broker.late_ms))
    });
    let unknown = || "unknown".to_owned();
    let cpu = broker.cpu_us_per_delivery.map_or_else(unknown, |us| format!("{} us a delivery", shown(us)));
    let times_raw = ratios.cpu_to_raw;
    let times_raw = times_raw.map_or_else(String::new, |times| format!("{} x a raw post; ", shown(times)));
    let written = broker.written_bytes_per_event;
    let written = written.map_or_else(unknown, |bytes| format!("{} B an event", shown(bytes)));
    let journal = broker.journal_behind_ms;
    let journal = journal.map_or_else(
        || "the journal did not catch up".to_owned(),
        |behind| format!("journal complete within {} ms of the last delivery", shown(behind)),
    );
    let mut rows = vec![
        row("accepted", format!("{} events/s", shown(broker.accepted_per_second)), {
            format!("{}; {}", share(ratios.accepted_to_raw), times(broker.answer_ms))
        }),
        row("delivered", format!("{} deliveries/s", shown(broker.delivered_per_second)), {
            share(ratios.delivered_to_raw)
        }),
        row("end to end", times(broker.end_to_end_ms), floor),
        row("missing", format!("{} of {}", broker.missing, broker.expected), {
            format!("{} repeated, {} failed on purpose", broker.repeated, broker.failed_on_purpose)
        }),
        row("cpu", cpu, format!("{times_raw}{}", busy(&broker.cores))),
        row("memory", format!("{} at the peak", bytes(broker.rss_peak_bytes)), String::new()),
        row("disk", written, format!("store {} at the end; {journal}", bytes(broker.store_bytes))),
    ];
    if broker.lost_posts() > 0 {
        let statuses = broker.refused.iter().map(|(status, count)| format!("{status}: {count}"));
        let mut reasons: Vec<String> = statuses.collect();
        reasons.push(format!("unanswered: {}", broker.unanswered));
        rows.push(row("refused", format!("{} events", broker.lost_posts()), reasons.join(", ")));
    }
    if broker.strange > 0 {
        rows.push(row("strange", format!("{} requests at the receiver", broker.strange), String::new()));
    }
    rows
}

fn outage(outage: &Outage) -> Vec<Row> {
    let after = |what: &str, span: Option<f64>| {
        span.map_or_else(|| format!("{what} never came"), |ms| format!("{what} after {} ms", shown(ms)))
    };
    vec![
        row("backlog", format!("memory {}", bytes(outage.rss_full_bytes)), {
            let (peak, store) = (bytes(outage.rss_full_peak_bytes), bytes(outage.store_full_bytes));
            format!("peak {peak}, store {store}, {} us of CPU an event", shown(outage.cpu_us_per_event))
        }),
        row("killed", format!("ready after {} ms", shown(outage.ready_ms)), {
            format!("memory {}", bytes(outage.rss_ready_bytes))
        }),
        row("endpoints back", after("first delivery", outage.first_delivery_ms), {
            after("the last one", outage.drained_ms)
        }),
    ]
}

fn times(times: Option<Quantiles>) -> String {
    times.map_or_else(
        || "no times".to_owned(),
        |times| {
            let [p50, p99, p999] = [times.p50, times.p99, times.p999].map(shown);
            format!("p50 {p50}  p99 {p99}  p99.9 {p999} ms")
        },
    )
}

fn p99(times: Option<Quantiles>) -> String {
    times.map_or_else(|| "no post".to_owned(), |times| format!("p99 {} ms", shown(times.p99)))
}

fn busy(cores: &Cores) -> String {
    let broker = cores.broker.map(|broker| format!("broker {}, ", shown(broker))).unwrap_or_default();
    format!("cores busy: {broker}generator {}, receiver {}", shown(cores.generator), shown(cores.receiver))
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::cli::bench::report::tests::report_of;

    #[test]
    fn people_see_columns() {
        let third = Third {
            accepted_per_second: 100.0,
            delivered_per_second: 500.0,
            rss_bytes: 1 << 20,
            store_bytes: 2 << 20,
            store_bytes_per_event: 1_500.0,
            store_bytes_per_event_without_records: Some(1_400.0),
        };
        let soak = Soak {
            rss_first_bytes: 1 << 20,
            rss_last_bytes: 2 << 20,
            store_bytes_per_event: 1_500.0,
            store_bytes_per_event_without_dedupe: Some(1_450.0),
            dedupe_bytes: Some(50_000),
        };
        let outage = Outage {
            rss_full_bytes: 10 << 20,
            rss_full_peak_bytes: 20 << 20,
            store_full_bytes: 30 << 20,
            cpu_us_per_event: 12.5,
            ready_ms: 321.0,
            rss_ready_bytes: 15 << 20,
            first_delivery_ms: Some(45.6),
            drained_ms: None,
        };
        let report = Report { thirds: vec![third], soak: Some(soak), outage: Some(outage), ..report_of(0.5) };
        assert_snapshot!(lines(&report).join("\n"), @r"
        machine         2 cores, load 0.5 before                      release build, store on ext4
        floor           0.600 ms                                      fdatasync 0.500 + raw round trip 0.100 ms; 1.20 ms at the run's pace
        raw ceiling     200 posts/s                                   p50 1.00  p99 1.00  p99.9 1.00 ms; cores busy: generator 0.200, receiver 0.200
        accepted        200 events/s                                  100 % of raw; p50 1.00  p99 1.00  p99.9 1.00 ms
        delivered       199 deliveries/s                              99.5 % of raw
        end to end      p50 4.00  p99 4.00  p99.9 4.00 ms             p50 is 6.67 x the floor, 3.33 x at its pace; sent p99 0.001 ms late
        missing         10 of 2000                                    3 repeated, 0 failed on purpose
        cpu             4,523 us a delivery                           2.26 x a raw post; cores busy: broker 0.800, generator 0.100, receiver 0.200
        memory          2.00 MiB at the peak
        disk            9,437 B an event                              store 3.00 MiB at the end; journal complete within 1,000 ms of the last delivery
        backlog         memory 10.0 MiB                               peak 20.0 MiB, store 30.0 MiB, 12.5 us of CPU an event
        killed          ready after 321 ms                            memory 15.0 MiB
        endpoints back  first delivery after 45.6 ms                  the last one never came
        third 1         100 events/s, 500 deliveries/s, 250 % of raw  memory 1.00 MiB, store 2.00 MiB: 1,500 B an event, 1,400 without records
        over time       memory 1.00 MiB at first                      2.00 MiB at last
        store           1,500 B an event                              1,450 B without dedupe records, which are 48.8 KiB
        ");
    }
}
