//! Reading what a body says as JSON.
//!
//! Only an object is taken: a Rust struct would read from an array too, by the order of its fields, and an
//! empty array as one that asks for nothing in particular. Never says back what it could not read.

use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// What the JSON object `body` says.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(Code::RequestInvalid, "the body must be a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Problem::new(Code::RequestInvalid, format!("the body: {error}")))
}

/// The same of a body that may be left out: it is an empty object then.
pub fn object_or_nothing<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    object(if body.is_empty() { b"{}" } else { body })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Pair {
        a: Option<u8>,
        b: Option<u8>,
    }

    #[test]
    fn only_an_object_is_read() {
        assert_eq!(object(b" {\"b\": 2}"), Ok(Pair { a: None, b: Some(2) }));
        assert_eq!(object_or_nothing(b""), Ok(Pair::default()));
        for body in ["[]", "[1,2]", " [1]", "null", "", "1", "\"a\""] {
            let refused = object::<Pair>(body.as_bytes()).unwrap_err();
            assert_eq!(refused.detail(), "the body must be a JSON object", "{body}");
        }
        let refused = object::<Pair>(b"{\"c\":1}").unwrap_err();
        assert!(refused.detail().starts_with("the body: unknown field `c`"), "{}", refused.detail());
        assert!(object_or_nothing::<Pair>(b"[]").is_err());
    }
}
