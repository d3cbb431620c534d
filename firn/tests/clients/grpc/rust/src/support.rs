//! Started producers and consumers, and what they are asked again and again.

use std::time::Duration;

use anyhow::{Result, ensure};
use rocketmq::conf::{ClientOption, ProducerOption, SimpleConsumerOption};
use rocketmq::error::ClientError;
use rocketmq::model::common::{FilterExpression, FilterType};
use rocketmq::model::message::MessageView;
use rocketmq::{Producer, SimpleConsumer};

/// Messages of one receive.
pub const BATCH: i32 = 16;
/// Time for a message until it comes again; longer than a feature may take.
pub const INVISIBLE: Duration = Duration::from_secs(30);
/// The library waits as long for the answer, so that the server ends its wait before.
const POLL: Duration = Duration::from_millis(1500);

/// Where a feature is tried.
pub struct Place {
    pub topic: String,
    pub group: String,
}

impl Place {
    pub fn of(feature: &str) -> Self {
        let name = feature.replace('_', "-");
        Self {
            topic: format!("t-{name}"),
            group: format!("g-{name}"),
        }
    }

    pub async fn producer(&self) -> Result<Producer> {
        let mut producer = Producer::new(self.producer_option(), options("demo", "demo-secret"))?;
        producer.start().await?;
        Ok(producer)
    }

    pub fn producer_option(&self) -> ProducerOption {
        let mut option = ProducerOption::default();
        option.set_topics(vec![self.topic.clone()]);
        option
    }

    pub async fn consumer(&self) -> Result<Consumer> {
        self.consumer_with(FilterType::Tag, "*").await
    }

    pub async fn consumer_with(&self, kind: FilterType, filter: &str) -> Result<Consumer> {
        let options = options("demo", "demo-secret");
        let mut consumer = SimpleConsumer::new(self.consumer_option(), options)?;
        consumer.start().await?;
        Ok(Consumer {
            inner: consumer,
            topic: self.topic.clone(),
            filter: FilterExpression::new(kind, filter),
        })
    }

    pub fn consumer_option(&self) -> SimpleConsumerOption {
        let mut option = SimpleConsumerOption::default();
        option.set_topics(vec![self.topic.clone()]);
        option.set_consumer_group(self.group.clone());
        option
    }
}

/// What is common to producers and consumers.
pub fn options(access_key: &str, secret_key: &str) -> ClientOption {
    let mut options = ClientOption::default();
    options.set_access_url(std::env::var("FIRN_GRPC").expect("started by run.py"));
    options.set_access_key(access_key);
    options.set_secret_key(secret_key);
    options.set_long_polling_timeout(POLL);
    options
}

/// A consumer of one topic.
pub struct Consumer {
    pub inner: SimpleConsumer,
    topic: String,
    filter: FilterExpression,
}

impl Consumer {
    pub async fn receive(&self, invisible: Duration) -> Result<Vec<MessageView>, ClientError> {
        let (topic, filter) = (&self.topic, &self.filter);
        self.inner
            .receive_with(topic, filter, BATCH, invisible)
            .await
    }

    /// Acknowledged messages, until there are as many.
    pub async fn collect(&self, wanted: usize) -> Result<Vec<MessageView>> {
        self.collect_within(INVISIBLE, wanted).await
    }

    pub async fn collect_within(
        &self,
        invisible: Duration,
        wanted: usize,
    ) -> Result<Vec<MessageView>> {
        let mut got = Vec::new();
        while got.len() < wanted {
            for message in self.receive(invisible).await? {
                self.inner.ack(&message).await?;
                got.push(message);
            }
        }
        Ok(got)
    }

    /// Nothing is left, nor comes within the time of one receive.
    pub async fn nothing_else(&self) -> Result<()> {
        let more = self.receive(INVISIBLE).await?;
        ensure!(more.is_empty(), "more came: {:?}", texts(&more));
        Ok(())
    }
}

pub fn text(message: &MessageView) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

/// The bodies, in order of their letters.
pub fn texts(messages: &[MessageView]) -> Vec<String> {
    let mut texts: Vec<_> = messages.iter().map(text).collect();
    texts.sort();
    texts
}
