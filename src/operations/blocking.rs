//! Calls of the stores, which block, off the threads that serve.

use crate::http::problem::{Code, Problem};
use crate::store::control;

/// Runs `call` on a thread for blocking work.
pub async fn run<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(call).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

/// The answer to an error of the control store. What the disk said stays in the log.
pub fn control_problem(error: &control::Error) -> Problem {
    const SOON: std::time::Duration = std::time::Duration::from_secs(5);
    match error {
        control::Error::UnknownKey(id) => {
            Problem::new(Code::NotFound, format!("there is no key `{id}`; GET /v1/keys lists them"))
        }
        control::Error::UnknownReplay(id) => {
            Problem::new(Code::NotFound, format!("there is no replay `{id}`; GET /v1/replays lists them"))
        }
        control::Error::TooManyKeys | control::Error::TooManyReplays => {
            Problem::new(Code::StateConflict, error.to_string())
        }
        control::Error::Busy => Problem::new(Code::Overloaded, error.to_string()).retry_after(SOON),
        error => {
            tracing::error!(error = %error, "the control store refused");
            Problem::new(Code::StoreFailing, "the control store did not take this; the log says why")
                .retry_after(SOON)
        }
    }
}
