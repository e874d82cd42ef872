//! Cursors of lists that are ordered by a number and a name, both falling.

/// Some items of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; none on the last one.
    pub next: Option<String>,
}

/// A place in a list: what comes behind it is smaller.
pub(in crate::hub) struct Cursor {
    pub(in crate::hub) at: i64,
    pub(in crate::hub) name: String,
}

impl Cursor {
    /// Reads a cursor, or begins before everything. None for what no list gave out.
    pub(in crate::hub) fn read(text: Option<&str>) -> Option<Self> {
        let Some(text) = text else { return Some(Self { at: i64::MAX, name: "\u{10ffff}".to_owned() }) };
        let (at, name) = text.split_once('.').unwrap_or((text, ""));
        Some(Self { at: at.parse().ok()?, name: name.to_owned() })
    }
}

/// The page of `rows`, of which one more than `limit` was asked for.
pub(in crate::hub) fn page<T>(mut rows: Vec<T>, limit: usize, place: impl Fn(&T) -> Cursor) -> Found<T> {
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(place);
    let next =
        next.map(|Cursor { at, name }| if name.is_empty() { at.to_string() } else { format!("{at}.{name}") });
    Found { items: rows, next }
}
