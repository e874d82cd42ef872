//! The management API as an operator's tool uses it: a running broker and a key.

use camino_broker::testing::receiver::PATIENCE;
use http::Method;
use serde_json::{Value, json};

use crate::app::{ADMIN_KEY, TestApp, headers, with};
use crate::client::{Answer, Headers};

/// A key and the broker that it opens.
pub struct Desk<'a> {
    app: &'a TestApp,
    key: String,
}

impl TestApp {
    /// The first administrator's desk.
    pub fn desk(&self) -> Desk<'_> {
        self.desk_of(ADMIN_KEY)
    }

    /// The desk of whoever has `key`.
    pub fn desk_of(&self, key: &str) -> Desk<'_> {
        Desk { app: self, key: key.to_owned() }
    }
}

impl Desk<'_> {
    pub fn headers(&self) -> Headers {
        headers(&[("content-type", "application/json"), ("authorization", &format!("Bearer {}", self.key))])
    }

    pub async fn ask(&self, method: Method, path: &str, body: &str) -> Answer {
        self.app.client.ask(method, path, &self.headers(), body.to_owned()).await
    }

    /// A read that is answered.
    pub async fn get(&self, path: &str) -> Value {
        self.ask(Method::GET, path, "").await.taken(200)
    }

    /// The items of a list's first page.
    pub async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().unwrap().clone()
    }

    /// Every page of a list, each with a cursor of the one before.
    pub async fn pages(&self, path: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut next = String::new();
        loop {
            let page = self.get(&format!("{path}&cursor={next}")).await;
            assert_eq!(page.as_object().unwrap().len(), 2, "items and next: {page}");
            pages.push(page["items"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(cursor) => cursor.clone_into(&mut next),
                None => return pages,
            }
        }
    }

    /// A read that is refused, with the problem's detail.
    pub async fn refused(&self, path: &str, status: u16, code: &str) -> Value {
        self.ask(Method::GET, path, "").await.problem(status, code)
    }

    pub async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, body).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PUT, path, &body.to_string()).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.ask(Method::PATCH, path, &body.to_string()).await
    }

    /// A post under an `Idempotency-Key`.
    pub async fn once(&self, key: &str, path: &str, body: &str) -> Answer {
        let headers = with(self.headers(), "idempotency-key", key);
        self.app.client.ask(Method::POST, path, &headers, body.to_owned()).await
    }

    /// Reads `path` until `is_it`: the journal follows the outbox by a moment.
    pub async fn until(&self, path: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let reached = tokio::time::timeout(PATIENCE, async {
            loop {
                last = self.ask(Method::GET, path, "").await.json();
                if is_it(&last) {
                    return;
                }
            }
        });
        if reached.await.is_err() {
            let (lag, commits) = ("camino_journal_lag_events", "camino_outbox_commit_seconds_count");
            let (lag, commits) = (self.app.metric(lag).await, self.app.metric(commits).await);
            panic!("{path} stays {last}; {lag} events behind the outbox, which has {commits} commits");
        }
        last
    }

    /// Reads the list `path` until it has `count` items; the items.
    pub async fn until_items(&self, path: &str, count: usize) -> Vec<Value> {
        let list = self.until(path, |list| list["items"].as_array().is_some_and(|i| i.len() == count)).await;
        list["items"].as_array().unwrap().clone()
    }

    /// Makes a key with `scope`; its id and its text.
    pub async fn make_key(&self, scope: &str, source: Option<&str>) -> (String, String) {
        let mut body = json!({ "name": format!("for {scope}"), "scopes": [scope] });
        if let Some(source) = source {
            body["source"] = source.into();
        }
        let made = self.post("/v1/keys", &body.to_string()).await.taken(201);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("keyId"), text("key"))
    }
}

/// The names of an object's members.
pub fn names(json: &Value) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

/// One member of each item.
pub fn each<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap_or("-")).collect()
}
