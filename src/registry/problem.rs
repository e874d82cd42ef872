//! What can be wrong with a registry: which file, where in it, and why.
//!
//! Every message stands on its own in a terminal, and every cause has a stable code for programs.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

use crate::domain::schema;

/// Most problems that one error's text spells out; the value itself keeps all of them.
const LISTED_MAX: usize = 20;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, relative to the registry's folder.
    pub file: String,
    /// Where in it: `line 3 column 7`, or a path such as `events[12].receivers[0]`; empty for the
    /// whole file.
    pub place: String,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// The file is not there.
    #[error("the file does not exist")]
    MissingFile,
    /// The file is there but cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// A path that leads out of the registry's folder.
    #[error("the path must stay within the registry's folder")]
    Outside,
    /// A schema's path that leads to no file.
    #[error("`{path}`: {why}")]
    Path {
        /// The path as written.
        path: String,
        /// Why there is no file.
        why: String,
    },
    /// Not JSON.
    #[error("is not JSON: {0}")]
    Syntax(String),
    /// The value is of the wrong kind.
    #[error("must be {0}")]
    Kind(&'static str),
    /// A required key is not there.
    #[error("the key `{0}` is missing")]
    MissingKey(&'static str),
    /// A key that no registry has.
    #[error("unknown key `{key}`{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// The key.
        key: String,
        /// The known key most like it.
        nearest: Option<String>,
    },
    /// A name that does not follow its rule.
    #[error("the name `{name}` must match {rule}")]
    BadName {
        /// The name.
        name: String,
        /// The rule.
        rule: &'static str,
    },
    /// A slug or type that is there twice.
    #[error("`{name}` is already at {first}")]
    Duplicate {
        /// The name.
        name: String,
        /// Where it stands first.
        first: String,
    },
    /// A sender or receiver that is no app.
    #[error("there is no app `{slug}`{}", hint(nearest.as_deref()))]
    UnknownApp {
        /// The slug.
        slug: String,
        /// The app most like it.
        nearest: Option<String>,
    },
    /// Something that is no schema.
    #[error("the schema does not compile: {0}")]
    Schema(schema::Error),
    /// An example that its own schema refuses.
    #[error("the example does not fit its schema: {0}")]
    Example(String),
    /// A schema file that no event uses.
    #[error("no event uses this schema")]
    Unused,
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (did you mean `{name}`?)")).unwrap_or_default()
}

impl Cause {
    /// A stable name of this kind of mistake.
    pub fn code(&self) -> &'static str {
        match self {
            Self::MissingFile => "file.missing",
            Self::Unreadable(_) => "file.unreadable",
            Self::Outside => "file.outside",
            Self::Path { .. } => "schema.missing",
            Self::Syntax(_) => "json.syntax",
            Self::Kind(_) => "value.kind",
            Self::MissingKey(_) => "key.missing",
            Self::UnknownKey { .. } => "key.unknown",
            Self::BadName { .. } => "name.bad",
            Self::Duplicate { .. } => "name.duplicate",
            Self::UnknownApp { .. } => "app.unknown",
            Self::Schema(_) => "schema.invalid",
            Self::Example(_) => "example.invalid",
            Self::Unused => "schema.unused",
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gap = if self.place.is_empty() { "" } else { " " };
        write!(f, "{}{gap}{}: {}", self.file, self.place, self.cause)
    }
}

/// As `{file, place, code, message}`.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Problem", 4)?;
        fields.serialize_field("file", &self.file)?;
        fields.serialize_field("place", &self.place)?;
        fields.serialize_field("code", self.cause.code())?;
        fields.serialize_field("message", &self.cause.to_string())?;
        fields.end()
    }
}

/// The problems one a line, the first [`LISTED_MAX`] of them.
pub(super) fn listed(problems: &[Problem]) -> String {
    let mut lines: Vec<String> = problems.iter().take(LISTED_MAX).map(ToString::to_string).collect();
    if problems.len() > LISTED_MAX {
        lines.push(format!("and {} more", problems.len() - LISTED_MAX));
    }
    lines.join("\n")
}
