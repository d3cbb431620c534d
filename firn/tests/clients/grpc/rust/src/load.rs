//! Many messages at a time, and a server that ends and starts again in the middle.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use rocketmq::Producer;
use rocketmq::model::message::MessageBuilder;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::task::JoinSet;

use crate::support::{Consumer, INVISIBLE, Place, text};

const MESSAGES: usize = 500;
const SENDERS: usize = 64;
const RECEIVERS: usize = 4;

pub async fn concurrent(place: Place) -> Result<()> {
    let producer = Arc::new(place.producer().await?);
    let consumer = Arc::new(place.consumer().await?);
    let (next, seen) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(Mutex::new(Vec::new())),
    );
    let mut tasks = JoinSet::new();
    for _ in 0..SENDERS {
        let (producer, topic, next) = (producer.clone(), place.topic.clone(), next.clone());
        tasks.spawn(async move {
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                if n >= MESSAGES {
                    return Ok(());
                }
                send(&producer, &topic, n).await?;
            }
        });
    }
    for _ in 0..RECEIVERS {
        let (consumer, seen) = (consumer.clone(), seen.clone());
        tasks.spawn(async move {
            while seen.lock().expect("no panic").len() < MESSAGES {
                for message in consumer.receive(INVISIBLE).await? {
                    consumer.inner.ack(&message).await?;
                    seen.lock().expect("no panic").push(text(&message));
                }
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    consumer.nothing_else().await?;
    let seen = seen.lock().expect("no panic").clone();
    let different = BTreeSet::from_iter(&seen).len();
    ensure!(
        seen.len() == MESSAGES && different == MESSAGES,
        "{} came, {different} different",
        seen.len()
    );
    Ok(())
}

async fn send(producer: &Producer, topic: &str, n: usize) -> Result<()> {
    let message = MessageBuilder::builder()
        .set_topic(topic)
        .set_body(n.to_string().into());
    producer.send(message.build()?).await?;
    Ok(())
}

/// What was answered, and what was seen.
#[derive(Default)]
struct Tally {
    answered: Mutex<BTreeSet<String>>,
    seen: Mutex<BTreeSet<String>>,
    is_over: AtomicBool,
}

impl Tally {
    fn counts(&self) -> (usize, usize) {
        let answered = self.answered.lock().expect("no panic").len();
        (answered, self.seen.lock().expect("no panic").len())
    }

    fn is_complete(&self) -> bool {
        let answered = self.answered.lock().expect("no panic");
        self.is_over.load(Ordering::Relaxed)
            && answered.is_subset(&self.seen.lock().expect("no panic"))
    }

    async fn reaches(&self, answered: usize, seen: usize) {
        while self.counts().0 < answered || self.counts().1 < seen {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// The library does not try again by itself, but finds the server again.
pub async fn server_restart(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    tasks.spawn(keep_sending(producer, place.topic, tally.clone()));
    tasks.spawn(keep_receiving(consumer, tally.clone()));
    tally.reaches(50, 10).await;
    restart().await?;
    let (answered, seen) = tally.counts();
    tally.reaches(answered + 50, seen + 50).await;
    tally.is_over.store(true, Ordering::Relaxed);
    while let Some(done) = tasks.join_next().await {
        done?;
    }
    Ok(())
}

async fn keep_sending(producer: Producer, topic: String, tally: Arc<Tally>) {
    for n in 0.. {
        if tally.is_over.load(Ordering::Relaxed) {
            return;
        }
        if send(&producer, &topic, n).await.is_ok() {
            tally
                .answered
                .lock()
                .expect("no panic")
                .insert(n.to_string());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn keep_receiving(consumer: Consumer, tally: Arc<Tally>) {
    while !tally.is_complete() {
        let Ok(messages) = consumer.receive(Duration::from_secs(5)).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        for message in messages {
            if consumer.inner.ack(&message).await.is_ok() {
                tally.seen.lock().expect("no panic").insert(text(&message));
            }
        }
    }
}

async fn restart() -> Result<()> {
    println!("restart");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if line == "restarted" {
            return Ok(());
        }
    }
    bail!("the server was not started again")
}
