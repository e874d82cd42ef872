//! Carrying replays out: each at its rate, all by one task.
//!
//! Works step by step: some deliveries appended, then the cursor made durable. A crash between the two
//! repeats the step at the next start, where the journal shows what was made already; so that task first
//! waits until the journal has caught up. What the store refuses for now is tried again; a replay never
//! gives up by itself. Never makes anything of a job that was cancelled before its step began.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::{Operations, RATE_DEFAULT, filter, stretch};
use crate::http::problem::Problem;
use crate::operations::again;
use crate::store::control::Control;
use crate::store::control::replays::{Progress, Replay, State};
use crate::store::journal::{Again, Candidate, Filter};

/// Steps of one job in a second, as far as its rate has as many deliveries.
const STEPS_PER_SECOND: u32 = 20;
/// Most deliveries of one step.
const STEP_MAX: u32 = 256;
/// Until what could not be done is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Between two looks at the journal while it catches up.
const JOURNAL_LOOK_EVERY: Duration = Duration::from_millis(20);

/// A job under way.
struct Run {
    job: Replay,
    filter: Arc<Filter>,
    /// Read and not made yet.
    waiting: VecDeque<Candidate>,
    /// Where reading goes on.
    next: u64,
    /// When its next step is due, on the monotonic clock.
    due: Duration,
}

/// Carries out what `control.db` holds of replays, those that a crash cut short first. Never ends.
pub async fn carry_out_replays(ops: Operations) {
    let mut runs = Vec::new();
    let mut is_caught_up = false;
    loop {
        if let Err(problem) = take_up(&ops, &mut runs).await {
            tracing::error!(problem = problem.detail(), "the replays could not be read");
            ops.parts.clock.sleep(AGAIN_AFTER).await;
            continue;
        }
        if runs.is_empty() {
            ops.replays.notified().await;
            continue;
        }
        if !is_caught_up {
            catch_up(&ops).await;
            is_caught_up = true;
        }
        let due = runs.iter().map(|run| run.due).min().unwrap_or_default();
        let wait = due.saturating_sub(ops.parts.clock.monotonic());
        if !wait.is_zero() {
            tokio::select! {
                () = ops.replays.notified() => {}
                () = ops.parts.clock.sleep(wait) => {}
            }
            continue;
        }
        for run in runs.iter_mut().filter(|run| run.due <= due) {
            if let Err(problem) = step(&ops, run).await {
                tracing::warn!(
                    replay_id = run.job.replay_id,
                    problem = problem.detail(),
                    "a replay is held up; it goes on by itself"
                );
                run.due = ops.parts.clock.monotonic() + AGAIN_AFTER;
            }
        }
    }
}

/// What was appended before the last stop is in the journal afterwards.
async fn catch_up(ops: &Operations) {
    let until = ops.parts.intake.store.next_seq();
    while ops.parts.journal.reached() < until {
        ops.parts.clock.sleep(JOURNAL_LOOK_EVERY).await;
    }
}

/// Takes up what has begun and lets go of what is over.
async fn take_up(ops: &Operations, runs: &mut Vec<Run>) -> Result<(), Problem> {
    let jobs = ops.on_control(Control::running_replays).await?;
    runs.retain(|run| jobs.iter().any(|job| job.replay_id == run.job.replay_id));
    for job in jobs {
        if runs.iter().all(|run| run.job.replay_id != job.replay_id) {
            runs.push(Run {
                filter: Arc::new(filter(&job.asked)),
                waiting: VecDeque::new(),
                next: job.cursor,
                due: ops.parts.clock.monotonic(),
                job,
            });
        }
    }
    Ok(())
}

/// Makes the next deliveries of one job, as many as its rate has for the time until the next step.
async fn step(ops: &Operations, run: &mut Run) -> Result<(), Problem> {
    let rate = run.job.asked.rate_per_second.unwrap_or(RATE_DEFAULT).max(1);
    let most = (rate / STEPS_PER_SECOND).clamp(1, STEP_MAX);
    if run.waiting.is_empty() && run.next < run.job.below {
        let stretch = stretch(ops, &run.filter, run.next, run.job.below).await?;
        run.waiting = stretch.items.into();
        run.next = stretch.next;
    }
    let taken = run.waiting.len().min(most as usize);
    let mut batch: Vec<Candidate> = run.waiting.drain(..taken).collect();
    // An event whole, so that the cursor and the counts say the same.
    while let Some(last) = batch.last().map(|candidate| candidate.place)
        && let Some(more) = run.waiting.pop_front_if(|candidate| candidate.place == last)
    {
        batch.push(more);
    }
    let taken = batch.len();
    let as_new = run.job.asked.as_new;
    let making = batch.iter().map(|candidate| again::replay(ops, candidate, as_new));
    let results = together(making).await;
    let held_up = take_in(run, batch, results);
    keep(ops, run).await?;
    if let Some(problem) = held_up {
        return Err(problem);
    }
    let now = ops.parts.clock.monotonic();
    let share = Duration::from_secs(1) * u32::try_from(taken).unwrap_or(u32::MAX) / rate;
    // A step that was late is made up for, a long stop is not.
    run.due = run.due.max(now.saturating_sub(AGAIN_AFTER)) + share;
    Ok(())
}

