//! The remarks of a hint, in parentheses: which of them are rules, and which are only words.
//!
//! Never fails: what is no rule is kept as a remark for people.

use serde_json::{Map, Value, json};

const OPEN_MARKS: [&str; 4] = ["etc", "etc.", "...", "…"];

/// Everything the remarks of one hint say.
#[derive(Default)]
pub(super) struct Note {
    /// The field may be missing.
    pub(super) optional: bool,
    /// The listed values are examples: others may follow.
    pub(super) open: bool,
    /// The hint's own word is the one value allowed, as in `financial (literal)`.
    pub(super) literal: bool,
    /// The values listed.
    pub(super) values: Vec<String>,
    format: Option<&'static str>,
    pattern: Option<&'static str>,
    remarks: Vec<String>,
}

impl Note {
    /// Takes in the text between one pair of parentheses.
    pub(super) fn read(&mut self, text: &str) {
        for part in text.split([',', ';']).map(str::trim).filter(|part| !part.is_empty()) {
            self.read_part(part);
        }
    }

    fn read_part(&mut self, part: &str) {
        let lower = part.to_ascii_lowercase();
        if let Some(rest) = lower.strip_prefix("literal") {
            self.literal = true;
            let value = part[part.len() - rest.len()..].trim().trim_matches(['\'', '"']);
            self.values.extend((!value.is_empty()).then(|| value.to_owned()));
            return;
        }
        match lower.as_str() {
            "optional" => self.optional = true,
            "etc" | "etc." | "..." | "…" => self.open = true,
            "iso datetime" | "iso date-time" | "iso timestamp" | "iso8601" | "iso 8601" | "iso" => {
                self.format = Some("date-time");
            }
            "iso date" | "yyyy-mm-dd" => self.format = Some("date"),
            "yyyy-mm" => self.pattern = Some("^[0-9]{4}-[0-9]{2}$"),
            _ if part.contains('|') && self.read_values(part) => {}
            _ => self.read_remark(part, &lower),
        }
    }

    /// Reads `a|b|etc.`; false when the pieces are not plain words.
    fn read_values(&mut self, part: &str) -> bool {
        let pieces: Vec<&str> = part.split('|').map(str::trim).filter(|piece| !piece.is_empty()).collect();
        let plain = |piece: &&str| {
            OPEN_MARKS.contains(piece)
                || piece.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
        };
        if !pieces.iter().all(plain) {
            return false;
        }
        self.open |= pieces.iter().any(|piece| OPEN_MARKS.contains(piece));
        self.values
            .extend(pieces.iter().filter(|piece| !OPEN_MARKS.contains(piece)).map(|&piece| piece.to_owned()));
        true
    }

    fn read_remark(&mut self, part: &str, lower: &str) {
        let mut words = lower.split(|c: char| !c.is_ascii_alphanumeric());
        // Another spelling of a field, or a shape only older senders use: either may be missing.
        self.optional |= words.clone().any(|word| matches!(word, "optional" | "alias" | "legacy"));
        if words.any(|word| word == "uuid") {
            self.format = Some("uuid");
        }
        if !matches!(lower, "uuid" | "enum") {
            self.remarks.push(part.to_owned());
        }
    }

    /// True when a rule here only makes sense for a text.
    pub(super) fn stringly(&self) -> bool {
        self.format.is_some() || self.pattern.is_some()
    }

    /// Puts the rules into `schema`; those for texts only where it takes texts.
    pub(super) fn constrain(&mut self, schema: &mut Map<String, Value>) {
        if schema.get("type").and_then(Value::as_str) != Some("string") {
            return;
        }
        if let Some(format) = self.format {
            schema.insert("format".into(), json!(format));
        }
        if let Some(pattern) = self.pattern {
            schema.insert("pattern".into(), json!(pattern));
        }
        let values = std::mem::take(&mut self.values);
        match values.as_slice() {
            [] => {}
            _ if self.open => self.remarks.push(format!("{}|…", values.join("|"))),
            [only] if self.literal => {
                schema.insert("const".into(), json!(only));
            }
            _ => {
                schema.insert("enum".into(), json!(values));
            }
        }
    }

    /// What is left for people to read.
    pub(super) fn remark(&self) -> Option<String> {
        (!self.remarks.is_empty()).then(|| self.remarks.join("; "))
    }
}
