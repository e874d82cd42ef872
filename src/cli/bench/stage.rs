//! What the broker under test is given: a registry with one type, and a config with a table for each
//! endpoint.
//!
//! Everything that is not named here is at its default, durability above all: there is no way to turn
//! it off.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::body::{EVENT_TYPE, SENDER};
use super::receiver;
use crate::domain::secret::Secret;
use crate::runtime::entropy::Entropy;

/// The benches of a person should not fill his disk to the brim, nor need much of it.
const FREE_BYTES_MIN: &str = "64MiB";
/// With failing endpoints: waits short enough for a run to end.
const RETRY_WHEN_FAILING: &str =
    "[delivery.retry]\nfirst = \"200ms\"\nfactor = 2.0\nmax = \"2s\"\nmax_attempts = 1000\n";
/// With all endpoints down: what is measured is the broker, not how long it was told to wait.
const RETRY_WHEN_DOWN: &str = "[delivery.retry]\nfirst = \"500ms\"\nfactor = 1.0\nmax = \"1s\"\nmax_attempts = 1000\n\
     [delivery.breaker]\ncooldown = \"500ms\"\ncooldown_max = \"1s\"\ndrain_per_second = 1000000\n";

/// The endpoints, and where they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast<'a> {
    /// Where each of them is.
    pub(super) endpoints: &'a [SocketAddr],
    /// The first so many refuse connections all the same.
    pub(super) dead: usize,
    /// Where nobody listens.
    pub(super) refusing: SocketAddr,
}

/// What the retries are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retries {
    /// As they are by default.
    Default,
    /// Quick, because endpoints fail on purpose.
    Failing,
    /// Quick, because all endpoints come back at once.
    Down,
}

/// The files of a broker.
#[derive(Debug)]
pub(super) struct Stage {
    /// The config.
    pub(super) config: PathBuf,
    /// Where its log goes.
    pub(super) log: PathBuf,
    /// The data.
    pub(super) store: PathBuf,
}

impl Stage {
    /// Writes all of it into `folder`, for a broker at `address`.
    pub(super) fn set(
        folder: &Path,
        address: SocketAddr,
        engine: &str,
        cast: &Cast<'_>,
        retries: Retries,
        secrets: &Secrets,
    ) -> anyhow::Result<Self> {
        let stage =
            Self { config: folder.join("config.toml"), log: folder.join("log"), store: folder.join("store") };
        let registry = folder.join("registry");
        fs::create_dir_all(&registry)?;
        fs::write(registry.join("apps.json"), apps(cast.endpoints.len()).to_string())?;
        fs::write(registry.join("events.json"), events(cast.endpoints.len()).to_string())?;
        let mut text = format!(
            "[server]\nlisten = \"{address}\"\n\
             [store]\npath = {}\nengine = \"{engine}\"\nfree_bytes_min = \"{FREE_BYTES_MIN}\"\n\
             [registry]\npath = {}\n\
             [delivery]\nallowed_networks = [\"127.0.0.1\"]\n{}\
             [telemetry]\nlog = \"error\"\n\
             [apps.{SENDER}]\nsigning_secrets = [\"{}\"]\n",
            quoted(&stage.store),
            quoted(&registry),
            match retries {
                Retries::Default => "",
                Retries::Failing => RETRY_WHEN_FAILING,
                Retries::Down => RETRY_WHEN_DOWN,
            },
            secrets.signing,
        );
        for (endpoint, address) in cast.endpoints.iter().enumerate() {
            let (slug, path) = (slug(endpoint), receiver::PATH);
            let host = if endpoint < cast.dead { cast.refusing } else { *address };
            let secret = &secrets.endpoint;
            writeln!(
                text,
                "[apps.{slug}]\nendpoint = \"http://{host}{path}{endpoint}\"\nendpoint_secrets = [\"{secret}\"]"
            )?;
        }
        fs::write(&stage.config, text)?;
        Ok(stage)
    }
}

/// The secrets of a run, made up for it.
#[derive(Debug)]
pub(super) struct Secrets {
    /// What the sender signs with.
    pub(super) signing: String,
    /// What the broker signs with.
    pub(super) endpoint: String,
}

impl Secrets {
    /// New ones.
    pub(super) fn make(entropy: &dyn Entropy) -> Self {
        let make = || {
            let mut bytes = [0; 32];
            entropy.fill(&mut bytes);
            Secret::from_entropy(&bytes).reveal().to_owned()
        };
        Self { signing: make(), endpoint: make() }
    }
}

fn slug(endpoint: usize) -> String {
    format!("bench-{endpoint:04}")
}

fn apps(endpoints: usize) -> Value {
    let slugs = (0..endpoints).map(slug).chain([SENDER.to_owned()]);
    json!({ "apps": slugs.map(|slug| json!({ "slug": slug })).collect::<Vec<_>>() })
}

fn events(endpoints: usize) -> Value {
    json!({ "events": [{
        "type": EVENT_TYPE,
        "senders": [SENDER],
        "receivers": (0..endpoints).map(slug).collect::<Vec<_>>(),
        "sendersComplete": true,
        "receiversComplete": true,
    }] })
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.display().to_string()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::registry::load;
    use crate::runtime::entropy::OsEntropy;

    #[test]
    fn what_is_written_is_what_the_broker_reads() {
        let folder = tempfile::tempdir().unwrap();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let cast = Cast { endpoints: &[local(5), local(6), local(7)], dead: 1, refusing: local(8) };
        for retries in [Retries::Default, Retries::Failing, Retries::Down] {
            let secrets = Secrets::make(&OsEntropy);
            let stage = Stage::set(folder.path(), local(9), "redb", &cast, retries, &secrets).unwrap();
            let config = Config::load(Some(&stage.config), Vec::new()).unwrap();
            let endpoints: Vec<_> = config
                .apps
                .values()
                .filter_map(|app| app.endpoint.as_ref())
                .map(ToString::to_string)
                .collect();
            let wanted = ["http://127.0.0.1:8/r/0", "http://127.0.0.1:6/r/1", "http://127.0.0.1:7/r/2"];
            assert_eq!(endpoints, wanted);
            let catalog = load::from_dir(config.registry.path.unwrap()).unwrap();
            assert_eq!(catalog.event(EVENT_TYPE).unwrap().receivers.len(), 3);
        }
    }
}
