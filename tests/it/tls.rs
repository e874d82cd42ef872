//! The listener with a certificate: TLS and nothing else, and a renewed certificate without a restart.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use camino_broker::testing::clock::ManualClock;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::app::{Setup, TestApp};

const NAME: &str = "camino.example";
const GET: &[u8] = b"GET /healthz HTTP/1.1\r\nhost: camino.example\r\nconnection: close\r\n\r\n";

/// A certificate signed by its own key, as the files of the config.
struct Own {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Own {
    fn new() -> Self {
        let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
        Self {
            certificate: made.cert.pem(),
            key: made.signing_key.serialize_pem(),
            der: made.cert.der().clone(),
        }
    }

    fn write(&self, folder: &Path) {
        fs::write(folder.join("chain.pem"), &self.certificate).unwrap();
        fs::write(folder.join("key.pem"), &self.key).unwrap();
    }

    /// Asks over TLS, with this certificate as the only one that is trusted.
    async fn get(&self, app: &TestApp) -> std::io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let stream = TcpStream::connect(app.address()).await?;
        let name = ServerName::try_from(NAME).unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(GET).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    async fn is_served(&self, app: &TestApp) -> bool {
        self.get(app).await.is_ok_and(|answer| answer.starts_with("HTTP/1.1 200 OK"))
    }
}

async fn start(clock: &ManualClock) -> (TestApp, Own, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let own = Own::new();
    own.write(folder.path());
    let setup = Setup::on(clock.clone()).with(|config| {
        config.server.tls_certificate = Some(folder.path().join("chain.pem"));
        config.server.tls_key = Some(folder.path().join("key.pem"));
        config.server.header_timeout = Duration::from_millis(500);
    });
    (setup.start().await, own, folder)
}

/// Turns the clock until `own` is what the listener shows.
async fn until_served(app: &TestApp, clock: &ManualClock, own: &Own) {
    let served = async {
        while !own.is_served(app).await {
            clock.advance(Duration::from_secs(5));
        }
    };
    tokio::time::timeout(camino_broker::testing::receiver::PATIENCE, served).await.expect("it is in force");
}

#[tokio::test]
async fn with_a_certificate_the_listener_speaks_tls_and_nothing_else() {
    let clock = ManualClock::default();
    let (app, own, _folder) = start(&clock).await;
    assert!(own.is_served(&app).await);
    assert!(Own::new().get(&app).await.is_err(), "another certificate proves nothing");
    let mut plain = app.wire().await;
    plain.write(GET).await;
    let rest = plain.rest().await;
    assert!(!rest.starts_with(b"HTTP"), "{rest:?}");
    // Who never shakes hands holds nobody up.
    let _silent = app.wire().await;
    assert!(own.is_served(&app).await);
    app.stop().await;
}

#[tokio::test]
async fn a_renewed_certificate_is_in_force_without_a_restart() {
    let clock = ManualClock::default();
    let (app, own, folder) = start(&clock).await;
    assert!(own.is_served(&app).await);
    let renewed = Own::new();
    renewed.write(folder.path());
    until_served(&app, &clock, &renewed).await;
    assert!(own.get(&app).await.is_err(), "the one before is no longer shown");
}

#[tokio::test]
async fn a_bad_certificate_leaves_the_one_before_in_force() {
    let clock = ManualClock::default();
    let (app, own, folder) = start(&clock).await;
    let (other, renewed) = (Own::new(), Own::new());
    let garbage = "-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n";
    for (chain, key) in [
        ("", own.key.as_str()),
        ("no PEM", own.key.as_str()),
        (garbage, own.key.as_str()),
        (&own.certificate, ""),
        // Half of a renewal.
        (&other.certificate, &own.key),
    ] {
        fs::write(folder.path().join("chain.pem"), chain).unwrap();
        fs::write(folder.path().join("key.pem"), key).unwrap();
        for _ in 0..3 {
            clock.advance(Duration::from_secs(5));
            assert!(own.is_served(&app).await, "{chain:.40}");
        }
    }
    fs::remove_file(folder.path().join("key.pem")).unwrap();
    clock.advance(Duration::from_secs(5));
    assert!(own.is_served(&app).await, "the files are gone");
    renewed.write(folder.path());
    until_served(&app, &clock, &renewed).await;
}

#[tokio::test]
async fn a_start_without_a_usable_certificate_is_refused_by_name() {
    use camino_broker::app::{App, Ports};
    use camino_broker::config::Config;
    use camino_broker::runtime::clock::SystemClock;
    use camino_broker::runtime::entropy::OsEntropy;

    let folder = tempfile::tempdir().unwrap();
    let own = Own::new();
    own.write(folder.path());
    fs::write(folder.path().join("other.pem"), Own::new().key).unwrap();
    for (key, said) in
        [("missing.pem", "cannot read"), ("chain.pem", "no private key"), ("other.pem", "together")]
    {
        let mut config = Config::default();
        config.server.listen = "127.0.0.1:0".parse().unwrap();
        config.server.tls_certificate = Some(folder.path().join("chain.pem"));
        config.server.tls_key = Some(folder.path().join(key));
        config.store.path = folder.path().join("data");
        let ports = Ports { clock: Arc::new(SystemClock::new()), entropy: Arc::new(OsEntropy) };
        let error = Box::pin(App::build(config, ports)).await.err().expect("it does not start").to_string();
        assert!(error.contains(said) && error.contains("server.tls_key"), "{error}");
        assert!(!folder.path().join("data").exists(), "nothing was touched");
    }
}
