//! The table of problems: code, status, whose fault it is, title, what it means, what mends it, and a detail as its
//! caller may see it. Callers match on the code, so a code never changes.

use axum::http::StatusCode;

/// Who can do something about a problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Whoever asked.
    Caller,
    /// Whoever runs the broker.
    Operator,
    /// The way between the two.
    Network,
    /// The broker's authors.
    Broker,
    /// Nobody: it passes.
    Nobody,
}

impl Fault {
    /// In words, for its page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "the caller's: the request has to change",
            Self::Operator => "the operator's: the broker's host needs attention, the request is fine",
            Self::Network => {
                "the network's, or a client that stalls: the same request may pass the next time"
            }
            Self::Broker => "the broker's own: the request is fine, and somebody has to look at the log",
            Self::Nobody => "nobody's: it passes by itself",
        }
    }
}

macro_rules! codes {
    ($($name:ident: $code:literal, $status:ident, $fault:ident, $title:literal, $meaning:literal, $mend:literal,
        $example:literal;)+) => {
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

            /// Whose fault it is.
            pub const fn fault(self) -> Fault {
                match self { $(Self::$name => Fault::$fault,)+ }
            }

            /// A detail that it may come with.
            pub const fn example(self) -> &'static str {
                match self { $(Self::$name => $example,)+ }
            }
        }
    };
}

