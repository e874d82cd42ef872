//! The real scheduler, delivery machine and outbox index in a world made from one seed: fake network,
//! fake disk, fake time. First faults, then everything must drain (`FoundationDB`'s way of testing:
//! J. Zhou et al., 2021).
//!
//! A failure prints its seed; `just sim SEED` runs that seed again and prints every step.

#[cfg(test)]
mod dispatch;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod operator;
#[cfg(test)]
mod plant;
#[cfg(test)]
mod receivers;
#[cfg(test)]
mod rng;
#[cfg(test)]
mod store;
#[cfg(test)]
mod swarm;
#[cfg(test)]
mod world;

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::plant::Plant;
    use crate::world::{Stats, World};

    /// Seeds of a plain run; `CAMINO_SIM_SEEDS` asks for more.
    const SEEDS: u64 = 300;

    const ENOUGH: usize = 20;

    /// Runs one seed; a panic of the code under test is a failure like any other.
    fn run(seed: u64, plant: Plant, trace: bool) -> Result<Stats, String> {
        let run = AssertUnwindSafe(|| World::new(seed, plant, trace).run());
        catch_unwind(run).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            Err(format!("panic: {}", text.unwrap_or_else(|| "no text".to_owned())))
        })
    }

    #[test]
    fn every_seed_holds_and_drains() {
        if let Ok(seed) = std::env::var("CAMINO_SIM_SEED") {
            let seed = seed.parse().expect("CAMINO_SIM_SEED is a number");
            let stats = run(seed, Plant::None, true).unwrap_or_else(|what| panic!("seed {seed}: {what}"));
            println!("seed {seed} holds: {stats:?}");
            return;
        }
        let seeds = std::env::var("CAMINO_SIM_SEEDS").map_or(SEEDS, |count| count.parse().unwrap());
        let mut sum = Stats::default();
        for seed in 0..seeds {
            let stats = run(seed, Plant::None, false)
                .unwrap_or_else(|what| panic!("seed {seed}: {what}\nrun it again by: just sim {seed}"));
            sum.add(&stats);
        }
        println!("{seeds} seeds: {sum:?}");
        sum.assert_reach();
    }

    /// How many seeds see a planted bug; enough of them end the search.
    fn caught(plant: Plant) {
        let mut failures = Vec::new();
        let mut seeds = 0..SEEDS;
        while failures.len() < ENOUGH
            && let Some(seed) = seeds.next()
        {
            failures.extend(run(seed, plant, false).err().map(|what| (seed, what)));
        }
        println!("{plant:?}: {} of the first {} seeds fail", failures.len(), seeds.start);
        let (seed, what) = failures.first().unwrap_or_else(|| panic!("{plant:?} is not seen by any seed"));
        println!("the first is seed {seed}: {what}");
    }

    #[test]
    fn it_sees_results_taken_without_a_fence() {
        caught(Plant::NoFence);
    }

    #[test]
    fn it_sees_an_attempt_that_is_not_counted() {
        caught(Plant::AttemptUncounted);
    }

    #[test]
    fn it_sees_an_attempt_that_is_not_charged() {
        caught(Plant::ChargeUncounted);
    }

    #[test]
    fn it_sees_a_release_that_forgets() {
        caught(Plant::ReleaseForgotten);
    }

    #[test]
    fn it_sees_a_retry_that_nobody_hears_of() {
        caught(Plant::SilentRetry);
    }

    #[test]
    fn it_sees_a_delivery_claimed_twice() {
        caught(Plant::ClaimedTwice);
    }

    #[test]
    fn it_sees_an_order_that_nobody_keeps() {
        caught(Plant::Unordered);
    }

    #[test]
    fn it_sees_an_order_that_a_restart_forgets() {
        caught(Plant::Unprimed);
    }
}
