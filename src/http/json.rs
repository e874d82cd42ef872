//! Reading what a body says as JSON.
//!
//! Only an object is taken: a Rust struct would read from an array too, by the order of its fields, and an
//! empty array as one that asks for nothing in particular. Never says back what it could not read.

mod fault;

use serde::de::DeserializeOwned;

use fault::Fault;

use super::problem::{Code, Problem};

/// What the JSON object `body` says.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Problem::new(Code::RequestInvalid, "the body must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let refuse = |detail: String| Problem::new(Code::RequestInvalid, detail);
        match serde_json::from_slice(body) {
            Err(error) => refuse(format!("the body is not JSON: {error}")),
            // What only the bytes show, such as a field that is there twice.
            Ok(value) => Fault::of::<T>(&value)
                .map_or_else(|| refuse(format!("the body cannot be taken: {error}")), Problem::from),
        }
    })
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
        for (body, detail) in [
            ("{\"c\":1}", "there is no field `c` here (known here: a, b)"),
            ("{\"a\":256}", "`a` must be a whole number from 0 to 255"),
            ("{\"a\":1", "the body is not JSON: EOF while parsing"),
            ("{\"a\":1,\"a\":2}", "the body cannot be taken: duplicate field `a`"),
        ] {
            let refused = object::<Pair>(body.as_bytes()).unwrap_err();
            assert!(refused.detail().starts_with(detail), "{}", refused.detail());
        }
        assert!(object_or_nothing::<Pair>(b"[]").is_err());
    }
}
