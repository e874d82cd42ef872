//! What people and fate do to a running broker: crashes, drains, pauses, policies, cancels.

use std::time::Duration;

use camino_broker::domain::delivery::Progress;
use camino_broker::domain::invariant::Fate;
use camino_broker::domain::scheduler::{Block, Input, LaneId, Scheduler};
use camino_broker::domain::time::Millis;
use camino_broker::store::outbox::record::{Change, Move};

use crate::receivers::Mood;
use crate::swarm::{self, CrashPoint, Fault};
use crate::world::{Event, Process, World};

impl World {
    pub fn fault(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Crash(CrashPoint::Now) => self.crash(),
            Fault::Crash(point) => self.crash_at = Some(point),
            Fault::Drain => return self.drain(),
            Fault::Pause => return self.block_for_a_while(Block::Paused),
            Fault::Disable => return self.block_for_a_while(Block::Disabled),
            Fault::Policy => return self.change_policy(),
            Fault::ClockJump => return self.clock_jumps(),
            Fault::Cancel => self.cancel(),
        }
        Ok(())
    }

    /// The wall clock jumps: written due times come nearer or go further, so all lanes look again.
    fn clock_jumps(&mut self) -> Result<(), String> {
        self.jump();
        self.available(&self.known.clone())
    }

    /// Dies here if a crash waits for this point.
    pub fn crash_if(&mut self, point: CrashPoint) -> bool {
        let dies = self.crash_at == Some(point);
        if dies {
            self.crash_at = None;
            self.crash();
        }
        dies
    }

    /// The process dies. Everything but the disk is gone.
    pub fn crash(&mut self) {
        if !self.up() {
            return;
        }
        self.note(|_| "the process dies".to_owned());
        self.stats.crashes += 1;
        self.store.crash();
        self.end_life();
        let down = self.rng.millis(10, 300_000);
        self.after(down, Event::Start);
    }

    fn end_life(&mut self) {
        self.life += 1;
        self.process = Process::Down;
        self.scheduler = Scheduler::new(self.plan.in_flight_max);
        self.known.clear();
        self.breakers.clear();
        self.live.clear();
        self.last_attempt.clear();
        self.passed_over = 0;
        self.primed.clear();
        self.ended.clear();
    }

    pub fn start(&mut self) -> Result<(), String> {
        if self.up() {
            return Ok(());
        }
        self.note(|_| "the process starts".to_owned());
        self.stats.restarts += 1;
        self.store.open()?;
        self.ledger.check(&self.store.index)?;
        self.ledger.check_progress(&self.store.index)?;
        self.process = Process::Up;
        self.start_schedule();
        let lanes = LaneId::try_from(self.store.index.names().len()).unwrap();
        self.announce((0..lanes).collect());
        Ok(())
    }

    /// A lane is new to the scheduler of this life.
    pub fn introduce(&mut self, lane: LaneId) -> Result<(), String> {
        let receiver = self.store.receiver(lane);
        let policy = self.policies[receiver].clone();
        self.allow(lane, policy.retry.max_attempts);
        self.feed(Input::Policy(lane, Box::new(policy)))?;
        let moment = self.moment();
        let parked = self.store.index.parked(lane).by(|at| moment.to_schedule(at));
        self.feed(Input::Restored(lane, parked))?;
        self.feed(Input::Block(lane, self.blocks[receiver]))
    }

    fn allow(&mut self, lane: LaneId, attempts_max: u16) {
        let highest = self.ledger.attempts_max.entry(lane).or_default();
        *highest = attempts_max.max(*highest);
    }

    /// What was written is durable; then it becomes visible.
    pub fn written(&mut self) -> Result<(), String> {
        let Some(record) = self.store.durable() else { return Ok(()) };
        self.note(|_| format!("durable: {record:?}"));
        self.ledger.durable(&record, self.now())?;
        if self.crash_if(CrashPoint::CommitDurable) {
            return Ok(());
        }
        let lanes = self.store.publish(&record);
        self.announce(lanes);
        for step in record.moves.iter().filter(|step| step.change == Change::Cancelled) {
            self.after(Duration::ZERO, Event::Withdrawn { life: self.life, lane: step.lane, seq: step.seq });
        }
        if self.rng.percent(10) {
            self.store.checkpoint();
        }
        if self.rng.percent(20) {
            self.remove_spent()?;
        }
        Ok(())
    }

    /// Bodies that nobody needs are removed; nobody may need them.
    fn remove_spent(&mut self) -> Result<(), String> {
        for commit in self.store.remove_spent() {
            for head in self.store.heads(commit) {
                let needs = |lane: &LaneId| {
                    let fate = self.ledger.deliveries.get(&(*lane, head.seq)).map(|entry| entry.fate);
                    matches!(fate, Some(Fate::Open | Fate::Dead))
                };
                if head.lanes.iter().any(needs) || self.ledger.quarantined.contains(&head.seq) {
                    return Err(format!("the body of event {} was removed while needed", head.seq));
                }
            }
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<(), String> {
        if !self.up() || self.draining() {
            return Ok(());
        }
        self.process = Process::Draining;
        self.after(Duration::from_secs(20), Event::DrainEnds { life: self.life });
        self.feed(Input::Drain)
    }

    /// The drain's time is over: what is settled is written, then the process ends.
    pub fn drain_ends(&mut self) -> Result<(), String> {
        let life = self.life;
        loop {
            self.written()?;
            if self.life != life {
                return Ok(());
            }
            if !self.store.begin() {
                break;
            }
        }
        self.store.crash();
        self.end_life();
        self.start()
    }

    /// A receiver that a person may steer: never the canary.
    fn steerable(&mut self) -> usize {
        let from = usize::from(self.plan.canary);
        from + self.rng.place(self.plan.receivers - from)
    }

    fn block_for_a_while(&mut self, block: Block) -> Result<(), String> {
        let receiver = self.steerable();
        let span = self.rng.millis(1_000, 3_600_000);
        self.after(span, Event::Unblock(receiver));
        self.block(receiver, Some(block))
    }

    pub fn block(&mut self, receiver: usize, block: Option<Block>) -> Result<(), String> {
        self.blocks[receiver] = block;
        match self.lane_of(receiver) {
            Some(lane) => self.feed(Input::Block(lane, block)),
            None => Ok(()),
        }
    }

    fn lane_of(&self, receiver: usize) -> Option<LaneId> {
        let lane = self.known.iter().find(|lane| self.store.receiver(**lane) == receiver);
        lane.copied().filter(|_| self.up())
    }

    fn change_policy(&mut self) -> Result<(), String> {
        let receiver = self.steerable();
        let policy = swarm::policy(&mut self.rng);
        self.window_max[receiver] = self.window_max[receiver].max(policy.in_flight_max * 2);
        self.policies[receiver] = policy.clone();
        let Some(lane) = self.lane_of(receiver) else { return Ok(()) };
        self.allow(lane, policy.retry.max_attempts);
        self.feed(Input::Policy(lane, Box::new(policy)))
    }

    fn cancel(&mut self) {
        let open = self.ledger.open_ones();
        if self.up() && !open.is_empty() {
            let (lane, seq) = self.rng.pick(&open);
            self.push_move(lane, seq, Progress::default(), Change::Cancelled, None);
        }
    }

    /// The faults end: everyone is well and nothing is blocked.
    pub fn calm_down(&mut self) -> Result<(), String> {
        self.note(|_| "calm".to_owned());
        self.calm = true;
        self.crash_at = None;
        self.moods.fill(Mood::Healthy);
        for receiver in 0..self.plan.receivers {
            // Only the blocked: being unblocked makes a lane look again, and hides what it has missed.
            if self.blocks[receiver].is_some() {
                self.block(receiver, None)?;
            }
        }
        Ok(())
    }

    /// Everything is terminal. When people have let go of the dead and the held, no body is left.
    pub fn wind_up(&mut self) -> Result<(), String> {
        self.ledger.check(&self.store.index)?;
        let dead: Vec<_> =
            self.ledger.deliveries.iter().filter(|(_, entry)| entry.fate == Fate::Dead).collect();
        let mut moves: Vec<(LaneId, u64, Change)> =
            dead.into_iter().map(|((lane, seq), _)| (*lane, *seq, Change::Dismissed)).collect();
        moves.extend(self.ledger.quarantined.iter().map(|seq| (0, *seq, Change::Released)));
        for (lane, seq, change) in moves {
            let progress = Progress::default();
            self.store.settle(Move { seq, lane, at: Millis(0), progress, change, note: None });
        }
        while self.store.begin() {
            if let Some(record) = self.store.durable() {
                self.store.publish(&record);
            }
        }
        self.store.remove_spent();
        match self.store.index.held_bytes() {
            0 => Ok(()),
            bytes => Err(format!("{bytes} bytes of bodies are kept for nobody")),
        }
    }
}
