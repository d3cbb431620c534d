//! Who is online, in the words that RocketMQ's consoles show for it.

use serde::Serialize;

/// What a client does on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientKind {
    Consumer,
    Producer,
}

impl ClientKind {
    /// As it is written in JSON and in queries.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        }
    }
}

/// How messages reach a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConsumeType {
    /// It asks for them.
    #[serde(rename = "CONSUME_ACTIVELY")]
    Pull,
    /// They are sent to it as they come.
    #[serde(rename = "CONSUME_PASSIVELY")]
    Push,
}

/// Whether the members of a group share the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum MessageModel {
    Clustering,
    Broadcasting,
}

/// The protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientProtocol {
    Http,
    /// Of RocketMQ 5.
    Grpc,
    /// Aliyun's MQ over HTTP.
    MqHttp,
}
