//! Generators against a server in memory that can be told to misbehave.

use std::collections::VecDeque;
use std::process::Command;

use super::*;
use crate::driver::{Consumer, Place};
use crate::verify::{Delivery, Faults, Verdict};

/// What the server does to every message whose number it is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    Lose(u64),
    Double(u64),
    Alter(u64),
    Swap(u64),
    Refuse(u64),
}

#[derive(Default)]
struct Queue {
    count: u64,
    stored: VecDeque<Vec<u8>>,
}

struct Fake {
    queue: Rc<RefCell<Queue>>,
    fault: Fault,
    process: ServerProcess,
}

impl Fake {
    fn new(fault: Fault) -> Self {
        let folder = tempfile::tempdir().unwrap().keep();
        let mut command = Command::new("sleep");
        command.arg("600");
        Self {
            queue: Rc::default(),
            fault,
            process: ServerProcess::start("sleep", command, folder).unwrap(),
        }
    }
}

struct Client {
    queue: Rc<RefCell<Queue>>,
    fault: Fault,
    position: u64,
}

impl System for Fake {
    type Producer = Client;
    type Consumer = Client;

    async fn start(_: &Place<'_>) -> Result<Self> {
        Ok(Self::new(Fault::None))
    }

    async fn producer(&self) -> Result<Client> {
        Ok(Client {
            queue: self.queue.clone(),
            fault: self.fault,
            position: 0,
        })
    }

    async fn consumer(&self) -> Result<Option<Client>> {
        self.producer().await.map(Some)
    }

    fn process(&self) -> &ServerProcess {
        &self.process
    }

    fn into_process(self) -> ServerProcess {
        self.process
    }
}

impl Producer for Client {
    async fn send(&mut self, body: &[u8]) -> Result<()> {
        tokio::task::yield_now().await;
        let mut queue = self.queue.borrow_mut();
        let number = queue.count;
        queue.count += 1;
        let mut body = body.to_vec();
        match self.fault {
            Fault::Refuse(n) => ensure!(n != number, "refused"),
            Fault::Lose(n) if n == number => return Ok(()),
            Fault::Double(n) if n == number => queue.stored.push_back(body.clone()),
            Fault::Alter(n) if n == number => body[100] ^= 1,
            Fault::None | Fault::Lose(_) | Fault::Double(_) | Fault::Alter(_) | Fault::Swap(_) => {}
        }
        match (self.fault, queue.stored.pop_back()) {
            (Fault::Swap(n), Some(last)) if n == number => queue.stored.extend([body, last]),
            (_, last) => queue.stored.extend(last.into_iter().chain([body])),
        }
        Ok(())
    }

    async fn send_batch(&mut self, bodies: &[Vec<u8>]) -> Result<()> {
        for body in bodies {
            self.send(body).await?;
        }
        Ok(())
    }
}

impl Consumer for Client {
    async fn receive(
        &mut self,
        max: usize,
        _: Duration,
        sink: &mut dyn FnMut(Delivery<'_>),
    ) -> Result<usize> {
        tokio::task::yield_now().await;
        let mut queue = self.queue.borrow_mut();
        let count = max.min(queue.stored.len());
        for body in queue.stored.drain(..count) {
            self.position += 1;
            sink(Delivery {
                queue: 0,
                position: self.position,
                body: &body,
            });
        }
        Ok(count)
    }

    async fn ack(&mut self) -> Result<()> {
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        Ok(())
    }
}

fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

fn plan(in_flight: usize, batch: usize, messages_max: u64) -> closed::Plan {
    closed::Plan {
        in_flight,
        batch,
        message_bytes: 200,
        warmup: Duration::from_millis(1),
        window: Duration::from_secs(60),
        messages_max,
    }
}

fn books(producers: usize) -> Books {
    Rc::new(RefCell::new(Ledger::new(1, producers)))
}

/// Fills 1000 messages through 3 producers into a server with `fault`, and drains it.
fn verdict(fault: Fault) -> Verdict {
    on_one_thread(async {
        let (fake, books) = (Fake::new(fault), books(3));
        closed::fill(&fake, &plan(3, 7, 1000), &books)
            .await
            .unwrap();
        let mut consumer = fake.consumer().await.unwrap().unwrap();
        backlog::drain(&fake, std::slice::from_mut(&mut consumer), 64, &books)
            .await
            .unwrap();
        books.borrow().verdict()
    })
}

#[test]
fn a_backlog_comes_back_whole() {
    let verdict = verdict(Fault::None);
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.sent, 1000);
}

