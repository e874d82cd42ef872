//! What can be wrong with the settings: the place, the key, the mend, on one line.
//!
//! Never holds the text of a value that might be a secret.

use std::fmt;
use std::path::PathBuf;

use figment::error::{Actual, Kind};

/// Why the settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is missing or unreadable.
    #[error("cannot read {}: {reason}; name the file with --config, or leave it out for the defaults", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}: not TOML: {}", file.display(), reason.replace('\n', ", "))]
    Syntax {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What the parser said.
        reason: String,
    },
    /// A key that doesn't exist.
    #[error("{place}: unknown key `{key}`; {}", nearest(key, known))]
    UnknownKey {
        /// Where it stands.
        place: Place,
        /// The whole dotted key.
        key: String,
        /// The keys there are at that spot.
        known: &'static [&'static str],
    },
    /// A value of the wrong type.
    #[error("{place}: `{key}` is {found}, but must be {wanted}")]
    Type {
        /// Where it stands.
        place: Place,
        /// The whole dotted key.
        key: String,
        /// The type of the value.
        found: &'static str,
        /// What it must be.
        wanted: String,
    },
    /// A value of the right type that breaks a rule.
    #[error("{place}: `{key}` {rule}")]
    Value {
        /// Where it stands.
        place: Place,
        /// The whole dotted key.
        key: String,
        /// The rule, and how to mend it.
        rule: String,
    },
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    File {
        /// The file.
        file: PathBuf,
        /// The line of the key, where the key is in the file.
        line: Option<usize>,
    },
    /// In an environment variable of this name.
    Variable(String),
    /// Nowhere: a default.
    Defaults,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line: Some(line) } => write!(f, "{}:{line}", file.display()),
            Self::File { file, line: None } => write!(f, "{}", file.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Defaults => f.write_str("settings"),
        }
    }
}

/// Turns figment's error into ours.
pub fn translate(error: figment::Error, place: impl Fn(&str) -> Place) -> Error {
    let key = error.path.join(".");
    let place = place(&key);
    let rule = match error.kind {
        Kind::UnknownField(_, known) => return Error::UnknownKey { place, key, known },
        Kind::InvalidType(found, wanted) => {
            return Error::Type { place, key, found: type_of(&found), wanted: in_words(&wanted) };
        }
        Kind::UnknownVariant(found, known) => {
            format!("is `{found}`, but must be one of {}", known.join(", "))
        }
        Kind::InvalidValue(_, wanted) => format!("is out of range: it must be {}", in_words(&wanted)),
        Kind::Message(rule) => rule,
        // The rest can't come from TOML; their display holds no value.
        other => other.to_string(),
    };
    Error::Value { place, key, rule }
}

/// The nearest known key, or all of them.
fn nearest(key: &str, known: &[&str]) -> String {
    let name = key.rsplit('.').next().unwrap_or(key);
    let best = known
        .iter()
        .map(|known| (strsim::jaro_winkler(name, known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match best {
        Some((likeness, best)) if likeness > 0.75 => format!("did you mean `{best}`?"),
        _ => format!("known here: {}", known.join(", ")),
    }
}

fn type_of(found: &Actual) -> &'static str {
    match found {
        Actual::Bool(_) => "true or false",
        Actual::Unsigned(_) | Actual::Signed(_) => "a whole number",
        Actual::Float(_) => "a number with a fraction",
        Actual::Str(_) | Actual::Char(_) => "text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "something else",
    }
}

/// Serde's name of a type in words.
fn in_words(wanted: &str) -> String {
    let words = match wanted {
        "u16" | "u32" | "u64" | "usize" => "a whole number from 0 up",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a string" | "path string" => "text",
        "a sequence" => "a list",
        "a map" => "a table",
        _ if wanted.starts_with("struct ") => "a table",
        _ if wanted.starts_with("enum ") => "one of its words, as text",
        _ => wanted,
    };
    words.to_owned()
}
