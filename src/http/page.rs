//! Lists by cursor: `?limit=&cursor=` in, `{items, next}` out.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::Serialize;

use super::problem::{Code, Problem};
use super::query::{Given, Parameters};

/// Items of a page that names no limit.
pub const LIMIT_DEFAULT: u16 = 50;
/// Most items of a page.
pub const LIMIT_MAX: u16 = 500;
/// Longest cursor, in bytes.
pub(super) const CURSOR_BYTES_MAX: usize = 512;

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

/// Names of what every list takes.
pub(super) const PAGING: &[&str] = &["limit", "cursor"];

/// The query of a list: what to list, and which page of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T> {
    /// The list's own filters.
    pub filters: T,
    /// The page.
    pub paging: Paging,
}

impl<T: Parameters, S: Sync> FromRequestParts<S> for List<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let given = Given::of(&parts.uri, &[T::NAMES, PAGING].concat())?;
        Ok(Self { filters: T::read(&given)?, paging: Paging::read(&given)? })
    }
}

impl Paging {
    fn read(given: &Given) -> Result<Self, Problem> {
        let refuse =
            |name: &str, rule: String| Problem::new(Code::RequestInvalid, rule).with("field", name.into());
        let limit = match given.get("limit") {
            None => LIMIT_DEFAULT,
            Some(text) => {
                text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit)).ok_or_else(|| {
                    refuse("limit", format!("`limit` must be a number from 1 to {LIMIT_MAX}"))
                })?
            }
        };
        let cursor = given.get("cursor").filter(|cursor| !cursor.is_empty());
        if cursor.is_some_and(|cursor| cursor.len() > CURSOR_BYTES_MAX) {
            return Err(refuse("cursor", "`cursor` is not one that a list gave out".to_owned()));
        }
        Ok(Self { limit, cursor: cursor.map(ToOwned::to_owned) })
    }
}

impl<T> Page<T> {
    /// The page of `sorted` that is asked for; the cursor is the last name of the page before.
    pub fn by_name(sorted: Vec<T>, paging: &Paging, name: impl Fn(&T) -> &str) -> Self {
        let after = paging.cursor.as_deref().unwrap_or_default();
        let from = if after.is_empty() { 0 } else { sorted.partition_point(|item| name(item) <= after) };
        let total = sorted.len();
        let items: Vec<T> = sorted.into_iter().skip(from).take(paging.limit.into()).collect();
        let next = items.last().filter(|_| from + items.len() < total).map(|item| name(item).to_owned());
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    async fn paging(query: &str) -> Result<Paging, String> {
        let request = Request::builder().uri(format!("/v1/keys?{query}")).body(()).unwrap();
        let mut parts = request.into_parts().0;
        let list = List::<()>::from_request_parts(&mut parts, &()).await;
        list.map(|list| list.paging).map_err(|problem| problem.detail().to_owned())
    }

    #[tokio::test]
    async fn the_limit_is_bounded() {
        assert_eq!(paging("").await, Ok(Paging { limit: LIMIT_DEFAULT, cursor: None }));
        let third = Paging { limit: 500, cursor: Some("a b".to_owned()) };
        assert_eq!(paging("limit=500&cursor=a%20b").await, Ok(third));
        for query in ["limit=0", "limit=501", "limit=many", "limit=-1"] {
            assert_eq!(
                paging(query).await,
                Err("`limit` must be a number from 1 to 500".to_owned()),
                "{query}"
            );
        }
        assert!(paging(&format!("cursor={}", "x".repeat(513))).await.is_err());
    }

    #[test]
    fn pages_by_name_meet_and_do_not_overlap() {
        let page = |cursor: Option<&str>| {
            let paging = Paging { limit: 2, cursor: cursor.map(ToOwned::to_owned) };
            Page::by_name(vec!["a", "b", "c"], &paging, |name| *name)
        };
        assert_eq!(page(None), Page { items: vec!["a", "b"], next: Some("b".to_owned()) });
        assert_eq!(page(Some("b")), Page { items: vec!["c"], next: None });
        assert_eq!(page(Some("aa")), Page { items: vec!["b", "c"], next: None });
        assert_eq!(page(Some("z")), Page { items: Vec::new(), next: None });
    }
}