#[test]
fn every_misbehaviour_of_a_server_is_found() {
    let faults = |missing, duplicated, altered| Faults {
        missing,
        duplicated,
        altered,
        ..Faults::default()
    };
    for number in [0, 500, 999] {
        assert_eq!(verdict(Fault::Lose(number)).faults, faults(1, 0, 0));
        assert_eq!(verdict(Fault::Double(number)).faults, faults(0, 1, 0));
        assert_eq!(verdict(Fault::Alter(number)).faults, faults(1, 0, 1));
    }
    // Neighbours of one producer: with one in flight, all are.
    let swapped = on_one_thread(async {
        let (fake, books) = (Fake::new(Fault::Swap(5)), books(1));
        closed::fill(&fake, &plan(1, 1, 10), &books).await.unwrap();
        let mut consumer = fake.consumer().await.unwrap().unwrap();
        backlog::drain(&fake, std::slice::from_mut(&mut consumer), 3, &books)
            .await
            .unwrap();
        books.borrow().verdict()
    });
    assert_eq!(swapped.faults.disordered, 1);
}

#[test]
fn a_closed_loop_ends_at_its_bound_and_counts_all_it_sent() {
    on_one_thread(async {
        let (fake, books) = (Fake::new(Fault::None), books(4));
        let plan = closed::Plan {
            warmup: Duration::ZERO,
            ..plan(4, 10, 100_005)
        };
        let figures = closed::run(&fake, &plan, &books).await.unwrap();
        assert_eq!(
            books.borrow().sent(),
            100_000,
            "whole batches below the bound"
        );
        assert_eq!(fake.queue.borrow().count, 100_000);
        assert!(figures.messages > 0.0 && figures.messages <= 100_000.0);
        assert!(figures.rate > 0.0 && figures.p99_us >= figures.p50_us);
    });
}

#[test]
fn a_fast_server_is_measured_though_it_reaches_the_bound_while_warming_up() {
    on_one_thread(async {
        let (fake, books) = (Fake::new(Fault::None), books(4));
        let plan = closed::Plan {
            warmup: Duration::from_secs(60),
            ..plan(4, 10, 40_000)
        };
        let figures = closed::run(&fake, &plan, &books).await.unwrap();
        assert_eq!(books.borrow().sent(), 40_000);
        assert!(
            (20_000.0..=30_010.0).contains(&figures.messages),
            "{figures:?}"
        );
    });
}

#[test]
fn a_refusal_ends_the_loop_as_an_error() {
    on_one_thread(async {
        let (fake, books) = (Fake::new(Fault::Refuse(5000)), books(4));
        let plan = closed::Plan {
            warmup: Duration::ZERO,
            ..plan(4, 1, 1_000_000)
        };
        let error = closed::run(&fake, &plan, &books).await.unwrap_err();
        assert_eq!(error.to_string(), "refused");
        assert!(
            closed::fill(&Fake::new(Fault::Refuse(5)), &plan, &books)
                .await
                .is_err()
        );
    });
}

#[test]
fn an_open_loop_sends_all_that_is_due_and_measures_only_its_window() {
    on_one_thread(async {
        let (fake, books) = (Fake::new(Fault::None), books(3));
        let plan = open::Plan {
            rate: 10_000.0,
            connections: 3,
            message_bytes: 200,
            receive_max: 16,
            warmup: Duration::from_millis(20),
            window: Duration::from_millis(50),
        };
        let mut consumer = fake.consumer().await.unwrap().unwrap();
        let figures = open::run(&fake, &mut consumer, &plan, &books)
            .await
            .unwrap();
        let verdict = books.borrow().verdict();
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!((verdict.sent, figures.messages), (700, 500.0));
        assert!(figures.send_p99_us > 0.0 && figures.p50_us > 0.0);
    });
}