codes! {
    EnvelopeMalformed: "envelope.malformed", BAD_REQUEST, Caller, "The body is not well-formed JSON",
        "The body is not JSON, not UTF-8, or nested more deeply than 64 levels.",
        "Send the envelope as one JSON object; the detail says where it breaks.",
        "the body is not JSON: expected `,` or `}` at line 1 column 42";
    EnvelopeInvalid: "envelope.invalid", BAD_REQUEST, Caller, "A field of the envelope is missing or wrong",
        "A field that every event must have is missing, or its value has another form.",
        "Correct the field that the detail names, and send again.",
        "field `eventId` is missing";
    BatchInvalid: "batch.invalid", BAD_REQUEST, Caller, "The batch can't be taken as a whole",
        "The body is no list of events, holds too many, or its events have several sources.",
        "Send {\"events\": [...]} with at most 500 events of one source.",
        "a batch has one source, its signer, but this one names colectiva and hoja";
    SignatureInvalid: "webhook.signature_invalid", UNAUTHORIZED, Caller, "No valid proof of origin",
        "No signature or key proves that the event comes from the source that it names.",
        "Sign the raw body with the source's own secret; `camino verify` shows which part differs.",
        "no proof of origin holds for this source: sign the raw body";
    OutOfWindow: "webhook.timestamp_out_of_window", UNAUTHORIZED, Caller, "The request's timestamp is too far from now",
        "The signature holds, but the time it was sent with is too far from the broker's.",
        "Sign each attempt anew, and check the sender's clock.",
        "the request's timestamp is 312 s outside the 300 s window; sign anew, and check the clock (NTP)";
    SenderNotAllowed: "event.sender_not_allowed", FORBIDDEN, Caller, "The source may not send this type of event",
        "The registry lists who sends this type, and the source is not among them.",
        "Correct the source or the type, or have the registry name the source.",
        "hoja is not among the declared senders of payment.completed";
    BodyMismatch: "idempotency.body_mismatch", CONFLICT, Caller, "The same id came before with another body",
        "The id or the Idempotency-Key came before with another body; the first one stands.",
        "Use a new id for a new thing, and the same bytes for a repeat.",
        "this Idempotency-Key came before with another body; a new request needs a new key";
    InFlight: "idempotency.in_flight", CONFLICT, Nobody, "The same request is being worked on",
        "The same request came before and has not ended yet; nothing was done twice.",
        "Ask again after the seconds in Retry-After.",
        "a request with this Idempotency-Key is being worked on; ask again for its answer";
    TooOld: "event.too_old", UNPROCESSABLE_ENTITY, Caller, "The event is older than ids are remembered",
        "The event's own timestamp lies before the time for which ids are remembered.",
        "Backfill with a bearer key bound to the source, which is exempt.",
        "the event's own timestamp is older than 259200 s, the time ids are remembered; backfills use a bearer key";
    InFuture: "event.in_future", UNPROCESSABLE_ENTITY, Caller, "The event's timestamp lies in the future",
        "The event's own timestamp is ahead of the broker's clock by more than the tolerance.",
        "Check the sender's clock.",
        "the event's own timestamp lies more than 300 s ahead of this broker's clock";
    SchemaInvalid: "event.schema_invalid", UNPROCESSABLE_ENTITY, Caller, "The event's data doesn't fit its schema",
        "The registry has a schema for this type, and `data` departs from it.",
        "Correct the fields that `errors` names.",
        "`data` does not fit the schema of payment.completed in 2 places";
    BodyTooLarge: "body.too_large", PAYLOAD_TOO_LARGE, Caller, "The body is too large",
        "The body has more bytes than this path takes.",
        "Send less at a time; a large attachment belongs behind a link.",
        "the body has more than 1048576 bytes";
    BodyUnreadable: "body.unreadable", BAD_REQUEST, Network, "The body broke off",
        "The connection or the encoding broke before the body was whole.",
        "Send again.",
        "the body broke off";
    BodyTimeout: "body.timeout", REQUEST_TIMEOUT, Network, "The body came too slowly",
        "The body was not whole within the time for it.",
        "Send again over a better connection.",
        "the body took longer than 30 s";
    ContentTypeUnsupported: "content_type.unsupported", UNSUPPORTED_MEDIA_TYPE, Caller, "The content type is not JSON",
        "Only JSON is taken.",
        "Send Content-Type: application/json.",
        "Content-Type must be application/json (a charset, if given, utf-8)";
    QuotaExceeded: "quota.exceeded", TOO_MANY_REQUESTS, Caller, "The source is over its quota",
        "The source has posted more than its configured quota.",
        "Wait for the seconds in Retry-After.",
        "colectiva may post 6000 events a minute (apps.colectiva.ingest_quota)";
    ProofsSlowed: "proof.slowed", TOO_MANY_REQUESTS, Caller, "Too many failed proofs from this address",
        "So many proofs failed from this address that more are refused for a while.",
        "Correct the secret; a valid proof is never refused for this.",
        "too many failed proofs from this address within a minute";
    DiskFull: "store.full", SERVICE_UNAVAILABLE, Operator, "There is no disk space to accept events",
        "The disk of the store is nearly full; nothing of the request was accepted.",
        "Send again later; whoever runs the broker must make room.",
        "the store's disk is nearly full; nothing was accepted";
    StoreFailing: "store.failing", SERVICE_UNAVAILABLE, Operator, "The store can't accept events",
        "The store takes no writes; nothing is acknowledged that is not on the disk.",
        "Send again later; the broker's log says what failed.",
        "the store is failing; nothing was accepted";
    Overloaded: "server.overloaded", SERVICE_UNAVAILABLE, Operator, "The broker has more to do than it can hold",
        "Too many requests wait for the store; nothing of this one was accepted.",
        "Send again after the seconds in Retry-After.",
        "too many events wait to be stored; nothing was accepted";
    Draining: "server.draining", SERVICE_UNAVAILABLE, Nobody, "The broker is stopping",
        "The broker finishes what it holds and takes nothing new.",
        "Send again after the seconds in Retry-After.",
        "the broker is stopping; nothing was accepted";
    Internal: "server.internal", INTERNAL_SERVER_ERROR, Broker, "The broker failed",
        "Something failed that no request should be able to cause.",
        "Tell whoever runs the broker the correlation id.",
        "the journal could not be read; the log says why";
    KeyMissing: "key.missing", UNAUTHORIZED, Caller, "A key is needed, and it must be valid",
        "The path needs a key, and none that is valid came with the request.",
        "Send one as Authorization: Bearer <key>, or as X-API-Key.",
        "send a valid key as Authorization: Bearer <key>, or as X-API-Key";
    KeysSlowed: "key.slowed", TOO_MANY_REQUESTS, Caller, "Too many wrong keys from this address",
        "So many wrong keys came from this address that more are refused for a while, unseen.",
        "Correct the key and wait for the seconds in Retry-After; a valid key is never refused for this.",
        "too many wrong keys from this address within a minute";
    ScopeMissing: "key.scope_missing", FORBIDDEN, Caller, "The key doesn't allow this",
        "The key is valid, but may not do this.",
        "Use a key with the scope that the detail names.",
        "this needs a key with the scope `operate`";
    FormForeign: "form.foreign", FORBIDDEN, Caller, "The form did not come from a page of this broker",
        "The form lacks the token of the page that it claims to come from, or another site sent it.",
        "Load the page again and send the form from there.",
        "this form is not from a page that is open now; load the page again and send it again";
    RequestInvalid: "request.invalid", BAD_REQUEST, Caller, "A part of the request is missing or wrong",
        "A parameter, a header or a field of the body cannot be taken. `field` names it where it has a name.",
        "Correct what the detail names.",
        "`limit` must be a number from 1 to 500";
    TierRequired: "subscription.tier_required", PAYMENT_REQUIRED, Caller, "The subscription does not include this",
        "The organization's plan does not include the feature, or its subscription is not in order.",
        "Go to the plan that `requiredPlan` names, or settle what is owed.",
        "`insights.customers` needs the pro tier or higher";
    NotFound: "resource.not_found", NOT_FOUND, Caller, "There is no such thing",
        "Nothing is at this path, or not any more; or a filter names an app or a type of event that nobody knows: then `field` says which, and `didYouMean` has the nearest name.",
        "Check the path, the id and the names.",
        "there is no such thing (any more)";
    MethodNotAllowed: "request.method_not_allowed", METHOD_NOT_ALLOWED, Caller, "The path doesn't take this method",
        "The path exists, but not with this method.",
        "Use one of the methods in the Allow header.",
        "the path exists, but not with this method; see the Allow header";
    StateConflict: "resource.state_conflict", CONFLICT, Caller, "The thing is in a state that doesn't allow this",
        "The request makes sense, but not in the state that the thing is in.",
        "Look at the thing again; the detail says what stands in the way.",
        "this delivery is not over: it is tried again by itself, or once its endpoint is resumed";
}

impl Code {
    /// Whether it may come with `Retry-After`.
    pub const fn may_say_when(self) -> bool {
        matches!(self.status(), StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            || matches!(self, Self::InFlight)
    }

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
