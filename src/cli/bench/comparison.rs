//! Several runs beside each other: the median of every figure, and from where to where it went.
//!
//! As JSON it begins like the report of a single run, its last one, so that whoever reads the one can read
//! the other.

use std::collections::BTreeMap;

use serde::Serialize;

use super::campaign::{Campaign, ISOLATION};
use super::figure::{END_TO_END_P99, FIGURES, Figure};
use super::number::{ratio, shown};
use super::report::Report;

/// What came of a campaign of several runs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Comparison {
    #[serde(flatten)]
    last: Report,
    cases: Vec<Compared>,
    isolation: Option<Isolation>,
}

/// A case and its runs.
#[derive(Clone, Debug, Serialize)]
struct Compared {
    name: String,
    figures: BTreeMap<&'static str, Spread>,
    runs: Vec<Report>,
}

/// A figure over the runs of a case.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Spread {
    /// Of `values`; `None` of nothing.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }
}

/// What dead and hanging endpoints cost the others.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Isolation {
    /// The median p99 end to end of the others, without them.
    p99_without_ms: f64,
    /// The same with them.
    p99_with_ms: f64,
    /// The second to the first.
    p99_with_to_without: f64,
}

impl Comparison {
    /// Of `runs`, in the order of `campaign`; `None` of no run.
    pub(super) fn new(campaign: &Campaign, runs: Vec<Report>) -> Option<Self> {
        let last = runs.last()?.clone();
        let mut by_case: Vec<Vec<Report>> = vec![Vec::new(); campaign.cases.len()];
        for (case, run) in campaign.order().zip(runs) {
            by_case[case].push(run);
        }
        let cases: Vec<Compared> = campaign
            .cases
            .iter()
            .zip(by_case)
            .map(|(case, runs)| Compared { name: case.name.clone(), figures: figures(&runs), runs })
            .collect();
        let isolation = isolation(&cases);
        Some(Self { last, cases, isolation })
    }

    /// A line for each figure, with a column for each case.
    pub(super) fn lines(&self) -> Vec<String> {
        let title = |runs: usize| if runs > 1 { format!("medians of {runs} runs") } else { String::new() };
        let mut header = vec![title(self.cases.first().map_or(0, |case| case.runs.len()))];
        header.extend(self.cases.iter().map(|case| case.name.clone()));
        let mut rows = vec![header];
        for figure in FIGURES {
            let cells: Vec<_> = self.cases.iter().map(|case| cell(figure, case)).collect();
            if cells.iter().any(Option::is_some) {
                let known = cells.into_iter().map(Option::unwrap_or_default);
                rows.push(std::iter::once(figure.title.to_owned()).chain(known).collect());
            }
        }
        let mut lines = aligned(&rows);
        lines.retain(|line| !line.is_empty());
        lines.extend(self.isolation.map(|found| {
            let Isolation { p99_without_ms, p99_with_ms, p99_with_to_without } = found;
            let [without, with, times] = [p99_without_ms, p99_with_ms, p99_with_to_without].map(shown);
            format!("isolation: p99 of the others is {with} ms with, {without} ms without: {times} x")
        }));
        lines
    }
}

fn figures(runs: &[Report]) -> BTreeMap<&'static str, Spread> {
    let spread = |figure: &Figure| {
        Some((figure.key, Spread::of(runs.iter().filter_map(|run| (figure.of)(run)).collect())?))
    };
    FIGURES.iter().filter_map(spread).collect()
}

fn isolation(cases: &[Compared]) -> Option<Isolation> {
    let p99 = |name| {
        let case = cases.iter().find(|case| case.name == name)?;
        Some(case.figures.get(END_TO_END_P99)?.median)
    };
    let [without, with] = ISOLATION.map(p99);
    let (p99_without_ms, p99_with_ms) = (without?, with?);
    Some(Isolation { p99_without_ms, p99_with_ms, p99_with_to_without: ratio(p99_with_ms, p99_without_ms) })
}

