//! Stops, cuts, failures and panics.

use std::pin::Pin;

use tokio::sync::oneshot;

use super::*;
use crate::domain::time::Millis;

const BOUND: Duration = Duration::from_secs(20);

/// The bound passes at once, so that no test waits for it; the grace only where it is not needed.
struct BoundPasses {
    grace: bool,
}

impl Clock for BoundPasses {
    fn now(&self) -> Millis {
        Millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if span == BOUND || self.grace {
            Box::pin(std::future::ready(()))
        } else {
            Box::pin(tokio::time::sleep(span))
        }
    }
}

/// Time stands still: whatever ends, ends by itself.
struct Still;

impl Clock for Still {
    fn now(&self) -> Millis {
        Millis(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn names_are_unique_and_fit_a_thread() {
    let mut names: Vec<_> = TaskKind::ALL.iter().map(|kind| kind.name()).collect();
    assert!(names.iter().all(|name| name.len() <= 15));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), TaskKind::ALL.len());
}

#[tokio::test]
async fn a_task_finishes_its_work_before_the_stop_is_done() {
    let tasks = Tasks::new();
    let (done, finished) = oneshot::channel();
    let soft = tasks.soft();
    tasks.spawn(TaskKind::Dispatcher, async move {
        soft.cancelled().await;
        let _ = done.send("finished");
    });
    assert_eq!(tasks.running(), ["dispatcher"]);
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default());
    assert_eq!(finished.await, Ok("finished"));
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default(), "stopping twice is harmless");
}

#[tokio::test]
async fn a_stop_before_any_start_is_harmless_and_later_tasks_end_at_once() {
    let tasks = Tasks::new();
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default());
    tasks.spawn(TaskKind::Gauges, std::future::pending::<()>());
    tasks.spawn(TaskKind::Listener, std::future::pending::<()>());
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default());
}

#[tokio::test]
async fn what_holds_nothing_is_dropped_at_once_and_what_hangs_is_cut_and_named() {
    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Gauges, std::future::pending::<()>());
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default());

    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Attempt, std::future::pending::<()>());
    let drained = tasks.drain(&BoundPasses { grace: false }, BOUND).await;
    assert_eq!(drained, Drained { cut: vec!["attempt"], orphans: vec![] });
}

#[tokio::test]
async fn a_thread_that_hangs_is_reported_and_not_waited_for() {
    let tasks = Tasks::new();
    let (release, blocked) = std::sync::mpsc::channel::<()>();
    tasks.thread(TaskKind::Journal, move || assert!(blocked.recv().is_err())).unwrap();
    let drained = tasks.drain(&BoundPasses { grace: true }, BOUND).await;
    assert_eq!(drained, Drained { cut: vec!["journal"], orphans: vec!["journal"] });
    drop(release);
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default());
}

fn explode(text: &str) {
    assert!(text.is_empty(), "{text}");
}

#[tokio::test]
async fn a_panic_is_caught_and_named() {
    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Dispatcher, async { explode(&format!("queue {} is torn", 7)) });
    let failure = tasks.failed().await;
    assert_eq!(failure.to_string(), "dispatcher failed: panicked: queue 7 is torn");

    let tasks = Tasks::new();
    tasks.thread(TaskKind::Journal, || explode("no disk")).unwrap();
    assert_eq!(tasks.failed().await.to_string(), "journal failed: panicked: no disk");
}

#[tokio::test]
async fn an_error_or_an_early_end_stops_the_process_only_where_the_kind_says_so() {
    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Attempt, async { Err::<(), _>("refused") });
    tasks.spawn(TaskKind::Attempt, async {});
    assert_eq!(tasks.drain(&Still, BOUND).await, Drained::default());
    assert_eq!(*tasks.shared.failed.borrow(), None);

    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Listener, async { Err::<(), _>("port taken") });
    assert_eq!(tasks.failed().await.reason, "port taken");
    tasks.spawn(TaskKind::Journal, async {});
    tasks.drain(&Still, BOUND).await;
    assert_eq!(tasks.failed().await.task, "listener", "the first failure is the cause");

    let tasks = Tasks::new();
    tasks.spawn(TaskKind::Listener, async {});
    assert_eq!(tasks.failed().await.to_string(), "listener failed: ended though nobody asked");
}

#[tokio::test]
async fn who_follows_may_end_before_it_is_asked() {
    let tasks = Tasks::new();
    tasks.thread(TaskKind::Journal, || ()).unwrap();
    assert!(tasks.idle_within(&Still, BOUND).await);
    assert_eq!(*tasks.shared.failed.borrow(), None);
    tasks.thread(TaskKind::Journal, || Err("no disk")).unwrap();
    assert_eq!(tasks.failed().await.to_string(), "journal failed: no disk");
}
