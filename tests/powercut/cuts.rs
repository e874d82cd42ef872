//! The power is cut at chosen instants of a recorded life.

use std::collections::HashMap;
use std::ops::Range;

use tempfile::TempDir;

use crate::broker::{Engine, OUTBOX_LOG};
use crate::client::Connection;
use crate::dice::{Dice, seed};
use crate::disk::{Disk, Survivors};
use crate::image::{Fault, check};
use crate::load::{Event, SENDERS, post};
use crate::recording::{Recording, Stage, record};
use crate::told::{Told, is_ack};
use crate::trace::Step;

/// Cuts for each engine, without `CAMINO_POWERCUT_CUTS`.
const CUTS: usize = 12;
/// Longer writes to the outbox's log have several blocks.
const BLOCK_BYTES: usize = 4096;
/// Cuts of one recorded life; then another one is recorded.
const CUTS_OF_ONE: usize = 25;

fn cuts() -> usize {
    let given = std::env::var("CAMINO_POWERCUT_CUTS").ok();
    given.map_or(CUTS, |text| text.parse().expect("CAMINO_POWERCUT_CUTS is a number"))
}

/// Instants of interest, as numbers of steps that have happened.
struct Instants {
    /// Right behind an acknowledgement, where one given too early is untrue.
    acks: Vec<usize>,
    /// While a compaction copies, switches and clears away.
    compactions: Vec<Range<usize>>,
    /// While a process starts, the first one too.
    starts: Vec<Range<usize>>,
    end: usize,
}

impl Instants {
    fn of(recording: &Recording) -> Self {
        let (steps, bytes) = (&recording.trace.steps, &recording.trace.bytes);
        let acks: Vec<usize> =
            (0..steps.len()).filter(|at| is_ack(&steps[*at], bytes)).map(|at| at + 1).collect();
        let all = |wanted: fn(&Step) -> bool| (0..steps.len()).filter(move |at| wanted(&steps[*at]));
        let from = |at: usize, wanted: fn(&Step) -> bool| {
            let end = steps[at..].iter().position(wanted);
            at..end.map_or(steps.len(), |end| at + end + 1)
        };
        let copies = |step: &Step| matches!(step, Step::MakeDir { path } if path.contains("/g"));
        let cleared = |step: &Step| matches!(step, Step::RemoveDir { .. });
        let starts = |step: &Step| matches!(step, Step::Start);
        let speaks = |step: &Step| matches!(step, Step::Sent { .. });
        Self {
            acks,
            // The first directory is that of the first start.
            compactions: all(copies).skip(1).map(|at| from(at, cleared)).collect(),
            starts: all(starts).map(|at| from(at, speaks)).collect(),
            end: steps.len(),
        }
    }

    fn pick(&self, dice: &mut Dice) -> usize {
        let below = |dice: &mut Dice, end: usize| usize::try_from(dice.below(end as u64)).unwrap();
        match dice.below(10) {
            0..4 => self.acks[below(dice, self.acks.len())],
            4..7 => {
                let during = &self.compactions[below(dice, self.compactions.len())];
                during.start + below(dice, during.len())
            }
            7..8 => {
                let during = &self.starts[below(dice, self.starts.len())];
                during.start + below(dice, during.len())
            }
            _ => below(dice, self.end),
        }
    }
}

/// What came of some cuts.
#[derive(Default)]
pub struct Tally {
    pub cuts: usize,
    pub accepted: usize,
    pub lost: usize,
    pub unopenable: usize,
    /// One line or more each.
    pub faults: Vec<String>,
}

/// Cuts the power at `instants` (in order). `is_strict` says whether nothing survives that was not synced, or some.
pub async fn cut(
    recording: &Recording,
    instants: &[usize],
    is_strict: impl Fn(&mut Dice) -> bool,
    dice: &mut Dice,
    tally: &mut Tally,
) {
    let mut disk = Disk::new(&recording.trace);
    let mut told = Told::new(&recording.trace, &recording.receivers);
    let mut happened = 0;
    for instant in instants {
        for step in &recording.trace.steps[happened..*instant] {
            disk.apply(step);
            told.apply(step);
        }
        happened = *instant;
        let folder = TempDir::new().unwrap();
        let strict = is_strict(dice);
        let mut survivors = if strict { Survivors::None } else { Survivors::Some(dice) };
        disk.write(&folder.path().join("disk"), &mut survivors);
        tally.cuts += 1;
        tally.accepted += told.accepted.len();
        if let Err(fault) = check(recording, &told, folder.path()).await {
            let what = match fault {
                Fault::Lost(what) => {
                    tally.lost += 1;
                    format!("lost: {what}")
                }
                Fault::Unopenable(what) => {
                    tally.unopenable += 1;
                    format!("unopenable: {what}")
                }
            };
            let of = recording.trace.steps.len();
            tally.faults.push(format!("after step {instant} of {of}, strict {strict}: {what}"));
            if std::env::var_os("CAMINO_POWERCUT_KEEP").is_some() {
                tally.faults.push(format!("kept in {}", folder.keep().display()));
            }
        }
    }
}

