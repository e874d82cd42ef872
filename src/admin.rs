//! The management API: what operators and their tools read and steer.
//!
//! Never takes events in and never delivers; it reads the journal and changes the control store.

pub mod health;
