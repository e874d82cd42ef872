//! What a request's path and query say; what cannot be read is a problem, as every other error.
//!
//! A parameter that the route does not know, or that comes twice, is refused: a filter that is left out
//! silently looks like an answer.

use axum::extract::FromRequestParts;
use axum::http::Uri;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};
use crate::domain::catalog::nearest;

/// The parts of the path that the route names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        read.map(|axum::extract::Path(named)| Self(named)).map_err(|_| {
            let detail = "the path cannot be read: what is percent-encoded in it must be UTF-8";
            Problem::new(Code::RequestInvalid, detail)
        })
    }
}

/// The parameters of a query, each of which is known and came once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Given(Vec<(String, String)>);

impl Given {
    /// Reads the query of `uri`, of which only `known` is taken.
    pub fn of(uri: &Uri, known: &[&str]) -> Result<Self, Problem> {
        let refuse = |detail: String| Problem::new(Code::RequestInvalid, detail);
        let axum::extract::Query(pairs) = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| refuse("the query string cannot be read".to_owned()))?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(unknown(name, known));
            }
            if pairs[..at].iter().any(|(other, _)| other == name) {
                let problem = refuse(format!("`{name}` is given more than once"));
                return Err(problem.with("field", name.as_str().into()));
            }
        }
        Ok(Self(pairs))
    }

    /// Without what was given empty: a form sends every field that it has.
    #[must_use]
    pub fn filled(&self) -> Self {
        let pairs = self.0.iter().map(|(name, value)| (name.clone(), value.trim().to_owned()));
        Self(pairs.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The value of `name`, if it was given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }
}

fn unknown(name: &str, known: &[&str]) -> Problem {
    let takes = match known {
        [] => "this path takes no parameters".to_owned(),
        known => format!("known here: {}", known.join(", ")),
    };
    let meant = nearest(name, known.iter().copied());
    let asked = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    Problem::new(Code::RequestInvalid, format!("there is no parameter `{name}` here{asked} ({takes})"))
        .with("field", name.into())
        .with("known", known.into())
}

/// What a route takes as its query.
pub trait Parameters: Sized {
    /// Every name that may be given.
    const NAMES: &'static [&'static str];

    /// Reads the values.
    fn read(given: &Given) -> Result<Self, Problem>;
}

/// No parameters at all.
impl Parameters for () {
    const NAMES: &'static [&'static str] = &[];

    fn read(_: &Given) -> Result<Self, Problem> {
        Ok(())
    }
}

/// The query of a route that shows one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query<T>(pub T);

impl<T: Parameters, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        T::read(&Given::of(&parts.uri, T::NAMES)?).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(query: &str, known: &[&str]) -> Result<Given, String> {
        let uri: Uri = format!("/v1/events?{query}").parse().unwrap();
        Given::of(&uri, known).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn what_is_known_is_read_and_decoded() {
        let query = given("since=2026-04-16T12%3A00%3A00Z&q=a+b", &["since", "q", "until"]).unwrap();
        assert_eq!(query.get("since"), Some("2026-04-16T12:00:00Z"));
        assert_eq!((query.get("q"), query.get("until")), (Some("a b"), None));
        assert_eq!(given("", &[]), Ok(Given::default()));
    }

    #[test]
    fn what_is_not_known_or_comes_twice_is_refused_by_name() {
        let table = [
            (
                "recever=x",
                "there is no parameter `recever` here; did you mean `receiver`? (known here: receiver, q)",
            ),
            ("zzz=x", "there is no parameter `zzz` here (known here: receiver, q)"),
            ("q=a&q=b", "`q` is given more than once"),
        ];
        for (query, detail) in table {
            assert_eq!(given(query, &["receiver", "q"]), Err(detail.to_owned()));
        }
        let none = "there is no parameter `q` here (this path takes no parameters)";
        assert_eq!(given("q=1", &[]), Err(none.to_owned()));
    }
}
