//! What the hub made of the events: the customer's timeline, asked of the broker over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use super::Show;
use super::stage::{self, CUSTOMER};
use crate::cli::client;
use crate::domain::secret::Secret;

/// Between two looks: the hub follows by a moment.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Waits until every event that the hub gets is on the customer's timeline, and tells it. False if the hub
/// gets none.
pub(super) async fn show(show: &mut Show) -> anyhow::Result<bool> {
    let wanted = stage::scenes_of_the_hub(&show.catalog);
    let (contact, entries) = loop {
        let contacts = ask(show, &format!("/api/crm/contacts?q={CUSTOMER}")).await?;
        if let Some(contact) = contacts["items"].get(0) {
            let id = contact["contactId"].as_str().unwrap_or_default();
            let timeline = ask(show, &format!("/api/crm/contacts/{id}/timeline")).await?;
            let entries = timeline["items"].as_array().cloned().unwrap_or_default();
            if entries.len() >= wanted {
                break (contact.clone(), entries);
            }
        }
        show.clock.sleep(BETWEEN_LOOKS).await;
    };
    show.story.timeline(&contact, &entries)?;
    Ok(wanted > 0)
}

async fn ask(show: &Show, path: &str) -> anyhow::Result<Value> {
    let key = show.stage.config.server.admin_key.as_ref().map(Secret::reveal).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {key}"))?);
    let authority = show.url.authority().map(ToString::to_string).unwrap_or_default();
    let url = format!("http://{authority}{path}").parse()?;
    let answer = client::call(Method::GET, &url, headers, Bytes::new(), show.clock.as_ref()).await?;
    anyhow::ensure!(answer.status == 200, "the broker answers {} to {path}", answer.status);
    Ok(serde_json::from_slice(&answer.body)?)
}
