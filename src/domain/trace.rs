//! The W3C trace context: which trace a thing belongs to, and which span caused it.
//!
//! What is not exactly `traceparent` of the recommendation is no context. Never makes ids from
//! randomness: the ids of a new span are arguments.

use std::fmt;

/// Bytes of a `traceparent` of version 00.
const TEXT_BYTES: usize = 55;
/// The digits of a trace's id that say whether it is kept.
const LOWER_HALF: u128 = u64::MAX as u128;
/// The flag that says that somebody keeps this trace.
const SAMPLED: u8 = 1;

/// One span's place in a trace, as `traceparent` carries it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span; never 0.
    pub span_id: u64,
    /// Whether the trace is kept.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. A version later than 00 is read as far as 00 goes, as the recommendation asks.
    pub fn parse(text: &str) -> Option<Self> {
        let head = text.get(..TEXT_BYTES)?;
        let mut parts = head.split('-');
        let mut part = |digits: usize| parts.next().filter(|part| part.len() == digits && is_hex(part));
        let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let ends = if version == "00" { text.len() == TEXT_BYTES } else { ends_well(&text[TEXT_BYTES..]) };
        let context = Self {
            trace_id: u128::from_str_radix(trace, 16).ok()?,
            span_id: u64::from_str_radix(span, 16).ok()?,
            is_sampled: u8::from_str_radix(flags, 16).ok()? & SAMPLED != 0,
        };
        (version != "ff" && ends && context.trace_id != 0 && context.span_id != 0).then_some(context)
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(self, span_id: u64) -> Self {
        Self { span_id: span_id.max(1), ..self }
    }

    /// The first span of a new trace; it is kept if `share` of all traces (0 to 1) takes it in.
    pub fn root(trace_id: u128, span_id: u64, share: f64) -> Self {
        // The lower half decides, as other implementations have it, so that all keep the same traces.
        #[expect(clippy::cast_precision_loss, reason = "a share needs no 64 bits")]
        let place = (trace_id & LOWER_HALF) as f64 / LOWER_HALF as f64;
        let is_sampled = share >= 1.0 || place < share;
        Self { trace_id: trace_id.max(1), span_id: span_id.max(1), is_sampled }
    }
}

fn is_hex(part: &str) -> bool {
    part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn ends_well(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('-')
}

/// As `traceparent` has it.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-{:02x}", self.trace_id, self.span_id, u8::from(self.is_sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn what_is_read_is_what_is_written() {
        let context = TraceContext::parse(TEXT).unwrap();
        assert!(context.is_sampled);
        assert_eq!(context.to_string(), TEXT);
        let child = context.child(0x1f);
        assert_eq!(child.to_string(), "00-0af7651916cd43dd8448eb211c80319c-000000000000001f-01");
        let unkept = TraceContext { is_sampled: false, ..context };
        assert_eq!(TraceContext::parse(&unkept.to_string()), Some(unkept));
    }

    #[test]
    fn what_is_not_exactly_one_is_none() {
        for (from, to) in [
            ("00-", "ff-"),
            ("00-", "0-"),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("0af7", "0AF7"),
            ("0af7", "0+f7"),
            ("-01", "-0"),
            ("-01", "-01-"),
            ("-01", "-01x"),
            ("-01", "-ñ1"),
        ] {
            let text = TEXT.replacen(from, to, 1);
            assert_eq!(TraceContext::parse(&text), None, "{text}");
        }
        assert_eq!(TraceContext::parse(""), None);
        let later = format!("01{}-more", &TEXT[2..]);
        assert_eq!(TraceContext::parse(&later), TraceContext::parse(TEXT));
    }

    #[test]
    fn a_share_of_the_traces_is_kept() {
        for (trace_id, share, kept) in [
            (1, 1.0, true),
            (u128::MAX, 1.0, true),
            (0, 0.0, false),
            (u128::MAX, 0.5, false),
            (u128::from(u64::MAX / 4), 0.5, true),
        ] {
            assert_eq!(TraceContext::root(trace_id, 1, share).is_sampled, kept, "{trace_id} {share}");
        }
        let zero = TraceContext::root(0, 0, 1.0);
        assert_eq!((zero.trace_id, zero.span_id), (1, 1), "0 is no id");
    }
}
