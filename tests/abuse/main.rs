//! The built binary among clients and receivers that mean harm: how much memory that costs, whether the others
//! are served meanwhile, and whether a secret is left lying about.

#[cfg(test)]
mod broker;
#[cfg(test)]
#[path = "../crash/client.rs"]
mod client;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod secrets;
#[cfg(test)]
mod sender;
