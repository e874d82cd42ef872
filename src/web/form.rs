//! What a form sent: pairs of names and values.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::http::problem::{Code, Problem};

/// The name of the field with the token.
pub(super) const TOKEN: &str = "token";

/// The fields of the form that a request brought, in every such request's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// Reads a form's body.
    pub(super) fn of(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    /// The value of `name` without the spaces around it, if it was filled in.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

impl<S: Sync> FromRequestParts<S> for Fields {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::new(Code::RequestInvalid, "the form did not come with the request");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

/// A query of `pairs`, those without a value left out; with its `?`, or nothing.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> String {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.append_pair(name, value);
        }
    }
    let text = text.finish();
    if text.is_empty() { text } else { format!("?{text}") }
}

/// `text` as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_was_left_empty_is_not_there() {
        let fields = Fields::of(b"q=+a%26b+&source=&token=t");
        assert_eq!((fields.get("q"), fields.get("source"), fields.get("none")), (Some("a&b"), None, None));
    }

    #[test]
    fn a_query_holds_what_has_a_value() {
        assert_eq!(query([("q", Some("a b&c")), ("source", None), ("state", Some(""))]), "?q=a+b%26c");
        assert_eq!(query([("q", None)]), "");
        assert_eq!(segment("a b/c"), "a%20b%2Fc");
    }
}
