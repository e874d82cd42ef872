//! The bodies that are posted: every event has the same bytes but for its id, its timestamp and the
//! instant it was sent, which stand at fixed places, so that no side has to read or write JSON.

use bytes::{BufMut as _, Bytes, BytesMut};

use crate::domain::time::Millis;

/// The one type of event.
pub(super) const EVENT_TYPE: &str = "bench.sent";
/// The one app that sends.
pub(super) const SENDER: &str = "bench-sender";

const BEFORE_ID: &str = r#"{"eventId":""#;
const BEFORE_TIME: &str = r#"","timestamp":""#;
const BEFORE_SENT: &str = concat!(
    r#"","eventType":"bench.sent","source":"bench-sender","#,
    r#""organizationId":"org_bench","data":{"sentAt":""#
);
const BEFORE_FILL: &str = r#"","fill":""#;
const END: &str = r#""}}"#;

/// A UUID whose last group is the event's number.
const ID_BYTES: usize = 36;
const NUMBER_BYTES: usize = 12;
const TIME_BYTES: usize = 24;
/// Nanoseconds since the epoch, with leading zeros.
const SENT_BYTES: usize = 20;

const ID_AT: usize = BEFORE_ID.len();
const NUMBER_AT: usize = ID_AT + ID_BYTES - NUMBER_BYTES;
const TIME_AT: usize = ID_AT + ID_BYTES + BEFORE_TIME.len();
const SENT_AT: usize = TIME_AT + TIME_BYTES + BEFORE_SENT.len();
/// How much of a body says which event it is.
pub(super) const HEAD_BYTES: usize = SENT_AT + SENT_BYTES;
/// The shortest body there is.
pub(super) const BYTES_MIN: usize = HEAD_BYTES + BEFORE_FILL.len() + END.len();

const BATCH_BEGIN: &[u8] = br#"{"events":["#;
const BATCH_END: &[u8] = b"]}";

/// What the fill repeats.
const FILL: &[u8] = b"The quick brown fox jumps over the lazy dog 0123456789. ";

/// What a body says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Label {
    /// Which event it is, from zero.
    pub(super) number: u64,
    /// When it was sent.
    pub(super) sent_ns: u64,
}

/// A body to be filled in.
#[derive(Clone, Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
}

impl Template {
    /// A body of `size` bytes, or of [`BYTES_MIN`] if that is more; `run` tells apart the ids of runs.
    pub(super) fn new(size: usize, run: u32) -> Self {
        let fill = size.saturating_sub(BYTES_MIN);
        let id = format!("{run:08x}-0000-4000-8000-{:012x}", 0);
        let head =
            format!("{BEFORE_ID}{id}{BEFORE_TIME}{}{BEFORE_SENT}{:020}{BEFORE_FILL}", Millis(0).rfc3339(), 0);
        let mut bytes = head.into_bytes();
        bytes.extend(FILL.iter().cycle().take(fill));
        bytes.extend_from_slice(END.as_bytes());
        Self { bytes }
    }

    /// The id of the event of this body.
    pub(super) fn event_id(&self) -> &str {
        // Only ever filled with ASCII.
        std::str::from_utf8(&self.bytes[ID_AT..ID_AT + ID_BYTES]).unwrap_or_default()
    }

    /// Becomes the body of `label`; `time` is the envelope's timestamp.
    pub(super) fn fill(&mut self, label: Label, time: &str) -> &[u8] {
        digits(&mut self.bytes[NUMBER_AT..NUMBER_AT + NUMBER_BYTES], label.number, 16);
        digits(&mut self.bytes[SENT_AT..HEAD_BYTES], label.sent_ns, 10);
        if time.len() == TIME_BYTES {
            self.bytes[TIME_AT..TIME_AT + TIME_BYTES].copy_from_slice(time.as_bytes());
        }
        &self.bytes
    }

    /// The body of a post of `labels`: the event itself, or a batch when `batch`.
    pub(super) fn post(&mut self, labels: impl Iterator<Item = Label>, time: &str, batch: bool) -> Bytes {
        let mut post = BytesMut::new();
        if batch {
            post.put_slice(BATCH_BEGIN);
        }
        for (index, label) in labels.enumerate() {
            if index > 0 {
                post.put_u8(b',');
            }
            post.put_slice(self.fill(label, time));
        }
        if batch {
            post.put_slice(BATCH_END);
        }
        post.freeze()
    }
}

/// Writes `value` into all of `place`, with leading zeros.
fn digits(place: &mut [u8], mut value: u64, base: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b"0123456789abcdef"[usize::try_from(value % base).unwrap_or(0)];
        value /= base;
    }
}

/// What the body that begins with `head` says about itself; `None` if it is none of ours.
pub(super) fn label(head: &[u8]) -> Option<Label> {
    if head.len() < HEAD_BYTES || !head.starts_with(BEFORE_ID.as_bytes()) {
        return None;
    }
    let number = std::str::from_utf8(&head[NUMBER_AT..NUMBER_AT + NUMBER_BYTES]).ok()?;
    let sent = std::str::from_utf8(&head[SENT_AT..HEAD_BYTES]).ok()?;
    Some(Label { number: u64::from_str_radix(number, 16).ok()?, sent_ns: sent.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event;

    const NOW: Millis = Millis(1_776_340_800_123);
    const LABEL: Label = Label { number: 0xfeed, sent_ns: 1_776_340_800_123_456_789 };

    #[test]
    fn a_body_is_an_envelope_of_the_wanted_size_that_says_what_it_is() {
        for (size, wanted) in [(1024, 1024), (BYTES_MIN, BYTES_MIN), (0, BYTES_MIN)] {
            let mut template = Template::new(size, 7);
            let body = template.fill(LABEL, &NOW.rfc3339()).to_vec();
            assert_eq!(body.len(), wanted);
            assert_eq!(label(&body[..HEAD_BYTES]), Some(LABEL));
            let read = event::parse(&body).unwrap();
            assert!(read.has_uuid());
            assert_eq!((read.event_type.as_str(), read.source.as_str()), (EVENT_TYPE, SENDER));
            assert_eq!((read.timestamp, read.event_id.as_str()), (NOW, template.event_id()));
        }
        assert_eq!(label(b"{}"), None);
    }

    #[test]
    fn a_batch_holds_each_event_as_it_is() {
        let mut template = Template::new(300, 7);
        let labels = [LABEL, Label { number: 2, sent_ns: 3 }];
        let post = template.post(labels.into_iter(), &NOW.rfc3339(), true);
        let items = event::parse_batch(&post, 10).unwrap();
        let read: Vec<_> = items.iter().filter_map(|item| label(item.as_bytes())).collect();
        assert_eq!(read, labels);
        let alone = template.post([LABEL].into_iter(), &NOW.rfc3339(), false);
        assert_eq!(alone, items[0]);
    }
}
