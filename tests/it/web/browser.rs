//! A browser without scripts: it keeps cookies, follows one redirect at a time, and sends forms.

use std::cell::RefCell;
use std::collections::BTreeMap;

use http::Method;

use crate::app::{ADMIN_KEY, TestApp, headers};
use crate::client::Answer;

/// One visitor's browser.
pub struct Browser<'a> {
    app: &'a TestApp,
    cookies: RefCell<BTreeMap<String, String>>,
    language: &'static str,
}

impl TestApp {
    /// A browser that nobody has signed in with.
    pub fn browser(&self) -> Browser<'_> {
        Browser { app: self, cookies: RefCell::default(), language: "en" }
    }

    /// A browser in which the first administrator is signed in.
    pub async fn signed_in(&self) -> Browser<'_> {
        self.signed_in_with(ADMIN_KEY).await
    }

    /// A browser in which whoever has `key` is signed in.
    pub async fn signed_in_with(&self, key: &str) -> Browser<'_> {
        let browser = self.browser();
        assert_eq!(browser.sign_in(key).await.status, 303);
        browser
    }
}

impl Browser<'_> {
    /// Reading `language`.
    pub fn speaking(mut self, language: &'static str) -> Self {
        self.language = language;
        self
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    pub fn set_cookie(&self, name: &str, value: &str) {
        self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
    }

    async fn ask(&self, method: Method, path: &str, body: String, more: &[(&str, &str)]) -> Answer {
        let cookies: Vec<_> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut sent = headers(more);
        sent.push(("accept-language".to_owned(), self.language.to_owned()));
        if !cookies.is_empty() {
            sent.push(("cookie".to_owned(), cookies.join("; ")));
        }
        let answer = self.app.client.ask(method, path, &sent, body).await;
        for set in answer.headers.get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        answer
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, String::new(), &[]).await
    }

    /// Asks as the script does, on its own.
    pub async fn refresh(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, String::new(), &[("camino-refresh", "1")]).await
    }

    /// The text of a page that is there.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{path}");
        answer.text()
    }

    /// Sends a form as it is.
    pub async fn send(&self, path: &str, fields: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
        let mut body = form_urlencoded::Serializer::new(String::new());
        body.extend_pairs(fields);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        self.ask(Method::POST, path, body.finish(), &[&form, more].concat()).await
    }

    /// Sends a form with the token that the page at `/` has.
    pub async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = token(&self.get("/").await.text());
        self.send(path, &[&[("token", token.as_str())], fields].concat(), &[]).await
    }

    pub async fn sign_in(&self, key: &str) -> Answer {
        self.submit("/sign-in", &[("key", key)]).await
    }
}

/// The token of the first form in `page`.
pub fn token(page: &str) -> String {
    value(page, "token")
}

/// What the first field called `name` in `page` says.
pub fn value(page: &str, name: &str) -> String {
    let field = format!("name=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&field).unwrap_or_else(|| panic!("no field {name}: {page}"));
    rest.split_once('"').unwrap().0.to_owned()
}