/// A figure of a case: the median, and behind it the range when there is one.
fn cell(figure: &Figure, case: &Compared) -> Option<String> {
    let Spread { median, min, max } = case.figures.get(figure.key)?;
    let median = figure.unit.show(*median);
    if case.runs.len() < 2 {
        return Some(median);
    }
    let [min, max] = [min, max].map(|value| figure.unit.show(*value));
    Some(format!("{median} ({min} to {max})"))
}

/// As many columns as there are cases.
fn aligned(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(move |row| row.get(column)).map(|cell| cell.chars().count());
    let widths: Vec<usize> = (0..columns).map(|column| width(column).max().unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::cli::bench::plan::tests::args;
    use crate::cli::bench::report::tests::report_of;

    fn comparison(line: &str, loads: &[f64]) -> Comparison {
        let campaign = Campaign::of(&args(line).unwrap()).unwrap();
        assert_eq!(campaign.runs(), loads.len());
        Comparison::new(&campaign, loads.iter().map(|load| report_of(*load)).collect()).unwrap()
    }

    #[test]
    fn a_median_is_in_the_middle() {
        for (values, wanted) in
            [(vec![3.0, 1.0, 2.0], [2.0, 1.0, 3.0]), (vec![4.0, 1.0, 2.0, 3.0], [2.5, 1.0, 4.0])]
        {
            let spread = Spread::of(values).unwrap();
            assert_eq!([spread.median, spread.min, spread.max].map(f64::to_bits), wanted.map(f64::to_bits));
        }
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn each_run_goes_to_its_case_and_the_json_begins_with_the_last_one() {
        let found = comparison("--hang 1 --repeat 2", &[1.0, 2.0, 3.0, 6.0]);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["cases"][0]["figures"]["loadBefore"]["median"], 2.0);
        assert_eq!(json["cases"][1]["figures"]["loadBefore"]["median"], 4.0);
        assert_eq!(json["cases"][1]["runs"][1]["machine"]["loadAverage"][0], 6.0);
        assert_eq!(json["machine"]["loadAverage"][0], 6.0);
        assert_eq!(json["isolation"]["p99WithToWithout"], 1.0);
    }

    #[test]
    fn people_see_a_column_for_each_case() {
        let found = comparison("--endpoints 5,50", &[1.0, 2.0]);
        assert_snapshot!(found.lines().join("\n"), @r"
                                 5 endpoints  50 endpoints
        load before              1.00         2.00
        floor                    0.600 ms     0.600 ms
          at the run's pace      1.20 ms      1.20 ms
        raw posts                200/s        200/s
        accepted                 200/s        200/s
          of raw                 100 %        100 %
        delivered                199/s        199/s
          of raw                 99.5 %       99.5 %
        answer p50               1.00 ms      1.00 ms
        answer p99               1.00 ms      1.00 ms
        end to end p50           4.00 ms      4.00 ms
          to the floor           6.67 x       6.67 x
          to that at its pace    3.33 x       3.33 x
        end to end p99           4.00 ms      4.00 ms
          to the floor           6.67 x       6.67 x
        end to end p99.9         4.00 ms      4.00 ms
        time to accept an event  5,000 us     5,000 us
        time to deliver one      5,025 us     5,025 us
        cpu an event             9,000 us     9,000 us
        cpu a delivery           4,523 us     4,523 us
          to a raw post          2.26 x       2.26 x
        memory at the peak       2.00 MiB     2.00 MiB
        written an event         9.22 KiB     9.22 KiB
        store                    3.00 MiB     3.00 MiB
        journal behind           1,000 ms     1,000 ms
        ");
    }

    #[test]
    fn people_see_medians_and_what_isolation_came_to() {
        let lines = comparison("--dead 1 --repeat 3", &[0.1, 1.0, 0.2, 3.0, 0.4, 2.0]).lines();
        assert_snapshot!([&lines[..2], &lines[lines.len() - 1..]].concat().join("\n"), @r"
        medians of 3 runs        without                          with
        load before              0.200 (0.100 to 0.400)           2.00 (1.00 to 3.00)
        isolation: p99 of the others is 4.00 ms with, 4.00 ms without: 1.00 x
        ");
    }
}
