//! One line for each event on a timeline, in Spanish and English, made of the event's own data.
//!
//! Pure. A pattern quotes fields as `{name}`, `{name|cents}` or `{this/or_that}`; what stands in brackets is
//! left out if a field in it is missing. A line that quoted fewer than two fields goes on with others, so
//! that an event of a shape nobody foresaw still says something. Amounts keep the unit that their field has:
//! nothing is converted but cents, and where no document gives a unit none is claimed.

mod table;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value;

pub(super) use table::Unit;
use table::{LINES, Pattern};

use crate::hub::Event;
use crate::hub::event::text;

/// Longest quotation of one field, in characters.
const QUOTE_CHARS_MAX: usize = 80;
/// Fields that every line quotes, where the event has them.
const QUOTES_MIN: usize = 2;
/// What an amount is in that names no currency.
const CURRENCY: &str = "MXN";

/// One event's lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) es: String,
    pub(super) en: String,
    pub(super) amount: Option<Amount>,
}

/// An amount as the event gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    /// The number as it was written.
    pub(super) value: String,
    pub(super) unit: Unit,
    pub(super) currency: Option<String>,
}

/// The patterns, read once.
pub(super) struct Lines {
    by_type: HashMap<&'static str, Read>,
    other: Read,
}

struct Read {
    es: Vec<Piece>,
    en: Vec<Piece>,
    amount: Option<(&'static [&'static str], Unit)>,
}

/// A part of a pattern.
enum Piece {
    Text(&'static str),
    Field(Vec<&'static str>, Option<Unit>),
    Optional(Vec<Piece>),
}

impl Lines {
    pub(super) fn new() -> Self {
        let other = Pattern { event_type: "", es: "{}", en: "{}", amount: None };
        Self {
            by_type: LINES.iter().map(|pattern| (pattern.event_type, Read::of(pattern))).collect(),
            other: Read::of(&other),
        }
    }

    /// The lines of `event`.
    pub(super) fn of(&self, event: &Event<'_>) -> Line {
        let read = self.by_type.get(event.event_type.as_str()).unwrap_or(&self.other);
        let amount = read.amount.and_then(|(names, unit)| {
            let number = names.iter().find_map(|name| event.field(name))?.as_number()?;
            let currency = event.text(&["currency"]).map(Cow::into_owned);
            Some(Amount { value: number.to_string(), unit, currency })
        });
        Line { es: write(event, &read.es), en: write(event, &read.en), amount }
    }

    /// Whether the type has lines of its own.
    #[cfg(test)]
    pub(super) fn knows(&self, event_type: &str) -> bool {
        self.by_type.contains_key(event_type)
    }
}

impl Read {
    fn of(pattern: &Pattern) -> Self {
        Self { es: pieces(pattern.es), en: pieces(pattern.en), amount: pattern.amount }
    }
}

/// Reads a pattern.
fn pieces(mut pattern: &'static str) -> Vec<Piece> {
    let mut found = Vec::new();
    while let Some(at) = pattern.find(['{', '[']) {
        let (text, rest) = pattern.split_at(at);
        if !text.is_empty() {
            found.push(Piece::Text(text));
        }
        let (open, rest) = rest.split_at(1);
        let close = if open == "{" { '}' } else { ']' };
        let (inner, rest) = rest.split_once(close).unwrap_or((rest, ""));
        found.push(if open == "{" { field(inner) } else { Piece::Optional(pieces(inner)) });
        pattern = rest;
    }
    if !pattern.is_empty() {
        found.push(Piece::Text(pattern));
    }
    found
}

fn field(inner: &'static str) -> Piece {
    let (names, unit) = match inner.split_once('|') {
        Some((names, "cents")) => (names, Some(Unit::Cents)),
        Some((names, "mxn")) => (names, Some(Unit::Mxn)),
        Some((names, _)) => (names, Some(Unit::Unstated)),
        None => (inner, None),
    };
    Piece::Field(names.split('/').filter(|name| !name.is_empty()).collect(), unit)
}

/// A line under way.
struct Writer<'a, 'e> {
    event: &'a Event<'e>,
    line: String,
    quoted: Vec<&'a str>,
}

fn write(event: &Event<'_>, pieces: &[Piece]) -> String {
    compose(event, pieces).line
}

fn compose<'a, 'e>(event: &'a Event<'e>, pieces: &'a [Piece]) -> Writer<'a, 'e> {
    let mut writer = Writer { event, line: String::with_capacity(96), quoted: Vec::new() };
    for piece in pieces {
        if writer.piece(piece).is_none() {
            writer.line.push('?');
        }
    }
    writer.fill_up();
    writer
}

impl<'a> Writer<'a, '_> {
    /// Writes a piece; none if a field of it is missing.
    fn piece(&mut self, piece: &'a Piece) -> Option<()> {
        match piece {
            Piece::Text(text) => self.line.push_str(text),
            Piece::Field(names, _) if names.is_empty() => self.line.push_str(self.event.event_type.as_str()),
            Piece::Field(names, unit) => {
                let event = self.event;
                let (name, value) = names.iter().find_map(|name| {
                    let value = event.field(name)?;
                    text(value).or_else(|| words(value)).map(|_| (*name, value))
                })?;
                let currency = event.text(&["currency"]);
                self.line.push_str(&shown(value, *unit, currency.as_deref()));
                self.quoted.push(name.split('.').next().unwrap_or(name));
            }
            Piece::Optional(pieces) => {
                let (length, quoted) = (self.line.len(), self.quoted.len());
                if pieces.iter().try_for_each(|piece| self.piece(piece)).is_none() {
                    self.line.truncate(length);
                    self.quoted.truncate(quoted);
                }
            }
        }
        Some(())
    }

    /// Quotes further fields of the event, in its own order, until there are enough.
    fn fill_up(&mut self) {
        let Value::Object(fields) = &self.event.data else { return };
        for (name, value) in fields {
            if self.quoted.len() >= QUOTES_MIN {
                return;
            }
            let shown = text(value).or_else(|| words(value)).map(|text| cut(&text));
            if let Some(shown) = shown.filter(|_| !self.quoted.contains(&name.as_str())) {
                // Writing to a text never fails.
                let _ = write!(self.line, " · {}: {shown}", cut(name));
                self.quoted.push("");
            }
        }
    }
}

/// What is no text and no number: yes, no, or how many.
fn words(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::Bool(yes) => Some(Cow::Borrowed(if *yes { "✓" } else { "✗" })),
        Value::Array(items) if !items.is_empty() => Some(Cow::Owned(items.len().to_string())),
        _ => None,
    }
}

