//! Random clients, several at once. What they learn goes into the history.

use std::cell::RefCell;
use std::time::Duration;

use firn_protocol::api::storage::{
    AckStatus, AppendRequest, Delivery, SeekRequest, SeekTarget, StorageApi, VisibilityRequest,
};
use firn_protocol::catalogue::Durability;
use firn_protocol::error::{ApiError, Detail, ErrorCode};
use firn_storage_node::disk::FaultyDisk;

use crate::history::{Breach, History, receive};
use crate::power::{BROKERS, Dice, GROUP, Life, TOPIC, World, class, ctx, pause, queue};

/// Bytes of the largest body.
const BODY: u64 = 1200;

struct Client<'a> {
    world: &'a World,
    life: &'a Life,
    history: &'a RefCell<History>,
    dice: Dice,
    held: Vec<(u64, Delivery)>,
}

/// Lets four clients work until they are done or the power is off.
pub(crate) async fn work(
    world: &World,
    life: &Life,
    history: &RefCell<History>,
    seed: u64,
    steps: usize,
) -> Result<(), Breach> {
    let client = |n: u64| Client {
        world,
        life,
        history,
        dice: Dice(seed ^ n),
        held: Vec::new(),
    };
    let [mut a, mut b, mut c, mut d] = [1, 2, 3, 4].map(client);
    let clients = async {
        tokio::try_join!(a.run(steps), b.run(steps), c.run(steps), d.run(steps)).map(|_| ())
    };
    tokio::select! {
        biased;
        outcome = clients => outcome,
        // A dead process answers nobody: what is open stays unknown.
        () = off(&world.disk) => Ok(()),
    }
}

pub(crate) async fn off(disk: &FaultyDisk) {
    while !disk.is_off() {
        pause().await;
    }
}

/// Whether the caller was told that it may have happened.
pub(crate) fn is_unknown(error: &ApiError) -> bool {
    error
        .details
        .contains(&("outcomeUnknown", Detail::Flag(true)))
}

impl Client<'_> {
    async fn run(&mut self, steps: usize) -> Result<(), Breach> {
        for _ in 0..steps {
            let outcome = match self.dice.below(12) {
                0..=4 => self.append().await?,
                5..=7 => self.receive().await?,
                8 | 9 => self.ack().await?,
                10 => self.fail_or_renew().await,
                _ => self.look().await?,
            };
            if let Err(error) = outcome {
                self.judge(&error)?;
                // Nothing of that class is ever answered again in this life.
                if class() == Durability::Object && self.world.objects.is_crashed() {
                    return Ok(());
                }
                if !self.life.healthy_again().await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn judge(&self, error: &ApiError) -> Result<(), Breach> {
        let explained = [
            ErrorCode::StorageUnavailable,
            ErrorCode::DiskFull,
            ErrorCode::Overloaded,
            ErrorCode::Conflict,
        ];
        if explained.contains(&error.code) {
            Ok(())
        } else {
            Err(format!("an answer that nothing explains: {error}"))
        }
    }

    async fn append(&mut self) -> Result<Result<(), ApiError>, Breach> {
        let broker = BROKERS[self.dice.below(2) as usize];
        let queue = queue(self.dice.below(2) as u16);
        let count = if self.dice.one_in(3) {
            1 + self.dice.below(3)
        } else {
            1
        };
        let lens: Vec<usize> = (0..count)
            .map(|_| 8 + self.dice.below(BODY) as usize)
            .collect();
        let (first, messages) = self.history.borrow_mut().sending(broker, queue, &lens);
        let request = AppendRequest {
            broker,
            queue,
            messages,
        };
        match self.life.node.append(&ctx(), request).await {
            Ok(stored) => {
                let mut history = self.history.borrow_mut();
                history.stored(broker, queue, stored.offset, (first, count))?;
                Ok(Ok(()))
            }
            Err(error) => {
                let mut history = self.history.borrow_mut();
                if is_unknown(&error) {
                    history.unknown += 1;
                } else {
                    history.refused(first);
                }
                Ok(Err(error))
            }
        }
    }

    async fn receive(&mut self) -> Result<Result<(), ApiError>, Breach> {
        let broker = BROKERS[self.dice.below(2) as usize];
        let since = self.history.borrow().tick;
        let invisible = [1000, 30_000, 300_000][self.dice.below(3) as usize];
        let max = 1 + self.dice.below(8) as usize;
        let received = match receive(&self.life.node, broker, max, invisible).await {
            Ok(received) => received,
            Err(error) => return Ok(Err(error)),
        };
        for delivery in received.deliveries {
            let number = self.history.borrow().delivered(&delivery.message, since)?;
            self.held.push((number, delivery));
        }
        Ok(Ok(()))
    }

    async fn ack(&mut self) -> Result<Result<(), ApiError>, Breach> {
        let Some((_, last)) = self.held.last() else {
            return Ok(Ok(()));
        };
        let broker = last.receipt.broker;
        let keep = self.dice.below(3) as usize;
        let (mine, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.held)
            .into_iter()
            .partition(|(_, delivery)| delivery.receipt.broker == broker);
        self.held = rest;
        let mine = &mine[keep.min(mine.len())..];
        let receipts = mine.iter().map(|(_, delivery)| delivery.receipt).collect();
        // Before the call: it may be cut short.
        for (number, _) in mine {
            self.history.borrow_mut().acking(*number);
        }
        let answer = self.life.node.ack(&ctx(), broker, GROUP.id, receipts).await;
        let statuses = match answer {
            Ok(statuses) => statuses,
            Err(error) => return Ok(Err(error)),
        };
        let mut history = self.history.borrow_mut();
        for ((number, _), status) in mine.iter().zip(statuses) {
            match status {
                AckStatus::Ok | AckStatus::AlreadyAcked => history.acked(*number),
                AckStatus::LeaseExpired => history.not_acked(*number),
                AckStatus::Invalid => return Err(format!("R4: receipt of {number} is invalid")),
            }
        }
        Ok(Ok(()))
    }

    async fn fail_or_renew(&mut self) -> Result<(), ApiError> {
        let Some((_, delivery)) = self.held.pop() else {
            return Ok(());
        };
        let request = VisibilityRequest {
            broker: delivery.receipt.broker,
            group: GROUP,
            receipt: delivery.receipt,
            invisible_ms: self.dice.below(2) * 60_000,
        };
        self.life
            .node
            .change_visibility(&ctx(), request)
            .await
            .map(|_| ())
    }

    async fn look(&mut self) -> Result<Result<(), ApiError>, Breach> {
        self.world
            .clock
            .advance(Duration::from_millis(self.dice.below(4000)));
        let broker = BROKERS[self.dice.below(2) as usize];
        let floors = self.history.borrow().floors();
        match self.life.node.lag(&ctx(), broker, GROUP.id).await {
            Ok(rows) => {
                let mut history = self.history.borrow_mut();
                history.progress(broker, &rows, &floors).map(Ok)
            }
            Err(error) => Ok(Err(error)),
        }
    }
}

/// The group starts over; nothing else may be going on.
pub(crate) async fn start_over(life: &Life, history: &RefCell<History>) {
    history.borrow_mut().started_over();
    for broker in BROKERS {
        let request = SeekRequest {
            broker,
            group: GROUP,
            topic: TOPIC,
            target: SeekTarget::Earliest,
            dry_run: false,
        };
        let _ = life.node.seek(&ctx(), request).await;
    }
}
