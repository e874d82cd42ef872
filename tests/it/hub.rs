//! The hub behind the broker: the same deliveries as any receiver's, its API, and whose things a key sees.

mod deliveries;
mod organizations;
mod rebuilt;
mod subscriptions;