fn shown(value: &Value, unit: Option<Unit>, currency: Option<&str>) -> String {
    let number = value.as_number().map(ToString::to_string);
    match (unit, number) {
        (Some(unit), Some(number)) => money(&number, unit, currency),
        _ => text(value).or_else(|| words(value)).map(|text| cut(&text)).unwrap_or_default(),
    }
}

/// An amount in its own unit.
fn money(number: &str, unit: Unit, currency: Option<&str>) -> String {
    let name = currency.map_or_else(|| CURRENCY.to_owned(), cut);
    match unit {
        Unit::Cents => match number.parse::<i128>() {
            Ok(cents) => {
                let sign = if cents < 0 { "-" } else { "" };
                let cents = cents.unsigned_abs();
                format!("{sign}${}.{:02} {name}", grouped(&(cents / 100).to_string()), cents % 100)
            }
            Err(_) => format!("{number} ¢ {name}"),
        },
        Unit::Mxn => {
            let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
            let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
            format!("{sign}${}.{fraction:0<2} {name}", grouped(whole))
        }
        // A currency says what is counted, not in which unit.
        Unit::Unstated => {
            currency.map_or_else(|| number.to_owned(), |name| format!("{number} ({})", cut(name)))
        }
    }
}

/// Digits in groups of three.
fn grouped(digits: &str) -> String {
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return digits.to_owned();
    }
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// One line of at most so many characters.
fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    match text.char_indices().nth(QUOTE_CHARS_MAX) {
        None => text.chars().map(plain).collect(),
        Some((end, _)) => text[..end].chars().map(plain).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests;
