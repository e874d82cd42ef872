//! Senders that post signed events over many connections and remember what was acknowledged.
//!
//! A sender whose connection broke doesn't know what became of its event: half of the time it posts
//! the same bytes again, as a good one does; otherwise the event stays unacknowledged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use camino_broker::domain::secret::Secret;
use camino_broker::domain::signature::sign_ecosystem;
use camino_broker::runtime::clock::{Clock as _, SystemClock};
use http::{Request, StatusCode};
use http_body_util::Full;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::client::{Connection, Gone, PATIENCE};
use crate::dice::Dice;

/// Connections that post at once.
const CONNECTIONS: u64 = 16;

/// One who sends.
pub struct Sender {
    pub source: &'static str,
    pub secret: &'static str,
    event_type: &'static str,
}

/// By the registry, what each of these sends goes to all of [`RECEIVERS`].
pub const SENDERS: [Sender; 3] = [
    Sender {
        source: "colectiva",
        secret: "whsec_Y29sZWN0aXZhLXNpZ25zLWl0cy1ldmVudHMtd2l0aA==",
        event_type: "payment.received",
    },
    Sender {
        source: "constanza",
        secret: "whsec_Y29uc3RhbnphLXNpZ25zLWl0cy1ldmVudHMtd2l0aA==",
        event_type: "payment.received",
    },
    Sender {
        source: "caracol",
        secret: "whsec_Y2FyYWNvbC1zaWducy1pdHMtZXZlbnRzLXdpdGgtdGhpcw==",
        event_type: "customer.updated",
    },
];
/// Apps that receive what [`SENDERS`] send.
pub const RECEIVERS: [&str; 3] = ["cosmos-pet", "garita", "hoja"];

/// One event as it was posted.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: String,
    pub source: &'static str,
    secret: &'static str,
    pub body: Bytes,
}

impl Event {
    /// One that takes a little more than `bytes`.
    pub fn of_size(sender: &Sender, id: &str, bytes: usize) -> Self {
        Self::of(sender, id, "org-1", bytes)
    }

    /// A small one of `organization`.
    pub fn of_organization(sender: &Sender, id: &str, organization: &str) -> Self {
        Self::of(sender, id, organization, 10)
    }

    fn of(sender: &Sender, id: &str, organization: &str, bytes: usize) -> Self {
        let body = serde_json::json!({
            "eventId": id,
            "eventType": sender.event_type,
            "source": sender.source,
            "organizationId": organization,
            "timestamp": SystemClock::new().now().rfc3339(),
            "data": { "filling": "x".repeat(bytes) },
        });
        Self {
            id: id.to_owned(),
            source: sender.source,
            secret: sender.secret,
            body: body.to_string().into(),
        }
    }

    /// One that is only said to have been posted.
    pub fn forged(id: &str, source: &'static str) -> Self {
        Self { id: id.to_owned(), source, secret: "", body: Bytes::from(format!("body of {id}")) }
    }
}

/// By eventId, what was posted and whether it was acknowledged.
pub type Ledger = BTreeMap<String, (Event, bool)>;

/// The running senders.
pub struct Load {
    shared: Arc<Shared>,
    senders: JoinSet<()>,
}

struct Shared {
    address: SocketAddr,
    /// How many brokers got ready so far.
    ready: watch::Sender<u32>,
    stop: CancellationToken,
    ledger: Mutex<Ledger>,
    acked: watch::Sender<usize>,
}

impl Load {
    /// Senders that wait for the first broker.
    pub fn start(address: SocketAddr, seed: u64) -> Self {
        let shared = Arc::new(Shared {
            address,
            ready: watch::Sender::default(),
            stop: CancellationToken::new(),
            ledger: Mutex::default(),
            acked: watch::Sender::default(),
        });
        let mut senders = JoinSet::new();
        for (number, sender) in (0..CONNECTIONS).zip(SENDERS.iter().cycle()) {
            senders.spawn(Arc::clone(&shared).run(sender, Dice::split(seed, number)));
        }
        Self { shared, senders }
    }

    /// Says that a broker is ready.
    pub fn broker_is_ready(&self) {
        self.shared.ready.send_modify(|count| *count += 1);
    }

