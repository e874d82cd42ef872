//! The running broker that a verb talks to: its address and a key, given or found in the config.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method, Uri};
use serde_json::Value;

use super::client::{self, Answer, Client};
use super::failure::Failure;
use crate::config::{Config, process_vars};
use crate::runtime::clock::{Clock as _, SystemClock};

/// Where the broker is and how it is asked.
#[derive(Debug, clap::Args)]
// Each verb's own arguments are a group of the same name.
#[group(skip)]
pub(super) struct Args {
    /// The broker; the config's `server.listen` unless given.
    #[arg(long, value_name = "URL", global = true)]
    url: Option<Uri>,
    /// A key as text, env:NAME or file:PATH; the administrator's of the config or the store unless given.
    #[arg(long, value_name = "KEY", global = true)]
    key: Option<String>,
}

/// The same, and how the answer is told.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Call {
    #[command(flatten)]
    pub(super) broker: Args,
    /// The answer as JSON.
    #[arg(long, global = true)]
    pub(super) json: bool,
}

/// A broker that can be asked.
pub(super) struct Broker {
    base: String,
    client: Client,
    key: HeaderValue,
    clock: SystemClock,
    runtime: tokio::runtime::Runtime,
}

/// Where the broker of this config is, seen from this machine.
pub(super) fn local(settings: &Config) -> anyhow::Result<String> {
    if settings.server.tls().is_some() {
        let what = "the broker of this config speaks TLS, and its certificate is for a name";
        return Err(Failure::new(what, "`--url` takes https://NAME:PORT").into());
    }
    Ok(format!("http://{}", settings.server.reachable()))
}

impl Broker {
    /// Finds the broker and the key.
    pub(super) fn find(args: &Args, config: Option<&Path>) -> anyhow::Result<Self> {
        let settings = match (&args.url, &args.key) {
            (Some(_), Some(_)) => Config::default(),
            _ => Config::load(config, process_vars())?,
        };
        let base = match &args.url {
            Some(url) if url.scheme().is_some() => url.to_string().trim_end_matches('/').to_owned(),
            Some(url) => return Err(no_url(url).into()),
            None => local(&settings)?,
        };
        let key = match &args.key {
            Some(text) => super::credential::read_as("--key", text)?.reveal().to_owned(),
            None => administrators(&settings)?,
        };
        let mut key = HeaderValue::from_str(&format!("Bearer {}", key.trim()))
            .map_err(|_| Failure::new("the key has characters that no key has", "copy it again, whole"))?;
        key.set_sensitive(true);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(Self { base, client: Client::new()?, key, clock: SystemClock::new(), runtime })
    }

    /// Lets time pass.
    pub(super) fn wait(&self, span: Duration) {
        self.runtime.block_on(async { self.clock.sleep(span).await });
    }

    /// Where it is.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// The clock that its waits go by.
    pub(super) fn clock(&self) -> &SystemClock {
        &self.clock
    }

    /// Runs what is asynchronous, beside the broker's own requests.
    pub(super) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Asks for `path`; an answer that is no success is a failure with the broker's own words.
    pub(super) fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        Self::judged(&self.call(method, path, body)?)
    }

    /// Every page of a list, `page_max` of them at most; whether there would be more.
    pub(super) fn items(&self, path: &str, page_max: usize) -> anyhow::Result<(Vec<Value>, bool)> {
        let (mut items, mut cursor) = (Vec::new(), String::new());
        let join = if path.contains('?') { '&' } else { '?' };
        for _ in 0..page_max {
            let mut page = self.ask(Method::GET, &format!("{path}{join}limit=500&cursor={cursor}"), None)?;
            if let Value::Array(found) = page["items"].take() {
                items.extend(found);
            }
            match page["next"].as_str() {
                Some(next) => cursor = escaped(next),
                None => return Ok((items, false)),
            }
        }
        Ok((items, true))
    }

    /// Whatever the broker answers; a failure is one that did not answer.
    pub(super) fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Answer, Failure> {
        let url: Uri = format!("{}{path}", self.base).parse().map_err(|_| no_url(&self.base))?;
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, self.key.clone());
        let body = body.map(|json| Bytes::from(json.to_string())).unwrap_or_default();
        let answer = self.runtime.block_on(self.client.call(method, &url, headers, body, &self.clock));
        answer.map_err(|why| client::unreached(&self.base, &why))
    }

    /// The answer's JSON, or the failure that it tells of.
    pub(super) fn judged(answer: &Answer) -> anyhow::Result<Value> {
        let is_good = (200..300).contains(&answer.status);
        if is_good && answer.body.is_empty() {
            return Ok(Value::Null);
        }
        match serde_json::from_slice::<Value>(&answer.body) {
            Ok(json) if is_good => Ok(json),
            Ok(json) if json["code"].is_string() => Err(refused(answer.status, &json).into()),
            _ => {
                let what = format!("what answered {} is no broker of this version", answer.status);
                Err(Failure::new(what, "is the address right? `--url` names another").into())
            }
        }
    }
}

fn no_url(text: impl std::fmt::Display) -> Failure {
    Failure::new(format!("{text} is no URL of a broker"), "`--url` takes http://HOST:PORT")
}

/// What a problem says, with what to do about it.
fn refused(status: u16, problem: &Value) -> Failure {
    let word = |name: &str| problem[name].as_str().unwrap_or_default();
    let what = format!("the broker answered {status} {}: {}", word("code"), word("detail"));
    let mend = match status {
        400 => "mend what it names; `--help` says what there is",
        401 => "--key takes a valid one; the first is CAMINO_ADMIN_KEY, or admin.key in the broker's store",
        403 => "--key takes a key with the scope that this needs",
        404 => "is it written right, and is this the broker that has it?",
        409 => "look at how it stands now, and ask again if it is still wanted",
        429 | 503 => "wait a while, and ask again",
        _ => "the broker's log says more",
    };
    Failure::new(what, format!("{mend} ({})", word("correlationId")))
}

/// The administrator's key: of the config, else the one that the broker made in its store.
fn administrators(settings: &Config) -> Result<String, Failure> {
    if let Some(secret) = &settings.server.admin_key {
        return Ok(secret.reveal().to_owned());
    }
    let path = settings.store.path.join(crate::store::control::admin_file::FILE);
    std::fs::read_to_string(&path).map_err(|error| {
        let mend = "give one with --key, or the config and the variables that the broker was started with";
        Failure::new(format!("there is no key to ask with: {}: {error}", path.display()), mend)
    })
}

/// `text` as one segment of a path or one value of a query.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(byte.into());
        } else {
            // Writing to a string never fails.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_meaning_in_a_url_is_escaped() {
        for (text, wanted) in [
            ("0192f0c1-7a3b_x.y~z", "0192f0c1-7a3b_x.y~z"),
            ("a/../b?c=d&e#f", "a%2F..%2Fb%3Fc%3Dd%26e%23f"),
            ("ñ %", "%C3%B1%20%25"),
        ] {
            assert_eq!(escaped(text), wanted);
        }
    }
}
