//! The table of problems: code, status, title. Callers match on the code, so a code never changes.

use axum::http::StatusCode;

macro_rules! codes {
    ($($name:ident: $code:literal, $status:ident, $title:literal;)+) => {
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
        }
    };
}

codes! {
    EnvelopeMalformed: "envelope.malformed", BAD_REQUEST, "The body is not well-formed JSON";
    EnvelopeInvalid: "envelope.invalid", BAD_REQUEST, "A field of the envelope is missing or wrong";
    BatchInvalid: "batch.invalid", BAD_REQUEST, "The batch can't be taken as a whole";
    SignatureInvalid: "webhook.signature_invalid", UNAUTHORIZED, "No valid proof of origin";
    OutOfWindow: "webhook.timestamp_out_of_window", UNAUTHORIZED, "The request's timestamp is too far from now";
    SenderNotAllowed: "event.sender_not_allowed", FORBIDDEN, "The source may not send this type of event";
    BodyMismatch: "idempotency.body_mismatch", CONFLICT, "The same id came before with another body";
    InFlight: "idempotency.in_flight", CONFLICT, "The same request is being worked on";
    TooOld: "event.too_old", UNPROCESSABLE_ENTITY, "The event is older than ids are remembered";
    InFuture: "event.in_future", UNPROCESSABLE_ENTITY, "The event's timestamp lies in the future";
    SchemaInvalid: "event.schema_invalid", UNPROCESSABLE_ENTITY, "The event's data doesn't fit its schema";
    BodyTooLarge: "body.too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    BodyUnreadable: "body.unreadable", BAD_REQUEST, "The body broke off";
    BodyTimeout: "body.timeout", REQUEST_TIMEOUT, "The body came too slowly";
    ContentTypeUnsupported: "content_type.unsupported", UNSUPPORTED_MEDIA_TYPE, "The content type is not JSON";
    QuotaExceeded: "quota.exceeded", TOO_MANY_REQUESTS, "The source is over its quota";
    ProofsSlowed: "proof.slowed", TOO_MANY_REQUESTS, "Too many failed proofs from this address";
    DiskFull: "store.full", SERVICE_UNAVAILABLE, "There is no disk space to accept events";
    StoreFailing: "store.failing", SERVICE_UNAVAILABLE, "The store can't accept events";
    Overloaded: "server.overloaded", SERVICE_UNAVAILABLE, "The broker has more to do than it can hold";
    Draining: "server.draining", SERVICE_UNAVAILABLE, "The broker is stopping";
    Internal: "server.internal", INTERNAL_SERVER_ERROR, "The broker failed";
    KeyMissing: "key.missing", UNAUTHORIZED, "A key is needed, and it must be valid";
    ScopeMissing: "key.scope_missing", FORBIDDEN, "The key doesn't allow this";
    RequestInvalid: "request.invalid", BAD_REQUEST, "A part of the request is missing or wrong";
    NotFound: "resource.not_found", NOT_FOUND, "There is no such thing";
    MethodNotAllowed: "request.method_not_allowed", METHOD_NOT_ALLOWED, "The path doesn't take this method";
    StateConflict: "resource.state_conflict", CONFLICT, "The thing is in a state that doesn't allow this";
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
        }
    }
}
