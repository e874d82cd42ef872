//! Clients that mean harm, many at a time.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Clients of each kind at once.
const EACH: usize = 40;
const HEAD: &str = "POST /v1/events HTTP/1.1\r\nhost: camino\r\ncontent-type: application/json\r\n";

/// Attacks until dropped.
pub fn attack(address: SocketAddr) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for kind in 0..7 {
        for _ in 0..EACH {
            tasks.spawn(async move {
                loop {
                    // However it ends: that is the broker's to decide.
                    let _ = once(address, kind).await;
                }
            });
        }
    }
    tasks
}

async fn once(address: SocketAddr, kind: usize) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    match kind {
        // Slow headers and slow bodies: then silence, until it is cut off.
        0 => stream.write_all(b"POST /v1/events HTTP/1.1\r\nx-slow: ").await?,
        1 => {
            stream.write_all(format!("{HEAD}content-length: 1000000\r\n\r\n").as_bytes()).await?;
            stream.write_all(&vec![b'x'; 999_999]).await?;
        }
        2 => {
            let deep = "[".repeat(900_000);
            stream
                .write_all(format!("{HEAD}content-length: {}\r\n\r\n{deep}", deep.len()).as_bytes())
                .await?;
            // One answer is enough.
            return stream.read(&mut [0; 4096]).await.map(drop);
        }
        3 => {
            stream.write_all(format!("{HEAD}transfer-encoding: chunked\r\n\r\n").as_bytes()).await?;
            let chunk = [b"10000\r\n", vec![b'x'; 0x10000].as_slice(), b"\r\n"].concat();
            for _ in 0..1000 {
                stream.write_all(&chunk).await?;
            }
        }
        4 => stream.write_all(format!("{HEAD}x-long: {}", "x".repeat(1 << 20)).as_bytes()).await?,
        // Asks again and again, and never reads.
        5 => {
            for _ in 0..10_000 {
                stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: camino\r\n\r\n").await?;
            }
        }
        // Tries keys.
        _ => {
            stream
                .write_all(
                    b"GET /v1/keys HTTP/1.1\r\nhost: camino\r\nauthorization: Bearer cmn_guess\r\n\r\n",
                )
                .await?;
            return stream.read(&mut [0; 4096]).await.map(drop);
        }
    }
    let mut rest = [0; 4096];
    while kind != 5 && stream.read(&mut rest).await? > 0 {}
    if kind == 5 {
        std::future::pending::<()>().await;
    }
    Ok(())
}