/// Counts what was made, up to the first event that was held up; from there on all goes back, so that the
/// counts never say more than the cursor. What was made of those is not made again.
fn take_in(run: &mut Run, batch: Vec<Candidate>, results: Vec<Result<bool, Problem>>) -> Option<Problem> {
    let failed = batch.iter().zip(&results).find(|(_, result)| result.is_err());
    let cut = failed.map(|(candidate, _)| candidate.place);
    let (mut left, mut held_up) = (Vec::new(), None);
    for (mut candidate, result) in batch.into_iter().zip(results) {
        let is_left = cut.is_some_and(|cut| candidate.place >= cut);
        match result {
            Ok(true) if is_left => candidate.again = Again::Made,
            Ok(true) => run.job.done += 1,
            Ok(false) if is_left => {}
            Ok(false) => run.job.skipped += 1,
            Err(problem) => held_up = Some(problem),
        }
        if is_left {
            left.push(candidate);
        }
    }
    for candidate in left.into_iter().rev() {
        run.waiting.push_front(candidate);
    }
    held_up
}

/// Makes the cursor and the counts durable, and the end, if this is it.
async fn keep(ops: &Operations, run: &mut Run) -> Result<(), Problem> {
    let cursor = run.waiting.front().map_or(run.next, |candidate| candidate.place);
    let is_over = run.waiting.is_empty() && run.next >= run.job.below;
    let progress = Progress {
        cursor,
        done: run.job.done,
        skipped: run.job.skipped,
        ended_at: is_over.then(|| ops.parts.clock.now()),
    };
    let id = run.job.replay_id.clone();
    let goes_on = ops.on_control(move |control| control.advance_replay(&id, progress)).await?;
    run.job.cursor = cursor;
    if is_over && goes_on {
        run.job.state = State::Done;
        let Replay { replay_id, done, skipped, .. } = &run.job;
        tracing::info!(replay_id, done, skipped, "a replay is done");
    }
    Ok(())
}

/// The results of all `futures`, in their order; they go on beside each other, so that one commit serves many.
async fn together<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<Pin<Box<F>>> = futures.map(Box::pin).collect();
    let mut results: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in waiting.iter_mut().zip(&mut results) {
            if result.is_none()
                && let Poll::Ready(output) = future.as_mut().poll(context)
            {
                *result = Some(output);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::AppSlug;
    use crate::domain::time::Millis;
    use crate::http::problem::Code;
    use crate::store::control::replays::Asked;
    use crate::store::journal::{EventRow, StateCounts};

    fn candidate(seq: u64) -> Candidate {
        let event = EventRow {
            event_id: format!("event-{seq}"),
            event_type: "payment.completed".to_owned(),
            source: "colectiva".to_owned(),
            organization_id: "org_1".to_owned(),
            correlation_id: "correlation".to_owned(),
            tenant_id: None,
            accepted_at: Millis(seq),
            timestamp: Millis(seq),
            proof: "internal".to_owned(),
            status: "routed",
            reason: None,
            did_you_mean: None,
            deliveries: StateCounts::default(),
            seq,
            receivers: Vec::new(),
        };
        let receiver = AppSlug::new("mancha").unwrap();
        Candidate { event: Arc::new(event), receiver, again: Again::First, place: seq }
    }

    fn run() -> Run {
        let job = Replay {
            replay_id: "rpl_1".to_owned(),
            matched: 9,
            state: State::Running,
            done: 0,
            skipped: 0,
            asked: Asked::default(),
            created_at: Millis(1),
            ended_at: None,
            number: 1,
            cursor: 0,
            below: 100,
        };
        let waiting = VecDeque::from([candidate(6)]);
        Run { job, filter: Arc::default(), waiting, next: 100, due: Duration::ZERO }
    }

    #[test]
    fn what_comes_behind_a_failure_is_counted_once_and_not_made_again() {
        let mut run = run();
        let failed = || Err(Problem::new(Code::Overloaded, "later"));
        let batch: Vec<Candidate> = [1, 2, 3, 3, 4, 5].map(candidate).into();
        let results = vec![Ok(true), Ok(false), Ok(true), failed(), Ok(true), Ok(false)];
        assert!(take_in(&mut run, batch, results).is_some());
        assert_eq!((run.job.done, run.job.skipped), (1, 1), "what lies before the event that failed");
        let left: Vec<_> = run.waiting.iter().map(|one| (one.place, one.again)).collect();
        let (first, made) = (Again::First, Again::Made);
        assert_eq!(left, [(3, made), (3, first), (4, made), (5, first), (6, first)]);
        let batch: Vec<Candidate> = run.waiting.drain(..).collect();
        let results = vec![Ok(true), Ok(true), Ok(true), Ok(false), Ok(true)];
        assert!(take_in(&mut run, batch, results).is_none());
        assert_eq!((run.job.done, run.job.skipped), (5, 2));
    }
}
