//! Who sends and receives, and how much at once.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use firn_protocol::api::usage::Counts;
use futures_util::future::try_join_all;
use serde_json::{Value, json};

use super::count::{Count, Open};
use crate::beside::Caller;
use crate::clock;
use crate::driver::System as _;
use crate::driver::firn::{Firn, bootstrap};

/// Bytes of bodies: the borders of the units of 4 KiB among them.
const SIZES: [usize; 6] = [0, 100, 1024, 4000, 4200, 20_000];
/// Messages of one call.
const BATCHES: [u64; 4] = [1, 1, 10, 100];
/// One message in so many fails when it comes first, and comes again 10 s later.
const FAILS_ONE_IN: u64 = 200;
/// Sending goes on so long before the process is killed.
const BEFORE_KILL: Duration = Duration::from_millis(700);
const LIMIT: Duration = Duration::from_secs(900);
const TAG: &str = "billed";

/// A user of the instance, with the topic that it uses.
#[derive(Clone, Copy)]
pub(super) struct User(usize);

impl User {
    pub(super) const ALL: [Self; 3] = [Self(0), Self(1), Self(2)];

    pub(super) fn name(self) -> &'static str {
        bootstrap::BILLED_USERS[self.0]
    }

    fn topic(self) -> &'static str {
        bootstrap::BILLED_TOPICS[self.0]
    }
}

/// Sends and receives of all users at once.
pub(super) struct Traffic {
    address: SocketAddr,
    messages: u64,
    /// Messages that were asked to be sent, and messages that came and are done with.
    asked: Cell<u64>,
    done: Cell<u64>,
    sent: Cell<u64>,
    /// First deliveries.
    first: Cell<u64>,
}

impl Traffic {
    pub(super) fn new(address: SocketAddr, messages: u64) -> Self {
        Self {
            address,
            messages,
            asked: Cell::new(0),
            done: Cell::new(0),
            sent: Cell::new(0),
            first: Cell::new(0),
        }
    }

    /// Until all that was sent was received and acknowledged.
    ///
    /// # Errors
    /// A call fails.
    pub(super) async fn run(self, count: &mut Count) -> Result<()> {
        // What an earlier kill left in the queues comes as well: it is part of the count.
        let waiting = count
            .topics
            .values()
            .map(|sums| sums.sent.messages)
            .sum::<i64>()
            - (count
                .topics
                .values()
                .map(|sums| sums.delivered.messages)
                .sum::<i64>()
                - count.redelivered as i64);
        let waiting = u64::try_from(waiting).context("more came than was sent")?;
        let count = RefCell::new(count);
        let senders = User::ALL.map(|user| self.send(user, &count));
        let members = User::ALL.map(|user| self.receive(user, waiting, &count));
        let work = async {
            tokio::try_join!(try_join_all(senders), try_join_all(members))?;
            Ok(())
        };
        clock::within(LIMIT, "sending and receiving", work).await
    }

    /// Sends until the process is killed in the middle of it; its folder.
    ///
    /// # Errors
    /// The process was not to be killed.
    pub(super) async fn until_killed(self, firn: Firn, count: &mut Count) -> Result<PathBuf> {
        let count = RefCell::new(count);
        let kill = async {
            clock::sleep(BEFORE_KILL).await;
            firn.into_process().kill_keeping_data()
        };
        let senders = User::ALL.map(|user| self.send(user, &count));
        let senders = senders.map(|sender| async {
            // How it fails when the process is gone does not matter: what it sent is open.
            let _ = sender.await;
            Ok::<_, anyhow::Error>(())
        });
        let (folder, _) = tokio::try_join!(kill, try_join_all(senders))?;
        Ok(folder)
    }

