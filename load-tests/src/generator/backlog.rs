//! One consumer against what is stored: receive, acknowledge, again, to the end.

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

/// Receives and acknowledges, at most `max` at a time, until `books` have everything
/// that was sent; then looks once more, so that a surplus is entered too.
///
/// # Errors
/// The first refusal or broken connection.
pub async fn drain<S: System>(
    system: &S,
    consumer: &mut S::Consumer,
    max: usize,
    books: &Books,
) -> Result<Figures> {
    let window = Window::open(system.process())?;
    let mut latency = Latency::default();
    let before = books.borrow().received();
    let mut empty = 0;
    while missing(books) && empty < EMPTY_MAX {
        let begin = clock::now();
        match take(consumer, max, PATIENCE, books).await? {
            0 => empty += 1,
            _ => {
                empty = 0;
                latency.record(clock::now().duration_since(begin));
            }
        }
    }
    consumer.finish().await?;
    let received = books.borrow().received() - before;
    let figures = window.close(received, &latency, system.process());
    while take(consumer, max, Duration::ZERO, books).await? > 0 {}
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
    books: &Books,
) -> Result<usize> {
    let mut enter = |delivery: crate::verify::Delivery<'_>| {
        books.borrow_mut().enter(&delivery);
    };
    let count = consumer.receive(max, wait, &mut enter).await?;
    if count > 0 {
        consumer.ack().await?;
    }
    Ok(count)
}
