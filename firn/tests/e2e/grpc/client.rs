//! A RocketMQ 5 client of tests: signs, calls, and shows the answers as they came.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use firn_gateway::grpc::wire::messaging_service_client::MessagingServiceClient;
use firn_gateway::grpc::wire::receive_message_response::Content;
use firn_gateway::grpc::wire::*;
use futures_util::StreamExt as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use tokio::runtime::Handle;
use tonic::transport::{Channel, Endpoint};

use crate::stack::Stack;

/// The day on which the clock of the stack stands.
pub(crate) const DATE: &str = "20250101T000000Z";

#[derive(Clone)]
pub(crate) struct Grpc {
    pub(crate) channel: Channel,
    pub(crate) handle: Handle,
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) date: String,
    pub(crate) metadata: BTreeMap<&'static str, String>,
    /// Sent in resources.
    pub(crate) namespace: String,
}

/// What a receive was answered.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) status: Status,
    pub(crate) messages: Vec<Message>,
    pub(crate) delivered_at: Option<prost_types::Timestamp>,
}

impl Grpc {
    /// The user of acme who may do everything there.
    pub(crate) fn demo(stack: &Stack) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{}", stack.grpc));
        let channel = endpoint.expect("an address");
        let channel = channel.connect_timeout(Duration::from_secs(10));
        let channel = stack.block_on(channel.connect()).expect("connected");
        let metadata = [
            ("x-mq-client-id", "host@1@0@x"),
            ("x-mq-client-version", "5.1.2"),
            ("x-mq-language", "PYTHON"),
            ("x-mq-protocol", "GRPC_V2"),
        ];
        let metadata = metadata.map(|(name, value)| (name, value.to_owned()));
        Self {
            channel,
            handle: stack.handle(),
            access_key: "demo".to_owned(),
            secret_key: "demo-secret".to_owned(),
            date: DATE.to_owned(),
            metadata: metadata.into(),
            namespace: String::new(),
        }
    }

    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.metadata.insert(name, value.to_owned());
        other
    }

    pub(crate) fn user(&self, access_key: &str, secret_key: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            secret_key: secret_key.to_owned(),
            ..self.clone()
        }
    }

    /// As the Node library writes it: in upper case.
    fn authorization(&self) -> String {
        let mac = Hmac::<Sha1>::new_from_slice(self.secret_key.as_bytes());
        let mut mac = mac.expect("any length");
        mac.update(self.date.as_bytes());
        let signature = hex::encode_upper(mac.finalize().into_bytes());
        format!(
            "MQv2-HMAC-SHA1 Credential={}, SignedHeaders=x-mq-date-time, Signature={signature}",
            self.access_key
        )
    }

    pub(crate) fn request<T>(&self, message: T) -> tonic::Request<T> {
        let mut request = tonic::Request::new(message);
        let metadata = request.metadata_mut();
        for (name, value) in &self.metadata {
            metadata.insert(*name, value.parse().expect("a header"));
        }
        if !self.metadata.contains_key("authorization") {
            let value = self.authorization().parse().expect("a header");
            metadata.insert("authorization", value);
        }
        metadata.insert("x-mq-date-time", self.date.parse().expect("a header"));
        request
    }

    pub(crate) fn stub(&self) -> MessagingServiceClient<Channel> {
        MessagingServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    pub(crate) fn resource(&self, name: &str) -> Option<Resource> {
        Some(Resource {
            resource_namespace: self.namespace.clone(),
            name: name.to_owned(),
        })
    }

    pub(crate) fn route(&self, topic: &str) -> QueryRouteResponse {
        let request = self.request(QueryRouteRequest {
            topic: self.resource(topic),
            endpoints: Some(endpoints()),
        });
        let answer = self.handle.block_on(self.stub().query_route(request));
        answer.expect("an answer").into_inner()
    }

    pub(crate) fn send(&self, messages: Vec<Message>) -> SendMessageResponse {
        let request = self.request(SendMessageRequest { messages });
        let answer = self.handle.block_on(self.stub().send_message(request));
        answer.expect("an answer").into_inner()
    }

    /// Sends what must be taken; the entry of the only one.
    #[track_caller]
    pub(crate) fn sent(&self, message: Message) -> SendResultEntry {
        let answer = self.send(vec![message]);
        assert_eq!(code(answer.status.as_ref()), Code::Ok, "{answer:?}");
        answer.entries.into_iter().next().expect("an entry")
    }

    pub(crate) fn ask(&self, group: &str, topic: &str) -> ReceiveMessageRequest {
        ReceiveMessageRequest {
            group: self.resource(group),
            message_queue: Some(MessageQueue {
                topic: self.resource(topic),
                ..MessageQueue::default()
            }),
            filter_expression: Some(tags("*")),
            batch_size: 32,
            invisible_duration: Some(seconds(30)),
            auto_renew: false,
            long_polling_timeout: Some(seconds(0)),
            attempt_id: None,
        }
    }

    pub(crate) fn receive(&self, request: ReceiveMessageRequest) -> Received {
        let request = self.request(request);
        self.handle.block_on(async {
            let answer = self.stub().receive_message(request).await;
            let mut stream = answer.expect("an answer").into_inner();
            let mut received = Received {
                status: Status::default(),
                messages: Vec::new(),
                delivered_at: None,
            };
            let mut at = 0;
            while let Some(part) = stream.next().await {
                match part.expect("a part").content.expect("content") {
                    Content::Status(status) => {
                        assert_eq!(at, 0, "the status comes first");
                        received.status = status;
                    }
                    Content::Message(message) => received.messages.push(message),
                    Content::DeliveryTimestamp(time) => received.delivered_at = Some(time),
                }
                at += 1;
            }
            received
        })
    }

    /// What is there now.
    pub(crate) fn take(&self, group: &str, topic: &str) -> Vec<Message> {
        self.receive(self.ask(group, topic)).messages
    }

    /// What comes within a poll; for what is there only once it is durable.
    pub(crate) fn wait(&self, group: &str, topic: &str) -> Vec<Message> {
        let ask = ReceiveMessageRequest {
            long_polling_timeout: Some(seconds(20)),
            ..self.ask(group, topic)
        };
        self.receive(ask).messages
    }

    /// Acknowledges one; the top status and the entry's.
    pub(crate) fn ack(&self, group: &str, topic: &str, messages: &[Message]) -> AckMessageResponse {
        let entries = messages.iter().map(|message| AckMessageEntry {
            message_id: system(message).message_id.clone(),
            receipt_handle: handle(message),
            lite_topic: None,
        });
        let request = self.request(AckMessageRequest {
            group: self.resource(group),
            topic: self.resource(topic),
            entries: entries.collect(),
        });
        let answer = self.handle.block_on(self.stub().ack_message(request));
        answer.expect("an answer").into_inner()
    }

    pub(crate) fn change(
        &self,
        group: &str,
        topic: &str,
        message: &Message,
        invisible: prost_types::Duration,
    ) -> ChangeInvisibleDurationResponse {
        let request = self.request(ChangeInvisibleDurationRequest {
            group: self.resource(group),
            topic: self.resource(topic),
            receipt_handle: handle(message),
            invisible_duration: Some(invisible),
            message_id: system(message).message_id.clone(),
            ..ChangeInvisibleDurationRequest::default()
        });
        let mut stub = self.stub();
        let answer = stub.change_invisible_duration(request);
        let answer = self.handle.block_on(answer);
        answer.expect("an answer").into_inner()
    }

    pub(crate) fn end(
        &self,
        topic: &str,
        entry: (&str, &str),
        resolution: TransactionResolution,
    ) -> Code {
        let request = self.request(EndTransactionRequest {
            topic: self.resource(topic),
            message_id: entry.0.to_owned(),
            transaction_id: entry.1.to_owned(),
            resolution: resolution.into(),
            source: TransactionSource::SourceClient.into(),
            trace_context: String::new(),
        });
        let answer = self.handle.block_on(self.stub().end_transaction(request));
        code(answer.expect("an answer").into_inner().status.as_ref())
    }

    /// A normal message.
    pub(crate) fn message(&self, topic: &str, body: &str) -> Message {
        Message {
            topic: self.resource(topic),
            user_properties: BTreeMap::new(),
            system_properties: Some(SystemProperties {
                message_id: message_id(body),
                message_type: MessageType::Normal.into(),
                body_encoding: Encoding::Identity.into(),
                born_timestamp: Some(prost_types::Timestamp::default()),
                born_host: "a host".to_owned(),
                ..SystemProperties::default()
            }),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    /// A message whose system properties are changed.
    pub(crate) fn special(
        &self,
        topic: &str,
        body: &str,
        change: impl FnOnce(&mut SystemProperties),
    ) -> Message {
        let mut message = self.message(topic, body);
        change(message.system_properties.as_mut().expect("there"));
        message
    }
}

/// As clients make them, another one for each body.
pub(crate) fn message_id(body: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(b"message id").expect("any length");
    mac.update(body.as_bytes());
    format!(
        "01{}",
        &hex::encode_upper(mac.finalize().into_bytes())[..32]
    )
}

#[track_caller]
pub(crate) fn code(status: Option<&Status>) -> Code {
    Code::try_from(status.expect("a status").code).expect("a known code")
}

#[track_caller]
pub(crate) fn system(message: &Message) -> &SystemProperties {
    message
        .system_properties
        .as_ref()
        .expect("system properties")
}

#[track_caller]
pub(crate) fn handle(message: &Message) -> String {
    system(message).receipt_handle.clone().expect("a handle")
}

/// Bodies in the order in which they came.
pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    let texts = messages.iter();
    let texts = texts.map(|message| std::str::from_utf8(&message.body).expect("text"));
    texts.collect()
}

pub(crate) fn tags(expression: &str) -> FilterExpression {
    FilterExpression {
        r#type: FilterType::Tag.into(),
        expression: expression.to_owned(),
    }
}

pub(crate) fn sql(expression: &str) -> FilterExpression {
    FilterExpression {
        r#type: FilterType::Sql.into(),
        expression: expression.to_owned(),
    }
}

pub(crate) fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}

/// What the client believes to be the address of the service.
pub(crate) fn endpoints() -> Endpoints {
    Endpoints {
        scheme: AddressScheme::DomainName.into(),
        addresses: vec![Address {
            host: "mq.example.org".to_owned(),
            port: 8081,
        }],
    }
}
