//! The whole broker over real HTTP: the real `App` on a free port with a store of its own, signed posts
//! in, fake receivers out. Every row of the two tables of answers, ingest's and delivery's, is a test here,
//! and every route of the management API.
//!
//! Waits end by signal or by what the broker says of itself at `/metrics`, never by time alone.

#[cfg(test)]
mod accepted;
#[cfg(test)]
mod admin;
#[cfg(test)]
mod app;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod batch;
#[cfg(test)]
mod breaker;
#[cfg(test)]
mod client;
#[cfg(test)]
mod clock;
#[cfg(test)]
mod contract;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod delivered;
#[cfg(test)]
mod desk;
#[cfg(test)]
mod draft;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod in_order;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod operational;
#[cfg(test)]
mod order;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod refused;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod retried;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod unavailable;
#[cfg(test)]
mod web;
