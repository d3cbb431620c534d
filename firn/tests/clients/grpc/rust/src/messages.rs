//! Messages come as they were sent, and only those that are asked for.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Result, ensure};
use rocketmq::model::common::FilterType;
use rocketmq::model::message::MessageBuilder;

use crate::support::{BATCH, INVISIBLE, Place, text, texts};

pub async fn normal(place: Place) -> Result<()> {
    let invisible = Duration::from_secs(2);
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let mut sent = BTreeMap::new();
    for body in ["one", "two", "three"] {
        let message = MessageBuilder::builder()
            .set_topic(&place.topic)
            .set_body(body.into())
            .build()?;
        let receipt = producer.send(message).await?;
        sent.insert(receipt.message_id().to_owned(), body.to_owned());
    }
    let mut got = BTreeMap::new();
    let taken = consumer.collect_within(invisible, sent.len()).await?;
    for message in &taken {
        ensure!(message.topic() == place.topic, "{message:?}");
        got.insert(message.message_id().to_owned(), text(message));
    }
    ensure!(
        taken.len() == sent.len() && got == sent,
        "{got:?}, not {sent:?}"
    );
    // Without an acknowledgement they would come again.
    tokio::time::sleep(invisible).await;
    consumer.nothing_else().await?;
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

pub async fn properties(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let keys = vec!["order-1", "order-2"];
    let properties = HashMap::from([("colour", "dark red"), ("size", "größer 大")]);
    let message = MessageBuilder::builder()
        .set_topic(&place.topic)
        .set_body(b"x".to_vec())
        .set_tag("red")
        .set_keys(keys.clone())
        .set_properties(properties.clone())
        .build()?;
    producer.send(message).await?;
    let got = consumer.collect(1).await?;
    let one = &got[0];
    ensure!(one.tag() == Some("red") && one.keys() == keys, "{one:?}");
    ensure!(one.properties().len() == properties.len(), "{one:?}");
    for (name, value) in properties {
        ensure!(
            one.properties().get(name).is_some_and(|it| it == value),
            "{one:?}"
        );
    }
    ensure!(
        one.delivery_attempt() == 1 && one.born_timestamp() > 0,
        "{one:?}"
    );
    ensure!(!one.born_host().is_empty(), "{one:?}");
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

pub async fn bodies(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let bodies = [
        vec![0],
        (0..=255).collect(),
        "äöü 消息 😀".into(),
        noise(200 * 1024),
        b"again ".repeat(11 * 1024),
    ];
    let mut sent = HashMap::new();
    for body in bodies {
        let message = MessageBuilder::builder()
            .set_topic(&place.topic)
            .set_body(body.clone())
            .build()?;
        let receipt = producer.send(message).await?;
        sent.insert(receipt.message_id().to_owned(), body);
    }
    for message in consumer.collect(sent.len()).await? {
        let body = sent.remove(message.message_id());
        let length = message.body().len();
        ensure!(
            body.is_some_and(|it| it == message.body()),
            "another body of {length} bytes"
        );
    }
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

/// Bytes that cannot be packed: xorshift.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

pub async fn tags(place: Place) -> Result<()> {
    let producer = place.producer().await?;
    let consumer = place.consumer_with(FilterType::Tag, "A || B").await?;
    for tag in [Some("C"), Some("A"), Some("AB"), Some("B"), None] {
        let body = tag.unwrap_or("none").into();
        let mut message = MessageBuilder::builder()
            .set_topic(&place.topic)
            .set_body(body);
        if let Some(tag) = tag {
            message = message.set_tag(tag);
        }
        producer.send(message.build()?).await?;
    }
    let got = texts(&consumer.collect(2).await?);
    ensure!(got == ["A", "B"], "{got:?}");
    consumer.nothing_else().await?;
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

pub async fn sql92(place: Place) -> Result<()> {
    let producer = place.producer().await?;
    let filter = "price > 5 AND region = 'eu'";
    let consumer = place.consumer_with(FilterType::Sql, filter).await?;
    for (price, region) in [("6", "eu"), ("5", "eu"), ("9", "us"), ("10", "eu")] {
        let message = MessageBuilder::builder()
            .set_topic(&place.topic)
            .set_body(format!("{price}{region}").into())
            .set_properties(HashMap::from([("price", price), ("region", region)]))
            .build()?;
        producer.send(message).await?;
    }
    let without = MessageBuilder::builder()
        .set_topic(&place.topic)
        .set_body(b"without".to_vec());
    producer.send(without.build()?).await?;
    let got = texts(&consumer.collect(2).await?);
    ensure!(got == ["10eu", "6eu"], "{got:?}");
    consumer.nothing_else().await?;
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}

/// The library also sends several messages at once.
pub async fn batch_receive(place: Place) -> Result<()> {
    let (producer, consumer) = (place.producer().await?, place.consumer().await?);
    let mut batch = Vec::new();
    for n in 0..BATCH {
        let message = MessageBuilder::builder()
            .set_topic(&place.topic)
            .set_body(n.to_string().into());
        batch.push(message.build()?);
    }
    let receipts = producer.batch_send(batch).await?;
    ensure!(
        receipts.len() == BATCH as usize,
        "{} receipts",
        receipts.len()
    );
    let mut got = consumer.receive(INVISIBLE).await?;
    ensure!(got.len() > 1, "{} messages in one receive", got.len());
    for message in &got {
        consumer.inner.ack(message).await?;
    }
    got.extend(consumer.collect(BATCH as usize - got.len()).await?);
    let mut ids: Vec<_> = got.iter().map(|it| it.message_id()).collect();
    let mut expected: Vec<_> = receipts.iter().map(|it| it.message_id()).collect();
    ids.sort_unstable();
    expected.sort_unstable();
    ensure!(ids == expected, "{ids:?}, not {expected:?}");
    consumer.nothing_else().await?;
    producer.shutdown().await?;
    Ok(consumer.inner.shutdown().await?)
}
