//! Many short tasks of one owner, itself a task: they end with it, so they need no entry of their own.
//!
//! Dropping the crew drops its tasks where they stand; nothing here waits for them. A panic is caught
//! and logged, and yields no result.

use std::future::{Future, pending};

use tokio::task::{JoinError, JoinSet};

use super::{End, TaskKind};

/// Short tasks of one kind and what they came to.
#[derive(Debug)]
pub struct Crew<T> {
    kind: TaskKind,
    tasks: JoinSet<T>,
}

impl<T: Send + 'static> Crew<T> {
    /// Nobody yet.
    pub fn new(kind: TaskKind) -> Self {
        Self { kind, tasks: JoinSet::new() }
    }

    /// Runs `future`; its result comes out of [`next`](Self::next).
    pub fn spawn(&mut self, future: impl Future<Output = T> + Send + 'static) {
        self.tasks.spawn(future);
    }

    /// The next result; waits for ever while no task runs. Dropping the wait loses nothing.
    pub async fn next(&mut self) -> T {
        loop {
            let Some(ended) = self.tasks.join_next().await else { return pending().await };
            if let Some(result) = self.result(ended) {
                return result;
            }
        }
    }

    /// A result that is there already.
    pub fn try_next(&mut self) -> Option<T> {
        loop {
            let ended = self.tasks.try_join_next()?;
            if let Some(result) = self.result(ended) {
                return Some(result);
            }
        }
    }

    fn result(&self, ended: Result<T, JoinError>) -> Option<T> {
        let error = match ended {
            Ok(result) => return Some(result),
            Err(error) => error,
        };
        if let Ok(panic) = error.try_into_panic()
            && let End::Failed(reason) = End::of::<()>(Err(panic))
        {
            tracing::error!(task.name = self.kind.name(), task.fatal = false, error = reason, "task failed");
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_come_out_and_a_panic_yields_none() {
        let mut crew = Crew::new(TaskKind::Attempt);
        crew.spawn(async { panic!("this one is lost") });
        crew.spawn(async { 7 });
        assert_eq!(crew.next().await, 7);
        assert_eq!(crew.try_next(), None);
    }

    #[tokio::test]
    async fn its_tasks_end_with_it() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let mut crew = Crew::new(TaskKind::Attempt);
        crew.spawn(async move {
            let _held = held;
            pending::<()>().await;
        });
        drop(crew);
        assert!(dropped.await.is_err());
    }
}
