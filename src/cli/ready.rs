//! `camino ready`: whether the broker takes events, for a container's health check or a script.
//!
//! Needs no key and changes nothing. Exit code 0 only if `/readyz` says so.

use std::path::Path;
use std::process::ExitCode;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde_json::{Value, json};

use super::failure::Failure;
use super::{broker, client, output};
use crate::config::{Config, process_vars};
use crate::runtime::clock::SystemClock;

/// Which broker.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The broker; the config's `server.listen` unless given.
    #[arg(long, value_name = "URL")]
    url: Option<Uri>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(super) fn run(args: &Args, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let base = match &args.url {
        Some(url) => url.to_string().trim_end_matches('/').to_owned(),
        None => broker::local(&Config::load(config, process_vars())?)?,
    };
    let url: Uri = format!("{base}/readyz").parse().map_err(|_| {
        Failure::new(format!("{base} is no address of a broker"), "`--url` takes http://HOST:PORT")
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let clock = SystemClock::new();
    let answer = runtime.block_on(client::call(Method::GET, &url, HeaderMap::new(), Bytes::new(), &clock))?;
    let is_ready = answer.status == 200;
    if args.json {
        output::json(&json!({ "ready": is_ready, "status": answer.status }))?;
    }
    if is_ready {
        if !args.json {
            output::line("ready")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let detail = body["detail"].as_str().unwrap_or("it gives no reason");
    let mend = "its log says more; while it starts or drains, wait";
    Err(Failure::new(format!("not ready: {} {detail}", answer.status), mend).into())
}
