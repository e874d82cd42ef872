//! Runs one target within its bounds and says how often it ran.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Debug;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::Path;
use std::time::Duration;

use camino_broker::runtime::clock::{Clock as _, SystemClock};

use crate::mutator::{Dice, mutate};

/// Inputs kept to be mutated further.
const POOL_MAX: usize = 4096;

/// What came of an input, so far as it decides whether the input is worth keeping.
pub struct Came(u64);

impl Came {
    /// Digits don't count: a place in a text is no news.
    pub fn to(what: impl Debug) -> Self {
        let mut hasher = DefaultHasher::new();
        for part in format!("{what:?}").split(|c: char| c.is_ascii_digit()).take(8) {
            part.get(..40).unwrap_or(part).hash(&mut hasher);
        }
        Self(hasher.finish())
    }
}

/// Prints the input that was being read when something panicked.
struct Current<'a>(&'a str, &'a [u8]);

impl Drop for Current<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self(target, input) = self;
            println!("fuzz {target}: a crash; put this into tests/fuzz/corpus/{target}/ (as bytes):");
            println!("{}", input.escape_ascii());
        }
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let given = std::env::var(variable).ok();
    given.map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}

/// Reads the corpus, then mutants of it, until time or executions are up.
pub fn fuzz(target: &str, mut read: impl FnMut(&[u8]) -> Came) {
    let span = Duration::from_millis(number("CAMINO_FUZZ_MS", 350));
    let runs_max = number("CAMINO_FUZZ_RUNS", u64::MAX);
    let seed = number("CAMINO_FUZZ_SEED", 1);
    let mut dice = Dice::new(seed);
    let mut pool = corpus(target);
    let mut seen = HashSet::new();
    let mut runs = 0;
    let mut run = |input: &[u8]| {
        let _current = Current(target, input);
        seen.insert(read(input).0)
    };
    for input in &pool {
        run(input);
        runs += 1;
    }
    let clock = SystemClock::new();
    let end = clock.monotonic() + span;
    while runs < runs_max && clock.monotonic() < end {
        let (one, other) = (dice.pick(&pool).clone(), dice.pick(&pool).clone());
        let input = mutate(&one, &other, &mut dice);
        runs += 1;
        if run(&input) && pool.len() < POOL_MAX {
            pool.push(input);
        }
    }
    println!("fuzz {target}: {runs} executions, {} outcomes, 0 crashes (seed {seed})", seen.len());
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let corpus: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(!corpus.is_empty(), "{target} has no corpus");
    corpus
}
