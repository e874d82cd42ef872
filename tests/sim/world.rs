//! The virtual world of one run: time, what is yet to happen, and the two phases.
//!
//! First everything goes wrong that the plan has, and each step is judged. Then the faults end, all
//! receivers are well and nothing is blocked: everything open must become terminal in bounded time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use camino_broker::domain::breaker::State;
use camino_broker::domain::outcome::Outcome;
use camino_broker::domain::scheduler::{Block, Claims, Input, LaneId, LanePolicy, Scheduler};
use camino_broker::domain::time::{Millis, Moment};

use crate::ledger::Ledger;
use crate::plant::Plant;
use crate::receivers::Mood;
use crate::rng::Rng;
use crate::store::{Store, Waiting};
use crate::swarm::{CrashPoint, Fault, Plan};

/// Where the wall clock starts.
const T0: i64 = 1_776_340_800_000;
/// More steps than any run needs.
const STEPS_MAX: u64 = 200_000;
/// The longest that the second phase may take, in virtual milliseconds.
const CALM_MS_MAX: u64 = 6 * 3_600_000;

/// Something that happens at an instant.
#[derive(Clone, Debug)]
pub enum Event {
    Arrive { source: usize, quarantined: bool },
    Mood(usize, Mood),
    Reply(Reply),
    Written { life: u32 },
    Available { life: u32, lanes: BTreeSet<LaneId> },
    Claims { life: u32, lane: LaneId, keys: Vec<(u64, u64)>, claims: Claims },
    Withdrawn { life: u32, lane: LaneId, seq: u64 },
    Fault(Fault),
    Unblock(usize),
    Start,
    DrainEnds { life: u32 },
}

/// A result on its way back from a receiver.
#[derive(Clone, Debug)]
pub struct Reply {
    pub life: u32,
    pub lane: LaneId,
    pub seq: u64,
    pub attempt: u16,
    pub outcome: Outcome,
    pub probe: bool,
}

/// An attempt under way, as the simulation knows it.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    pub attempt: u16,
    pub probe: bool,
    pub until: Millis,
}

/// Where a lane's breaker stands, and where it stood before that.
#[derive(Clone, Copy, Debug)]
pub struct Breakers {
    pub before: State,
    pub now: State,
}

/// Whether the broker runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    Down,
    Up,
    Draining,
}

pub struct World {
    pub rng: Rng,
    pub plan: Plan,
    pub plant: Plant,
    pub scheduler: Scheduler,
    pub store: Store,
    pub ledger: Ledger,
    pub process: Process,
    pub calm: bool,
    /// Which life of the process this is: what an earlier one asked for reaches nobody.
    pub life: u32,
    pub mono_ms: u64,
    offset_ms: i64,
    /// Where the wall clock stood against the other when this life began: the schedule goes on from there.
    pub life_offset_ms: i64,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    pub steps: u64,
    pub moods: Vec<Mood>,
    pub blocks: Vec<Option<Block>>,
    pub policies: Vec<LanePolicy>,
    /// The largest window each receiver's policy has allowed.
    pub window_max: Vec<usize>,
    pub known: BTreeSet<LaneId>,
    pub breakers: HashMap<LaneId, Breakers>,
    pub live: BTreeMap<(LaneId, u64), Flight>,
    pub last_attempt: HashMap<(LaneId, u64), u16>,
    pub passed_over: usize,
    /// Ordered lanes whose tried deliveries' keys the scheduler has heard.
    pub primed: BTreeSet<LaneId>,
    /// What this life has settled for good, durable or not.
    pub ended: BTreeSet<(LaneId, u64)>,
    pub crash_at: Option<CrashPoint>,
    pub stats: Stats,
    trace: bool,
}

/// What a run went through, so that the whole can be seen to reach what it should.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    pub sends: u64,
    pub probes: u64,
    pub crashes: u64,
    pub stale: u64,
    pub restarts: u64,
    pub steps: u64,
    pub terminal: BTreeMap<&'static str, u64>,
}

impl Stats {
    pub fn add(&mut self, other: &Self) {
        self.sends += other.sends;
        self.probes += other.probes;
        self.crashes += other.crashes;
        self.stale += other.stale;
        self.restarts += other.restarts;
        self.steps += other.steps;
        for (fate, count) in &other.terminal {
            *self.terminal.entry(fate).or_default() += count;
        }
    }

