//! How the library shows what the server refuses: an error of the kind `Server`, with
//! code and message in its context.

use anyhow::{Result, bail, ensure};
use rocketmq::error::{ClientError, ErrorKind};
use rocketmq::model::common::{FilterExpression, FilterType};
use rocketmq::model::message::MessageBuilder;
use rocketmq::{Producer, SimpleConsumer};

use crate::support::{Place, options};

pub async fn wrong_secret(place: Place) -> Result<()> {
    let options = options("demo", "wrong");
    let mut producer = Producer::new(place.producer_option(), options.clone())?;
    refused(producer.start().await, "UNAUTHORIZED")?;
    let mut consumer = SimpleConsumer::new(place.consumer_option(), options)?;
    refused(consumer.start().await, "UNAUTHORIZED")
}

pub async fn unknown_topic(place: Place) -> Result<()> {
    topic_refused(place, "demo", "demo-secret", "TOPIC_NOT_FOUND").await
}

pub async fn topic_without_right(place: Place) -> Result<()> {
    topic_refused(place, "limited", "limited-secret", "FORBIDDEN").await
}

/// At the start, which asks for the routes of its topics, and at calls.
async fn topic_refused(place: Place, access_key: &str, secret_key: &str, code: &str) -> Result<()> {
    let (options, topic) = (options(access_key, secret_key), &place.topic);
    let mut producer = Producer::new(place.producer_option(), options.clone())?;
    refused(producer.start().await, code)?;
    let message = MessageBuilder::builder()
        .set_topic(topic)
        .set_body(b"x".to_vec())
        .build()?;
    refused(producer.send(message).await, code)?;
    let mut consumer = SimpleConsumer::new(place.consumer_option(), options)?;
    refused(consumer.start().await, code)?;
    let all = FilterExpression::new(FilterType::Tag, "*");
    refused(consumer.receive(topic, &all).await, code)
}

/// The library leaves it to the server to compare the types.
pub async fn wrong_type(place: Place) -> Result<()> {
    let producer = place.producer().await?;
    let message =
        MessageBuilder::fifo_message_builder(&place.topic, b"x".to_vec(), "red").build()?;
    refused(
        producer.send(message).await,
        "MESSAGE_PROPERTY_CONFLICT_WITH_TYPE",
    )?;
    Ok(producer.shutdown().await?)
}

fn refused<T>(outcome: Result<T, ClientError>, code: &str) -> Result<()> {
    let Err(error) = outcome else {
        bail!("it was not refused with {code}");
    };
    let says = |name: &str| {
        error
            .context()
            .iter()
            .find(|it| it.0 == name)
            .map(|it| it.1.as_str())
    };
    ensure!(
        *error.kind() == ErrorKind::Server && says("code") == Some(code),
        "{error}, not {code}"
    );
    ensure!(
        says("message").is_some_and(|it| !it.is_empty()),
        "{error}: no message"
    );
    Ok(())
}
