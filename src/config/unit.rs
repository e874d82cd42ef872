//! Durations such as `15s` and sizes such as `1MiB`, as people write them.
//!
//! A duration always has a unit; a size may be a plain number of bytes. Sums are allowed in
//! durations (`1h30m`).

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserializer, Visitor};

/// Units of time, largest first, in milliseconds.
const SPANS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
/// Units of size in bytes.
const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

/// Why a text is no duration or no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    /// No number where one must stand.
    #[error("must be {wanted}")]
    Shape {
        /// What was wanted, with examples.
        wanted: &'static str,
    },
    /// A number without its unit, or with one nobody knows.
    #[error("has the unit `{unit}`, but must have one of {known}")]
    Unit {
        /// The unit as written.
        unit: String,
        /// The units there are.
        known: &'static str,
    },
    /// More than fits.
    #[error("is too large")]
    TooLarge,
}

const SPAN_WANTED: &str = "a duration with its unit, such as 250ms, 15s, 5m, 72h or 30d";
const SIZE_WANTED: &str = "a size, such as 1MiB, 64KiB or a number of bytes";

/// Reads a duration such as `15s`, `250ms` or `1h30m`.
pub fn parse_span(text: &str) -> Result<Duration, InvalidUnit> {
    let mut rest = text.trim();
    let mut total: u64 = 0;
    if rest.is_empty() {
        return Err(InvalidUnit::Shape { wanted: SPAN_WANTED });
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest, SPAN_WANTED)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit = unit.trim();
        if unit.is_empty() {
            return Err(InvalidUnit::Shape { wanted: SPAN_WANTED });
        }
        let factor = lookup(&SPANS, unit)
            .ok_or_else(|| InvalidUnit::Unit { unit: unit.to_owned(), known: "ms, s, m, h, d" })?;
        let part = number.checked_mul(factor).ok_or(InvalidUnit::TooLarge)?;
        total = total.checked_add(part).ok_or(InvalidUnit::TooLarge)?;
        rest = next;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a size for people, with one digit behind the point: `1.5 MiB`.
pub fn show_size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1_u64 << 10)];
    match units.into_iter().find(|(_, unit)| bytes >= *unit) {
        None => format!("{bytes} B"),
        Some((name, unit)) => {
            format!("{}.{} {name}", bytes / unit, u128::from(bytes % unit) * 10 / u128::from(unit))
        }
    }
}

/// Reads a size such as `1MiB`, `500kB` or `4096`.
pub fn parse_size(text: &str) -> Result<u64, InvalidUnit> {
    let (number, unit) = leading_number(text.trim(), SIZE_WANTED)?;
    let unit = unit.trim();
    let factor = if unit.is_empty() { Some(1) } else { lookup(&SIZES, unit) };
    let factor = factor
        .ok_or_else(|| InvalidUnit::Unit { unit: unit.to_owned(), known: "B, KiB, MiB, GiB, kB, MB, GB" })?;
    number.checked_mul(factor).ok_or(InvalidUnit::TooLarge)
}

fn leading_number<'a>(text: &'a str, wanted: &'static str) -> Result<(u64, &'a str), InvalidUnit> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return Err(InvalidUnit::Shape { wanted });
    }
    digits.parse().map(|number| (number, rest)).map_err(|_| InvalidUnit::TooLarge)
}

fn lookup(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// `span` in the largest unit that divides it, such as `90s` or `2h`.
pub fn show_span(span: Duration) -> String {
    let ms = crate::domain::time::millis(span);
    let whole = SPANS.iter().find(|(_, factor)| ms > 0 && ms.is_multiple_of(*factor));
    whole.map_or_else(|| "0s".to_owned(), |(unit, factor)| format!("{}{unit}", ms / factor))
}

struct SpanVisitor;

impl Visitor<'_> for SpanVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SPAN_WANTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_span(text).map_err(E::custom)
    }
}

struct SizeVisitor;

impl Visitor<'_> for SizeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SIZE_WANTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse_size(text).map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<u64, E> {
        Ok(bytes)
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::custom(InvalidUnit::Shape { wanted: SIZE_WANTED }))
    }
}

/// Deserializes a duration.
pub fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(SpanVisitor)
}

/// Deserializes a duration that may be left out.
pub fn optional_span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    span(deserializer).map(Some)
}

/// Deserializes a size in bytes.
pub fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    deserializer.deserialize_any(SizeVisitor)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_shown_in_the_unit_that_fits() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            ((1 << 20) - 1, "1023.9 KiB"),
            (3 << 19, "1.5 MiB"),
            (u64::MAX, "17179869183.9 GiB"),
        ] {
            assert_eq!(show_size(bytes), text);
        }
    }

    #[test]
    fn durations_read_as_people_write_them() {
        for (text, ms) in [
            ("250ms", 250),
            ("15s", 15_000),
            ("5m", 300_000),
            ("72h", 259_200_000),
            ("3d", 259_200_000),
            ("1h30m", 5_400_000),
            (" 0s ", 0),
        ] {
            assert_eq!(parse_span(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn a_wrong_duration_says_what_was_wanted() {
        for (text, message) in [
            ("", "must be a duration with its unit"),
            ("15", "must be a duration with its unit"),
            ("s", "must be a duration with its unit"),
            ("-5s", "must be a duration with its unit"),
            ("5 weeks", "has the unit `weeks`, but must have one of ms, s, m, h, d"),
            ("1.5s", "has the unit `.`"),
            ("99999999999999999999s", "is too large"),
            ("18446744073709551615d", "is too large"),
        ] {
            let error = parse_span(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_read_in_binary_and_decimal_units() {
        for (text, bytes) in
            [("1MiB", 1 << 20), ("64 KiB", 1 << 16), ("4096", 4096), ("2GB", 2_000_000_000), ("7B", 7)]
        {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1mib", "1TB", "1.5MiB", "99999999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_shown_duration_reads_back(ms in 0_u64..10_000_000_000) {
            let span = Duration::from_millis(ms);
            prop_assert_eq!(parse_span(&show_span(span)), Ok(span));
        }

        #[test]
        fn no_text_breaks_the_parsers(text in ".{0,24}") {
            let _ = (parse_span(&text), parse_size(&text));
        }
    }
}
