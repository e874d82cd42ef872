//! Events in the order of acceptance, for whoever follows them.

use serde_json::{Value, json};

use super::EVENT;
use super::events::{by_names, event_shape, example, sought};
use crate::admin::onward::Followed;
use crate::http::contract::Operation;
use crate::http::contract::shape::{count, delivery_id, flag, list, named, object, or_null, text, word};

pub(super) fn operation() -> Operation {
    let about = "Each event once, in the order of acceptance, from a place that stays good: no event is passed over. \
        Ask again with `next` for what has come since.";
    let cursor =
        "Where to go on: `next` of a page or `after` of an item, or `end` for what comes from now on.";
    by_names("/v1/journal", "followEvents", "Follow events, oldest first")
        .about(about)
        .lists::<Followed>()
        .says("q", sought())
        .says("again", word(["true", "false"], "Also what was made again: retries, replays, releases."))
        .says("body", word(["true", "false"], "Also the received bytes, as `bodyText`."))
        .says("cursor", text(cursor))
        .answers(200, "A page.", named("Onward"), onward())
}

pub(super) fn shapes() -> [(&'static str, Value); 2] {
    [
        ("OnwardEvent", onward_shape()),
        (
            "Onward",
            object(
                "One page of the events in their order.",
                [
                    (
                        "items",
                        list(named("OnwardEvent"), "Oldest first. May be empty though there is `more`."),
                    ),
                    ("next", text("The `cursor` of what comes after; always there.")),
                    ("more", flag("Whether there is more now.")),
                    ("pastRetention", count("Places since the cursor whose events are no longer kept.")),
                ],
            ),
        ),
    ]
}

fn onward_shape() -> Value {
    let mut shape = event_shape();
    shape["description"] = "An event with the deliveries that were made of it there.".into();
    let members = [
        ("made", list(named("Delivery"), "Those of the receiver that was asked for, or all.")),
        ("webhookId", text("The `webhook-id` that they carry.")),
        ("replayOf", or_null(delivery_id("The delivery that it repeats."))),
        ("after", text("The cursor of what comes after it.")),
    ];
    for (name, member) in members {
        shape["properties"][name] = member;
        if let Some(required) = shape["required"].as_array_mut() {
            required.push(name.into());
        }
    }
    shape["properties"]["bodyText"] = text("The bytes that were received, if they were asked for.");
    shape
}

fn onward() -> Value {
    let mut event = example();
    event["made"] = json!([]);
    event["webhookId"] = EVENT.into();
    event["replayOf"] = Value::Null;
    event["after"] = "1f~19d9642017b".into();
    json!({ "items": [event], "next": "1f~19d9642017b", "more": false, "pastRetention": 0 })
}
