//! A broker with a sender and a receiver, for verbs that need something to happen.

use std::fmt::Write as _;

use camino_broker::runtime::clock::{Clock as _, SystemClock};

use super::binary::{Place, Serving};

/// What colectiva signs with.
pub const SECRET: &str = "it-signs-and-is-signed-to-with-this";
/// What the broker signs with for mancha.
pub const MANCHA: &str = "it-signs-and-is-signed-to-with-this-too";
/// Most events of one batch.
const BATCH_MAX: u32 = 500;

/// A folder whose config has colectiva send and mancha receive at `endpoint`; one attempt each.
pub fn place(endpoint: &str) -> Place {
    Place::with_config(&format!(
        "[delivery]\nallowed_networks = [\"127.0.0.0/8\"]\n[delivery.retry]\nmax_attempts = 1\n\
         [apps.colectiva]\nsigning_secrets = [\"{SECRET}\"]\n\
         [apps.mancha]\nendpoint = \"{endpoint}\"\nendpoint_secrets = [\"{MANCHA}\"]\n"
    ))
}

/// The `n`-th event id.
pub fn id(n: u32) -> String {
    format!("0192f0c1-7a3b-7c11-9d55-{n:012}")
}

/// Sends the events `numbers` in their order.
pub fn send(place: &Place, serving: &Serving, numbers: std::ops::RangeInclusive<u32>) {
    let now = SystemClock::new().now().rfc3339();
    let numbers: Vec<u32> = numbers.collect();
    for numbers in numbers.chunks(BATCH_MAX as usize) {
        let mut events = String::new();
        for n in numbers {
            let comma = if events.is_empty() { "" } else { "," };
            write!(
                events,
                "{comma}{{\"eventId\":\"{}\",\"eventType\":\"payment.completed\",\"timestamp\":\"{now}\",\
                 \"source\":\"colectiva\",\"organizationId\":\"org_{n}\",\"data\":{{\"paymentId\":\"pay_{n}\",\
                 \"chargeId\":\"chg_1\",\"amount\":65000,\"currency\":\"MXN\",\"referenceId\":\"apt_1\",\
                 \"referenceType\":\"appointment\"}}}}",
                id(*n)
            )
            .unwrap();
        }
        place.write("batch.json", format!("{{\"events\":[{events}]}}"));
        let url = format!("{}/v1/events/batch", serving.url);
        let sent = place.run(&["send", "--file", "batch.json", "--secret", SECRET, "--url", &url, "--json"]);
        assert_eq!(sent.code, 0, "{}", sent.told());
        assert_eq!(sent.stdout.matches("\"accepted\"").count(), numbers.len(), "{}", sent.told());
    }
}

/// Runs `args` until stdout is as wanted: the journal follows the outbox by a moment.
pub fn until(place: &Place, args: &[&str], is_it: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    for _ in 0..200 {
        last = place.run(args).stdout;
        if is_it(&last) {
            return last;
        }
    }
    panic!("camino {args:?} stays\n{last}");
}
