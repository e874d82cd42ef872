//! Envelopes of a wanted size.

const HEAD: &str = concat!(
    r#"{"eventId":"0192f0c1-7a3b-7c11-9d55-0a1b2c3d4e5f","eventType":"bench.sent","#,
    r#""timestamp":"2026-04-16T12:00:00.000Z","source":"bench-sender","organizationId":"org_bench","#,
    r#""data":{"note":""#
);
const TAIL: &str = r#"","lines":[1,2,3]}}"#;

/// An envelope of `bytes` bytes, or of the fewest there can be if that is more.
pub fn envelope(bytes: usize) -> String {
    let fill = bytes.saturating_sub(HEAD.len() + TAIL.len());
    let note: String = "A receipt of no importance. ".chars().cycle().take(fill).collect();
    format!("{HEAD}{note}{TAIL}")
}
