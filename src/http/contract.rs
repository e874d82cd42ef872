//! The HTTP interface as data: what each operation takes, answers and refuses.
//!
//! Each door describes its operations in a `contract` module beside its handlers; `app` makes one OpenAPI
//! document of them all. Never serves a request. What follows from a path, a method or a scope is said once,
//! here, and the query's names come from the types that read it, so that they cannot differ.

mod document;
mod page;
mod parameter;
pub mod shape;

use axum::http::Method;
use serde_json::Value;

pub use document::document;
pub use page::{Page, page};

use super::problem::Code;
use super::query::Parameters;
use crate::store::control::key::Scope;

/// Who may call an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Open,
    /// Whoever proves to be the source of what is sent.
    Proof,
    /// Whoever has a key with this scope.
    Key(Scope),
}

/// A body that an operation takes.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) schema: Value,
    pub(super) required: bool,
    pub(super) example: Value,
}

/// An answer that is no problem.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) meaning: &'static str,
    /// None for an answer without a body.
    pub(super) content: Option<Content>,
    /// Headers that it has beside those of every answer, with their meaning.
    pub(super) headers: &'static [(&'static str, &'static str)],
}

/// What an answer's body is.
#[derive(Clone, Debug)]
pub(super) struct Content {
    pub(super) media: &'static str,
    pub(super) schema: Value,
    pub(super) example: Value,
}

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    pub(super) access: Access,
    /// The query's names, and what is said of those that mean something of their own here.
    pub(super) names: Vec<&'static str>,
    pub(super) said: Vec<(&'static str, Value)>,
    pub(super) required: Vec<&'static str>,
    /// The meaning and an example of the path's parameter.
    pub(super) named: Option<(&'static str, &'static str)>,
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) body: Option<Body>,
    pub(super) answers: Vec<Answer>,
    pub(super) problems: Vec<Code>,
}

impl Operation {
    /// `method` of `path`, open to anyone until it is said who may call it.
    pub fn new(method: Method, path: &'static str, id: &'static str, summary: &'static str) -> Self {
        Self {
            method,
            path,
            id,
            summary,
            about: "",
            access: Access::Open,
            names: Vec::new(),
            said: Vec::new(),
            required: Vec::new(),
            named: None,
            headers: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// What is good to know beyond the summary.
    #[must_use]
    pub fn about(mut self, text: &'static str) -> Self {
        self.about = text;
        self
    }

    /// Only for keys with `scope`. A write takes an `Idempotency-Key` then, and is read within bounds.
    #[must_use]
    pub fn keyed(mut self, scope: Scope) -> Self {
        self.access = Access::Key(scope);
        self.refuses(&[Code::KeyMissing, Code::KeysSlowed, Code::ScopeMissing, Code::Internal]).bounded()
    }

    fn bounded(self) -> Self {
        if matches!(self.method, Method::GET | Method::HEAD) {
            return self;
        }
        self.refuses(&[
            Code::RequestInvalid,
            Code::BodyTooLarge,
            Code::BodyUnreadable,
            Code::BodyTimeout,
            Code::BodyMismatch,
            Code::InFlight,
            Code::Overloaded,
            Code::StoreFailing,
        ])
    }

    /// Only with a proof of origin.
    #[must_use]
    pub fn proven(mut self) -> Self {
        self.access = Access::Proof;
        self
    }

    /// The path's parameter: what it is, and one that may be there.
    #[must_use]
    pub fn named(mut self, meaning: &'static str, example: &'static str) -> Self {
        self.named = Some((meaning, example));
        self.refuses(&[Code::NotFound, Code::RequestInvalid])
    }

    /// The query that `T` reads.
    #[must_use]
    pub fn asks<T: Parameters>(mut self) -> Self {
        self.names.extend(T::NAMES);
        self.refuses(&[Code::RequestInvalid])
    }

    /// The query that `T` reads, and which page is wanted.
    #[must_use]
    pub fn lists<T: Parameters>(self) -> Self {
        let mut listing = self.asks::<T>();
        listing.names.extend(super::page::PAGING);
        listing
    }

    /// What `name` of the query is, where it is not what it is elsewhere.
    #[must_use]
    pub fn says(mut self, name: &'static str, schema: Value) -> Self {
        self.said.push((name, schema));
        self
    }

    /// Names of the query that must be given.
    #[must_use]
    pub fn needs(mut self, names: &[&'static str]) -> Self {
        self.required.extend(names);
        self
    }

    /// A header that is looked at.
    #[must_use]
    pub fn header(mut self, name: &'static str, meaning: &'static str) -> Self {
        self.headers.push((name, meaning));
        self
    }

    /// The JSON that it takes.
    #[must_use]
    pub fn takes(mut self, schema: Value, example: Value) -> Self {
        self.body = Some(Body { schema, required: true, example });
        self
    }

    /// The JSON that it takes, which may be left out as a whole.
    #[must_use]
    pub fn may_take(mut self, schema: Value, example: Value) -> Self {
        self.body = Some(Body { schema, required: false, example });
        self
    }

    /// A JSON answer.
    #[must_use]
    pub fn answers(self, status: u16, meaning: &'static str, schema: Value, example: Value) -> Self {
        self.answers_as(status, meaning, "application/json", schema, example)
    }

    /// An answer of another content type.
    #[must_use]
    pub fn answers_as(
        mut self,
        status: u16,
        meaning: &'static str,
        media: &'static str,
        schema: Value,
        example: Value,
    ) -> Self {
        let content = Some(Content { media, schema, example });
        self.answers.push(Answer { status, meaning, content, headers: &[] });
        self
    }

    /// An answer without a body.
    #[must_use]
    pub fn answers_empty(mut self, status: u16, meaning: &'static str) -> Self {
        self.answers.push(Answer { status, meaning, content: None, headers: &[] });
        self
    }

    /// Headers of the answer that was given last.
    #[must_use]
    pub fn with_headers(mut self, headers: &'static [(&'static str, &'static str)]) -> Self {
        if let Some(answer) = self.answers.last_mut() {
            answer.headers = headers;
        }
        self
    }

    /// Problems that it may answer with.
    #[must_use]
    pub fn refuses(mut self, codes: &[Code]) -> Self {
        for code in codes {
            if !self.problems.contains(code) {
                self.problems.push(*code);
            }
        }
        self
    }

    /// Whether it changes something for the holder of a key, and so takes an `Idempotency-Key`.
    pub(super) fn is_keyed_write(&self) -> bool {
        matches!(self.access, Access::Key(_)) && !matches!(self.method, Method::GET | Method::HEAD)
    }

    /// The method and the path.
    pub fn route(&self) -> (&Method, &'static str) {
        (&self.method, self.path)
    }
}

/// The operations of one part of the interface, and the shapes that they speak of.
#[derive(Clone, Debug)]
pub struct Chapter {
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub about: &'static str,
    /// What it has.
    pub operations: Vec<Operation>,
    /// Shapes by name.
    pub shapes: Vec<(&'static str, Value)>,
}
