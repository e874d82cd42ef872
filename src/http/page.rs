//! Lists by cursor: `?limit=&cursor=` in, `{items, next}` out.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};

use super::problem::{Code, Problem};

/// Items of a page that names no limit.
pub const LIMIT_DEFAULT: u16 = 50;
/// Most items of a page.
pub const LIMIT_MAX: u16 = 500;
/// Longest cursor, in bytes.
const CURSOR_BYTES_MAX: usize = 512;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// The items, in the list's order.
    pub items: Vec<T>,
    /// The cursor of the next page; `None` (null) on the last one.
    pub next: Option<String>,
}

/// Which page is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Most items, from 1 to [`LIMIT_MAX`].
    pub limit: u16,
    /// `next` of the page before; `None` for the first page. Only the list can read it.
    pub cursor: Option<String>,
}

#[derive(Deserialize)]
struct Raw {
    limit: Option<String>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paging {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let refuse = |detail: String| Problem::new(Code::RequestInvalid, detail);
        let Query(raw) = Query::<Raw>::try_from_uri(&parts.uri)
            .map_err(|_| refuse("the query string can't be read".to_owned()))?;
        let limit = match raw.limit.as_deref() {
            None => LIMIT_DEFAULT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|limit| (1..=LIMIT_MAX).contains(limit))
                .ok_or_else(|| refuse(format!("`limit` must be a number from 1 to {LIMIT_MAX}")))?,
        };
        if raw.cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
            return Err(refuse("`cursor` is not one that a list gave out".to_owned()));
        }
        Ok(Self { limit, cursor: raw.cursor.filter(|cursor| !cursor.is_empty()) })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn paging(query: &str) -> Result<Paging, String> {
        let request = Request::builder().uri(format!("/v1/events?{query}")).body(()).unwrap();
        let mut parts = request.into_parts().0;
        Paging::from_request_parts(&mut parts, &()).await.map_err(|problem| problem.detail().to_owned())
    }

    #[tokio::test]
    async fn the_limit_is_bounded_and_other_parameters_are_left_alone() {
        assert_eq!(paging("").await, Ok(Paging { limit: LIMIT_DEFAULT, cursor: None }));
        let third = Paging { limit: 500, cursor: Some("a b".to_owned()) };
        assert_eq!(paging("receiver=bloom&limit=500&cursor=a%20b").await, Ok(third));
        for query in ["limit=0", "limit=501", "limit=many", "limit=-1"] {
            assert_eq!(
                paging(query).await,
                Err("`limit` must be a number from 1 to 500".to_owned()),
                "{query}"
            );
        }
        assert!(paging(&format!("cursor={}", "x".repeat(513))).await.is_err());
    }
}
