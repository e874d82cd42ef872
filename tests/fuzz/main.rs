//! Bounded fuzzing of everything that reads bytes of strangers: a seeded mutator, a corpus, and what must hold
//! whatever the bytes are. A panic or a broken rule fails the run and prints the input.
//!
//! `CAMINO_FUZZ_MS` is the time of each target (default 350 ms), `CAMINO_FUZZ_RUNS` a bound on its executions,
//! `CAMINO_FUZZ_SEED` the seed (default 1; with a bound on executions and no hurry, a run repeats exactly).
//! `just fuzz` gives each a minute. No coverage is measured: an input is kept to be mutated further when
//! what came of it had not been seen before. A finding becomes a file in `corpus/`, and so a test for ever.

#[cfg(test)]
mod mutator;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod run;
#[cfg(test)]
mod settings;
#[cfg(test)]
mod wire;
