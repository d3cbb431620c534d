//! Messages come in order, when they are due, once they are committed, and again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use rocketmq::Producer;
use rocketmq::model::message::{MessageBuilder, MessageView};
use rocketmq::model::transaction::{Transaction, TransactionResolution};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Place, options, text};

/// Time after which a message comes again that is left.
const LEFT: Duration = Duration::from_secs(2);

pub async fn fifo(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    for n in 0..5 {
        for group in ["red", "green", "blue"] {
            let body = n.to_string().into();
            let message =
                MessageBuilder::fifo_message_builder(&place.topic, body, group).build()?;
            producer.send(message).await?;
        }
    }
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let mut acked = 0;
    while acked < 15 {
        for message in consumer.receive(LEFT).await? {
            let group = message.message_group().unwrap_or_default().to_owned();
            let is_left =
                group == "green" && text(&message) == "2" && message.delivery_attempt() == 1;
            seen.entry(group).or_default().push_str(&text(&message));
            if !is_left {
                consumer.inner.ack(&message).await?;
                acked += 1;
            }
        }
    }
    let expected = [("blue", "01234"), ("green", "012234"), ("red", "01234")];
    let expected = expected.map(|(group, order)| (group.to_owned(), order.to_owned()));
    ensure!(seen == BTreeMap::from(expected), "{seen:?}");
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

/// The library knows whole seconds.
pub async fn delay(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let at = (now()? + Duration::from_secs(3)).as_secs();
    let message = MessageBuilder::delay_message_builder(&place.topic, b"later".to_vec(), at as i64);
    let receipt = producer.send(message.build()?).await?;
    let got = consumer.collect(1).await?;
    ensure!(now()? >= Duration::from_secs(at), "it came too early");
    let one = &got[0];
    ensure!(one.message_id() == receipt.message_id(), "{one:?}");
    ensure!(one.delivery_timestamp() == Some(at as i64), "{one:?}");
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

fn now() -> Result<Duration> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?)
}

pub async fn transaction_commit(place: Place) -> Result<()> {
    transaction(place, TransactionResolution::COMMIT).await
}

pub async fn transaction_rollback(place: Place) -> Result<()> {
    transaction(place, TransactionResolution::ROLLBACK).await
}

async fn transaction(place: Place, decision: TransactionResolution) -> Result<()> {
    let producer = transaction_producer(&place, |_| TransactionResolution::UNKNOWN).await?;
    let consumer = place.consumer().await?;
    let message = MessageBuilder::transaction_message_builder(&place.topic, b"half".to_vec());
    let open = producer.send_transaction_message(message.build()?).await?;
    let id = open.message_id().to_owned();
    ensure!(!open.transaction_id().is_empty(), "no transaction id");
    consumer.nothing_else().await?;
    if let TransactionResolution::COMMIT = decision {
        open.commit().await?;
        let got = consumer.collect(1).await?;
        ensure!(got[0].message_id() == id, "{:?}", got[0]);
    } else {
        open.rollback().await?;
    }
    consumer.nothing_else().await?;
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

pub async fn transaction_check(place: Place) -> Result<()> {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asks = Arc::clone(&asked);
    let checker = move |message: MessageView| {
        asks.lock()
            .expect("no panic")
            .push(message.message_id().to_owned());
        TransactionResolution::COMMIT
    };
    let producer = transaction_producer(&place, checker).await?;
    let consumer = place.consumer().await?;
    let message = MessageBuilder::transaction_message_builder(&place.topic, b"open".to_vec());
    let open = producer.send_transaction_message(message.build()?).await?;
    consumer.nothing_else().await?;
    let got = consumer.collect(1).await?;
    ensure!(got[0].message_id() == open.message_id(), "{:?}", got[0]);
    let asked = asked.lock().expect("no panic").clone();
    ensure!(asked == [open.message_id()], "{asked:?}");
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

async fn transaction_producer(
    place: &Place,
    checker: impl Fn(MessageView) -> TransactionResolution + Send + Sync + 'static,
) -> Result<Producer> {
    let mut producer = Producer::new_transaction_producer(
        place.producer_option(),
        options("demo", "demo-secret"),
        Box::new(move |_transaction_id, message| checker(message)),
    )?;
    producer.start().await?;
    Ok(producer)
}

/// A simple consumer fails a message by leaving it.
pub async fn redelivery(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let message = MessageBuilder::builder()
        .set_topic(&place.topic)
        .set_body(b"again".to_vec());
    let receipt = producer.send(message.build()?).await?;
    let mut attempts = Vec::new();
    while attempts.len() < 2 {
        for message in consumer.receive(LEFT).await? {
            ensure!(message.message_id() == receipt.message_id(), "{message:?}");
            attempts.push(message.delivery_attempt());
            if attempts.len() == 2 {
                consumer.inner.ack(&message).await?;
            }
        }
    }
    ensure!(attempts == [1, 2], "{attempts:?}");
    tokio::time::sleep(LEFT).await;
    consumer.nothing_else().await?;
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

pub async fn dead_letter(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let message = MessageBuilder::builder()
        .set_topic(&place.topic)
        .set_body(b"bad".to_vec());
    let receipt = producer.send(message.build()?).await?;
    let mut attempts = 0;
    loop {
        attempts += consumer.receive(LEFT).await?.len();
        let dead = dead_letters(&place.group).await?;
        if dead.contains(receipt.message_id()) {
            ensure!(dead.contains(r#""body":"bad""#), "{dead}");
            break;
        }
    }
    ensure!(attempts == 2, "{attempts} attempts");
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

/// The HTTP API's answer, with the header of demo / demo-secret.
async fn dead_letters(group: &str) -> Result<String> {
    let http = std::env::var("FIRN_HTTP")?;
    let host = http.trim_start_matches("http://");
    let (from, to) = (now()?.as_millis() - 60_000, now()?.as_millis() + 60_000);
    let request = format!(
        "GET /v1/instances/demo/topics/%25DLQ%25{group}/messages?from={from}&to={to} HTTP/1.0\r\n\
         Host: {host}\r\nAuthorization: Basic ZGVtbzpkZW1vLXNlY3JldA==\r\n\r\n"
    );
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
