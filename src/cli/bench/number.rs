//! The report's arithmetic, and how its numbers look to people.

use std::time::Duration;

/// A count as a fraction has it; beyond nine million billions it is rounded.
#[expect(clippy::cast_precision_loss, reason = "no run counts that far")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// `part` of `whole`; zero of nothing.
pub(super) fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// `count` a second, between two instants in nanoseconds.
pub(super) fn per_second(count: u64, from_ns: u64, to_ns: u64) -> f64 {
    let span = Duration::from_nanos(to_ns.saturating_sub(from_ns));
    ratio(float(count), span.as_secs_f64())
}

/// Milliseconds with their fraction.
pub(super) fn ms(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// A number with as many digits as it deserves, and a comma at every third place.
pub(super) fn shown(value: f64) -> String {
    let digits = match value.abs() {
        size if size < 1.0 => 3,
        size if size < 10.0 => 2,
        size if size < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let whole = text.find('.').unwrap_or(text.len());
    let mut shown = String::with_capacity(text.len() + 4);
    for (at, digit) in text.char_indices() {
        if at > 0 && at < whole && (whole - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A size in the unit that fits.
pub(super) fn bytes(size: u64) -> String {
    about_bytes(float(size))
}

/// The same of a size that was computed.
pub(super) fn about_bytes(size: f64) -> String {
    let units =
        [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)].map(|(name, unit)| (name, float(unit)));
    let fitting = units.into_iter().find(|(_, unit)| size >= *unit);
    fitting.map_or_else(|| format!("{size:.0} B"), |(name, unit)| format!("{} {name}", shown(size / unit)))
}

/// A share as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", shown(share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_they_deserve() {
        for (value, text) in [
            (0.0, "0.000"),
            (0.1234, "0.123"),
            (9.876, "9.88"),
            (56.78, "56.8"),
            (567.8, "568"),
            (5_678.0, "5,678"),
            (1_234_567.8, "1,234,568"),
        ] {
            assert_eq!(shown(value), text);
        }
        assert_eq!([bytes(12), bytes(2_048), bytes(3 << 29)], ["12 B", "2.00 KiB", "1.50 GiB"]);
        assert_eq!(percent(0.086), "8.60 %");
    }

    #[test]
    fn rates_and_ratios_of_nothing_are_zero() {
        assert_eq!(per_second(500, 1_000_000_000, 3_000_000_000).to_bits(), 250_f64.to_bits());
        assert_eq!(per_second(500, 3, 3).to_bits(), 0_f64.to_bits());
        assert_eq!(ratio(1.0, 0.0).to_bits(), 0_f64.to_bits());
    }
}
