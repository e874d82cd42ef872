//! The table of problems: code, status, title, what it means and what mends it. Callers match on the code, so a code never changes.

use axum::http::StatusCode;

macro_rules! codes {
    ($($name:ident: $code:literal, $status:ident, $title:literal, $meaning:literal, $mend:literal;)+) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = concat!("`", $code, "`: ", $title, ".")] $name,)+
        }

        impl Code {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The code that callers match on.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// The HTTP status.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// The kind in words, the same for every occurrence.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// What it says about the request, for the page behind the problem's `type`.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)+ }
            }

            /// What whoever meets it can do.
            pub const fn mend(self) -> &'static str {
                match self { $(Self::$name => $mend,)+ }
            }
        }
    };
}

codes! {
    EnvelopeMalformed: "envelope.malformed", BAD_REQUEST, "The body is not well-formed JSON",
        "The body is not JSON, not UTF-8, or nested more deeply than 64 levels.",
        "Send the envelope as one JSON object; the detail says where it breaks.";
    EnvelopeInvalid: "envelope.invalid", BAD_REQUEST, "A field of the envelope is missing or wrong",
        "A field that every event must have is missing, or its value has another form.",
        "Correct the field that the detail names, and send again.";
    BatchInvalid: "batch.invalid", BAD_REQUEST, "The batch can't be taken as a whole",
        "The body is no list of events, holds too many, or its events have several sources.",
        "Send {\"events\": [...]} with at most 500 events of one source.";
    SignatureInvalid: "webhook.signature_invalid", UNAUTHORIZED, "No valid proof of origin",
        "No signature or key proves that the event comes from the source that it names.",
        "Sign the raw body with the source's own secret; `camino verify` shows which part differs.";
    OutOfWindow: "webhook.timestamp_out_of_window", UNAUTHORIZED, "The request's timestamp is too far from now",
        "The signature holds, but the time it was sent with is too far from the broker's.",
        "Sign each attempt anew, and check the sender's clock.";
    SenderNotAllowed: "event.sender_not_allowed", FORBIDDEN, "The source may not send this type of event",
        "The registry lists who sends this type, and the source is not among them.",
        "Correct the source or the type, or have the registry name the source.";
    BodyMismatch: "idempotency.body_mismatch", CONFLICT, "The same id came before with another body",
        "The id or the Idempotency-Key came before with another body; the first one stands.",
        "Use a new id for a new thing, and the same bytes for a repeat.";
    InFlight: "idempotency.in_flight", CONFLICT, "The same request is being worked on",
        "The same request came before and has not ended yet; nothing was done twice.",
        "Ask again after the seconds in Retry-After.";
    TooOld: "event.too_old", UNPROCESSABLE_ENTITY, "The event is older than ids are remembered",
        "The event's own timestamp lies before the time for which ids are remembered.",
        "Backfill with a bearer key bound to the source, which is exempt.";
    InFuture: "event.in_future", UNPROCESSABLE_ENTITY, "The event's timestamp lies in the future",
        "The event's own timestamp is ahead of the broker's clock by more than the tolerance.",
        "Check the sender's clock.";
    SchemaInvalid: "event.schema_invalid", UNPROCESSABLE_ENTITY, "The event's data doesn't fit its schema",
        "The registry has a schema for this type, and `data` departs from it.",
        "Correct the fields that `errors` names.";
    BodyTooLarge: "body.too_large", PAYLOAD_TOO_LARGE, "The body is too large",
        "The body has more bytes than this path takes.",
        "Send less at a time; a large attachment belongs behind a link.";
    BodyUnreadable: "body.unreadable", BAD_REQUEST, "The body broke off",
        "The connection or the encoding broke before the body was whole.",
        "Send again.";
    BodyTimeout: "body.timeout", REQUEST_TIMEOUT, "The body came too slowly",
        "The body was not whole within the time for it.",
        "Send again over a better connection.";
    ContentTypeUnsupported: "content_type.unsupported", UNSUPPORTED_MEDIA_TYPE, "The content type is not JSON",
        "Only JSON is taken.",
        "Send Content-Type: application/json.";
    QuotaExceeded: "quota.exceeded", TOO_MANY_REQUESTS, "The source is over its quota",
        "The source has posted more than its configured quota.",
        "Wait for the seconds in Retry-After.";
    ProofsSlowed: "proof.slowed", TOO_MANY_REQUESTS, "Too many failed proofs from this address",
        "So many proofs failed from this address that more are refused for a while.",
        "Correct the secret; a valid proof is never refused for this.";
    DiskFull: "store.full", SERVICE_UNAVAILABLE, "There is no disk space to accept events",
        "The disk of the store is nearly full; nothing of the request was accepted.",
        "Send again later; whoever runs the broker must make room.";
    StoreFailing: "store.failing", SERVICE_UNAVAILABLE, "The store can't accept events",
        "The store takes no writes; nothing is acknowledged that is not on the disk.",
        "Send again later; the broker's log says what failed.";
    Overloaded: "server.overloaded", SERVICE_UNAVAILABLE, "The broker has more to do than it can hold",
        "Too many requests wait for the store; nothing of this one was accepted.",
        "Send again after the seconds in Retry-After.";
    Draining: "server.draining", SERVICE_UNAVAILABLE, "The broker is stopping",
        "The broker finishes what it holds and takes nothing new.",
        "Send again after the seconds in Retry-After.";
    Internal: "server.internal", INTERNAL_SERVER_ERROR, "The broker failed",
        "Something failed that no request should be able to cause.",
        "Tell whoever runs the broker the correlation id.";
    KeyMissing: "key.missing", UNAUTHORIZED, "A key is needed, and it must be valid",
        "The path needs a key, and none that is valid came with the request.",
        "Send one as Authorization: Bearer <key>, or as X-API-Key.";
    KeysSlowed: "key.slowed", TOO_MANY_REQUESTS, "Too many wrong keys from this address",
        "So many wrong keys came from this address that more are refused for a while, unseen.",
        "Correct the key and wait for the seconds in Retry-After; a valid key is never refused for this.";
    ScopeMissing: "key.scope_missing", FORBIDDEN, "The key doesn't allow this",
        "The key is valid, but may not do this.",
        "Use a key with the scope that the detail names.";
    RequestInvalid: "request.invalid", BAD_REQUEST, "A part of the request is missing or wrong",
        "A parameter, a header or a field of the body cannot be taken.",
        "Correct what the detail names.";
    TierRequired: "subscription.tier_required", PAYMENT_REQUIRED, "The subscription does not include this",
        "The organization's plan does not include the feature, or its subscription is not in order.",
        "Go to the plan that `requiredPlan` names, or settle what is owed.";
    NotFound: "resource.not_found", NOT_FOUND, "There is no such thing",
        "Nothing is at this path, or not any more.",
        "Check the path and the id.";
    MethodNotAllowed: "request.method_not_allowed", METHOD_NOT_ALLOWED, "The path doesn't take this method",
        "The path exists, but not with this method.",
        "Use one of the methods in the Allow header.";
    StateConflict: "resource.state_conflict", CONFLICT, "The thing is in a state that doesn't allow this",
        "The request makes sense, but not in the state that the thing is in.",
        "Look at the thing again; the detail says what stands in the way.";
}

impl Code {
    /// The problem's `type`: where its page is, relative to the broker.
    pub fn type_uri(self) -> String {
        format!("/errors/{}", self.as_str().replace(['.', '_'], "-"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn codes_are_unique_and_errors() {
        let codes: HashSet<_> = Code::ALL.iter().map(|code| code.type_uri()).collect();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.status().is_client_error() || code.status().is_server_error(), "{code:?}");
            assert!(!code.title().ends_with('.'), "{code:?}");
            assert!(code.meaning().ends_with('.') && code.mend().ends_with('.'), "{code:?}");
        }
    }
}
