//! What the script asks for on its own, and what it must find in a page to know where to ask.

use super::access::strict;
use crate::app::Setup;

/// Where the page says that it is found again.
fn from(page: &str) -> &str {
    page.split_once("data-from=\"").unwrap().1.split_once('"').unwrap().0
}

#[tokio::test]
async fn a_refresh_leaves_the_notice_to_whoever_it_is_for() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let browser = app.signed_in().await;
    assert_eq!(browser.submit("/endpoints/mancha/pause", &[]).await.status, 303);
    let notice = "class=\"notice good\"";
    assert!(!browser.refresh("/endpoints/mancha").await.text().contains(notice));
    assert!(browser.page("/endpoints/mancha").await.contains(notice));
    assert!(!browser.page("/endpoints/mancha").await.contains(notice));
}

#[tokio::test]
async fn a_refresh_that_meets_the_sign_in_spoils_no_form_of_it() {
    let app = Setup::new().start().await;
    let browser = app.browser();
    browser.page("/").await;
    let form = browser.cookie("camino_visit");
    assert!(form.is_some());
    let met = browser.refresh("/").await;
    assert!(met.header("set-cookie").is_none() && !met.text().contains("data-live"));
    assert_eq!(browser.cookie("camino_visit"), form);
}

#[tokio::test]
async fn an_answer_to_a_form_says_where_it_is_found_again() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let browser = app.signed_in().await;
    let tested = browser.submit("/endpoints/mancha/test", &[]).await.text();
    assert_eq!(from(&tested), "/endpoints/mancha");
    assert!(tested.contains("/language/es?next=%2Fendpoints%2Fmancha\""), "{tested}");
    assert_eq!(browser.refresh(from(&tested)).await.status, 200);
    let tested = browser.submit("/registry/payment.completed/test", &[("receiver", "mancha")]).await.text();
    assert_eq!(from(&tested), "/registry/payment.completed");
    let refused = browser.submit("/endpoints/mancha/none", &[]).await;
    assert_eq!((refused.status.as_u16(), from(&refused.text())), (404, "/"));
    let search = browser.page("/events?state=dead&q=a").await;
    assert_eq!(from(&search), "/events?state=dead&amp;q=a");
}

#[tokio::test]
async fn a_page_can_say_that_it_is_no_longer_live_in_both_languages() {
    let app = Setup::new().start().await;
    for (language, said) in
        [("en", "This page is no longer live."), ("es", "Esta página ya no se actualiza.")]
    {
        let page = app.signed_in().await.speaking(language).page("/").await;
        let (before, _) = page.split_once(said).unwrap();
        assert!(before[before.rfind("<p").unwrap()..].contains(" hidden"), "{page}");
    }
}

#[tokio::test]
async fn what_takes_only_forms_answers_a_look_with_a_page() {
    let app = Setup::new().endpoint("mancha", "http://127.0.0.1:9/").start().await;
    let browser = app.signed_in().await;
    for path in ["/endpoints/mancha/pause", "/sign-out", "/sign-in"] {
        let answer = browser.get(path).await;
        assert_eq!(answer.status, 405, "{path}");
        strict(&answer);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        assert!(answer.text().contains("</html>"), "{path}");
    }
}
