//! Dead letters that died of the same: receiver, reason, status and, where there was no status, the error.
//!
//! Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::cli::output::Paint;

/// Types that a group names.
const TYPES_MAX: usize = 4;
/// Characters of an error that are shown.
const ERROR_CHARS_MAX: usize = 100;

/// One group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cause {
    receiver: String,
    reason: String,
    status: Option<u64>,
    /// The transport's error, or the beginning of the newest answer.
    error: Option<String>,
    count: u64,
    /// When the events were accepted.
    oldest: String,
    newest: String,
    /// By how many of each.
    event_types: BTreeMap<String, u64>,
    /// The newest one.
    example: String,
}

impl Cause {
    /// The groups of `letters`, which come newest first; the largest first.
    pub(super) fn group(letters: &[Value]) -> Vec<Self> {
        let mut groups: BTreeMap<(String, String, Option<u64>, String), Self> = BTreeMap::new();
        for letter in letters {
            let word = |name: &str| letter[name].as_str().unwrap_or("-").to_owned();
            let status = letter["lastStatus"].as_u64();
            let error = letter["lastError"].as_str().map(short);
            // Answers differ in every word; what the transport says doesn't.
            let by_error = if status.is_some() { String::new() } else { error.clone().unwrap_or_default() };
            let key = (word("receiver"), word("reason"), status, by_error);
            let group = groups.entry(key).or_insert_with(|| Self {
                receiver: word("receiver"),
                reason: word("reason"),
                status,
                error,
                count: 0,
                oldest: word("acceptedAt"),
                newest: word("acceptedAt"),
                event_types: BTreeMap::new(),
                example: word("deliveryId"),
            });
            group.count += 1;
            group.oldest = word("acceptedAt");
            *group.event_types.entry(word("eventType")).or_default() += 1;
        }
        let mut groups: Vec<Self> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        groups
    }

    /// How many, to whom, and of what.
    pub(super) fn heading(&self, paint: Paint) -> String {
        let status = self.status.map(|status| format!(" {status}")).unwrap_or_default();
        let to = paint.strong(&self.receiver);
        format!("{:>5}  {to}  {}", self.count, paint.bad(&format!("{}{status}", self.reason)))
    }

    /// Whatever else helps to tell it from the others.
    pub(super) fn details(&self) -> Vec<String> {
        let mut types: Vec<(&String, &u64)> = self.event_types.iter().collect();
        types.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let more = types.len().saturating_sub(TYPES_MAX);
        let mut named: Vec<String> =
            types.iter().take(TYPES_MAX).map(|(name, count)| format!("{count} {name}")).collect();
        if more > 0 {
            named.push(format!("{more} more types"));
        }
        let mut lines: Vec<String> = self.error.iter().map(|error| format!("     {error}")).collect();
        lines.push(format!("     {}", named.join(", ")));
        lines.push(format!("     from {} to {}, such as {}", self.oldest, self.newest, self.example));
        lines
    }
}

fn short(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn letter(receiver: &str, status: Option<u16>, error: &str, n: u32) -> Value {
        json!({
            "receiver": receiver, "reason": "exhausted", "lastStatus": status, "lastError": error,
            "acceptedAt": format!("2026-04-16T12:00:{n:02}Z"), "eventType": format!("t.{}", n % 2),
            "deliveryId": format!("dlv_{n}"),
        })
    }

    #[test]
    fn what_died_of_the_same_is_one_group_and_the_largest_comes_first() {
        let groups = Cause::group(&[
            letter("a", None, "connection refused", 9),
            letter("b", Some(500), "oops 2", 8),
            letter("b", Some(500), "oops 1", 7),
            letter("b", Some(404), "oops", 6),
            letter("a", None, "timed out", 5),
            letter("b", Some(500), "oops 3", 4),
        ]);
        let told: Vec<String> = groups.iter().map(|group| group.heading(Paint::default())).collect();
        assert_eq!(
            told,
            [
                "    3  b  exhausted 500",
                "    1  a  exhausted",
                "    1  a  exhausted",
                "    1  b  exhausted 404"
            ]
        );
        let first = &groups[0];
        assert_eq!((first.oldest.as_str(), first.example.as_str()), ("2026-04-16T12:00:04Z", "dlv_8"));
        assert_eq!(first.error.as_deref(), Some("oops 2"), "the newest");
        assert_eq!(first.details()[1].trim(), "2 t.0, 1 t.1");
    }
}
