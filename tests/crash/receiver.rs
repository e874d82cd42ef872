//! A receiver in the test's process, so that it outlives every broker: it remembers who got what.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::dice::Dice;

/// One copy of an event that was answered 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The process that sent it.
    pub incarnation: u32,
    pub delivery_id: String,
    pub webhook_id: String,
    pub body: Bytes,
}

/// By eventId, the copies in the order they came.
pub type Inbox = BTreeMap<String, Vec<Taken>>;

/// How it answers.
#[derive(Clone, Copy, Debug)]
pub enum Manner {
    Prompt,
    /// Answers after up to 10 ms, so that a backlog builds up.
    Slow,
    /// Answers some requests 503, so that there are retries.
    Failing,
}

pub struct Receiver {
    pub name: &'static str,
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    manner: Manner,
    dice: Mutex<Dice>,
    /// Whether every answer waits.
    is_held: watch::Sender<bool>,
    inbox: watch::Sender<Inbox>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    event_id: String,
}

impl Receiver {
    pub async fn start(name: &'static str, manner: Manner, dice: Dice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let dice = Mutex::new(dice);
        let (is_held, inbox) = (watch::Sender::default(), watch::Sender::default());
        let shared = Arc::new(Shared { manner, dice, is_held, inbox });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { name, address, shared, _tasks: tasks }
    }

    /// From now on it answers nothing, or what it has not answered yet and everything again.
    pub fn hold(&self, is_held: bool) {
        self.shared.is_held.send_replace(is_held);
    }

    /// Everything taken so far.
    pub fn inbox(&self) -> Inbox {
        self.shared.inbox.borrow().clone()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        while connections.try_join_next().is_some() {}
        let shared = Arc::clone(&shared);
        connections.spawn(async move {
            let service = service_fn(|request| answer(request, &shared));
            // Killed brokers leave their connections half-way.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn answer(request: Request<Incoming>, shared: &Shared) -> hyper::Result<Response<Empty<Bytes>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut response = Response::new(Empty::new());
    // Its sender lives as long as `shared`.
    let _ = shared.is_held.subscribe().wait_for(|is_held| !is_held).await;
    match shared.manner {
        Manner::Prompt => {}
        Manner::Slow => {
            let pause = shared.dice.lock().unwrap().below(10_000);
            tokio::time::sleep(Duration::from_micros(pause)).await;
        }
        Manner::Failing => {
            if shared.dice.lock().unwrap().chance(5) {
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                return Ok(response);
            }
        }
    }
    let envelope: Envelope = serde_json::from_slice(&body).expect("an event came");
    let taken = Taken {
        incarnation: head.uri.path().trim_start_matches('/').parse().expect("the path is a number"),
        delivery_id: text(&head.headers, "x-camino-delivery-id"),
        webhook_id: text(&head.headers, "webhook-id"),
        body,
    };
    shared.inbox.send_modify(|inbox| inbox.entry(envelope.event_id).or_default().push(taken));
    Ok(response)
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}