    /// Waits until `count` more events are acknowledged.
    pub async fn acked_more(&self, count: u64) {
        let mut acked = self.shared.acked.subscribe();
        let goal = *acked.borrow() + usize::try_from(count).unwrap();
        let enough = acked.wait_for(|acked| *acked >= goal);
        let came = tokio::time::timeout(PATIENCE, enough).await.is_ok();
        assert!(came, "events are acknowledged");
    }

    /// Ends what the senders do and hands out what they know.
    pub async fn stop(mut self) -> Ledger {
        self.shared.stop.cancel();
        while let Some(ended) = self.senders.join_next().await {
            ended.expect("the sender did not fail");
        }
        std::mem::take(&mut *self.shared.ledger.lock().unwrap())
    }
}

impl Shared {
    async fn run(self: Arc<Self>, sender: &'static Sender, mut dice: Dice) {
        let mut again = None;
        while !self.stop.is_cancelled() {
            let ready = *self.ready.borrow();
            if let Ok(connection) = Connection::open(self.address).await {
                self.post_until_gone(connection, sender, &mut dice, &mut again).await;
                continue;
            }
            let mut news = self.ready.subscribe();
            tokio::select! {
                () = self.stop.cancelled() => {}
                _ = news.wait_for(|count| *count > ready) => {}
            }
        }
    }

    async fn post_until_gone(
        &self,
        mut connection: Connection,
        sender: &Sender,
        dice: &mut Dice,
        again: &mut Option<Event>,
    ) {
        while !self.stop.is_cancelled() {
            let event = again.take().unwrap_or_else(|| Self::make(sender, dice));
            let answer = post(&mut connection, &event).await;
            match answer {
                // An 200 to one that was posted again says that the first post is on the disk.
                Ok((StatusCode::ACCEPTED | StatusCode::OK, _)) => {
                    self.note(event, true);
                    self.acked.send_modify(|count| *count += 1);
                }
                // Draining.
                Ok((StatusCode::SERVICE_UNAVAILABLE, _)) => self.note(event, false),
                Ok((status, body)) => panic!("{status} {}", String::from_utf8_lossy(&body)),
                Err(Gone) => {
                    *again = dice.chance(50).then(|| event.clone());
                    self.note(event, false);
                    return;
                }
            }
        }
    }

    fn note(&self, event: Event, acked: bool) {
        self.ledger.lock().unwrap().insert(event.id.clone(), (event, acked));
    }

    fn make(sender: &Sender, dice: &mut Dice) -> Event {
        let id = Uuid::from_u64_pair(dice.u64(), dice.u64()).to_string();
        // Some are large: they take many rows, and their commits take long enough to die in.
        let filling = if dice.chance(15) { dice.below(100_000) } else { dice.below(2_000) };
        Event::of_size(sender, &id, usize::try_from(filling).unwrap())
    }
}

/// Posts `event`, signed now.
pub async fn post(connection: &mut Connection, event: &Event) -> Result<(StatusCode, Bytes), Gone> {
    let clock = SystemClock::new();
    let signature = sign_ecosystem(&Secret::new(event.secret).unwrap(), &event.body);
    let request = Request::post("/v1/events")
        .header("content-type", "application/json")
        .header("x-webhook-signature", signature)
        .header("x-webhook-timestamp", clock.now().seconds())
        .body(Full::new(event.body.clone()))
        .unwrap();
    connection.send(request).await
}

/// Posts `events` again, unchanged, and says which of them were not answered as duplicates.
pub async fn post_again(address: SocketAddr, events: Vec<Event>) -> Vec<String> {
    let mut posting = JoinSet::new();
    let share = events.len().div_ceil(usize::try_from(CONNECTIONS).unwrap()).max(1);
    for events in events.chunks(share).map(<[Event]>::to_vec) {
        posting.spawn(async move {
            let mut connection = Connection::open(address).await.unwrap();
            let mut forgotten = Vec::new();
            for event in events {
                let (status, body) = post(&mut connection, &event).await.unwrap();
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                if status != StatusCode::OK || answer["status"] != "duplicate" {
                    forgotten.push(format!("{}: {status} {answer}", event.id));
                }
            }
            forgotten
        });
    }
    posting.join_all().await.concat()
}