async fn a_power_cut_loses_nothing(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let mut tally = Tally::default();
    for round in 0.. {
        let left = cuts() - tally.cuts;
        if left == 0 {
            break;
        }
        let mut dice = Dice::split(seed, 1_000 + round);
        let recording = record(engine, dice.u64(), None).await;
        let instants = Instants::of(&recording);
        let mut chosen: Vec<usize> = (0..left.min(CUTS_OF_ONE)).map(|_| instants.pick(&mut dice)).collect();
        chosen.sort_unstable();
        println!(
            "{}: {} acks, {} compactions",
            engine.name(),
            instants.acks.len(),
            instants.compactions.len()
        );
        cut(&recording, &chosen, |dice| dice.chance(40), &mut dice, &mut tally).await;
    }
    let Tally { cuts, accepted, lost, unopenable, faults } = &tally;
    println!("{}: {cuts} cuts, {accepted} promises, lost {lost}, unopenable {unopenable}", engine.name());
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_on_sled() {
    a_power_cut_loses_nothing(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_nothing_on_redb() {
    a_power_cut_loses_nothing(Engine::Redb).await;
}

/// The instants at which a segment of the outbox's log, which was used before, has the first record of its next use, of several
/// blocks, and no sync of it has ended.
fn reuses(recording: &Recording) -> Vec<usize> {
    let steps = &recording.trace.steps;
    let (mut paths, mut uses, mut found) = (HashMap::new(), HashMap::new(), Vec::new());
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Open { fd, path, .. } => drop(paths.insert(*fd, path.clone())),
            Step::Write { fd, at: 0, data } if data.len() > BLOCK_BYTES => {
                let Some(path) = paths.get(fd).filter(|path| path.contains(OUTBOX_LOG)) else { continue };
                let uses: &mut u32 = uses.entry(path.clone()).or_default();
                *uses += 1;
                // The first of these writes are its zeros.
                if *uses > 1 {
                    found.push(at + 1);
                }
            }
            _ => {}
        }
    }
    found
}

async fn a_cut_where_a_segment_is_used_again_loses_nothing(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let stage = Stage::new(engine).await;
    let mut broker = stage.spawn_uncompacted();
    broker.ready().await.unwrap();
    let mut connection = Connection::open(broker.address).await.unwrap();
    let mut events = Vec::new();
    for number in 0..120 {
        let event = Event::of_size(&SENDERS[0], &format!("e{number}"), 30_000);
        assert!(post(&mut connection, &event).await.unwrap().0.is_success());
        events.push(event);
    }
    drop(broker);
    let recording = stage.recording(&events);
    let instants: Vec<usize> = reuses(&recording).into_iter().flat_map(|at| [at; 5]).collect();
    assert!(!instants.is_empty(), "{}: no segment was used again", engine.name());
    println!("{}: {} cuts", engine.name(), instants.len());
    let mut tally = Tally::default();
    cut(&recording, &instants, |_| false, &mut Dice::new(seed), &mut tally).await;
    assert!(tally.faults.is_empty(), "{}", tally.faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_where_a_segment_is_used_again_loses_nothing_on_sled() {
    a_cut_where_a_segment_is_used_again_loses_nothing(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_where_a_segment_is_used_again_loses_nothing_on_redb() {
    a_cut_where_a_segment_is_used_again_loses_nothing(Engine::Redb).await;
}

/// The proof that these tests can fail: a log whose syncs never reach the disk loses what it promised.
async fn a_power_cut_is_noticed_without_syncs(engine: Engine) {
    let seed = seed();
    println!("{}: CAMINO_CRASH_SEED={seed}", engine.name());
    let recording = record(engine, seed, Some(OUTBOX_LOG)).await;
    let acks = Instants::of(&recording).acks;
    let mut tally = Tally::default();
    let instants = [acks[acks.len() / 4], acks[acks.len() / 2], acks[acks.len() - 1]];
    // By chance all of a log may survive that is young, as after a compaction.
    cut(&recording, &instants, |_| true, &mut Dice::new(seed), &mut tally).await;
    assert_eq!(tally.lost + tally.unopenable, instants.len(), "{}", tally.faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_is_noticed_without_syncs_on_sled() {
    a_power_cut_is_noticed_without_syncs(Engine::Sled).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_is_noticed_without_syncs_on_redb() {
    a_power_cut_is_noticed_without_syncs(Engine::Redb).await;
}
