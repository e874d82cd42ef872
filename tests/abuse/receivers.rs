//! A receiver that does something else to each connection, none of it good.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const OK: &str = "HTTP/1.1 200 OK\r\n";
/// More than any test lasts at the speed of a trickle.
const TRICKLED_MAX: usize = 10_000;

pub struct Hostile {
    pub address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl Hostile {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            for manner in 0.. {
                let Ok((stream, _)) = listener.accept().await else { continue };
                while connections.try_join_next().is_some() {}
                connections.spawn(async move {
                    // However it ends: the other side may hang up at any time.
                    let _ = answer(stream, manner % 11).await;
                });
            }
        });
        Self { address, _tasks: tasks }
    }
}

async fn answer(mut stream: TcpStream, manner: u32) -> std::io::Result<()> {
    let mut request = [0; 4096];
    if stream.read(&mut request).await? == 0 {
        return Ok(());
    }
    match manner {
        0 => linger(stream).await,
        1 => trickle(stream, "HTTP/1.1 200 OK\r\nx-slow: ").await,
        2 => trickle(stream, &format!("{OK}content-length: 100000\r\n\r\n")).await,
        3 => flood(stream, &format!("{OK}transfer-encoding: chunked\r\n\r\n"), &chunk()).await,
        4 => {
            flood(
                stream,
                &format!("HTTP/1.1 500 Oops\r\ncontent-length: {}\r\n\r\n", 1 << 30),
                &[b'x'; 16384],
            )
            .await
        }
        5 => flood(stream, OK, b"x-one-more: of them\r\n").await,
        6 => flood(stream, &format!("{OK}x-long: "), &[b'x'; 4096]).await,
        7 => stream.write_all(format!("{OK}transfer-encoding: chunked\r\n\r\nzz\r\n").as_bytes()).await,
        8 => {
            stream.write_all(format!("{OK}content-length: 100\r\n\r\nhalf").as_bytes()).await?;
            stream.set_zero_linger()
        }
        9 => {
            let location = "location: http://169.254.169.254/latest/meta-data/";
            stream
                .write_all(format!("HTTP/1.1 307 Go\r\n{location}\r\ncontent-length: 0\r\n\r\n").as_bytes())
                .await
        }
        _ => flood(stream, "", b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n").await,
    }
}

fn chunk() -> Vec<u8> {
    [b"10000\r\n", vec![b'x'; 0x10000].as_slice(), b"\r\n"].concat()
}

async fn linger(mut stream: TcpStream) -> std::io::Result<()> {
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

/// A byte now and then.
async fn trickle(mut stream: TcpStream, head: &str) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..TRICKLED_MAX {
        pace.tick().await;
        stream.write_all(b"x").await?;
    }
    Ok(())
}

async fn flood(mut stream: TcpStream, head: &str, piece: &[u8]) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    for _ in 0..(1 << 30) / piece.len() {
        stream.write_all(piece).await?;
    }
    Ok(())
}
