//! What the tests of addresses need: a resolver that answers by a script, and a listener that counts who
//! comes.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use camino_broker::deliver::http::{HttpSink, Resolve};
use camino_broker::runtime::clock::SystemClock;
use tokio::net::{TcpListener, TcpStream};

use crate::fixture::options;

/// Answers each look-up by the next list, the last one for ever.
#[derive(Clone)]
pub struct Scripted {
    answers: Arc<Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Scripted {
    pub fn new(answers: &[&[&str]]) -> Self {
        let parse = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Self { answers: Arc::new(answers.iter().map(parse).collect()), asked: Arc::default() }
    }

    pub fn sink(self, allowed: &[&str]) -> HttpSink {
        HttpSink::with_resolver(options(allowed), Arc::new(SystemClock::new()), Arc::new(self)).unwrap()
    }

    /// How many look-ups there were.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Scripted {
    fn resolve<'a>(
        &'a self,
        _: &'a str,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send + 'a>> {
        let index = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Box::pin(std::future::ready(Ok(self.answers[index].clone())))
    }
}

/// Accepts nobody, so that all who come stand in its queue until they are counted.
pub struct Counter {
    listener: TcpListener,
}

impl Counter {
    /// On every address of this machine, of both families where there are two.
    pub async fn everywhere() -> Self {
        let listener = match TcpListener::bind("[::]:0").await {
            Ok(listener) => listener,
            Err(_) => TcpListener::bind("0.0.0.0:0").await.unwrap(),
        };
        Self { listener }
    }

    pub async fn on(address: SocketAddr) -> Self {
        Self { listener: TcpListener::bind(address).await.unwrap() }
    }

    pub fn port(&self) -> u16 {
        self.listener.local_addr().unwrap().port()
    }

    /// How many connections came before this was asked. The queue is in order, so the last one is our own.
    pub async fn count(&self) -> usize {
        let mut address = self.listener.local_addr().unwrap();
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let own = TcpStream::connect(address).await.unwrap().local_addr().unwrap();
        let mut count = 0;
        while self.listener.accept().await.unwrap().1.port() != own.port() {
            count += 1;
        }
        count
    }
}