    /// A simulation in which nothing happens proves nothing.
    pub fn assert_reach(&self) {
        let reached = [self.sends, self.probes, self.crashes, self.stale, self.restarts];
        assert!(reached.iter().all(|count| *count > 100), "{self:?}");
        assert_eq!(self.terminal.len(), 3, "{self:?}");
    }
}

impl World {
    pub fn new(seed: u64, plant: Plant, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let plan = Plan::draw(&mut rng);
        let receivers = plan.receivers;
        let mut world = Self {
            scheduler: Scheduler::new(plan.in_flight_max),
            store: Store::new(plant),
            ledger: Ledger::default(),
            process: Process::Up,
            calm: false,
            life: 0,
            mono_ms: 0,
            offset_ms: 0,
            life_offset_ms: 0,
            events: BTreeMap::new(),
            order: 0,
            steps: 0,
            moods: vec![Mood::Healthy; receivers],
            blocks: vec![None; receivers],
            policies: plan.policies.clone(),
            window_max: (plan.policies.iter().zip(&plan.ordered))
                .map(|(policy, ordered)| if *ordered { usize::MAX } else { policy.in_flight_max * 2 })
                .collect(),
            known: BTreeSet::new(),
            breakers: HashMap::new(),
            live: BTreeMap::new(),
            last_attempt: HashMap::new(),
            passed_over: 0,
            primed: BTreeSet::new(),
            ended: BTreeSet::new(),
            crash_at: None,
            stats: Stats::default(),
            trace,
            rng,
            plan,
            plant,
        };
        world.schedule_plan();
        world
    }

    fn schedule_plan(&mut self) {
        self.note(|world| format!("plan: {:#?}", world.plan));
        let horizon = self.plan.horizon_ms;
        let mut at = 0;
        for _ in 0..self.plan.events {
            // Bursts and lulls.
            at = if self.rng.percent(60) { at } else { self.rng.between(0, horizon) };
            let source = self.rng.place(self.plan.routes.len());
            let quarantined = self.rng.percent(3);
            self.at(at, Event::Arrive { source, quarantined });
        }
        for receiver in 0..self.plan.receivers {
            let mut at = 0;
            while at < horizon {
                let mood = self.rng.pick(&self.plan.moods[receiver]);
                self.at(at, Event::Mood(receiver, mood));
                at += self.rng.between(1_000, self.plan.mood_ms_max);
            }
        }
        for (at, fault) in std::mem::take(&mut self.plan.faults) {
            self.at(at, Event::Fault(fault));
        }
    }

    /// Runs both phases. The error says what does not hold.
    pub fn run(mut self) -> Result<Stats, String> {
        let told = |world: &Self, what: String| {
            format!("{what} (step {}, at {} ms, life {})", world.steps, world.mono_ms, world.life)
        };
        while self.mono_ms < self.plan.horizon_ms && self.next_at().is_some() {
            self.step().map_err(|what| told(&self, what))?;
        }
        self.calm_down().map_err(|what| told(&self, what))?;
        let ends = self.mono_ms + CALM_MS_MAX;
        while self.ledger.open > 0 || !self.store.idle() || !self.up() || self.drains() {
            let stuck = self.next_at().is_none_or(|at| at > ends) || self.steps > STEPS_MAX;
            if stuck {
                let open = self.ledger.open_ones();
                let what = if self.drains() && open.is_empty() {
                    "a drain never ends".to_owned()
                } else {
                    format!("{} deliveries never end, such as {:?}", open.len(), open.first())
                };
                return Err(told(&self, what));
            }
            self.step().map_err(|what| told(&self, what))?;
        }
        self.wind_up().map_err(|what| told(&self, what))?;
        self.stats.steps = self.steps;
        self.stats.terminal = self.ledger.terminal.clone();
        Ok(self.stats)
    }

