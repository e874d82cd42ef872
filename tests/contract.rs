//! The interface's document against the code and against the rules of OpenAPI 3.1: every route is in it and
//! nothing else, every reference leads somewhere, and every example is what its schema says.
//!
//! Examples are made of the types that handlers answer with wherever a type can be made, and shapes are closed:
//! a member that somebody adds to a type, and describes to nobody, fails here.

#[cfg(test)]
#[path = "contract/document.rs"]
mod document;
#[cfg(test)]
#[path = "contract/routes.rs"]
mod routes;
