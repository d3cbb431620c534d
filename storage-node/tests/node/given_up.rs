//! Work on another thread goes on when nobody waits for it any more. What it still
//! does must not undo what came after it.

use std::sync::Arc;

use firn_protocol::filter::Filter;
use parking_lot::{Condvar, Mutex};

use crate::harness::{Bench, poll_once};
use crate::power::pause;

/// Holds up the first who comes after it was set, and nobody else.
#[derive(Clone, Default)]
pub(crate) struct Catch(Arc<(Mutex<State>, Condvar)>);

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Open,
    Set,
    Holds,
    GoesOn,
}

impl Catch {
    /// Does something, perhaps later.
    pub(crate) fn pass<T>(&self, work: impl FnOnce() -> T) -> T {
        let (state, changed) = &*self.0;
        {
            let mut state = state.lock();
            if *state != State::Set {
                drop(state);
                return work();
            }
            *state = State::Holds;
            changed.wait_while(&mut state, |state| *state == State::Holds);
        }
        let done = work();
        *state.lock() = State::Open;
        changed.notify_all();
        done
    }

    fn set(&self) {
        *self.0.0.lock() = State::Set;
    }

    fn holds(&self) -> bool {
        *self.0.0.lock() == State::Holds
    }

    /// Lets it go on, and waits until it is done.
    fn release(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock();
        *state = State::GoesOn;
        changed.notify_all();
        changed.wait_while(&mut state, |state| *state == State::GoesOn);
    }
}

/// A checkpoint is given up while it writes, and ends behind the next one: what the
/// next one wrote is what counts, for its marker says that nothing older is needed.
#[tokio::test]
async fn a_checkpoint_that_was_given_up_undoes_no_later_one() {
    let mut bench = Bench::new(|_| {});
    bench.send(1, None).await;
    bench.save_held.set();
    {
        let node = bench.node().clone();
        let mut first = Box::pin(async move { node.settle_stores().await });
        while !bench.save_held.holds() {
            assert!(poll_once(&mut first).is_pending(), "it is held up");
            pause().await;
        }
    }
    bench.send(2, None).await;
    let one = bench.take(1, &Filter::All).await;
    bench.ack(one.deliveries[0].receipt).await;
    let node = bench.node().clone();
    let mut second = Box::pin(async move { node.settle_stores().await });
    // Either it waits for the first, or it is soon done.
    let mut is_done = false;
    for _ in 0..50 {
        is_done = is_done || poll_once(&mut second).is_ready();
        pause().await;
    }
    bench.save_held.release();
    if !is_done {
        second.await.expect("written");
    }
    bench.restart(true).await;
    let rest = bench.take(9, &Filter::All).await;
    let bodies = rest.deliveries.iter().map(|it| &it.message.content.body);
    assert_eq!(bodies.collect::<Vec<_>>(), ["body 2"]);
}
