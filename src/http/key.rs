//! The key that a caller presents. Whether it is valid, and for what, is decided elsewhere.

use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName};

/// The other header that may carry a key.
pub const API_KEY_HEADER: HeaderName = HeaderName::from_static("x-api-key");
/// Longest key that is looked at, in bytes.
const KEY_BYTES_MAX: usize = 512;

/// The key in `Authorization: Bearer <key>`, else in `X-API-Key`. Never log it.
pub fn presented(headers: &HeaderMap) -> Option<&str> {
    bearer(headers)
        .or_else(|| text(headers, &API_KEY_HEADER))
        .filter(|key| (1..=KEY_BYTES_MAX).contains(&key.len()))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = text(headers, &AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_in_either_header() {
        let long = format!("Bearer {}", "x".repeat(513));
        for (name, value, key) in [
            ("authorization", "Bearer abc", Some("abc")),
            ("authorization", "bearer  abc ", Some("abc")),
            ("authorization", "Basic abc", None),
            ("authorization", "Bearer ", None),
            ("authorization", "Bearer", None),
            ("authorization", &long, None),
            ("x-api-key", "abc", Some("abc")),
            ("x-api-key", "", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            assert_eq!(presented(&headers), key, "{name}: {value}");
        }
    }
}
