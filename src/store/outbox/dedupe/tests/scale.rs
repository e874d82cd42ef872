//! The sum of the module's table, checked at a fraction: memory, runs and records all that much smaller,
//! which leaves the bits for a record and the reads for a look-up as they are.

use super::*;

/// Commits in 72 hours.
const COMMITS: u32 = 3_000;

fn sizes(scale: usize) -> Sizes {
    let full = Sizes::default();
    Sizes {
        memory_bytes_max: full.memory_bytes_max / scale,
        fresh_max: full.fresh_max / scale,
        fresh_bytes_max: full.fresh_bytes_max / scale,
        uncovered_min: full.uncovered_min / scale as u64,
        ..full
    }
}

/// Fills a window with what comes in 72 hours at `events_per_s`, and says how many rows a new event
/// makes a look-up read.
fn reads_for_a_new_event(events_per_s: u64, scale: usize) -> f64 {
    let mut bench = Bench::new(sizes(scale));
    let records = events_per_s * 72 * 3600 / scale as u64;
    let per_commit = records / u64::from(COMMITS);
    // What does not shrink with the scale: the places of the runs, and that a commit is larger than a run.
    let runs = usize::try_from(records / per_commit.max(bench.sizes.fresh_max as u64)).unwrap();
    let places = (runs + 1).next_power_of_two() * size_of::<run::Run>();
    let more = usize::try_from(per_commit).unwrap() * 200;
    let memory_bytes_max = bench.sizes.memory_bytes_max + places + more;
    bench.sizes = Sizes { memory_bytes_max, ..bench.sizes };
    lock(&bench.dedupe.state).sizes = bench.sizes;
    // A tenth more, so that the oldest expire and the directory is what it is in the long run.
    for commit in 0..COMMITS * 11 / 10 {
        bench.commit(per_commit, T0.plus(KEEP * commit / COMMITS));
        let counts = bench.dedupe.counts();
        assert!(counts.memory_bytes <= bench.sizes.memory_bytes_max, "{counts:?}");
        assert!(counts.work_bytes <= 2 << 20, "{counts:?}");
    }
    let counts = bench.dedupe.counts();
    assert!(counts.records.abs_diff(records) < records / 20, "the window is full: {counts:?}");
    let before = bench.log.reads.load(Ordering::Relaxed);
    let asked = 4_000_u32;
    for n in 0..u64::from(asked) {
        assert_eq!(bench.dedupe.find(&bench.log, &nth(u64::MAX - n)).unwrap(), None);
    }
    let reads = u32::try_from(bench.log.reads.load(Ordering::Relaxed) - before).unwrap();
    let mut known = (records / 5..bench.remembered).step_by(997);
    assert!(known.all(|n| bench.dedupe.find(&bench.log, &nth(n)).unwrap().is_some()));
    let reads = f64::from(reads) / f64::from(asked);
    println!("{events_per_s}/s: {reads:.3} reads, {counts:?}");
    reads
}

#[test]
fn a_moderate_rate_costs_next_to_no_reads() {
    let reads = reads_for_a_new_event(200, 256);
    assert!(reads < 0.15, "{reads}");
}

#[test]
fn a_thousand_events_a_second_cost_little_more_than_half_a_read_each() {
    let reads = reads_for_a_new_event(1_000, 512);
    assert!(reads < 0.85, "{reads}");
}

/// What memory holds when a window is full, a pass is about to end and nothing has expired; and the
/// bits for a record that leaves' blocks and young runs' filters then have.
fn full(events_per_s: u64) -> (State, usize, usize) {
    let mut state = State::new(Sizes::default());
    let records = events_per_s * 72 * 3600;
    let run = |number: u64, search| {
        let first_row = number * 500;
        let about = run::Description { number, youngest: T0, first_row, rows: 500, records: 65_536 };
        run::Run { about, index: number, search }
    };
    let section = |at: u64, words| {
        let starts = (0..16).map(|leaf| at * 16 + leaf).collect();
        directory::Section::new((at + 1) * 16, 0, at * 16, starts, 17_600, words)
    };
    let sections = records / 17_600;
    (0..sections).for_each(|at| state.directory.insert(at * 16, section(at, 0)));
    // Of the young runs there are as many as a pass may leave.
    let young = 2 * state.uncovered_max() / 65_536;
    let runs = records / 65_536;
    (0..runs - young).for_each(|number| state.runs.push(run(number, None)));
    let (words, bits) = (state.leaf_words(), state.run_bits());
    for at in 0..sections {
        state.directory.remove(at * 16);
        state.directory.insert(at * 16, section(at, words));
    }
    for number in runs - young..runs {
        let filter = filter::Filter::empty(65_536 * bits / 64);
        let search = run::Search { firsts: vec![0; 500].into_boxed_slice(), filter };
        state.runs.push(run(number, Some(Box::new(search))));
    }
    state.bound();
    (state, words * 64, bits)
}

#[test]
fn at_full_size_memory_is_within_its_bound_and_well_used() {
    for (events_per_s, block_bits_min) in [(130, 8 * 1_100), (1_000, 1_100), (5_000, 0)] {
        let (state, block_bits, run_bits) = full(events_per_s);
        let (bytes, max) = (state.memory_bytes(), Sizes::default().memory_bytes_max);
        println!("{events_per_s}/s: {bytes} bytes, {block_bits} bits a block, {run_bits} a young record");
        assert!(bytes <= max && bytes > max / 10 * 8, "{events_per_s}/s: {bytes} bytes");
        assert!(block_bits >= block_bits_min, "{events_per_s}/s: {block_bits} bits for a leaf's block");
        assert_eq!(run_bits, 16, "{events_per_s}/s");
    }
}
