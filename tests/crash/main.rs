//! The built binary under load, killed again and again on one store, and told to stop.
//!
//! What is acknowledged must reach every receiver, whatever died when. `CAMINO_CRASH_CYCLES` says how
//! often each engine is killed (5 without it), `CAMINO_CRASH_SEED` repeats a run's choices; the moment a
//! signal lands is still the machine's.
//!
//! What this can't see: SIGKILL takes the process and leaves the kernel, so whatever was written stays,
//! synced or not. A broker that acknowledges before its commit has left the process (before sled's
//! flush, before redb's commit) shows up here as events that are missing at all receivers at once, and
//! as ids whose repeat is answered 202. Tried with the answers sent just before the append, five kills
//! an engine mostly found it. A broker that acknowledges between the write and the `fdatasync` passes:
//! that is for `tests/powercut`, which cuts the power under the store.

#[cfg(test)]
mod backup;
#[cfg(test)]
mod broker;
#[cfg(test)]
mod client;
#[cfg(test)]
mod dice;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod hub;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod load;
#[cfg(test)]
mod order;
#[cfg(test)]
#[expect(dead_code, reason = "the power-cut tests hold it up")]
mod receiver;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod steering;
