//! The hub behind the broker: the same deliveries as any receiver's, its API, and whose things a key sees.

mod backed_up;
mod deliveries;
mod described;
mod organizations;
mod rebuilt;
mod subscriptions;