    /// When the next thing happens.
    fn next_at(&self) -> Option<u64> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        event.into_iter().chain(self.wakeup_at()).min()
    }

    /// When the scheduler wants to be asked, on the clock that never jumps.
    fn wakeup_at(&self) -> Option<u64> {
        let wake = self.scheduler.next_wakeup().filter(|_| self.up())?;
        let ahead = wake.0.saturating_sub(self.moment().schedule.0);
        Some(self.mono_ms + ahead)
    }

    fn step(&mut self) -> Result<(), String> {
        self.steps += 1;
        let wake = self.wakeup_at();
        let event = self.events.first_key_value().map(|(at, _)| *at);
        match (wake, event) {
            (Some(wake), event) if event.is_none_or(|(at, _)| wake <= at) => {
                self.mono_ms = self.mono_ms.max(wake);
                let entropy = self.rng.u64();
                self.feed(Input::Tick { entropy })?;
            }
            (_, Some(first)) => {
                self.mono_ms = self.mono_ms.max(first.0);
                if let Some(event) = self.events.remove(&first) {
                    self.happen(event)?;
                }
            }
            _ => {}
        }
        if self.up() && self.store.begin() {
            self.write();
        }
        if self.steps.is_multiple_of(64) && self.up() {
            self.ledger.check(&self.store.index)?;
        }
        Ok(())
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
        self.note(|_| format!("{event:?}"));
        match event {
            Event::Arrive { source, quarantined } => {
                // One who meets a closed door comes again.
                if !self.up() || self.draining() {
                    self.after(Duration::from_secs(20), Event::Arrive { source, quarantined });
                } else {
                    let receivers = if quarantined { Vec::new() } else { self.plan.routes[source].clone() };
                    self.store.append(Waiting { receivers, quarantined });
                }
                Ok(())
            }
            Event::Mood(receiver, mood) => {
                self.moods[receiver] = if self.calm { Mood::Healthy } else { mood };
                Ok(())
            }
            Event::Reply(reply) if reply.life == self.life && self.up() => self.reply(&reply),
            Event::Written { life } if life == self.life && self.up() => self.written(),
            Event::Available { life, lanes } if life == self.life && self.up() => self.available(&lanes),
            Event::Claims { life, lane, keys, claims } if life == self.life && self.up() => {
                self.feed(Input::Keys(lane, keys))?;
                self.withdraw_ended(lane)?;
                self.feed(Input::Claimed(lane, claims))
            }
            Event::Withdrawn { life, lane, seq } if life == self.life && self.up() => {
                self.feed(Input::Withdrawn(lane, seq))
            }
            Event::Fault(fault) if !self.calm => self.fault(fault),
            Event::Unblock(receiver) => self.block(receiver, None),
            Event::Start => self.start(),
            Event::DrainEnds { life } if life == self.life && self.up() => self.drain_ends(),
            _ => Ok(()),
        }
    }

    /// A commit goes to the disk.
    fn write(&mut self) {
        let slow = self.rng.percent(self.plan.slow_commits) && !self.calm;
        let took = if slow { self.rng.millis(1_000, 60_000) } else { self.rng.millis(1, 8) };
        self.after(took, Event::Written { life: self.life });
        self.crash_if(CrashPoint::CommitLost);
    }

    pub fn at(&mut self, at_ms: u64, event: Event) {
        self.order += 1;
        self.events.insert((at_ms, self.order), event);
    }

    pub fn after(&mut self, span: Duration, event: Event) {
        let span_ms = u64::try_from(span.as_millis()).unwrap();
        self.at(self.mono_ms + span_ms, event);
    }

    pub fn up(&self) -> bool {
        self.process != Process::Down
    }

    pub fn draining(&self) -> bool {
        self.process == Process::Draining
    }

    /// The wall clock.
    pub fn now(&self) -> Millis {
        self.moment().wall
    }

    /// Now, by the wall and by the schedule, which no jump of the wall moves.
    pub fn moment(&self) -> Moment {
        let at = |offset_ms| T0 + offset_ms + i64::try_from(self.mono_ms).unwrap();
        let millis = |at| Millis(u64::try_from(at).unwrap());
        Moment { wall: millis(at(self.offset_ms)), schedule: millis(at(self.life_offset_ms)) }
    }

    /// A new life's schedule starts with the wall clock.
    pub fn start_schedule(&mut self) {
        self.life_offset_ms = self.offset_ms;
    }

    /// The wall clock jumps, never further than 20 minutes off in all.
    pub fn jump(&mut self) {
        let jump_ms = i64::try_from(self.rng.between(0, 1_200_000)).unwrap() - 600_000;
        self.offset_ms = (self.offset_ms + jump_ms).clamp(-1_200_000, 1_200_000);
        self.note(|world| format!("the wall clock jumps to {}", world.now()));
    }

    pub fn note(&self, what: impl FnOnce(&Self) -> String) {
        if self.trace {
            println!("{:>9} {} {}", self.mono_ms, self.life, what(self));
        }
    }
}
