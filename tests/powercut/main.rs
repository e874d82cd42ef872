//! The disk against the built binary: the power is cut under it, and the disk fails under it.
//!
//! A library that the tests build from `interposer.c` with the C compiler is preloaded into the broker. It
//! records what the broker writes and syncs, and what it answers, in one order. From that a disk is rebuilt as
//! it may look after a power cut at any instant, all files at that same instant, and a new broker has to
//! start on it and still have everything that was answered before.
//!
//! `CAMINO_POWERCUT_CUTS` says how often the power of each engine is cut (12 without it); a run's choices come
//! from `CAMINO_CRASH_SEED`, though the threads' order is the machine's.
//!
//! What this can't see: a disk that lies about its syncs or tears a page of 4 KiB.

#[cfg(test)]
mod broker;
#[cfg(test)]
#[path = "../crash/client.rs"]
mod client;
#[cfg(test)]
mod cuts;
#[cfg(test)]
#[path = "../crash/dice.rs"]
mod dice;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod image;
#[cfg(test)]
mod interposer;
#[cfg(test)]
mod kills;
#[cfg(test)]
#[expect(dead_code, reason = "the crash tests look at more of it")]
#[path = "../crash/load.rs"]
mod load;
#[cfg(test)]
#[path = "../crash/receiver.rs"]
mod receiver;
#[cfg(test)]
mod recording;
#[cfg(test)]
mod told;
#[cfg(test)]
mod trace;
