//! The only spawner: every task has a name, is told to stop, and is joined
//! within a time budget. One task that fails or panics stops the process in order.
#![allow(
    clippy::disallowed_methods,
    reason = "this is the seam that the lint points to"
)]

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
pub use tokio_util::sync::CancellationToken as Stop;

/// The tasks of a process, stopped in the reverse order of starting.
pub struct Tasks {
    stop: Stop,
    running: Vec<Running>,
}

struct Running {
    name: &'static str,
    stop: Stop,
    handle: JoinHandle<()>,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    #[must_use]
    pub fn new() -> Self {
        Self {
            stop: Stop::new(),
            running: Vec::new(),
        }
    }

    /// Is cancelled when the process should stop; anybody may cancel it.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// Runs a task until its own stop token is cancelled. An error or a panic
    /// is logged and stops the whole process.
    pub fn spawn<F, Fut, E>(&mut self, name: &'static str, start: F)
    where
        F: FnOnce(Stop) -> Fut,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: std::fmt::Display + Send + 'static,
    {
        let own = Stop::new();
        let work = start(own.clone());
        let process = self.stop.clone();
        let inner = tokio::spawn(work);
        let handle = tokio::spawn(async move {
            match inner.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::error!(task = name, %error, "task failed, stopping");
                    process.cancel();
                }
                Err(error) => {
                    tracing::error!(task = name, %error, "task panicked, stopping");
                    process.cancel();
                }
            }
        });
        self.running.push(Running {
            name,
            stop: own,
            handle,
        });
    }

    /// Stops all tasks, last started first; each gets `budget` to end.
    pub async fn join(mut self, budget: Duration) {
        self.stop.cancel();
        while let Some(mut task) = self.running.pop() {
            task.stop.cancel();
            if tokio::time::timeout(budget, &mut task.handle)
                .await
                .is_err()
            {
                tracing::warn!(task = task.name, "task did not end in time");
                task.handle.abort();
            }
        }
    }
}

/// Runs blocking work on a thread of its own, for loops that live as long as
/// their owner. The caller joins it.
///
/// # Errors
/// When the system has no thread to give.
pub fn thread<F, T>(name: &str, work: F) -> std::io::Result<std::thread::JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
}

/// Runs work that blocks on disk or burns CPU away from the async threads.
///
/// # Panics
/// When the work panics, with the same panic.
pub async fn blocking<F, T>(work: F) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Runs a future in the background for as long as it takes. For follow-up work
/// of a request that must not die with the request; it has to be bounded in time.
pub fn detach<F>(work: F)
where
    F: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(work);
}

/// A runtime that work can be given to from another one's threads. A worker of an
/// HTTP server runs what it detaches itself, one thing after the other: work that is
/// to go on beside an answer belongs here.
#[derive(Clone, Debug)]
pub struct Elsewhere(Option<tokio::runtime::Handle>);

impl Elsewhere {
    /// The runtime of whoever asks; without one, work goes to that of whoever gives it.
    #[must_use]
    pub fn here() -> Self {
        Self(tokio::runtime::Handle::try_current().ok())
    }

    /// Runs a future there for as long as it takes, as [`detach`] does.
    pub fn detach<F>(&self, work: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        drop(self.spawn(work));
    }

    /// Runs a future there at once, and answers what it comes to. It goes on when
    /// nobody waits for it any more, so it has to be bounded in time.
    ///
    /// # Panics
    /// When the work panics, with the same panic.
    pub fn run<F>(&self, work: F) -> impl Future<Output = F::Output> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let handle = self.spawn(work);
        async move {
            match handle.await {
                Ok(value) => value,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime is going down, and whoever waits with it.
                    Err(_) => std::future::pending().await,
                },
            }
        }
    }

    fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        match &self.0 {
            Some(handle) => handle.spawn(work),
            None => tokio::spawn(work),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::Mutex;

    #[tokio::test]
    async fn tasks_stop_last_first_and_a_panic_stops_all() {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Tasks::new();
        for name in ["first", "second"] {
            let order = order.clone();
            tasks.spawn(name, |stop| async move {
                stop.cancelled().await;
                order.lock().expect("unpoisoned").push(name);
                Ok::<(), std::io::Error>(())
            });
        }
        tasks.spawn("broken", |_| async { Err(std::io::Error::other("broken")) });
        tasks.stop().cancelled().await;
        tasks.join(Duration::from_secs(10)).await;
        assert_eq!(*order.lock().expect("unpoisoned"), ["second", "first"]);
    }

    #[test]
    fn work_goes_elsewhere_and_goes_on_unwatched() {
        let there = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("there")
            .build()
            .expect("a runtime");
        let elsewhere = there.block_on(async { Elsewhere::here() });
        let here = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let name = || std::thread::current().name().map(str::to_owned);
        let ran_on = here.block_on(elsewhere.run(async move { name() }));
        assert_eq!(ran_on.as_deref(), Some("there"));
        // Told to nobody, and done all the same.
        let (done, told) = std::sync::mpsc::channel();
        here.block_on(async {
            drop(elsewhere.run(async move { done.send(name()).expect("is heard") }));
        });
        let ran_on = told.recv().expect("is done");
        assert_eq!(ran_on.as_deref(), Some("there"));
    }
}
