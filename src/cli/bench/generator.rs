//! The worker that posts: signed events over a fixed number of connections, as fast as they are
//! answered or by a schedule.
//!
//! By a schedule, time counts from when a post was due, not from when a connection was free for it:
//! a broker that stalls is charged for everything that waits. One thread, so that it is cheap.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Uri;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use serde::Deserialize;
use tokio::task::JoinSet;

use super::body::{Label, Template};
use super::lines::Inbox;
use super::pace::{Pace, Turn};
use super::protocol::{FromGenerator, Load, Posted};
use super::stopwatch::now_ns;
use super::wire::{self, Connection};
use crate::cli::{output, sample};
use crate::domain::secret::Secret;
use crate::domain::signature::Scheme;
use crate::domain::time::Millis;
use crate::runtime::clock::{Clock, SystemClock};

/// How often it says how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);
/// How long a connection that broke stays away.
const RECONNECT_AFTER: Duration = Duration::from_millis(50);

/// Posts what stdin tells, until it closes.
pub(super) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut told = Inbox::new(io::stdin().as_fd().try_clone_to_owned()?)?;
        output::json(&FromGenerator::Ready)?;
        while let Some(load) = told.next::<Load>().await? {
            let posted = post(load).await?;
            output::json(&FromGenerator::Posted(posted))?;
        }
        Ok(())
    })
}

/// What all connections share.
struct Course {
    load: Load,
    uri: Uri,
    secret: Secret,
    accepted: AtomicU64,
    clock: SystemClock,
}

async fn post(load: Load) -> anyhow::Result<Posted> {
    let connections = load.connections;
    let course = Arc::new(Course {
        uri: load.path.parse()?,
        secret: Secret::new(&load.secret)?,
        accepted: AtomicU64::new(0),
        clock: SystemClock::new(),
        load,
    });
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(course.load.target).await?);
    }
    let began_ns = now_ns();
    let pace = Arc::new(Pace::new(&course.load, began_ns)?);
    let mut posters = JoinSet::new();
    for connection in open {
        let (course, pace) = (Arc::clone(&course), Arc::clone(&pace));
        posters.spawn(async move { Poster::new(course, connection).run(&pace).await });
    }
    let mut total = Posted { began_ns, ..Posted::default() };
    let mut progress = course.clock.sleep(PROGRESS_EVERY);
    loop {
        tokio::select! {
            ended = posters.join_next() => match ended {
                Some(posted) => add(&mut total, &posted?),
                None => return Ok(total),
            },
            () = &mut progress => {
                output::json(&FromGenerator::Progress(course.accepted.load(Ordering::Relaxed)))?;
                progress = course.clock.sleep(PROGRESS_EVERY);
            }
        }
    }
}

fn add(total: &mut Posted, posted: &Posted) {
    total.accepted += posted.accepted;
    total.unanswered += posted.unanswered;
    for (status, count) in &posted.refused {
        *total.refused.entry(*status).or_default() += count;
    }
    total.ended_ns = total.ended_ns.max(posted.ended_ns);
    total.answer.merge(&posted.answer);
    total.late.merge(&posted.late);
}

/// One connection and what it has posted.
struct Poster {
    course: Arc<Course>,
    connection: Option<Connection>,
    template: Template,
    posted: Posted,
}

impl Poster {
    fn new(course: Arc<Course>, connection: Connection) -> Self {
        let template = Template::new(course.load.size, course.load.run);
        Self { course, connection: Some(connection), template, posted: Posted::default() }
    }

    async fn run(mut self, pace: &Pace) -> Posted {
        while let Some(turn) = pace.next().await {
            let Some(connection) = self.connected().await else {
                self.posted.unanswered += turn.count;
                continue;
            };
            let started_ns = now_ns();
            let due_ns = turn.due_ns.unwrap_or(started_ns);
            self.posted.late.record(started_ns.saturating_sub(due_ns));
            let answer = match self.request(&turn, due_ns, started_ns) {
                Some(request) => exchange(connection, request, turn.count).await.ok(),
                None => None,
            };
            self.posted.ended_ns = now_ns();
            match answer {
                Some(answer) => self.count(answer, &turn, due_ns),
                None => self.posted.unanswered += turn.count,
            }
        }
        self.posted
    }

    /// The connection, opened anew where it broke; it is put back once it has answered.
    async fn connected(&mut self) -> Option<Connection> {
        if let Some(connection) = self.connection.take() {
            return Some(connection);
        }
        self.course.clock.sleep(RECONNECT_AFTER).await;
        Connection::open(self.course.load.target).await.ok()
    }

    fn request(&mut self, turn: &Turn, due_ns: u64, now_ns: u64) -> Option<Request<Full<Bytes>>> {
        let course = &self.course;
        let now = Millis(now_ns / 1_000_000);
        let labels = (turn.first..turn.first + turn.count).map(|number| Label { number, sent_ns: due_ns });
        let body = self.template.post(labels, &now.rfc3339(), course.load.batch > 1);
        let id = self.template.event_id();
        let headers = sample::signed_headers(Scheme::Ecosystem, &course.secret, id, now, &body).ok()?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = course.uri.clone();
        *request.headers_mut() = headers;
        Some(request)
    }

    fn count(&mut self, answer: Answer, turn: &Turn, due_ns: u64) {
        self.connection = Some(answer.connection);
        self.posted.answer.record(self.posted.ended_ns.saturating_sub(due_ns));
        self.posted.accepted += answer.accepted;
        self.course.accepted.fetch_add(answer.accepted, Ordering::Relaxed);
        let refused = turn.count.saturating_sub(answer.accepted);
        if refused > 0 {
            *self.posted.refused.entry(answer.status.as_u16()).or_default() += refused;
        }
    }
}

struct Answer {
    connection: Connection,
    status: StatusCode,
    accepted: u64,
}

/// One request and its whole answer; a connection that breaks goes with the error.
async fn exchange(
    mut connection: Connection,
    request: Request<Full<Bytes>>,
    count: u64,
) -> hyper::Result<Answer> {
    let (status, body) = connection.send(request).await?;
    let accepted = match (status.is_success(), count) {
        (false, _) => wire::drain(body).await.map(|()| 0)?,
        (true, 1) => wire::drain(body).await.map(|()| 1)?,
        (true, _) => accepted_of(body).await?,
    };
    Ok(Answer { connection, status, accepted })
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    items: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    status: &'a str,
}

/// How many events of a batch the answer says were accepted.
async fn accepted_of(body: Incoming) -> hyper::Result<u64> {
    let body = body.collect().await?.to_bytes();
    let items = serde_json::from_slice::<Batch<'_>>(&body).map(|batch| batch.items).unwrap_or_default();
    Ok(items.iter().filter(|item| item.status == "accepted").count() as u64)
}
