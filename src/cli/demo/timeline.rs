//! What the hub made of the events: the customer's timeline, and what the organization may use now, asked of
//! the broker over HTTP.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::Value;

use super::stage::{self, CUSTOMER, FEATURE};
use super::{ORGANIZATION, Show};
use crate::cli::client;
use crate::domain::secret::Secret;

/// Between two looks: the hub follows by a moment.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Where an app asks whether the organization may use the feature.
pub(super) fn access_path() -> String {
    let (app, feature) = FEATURE;
    format!("/api/ecosystem/feature-access?app={app}&organization={ORGANIZATION}&feature={feature}")
}

/// Whether the organization may use the feature.
pub(super) async fn access(show: &Show) -> anyhow::Result<Value> {
    ask(show, &access_path()).await
}

/// Waits until every event that the hub gets is on the customer's timeline, and tells it, and what may be
/// used now, beside what could be used `before`. False if none of it comes of the events.
pub(super) async fn show(show: &mut Show, before: &Value) -> anyhow::Result<bool> {
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
    // What is on the timeline was committed with the subscription, and the memory follows at once.
    let mut after = access(show).await?;
    while after == *before {
        show.clock.sleep(BETWEEN_LOOKS).await;
        after = access(show).await?;
    }
    show.story.access(before, &after)?;
    Ok(wanted > 0 && before["allowed"] == false && after["allowed"] == true)
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
