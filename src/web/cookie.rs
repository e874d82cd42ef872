//! Cookies: read from a request, and written so that no script and no other site gets at them.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// Carries the id of the session, and nothing else.
pub(super) const SESSION: &str = "camino_session";
/// Carries the token of a sign-in form that was shown and not sent yet.
pub(super) const VISIT: &str = "camino_visit";
/// Carries the language that was chosen.
pub(super) const LANGUAGE: &str = "camino_language";

/// The value of the cookie `name`, if the request has one.
pub(super) fn read<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(other, _)| *other == name).map(|(_, value)| value)
}

/// A cookie for `seconds`; 0 takes it away. `value` must be made of letters, digits, `-` and `_`.
pub(super) fn write(name: &str, value: &str, seconds: u64, is_secure: bool) -> Option<HeaderValue> {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; camino_session=abc"));
        headers.append(COOKIE, HeaderValue::from_static("camino_language=es"));
        assert_eq!(read(&headers, SESSION), Some("abc"));
        assert_eq!(read(&headers, LANGUAGE), Some("es"));
        assert_eq!(read(&headers, "session"), None);
    }

    #[test]
    fn every_cookie_is_strict() {
        let plain = write(SESSION, "abc", 60, false).unwrap();
        assert_eq!(plain, "camino_session=abc; Path=/; HttpOnly; SameSite=Strict; Max-Age=60");
        assert!(write(SESSION, "", 0, true).unwrap().to_str().unwrap().ends_with("Max-Age=0; Secure"));
        assert_eq!(write(SESSION, "a\nb", 60, false), None);
    }
}
