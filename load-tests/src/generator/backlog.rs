//! Consumers against what is stored: receive, acknowledge, again, to the end.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::Result;

use super::{Books, Figures, Window};
use crate::clock;
use crate::driver::{Consumer, System};
use crate::stats::Latency;

/// A receive that finds nothing for so long ends the backlog, complete or not.
const PATIENCE: Duration = Duration::from_secs(2);
/// Times in a row that a receive may find nothing before messages count as missing:
/// a pull that the server ends early finds nothing too.
const EMPTY_MAX: u32 = 5;
/// Queues of one consumer have numbers below this; the next one's begin here.
const QUEUES_MAX: u32 = 1 << 16;

/// Receives and acknowledges, at most `max` at a time, until `books` have everything
/// that was sent; then looks once more, so that a surplus is entered too. Several
/// consumers do so at the same time, and order is judged for each alone.
///
/// # Errors
/// The first refusal or broken connection.
pub async fn drain<S: System>(
    system: &S,
    consumers: &mut [S::Consumer],
    max: usize,
    books: &Books,
) -> Result<Figures> {
    let window = Window::open(system.process())?;
    let latency = RefCell::new(Latency::default());
    let before = books.borrow().received();
    // One who waits for what others have been given would be measured as well.
    let wait = match consumers.len() {
        1 => PATIENCE,
        _ => Duration::ZERO,
    };
    let loops = (0..).zip(consumers.iter_mut()).map(|(number, consumer)| {
        let (latency, queues) = (&latency, number * QUEUES_MAX);
        async move {
            let mut empty = 0;
            while missing(books) && empty < EMPTY_MAX {
                let begin = clock::now();
                match take(consumer, max, wait, (books, queues)).await? {
                    0 => empty += 1,
                    _ => {
                        empty = 0;
                        let took = clock::now().duration_since(begin);
                        latency.borrow_mut().record(took);
                    }
                }
            }
            consumer.finish().await
        }
    });
    futures_util::future::try_join_all(loops).await?;
    let received = books.borrow().received() - before;
    let figures = window.close(received, &latency.into_inner(), system.process());
    for consumer in consumers {
        while take(consumer, max, Duration::ZERO, (books, 0)).await? > 0 {}
    }
    figures
}

fn missing(books: &Books) -> bool {
    let books = books.borrow();
    books.received() < books.sent()
}

async fn take(
    consumer: &mut impl Consumer,
    max: usize,
    wait: Duration,
    (books, queues): (&Books, u32),
) -> Result<usize> {
    let mut enter = |mut delivery: crate::verify::Delivery<'_>| {
        delivery.queue += queues;
        books.borrow_mut().enter(&delivery);
    };
    let count = consumer.receive(max, wait, &mut enter).await?;
    if count > 0 {
        consumer.ack().await?;
    }
    Ok(count)
}