    async fn send(&self, user: User, count: &RefCell<&mut Count>) -> Result<()> {
        let mut caller = Caller::connect_as(self.address, user.name()).await?;
        let topic = user.topic();
        let path = format!("{}/topics/{topic}/messages", bootstrap::INSTANCE);
        for turn in 0.. {
            if self.asked.get() >= self.messages {
                break;
            }
            let batch = BATCHES[turn % BATCHES.len()];
            self.asked.set(self.asked.get() + batch);
            let size = SIZES[turn / BATCHES.len() % SIZES.len()];
            let messages: Vec<Open> = (0..batch)
                .map(|_| open(&mut count.borrow_mut(), topic, size))
                .collect();
            let body = "x".repeat(size);
            let entries = messages.iter().map(|message| {
                json!({
                    "body": body, "keys": [message.key], "tag": TAG,
                    "properties": {"user": user.name()},
                })
            });
            let form = json!({"messages": entries.collect::<Vec<_>>()});
            let answer = caller.post(&path, &serde_json::to_vec(&form)?).await;
            let answer = match answer {
                Ok(answer) => answer,
                Err(error) => {
                    count.borrow_mut().open.extend(messages);
                    return Err(error);
                }
            };
            let answer: Value = serde_json::from_slice(&answer)?;
            let results = answer["results"].as_array().context("a list")?;
            for (message, result) in messages.iter().zip(results) {
                anyhow::ensure!(result["error"].is_null(), "a send: {result}");
                count.borrow_mut().sent(topic, message.counts);
                self.sent.set(self.sent.get() + 1);
            }
        }
        Ok(())
    }

    async fn receive(&self, user: User, waiting: u64, count: &RefCell<&mut Count>) -> Result<()> {
        let mut caller = Caller::connect_as(self.address, user.name()).await?;
        let topic = user.topic();
        let base = format!("{}/groups/{topic}/topics/{topic}", bootstrap::INSTANCE);
        let is_over = || {
            let all_sent = self.asked.get() >= self.messages && self.sent.get() >= self.asked.get();
            all_sent && self.done.get() >= self.sent.get() + waiting
        };
        while !is_over() {
            let request = br#"{"max":100,"waitSeconds":1,"invisibleSeconds":600}"#;
            let answer = caller.post(&format!("{base}/receive"), request).await?;
            let answer: Value = serde_json::from_slice(&answer)?;
            let (mut acks, mut fails) = (Vec::new(), Vec::new());
            for message in answer["messages"].as_array().context("a list")? {
                let attempt = message["attempt"].as_u64().context("a number")?;
                count
                    .borrow_mut()
                    .delivered(topic, counts_of(message), attempt);
                self.first.set(self.first.get() + u64::from(attempt == 1));
                if attempt == 1 && self.first.get().is_multiple_of(FAILS_ONE_IN) {
                    fails.push(message["receiptHandle"].clone());
                } else {
                    acks.push(message["receiptHandle"].clone());
                }
            }
            for handle in fails {
                let form = json!({"receiptHandle": handle, "invisibleSeconds": 0});
                let form = serde_json::to_vec(&form)?;
                caller.post(&format!("{base}/visibility"), &form).await?;
            }
            if !acks.is_empty() {
                let form = serde_json::to_vec(&json!({"receiptHandles": acks}))?;
                caller.post(&format!("{base}/ack"), &form).await?;
                self.done.set(self.done.get() + acks.len() as u64);
            }
        }
        Ok(())
    }
}

/// A message that is about to be sent.
fn open(count: &mut Count, topic: &'static str, size: usize) -> Open {
    count.keys += 1;
    let key = format!("key-{}", count.keys);
    let user = bootstrap::BILLED_TOPICS
        .iter()
        .position(|known| *known == topic);
    let user = user.map_or("", |at| bootstrap::BILLED_USERS[at]);
    let bytes = size + key.len() + TAG.len() + "user".len() + user.len();
    Open {
        topic,
        key,
        counts: Counts::message(bytes as u64),
    }
}

/// What a message that came counts for: body, keys, tag and properties (RULES 26).
fn counts_of(message: &Value) -> Counts {
    let text = |value: &Value| value.as_str().map_or(0, str::len);
    let keys = message["keys"].as_array().into_iter().flatten();
    let properties = message["properties"].as_object().into_iter().flatten();
    let properties = properties.map(|(name, value)| name.len() + text(value));
    let bytes = text(&message["body"])
        + text(&message["tag"])
        + keys.map(text).sum::<usize>()
        + properties.sum::<usize>();
    Counts::message(bytes as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is counted when it is sent is what is counted when it comes.
    #[test]
    fn a_message_counts_the_same_on_both_ways() {
        let mut count = Count::default();
        for (size, units) in [(0, 1), (4000, 1), (4200, 2)] {
            let topic = bootstrap::BILLED_TOPICS[1];
            let message = open(&mut count, topic, size);
            let came = json!({
                "body": "x".repeat(size), "keys": [message.key], "tag": TAG,
                "properties": {"user": bootstrap::BILLED_USERS[1]},
            });
            assert_eq!(message.counts, counts_of(&came));
            assert_eq!(message.counts.units, units);
        }
        assert_eq!(count.keys, 3);
    }
}
