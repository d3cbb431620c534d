//! What clients are told when they introduce themselves.

use firn_gateway::grpc::wire::retry_policy::Strategy;
use firn_gateway::grpc::wire::settings::PubSub;
use firn_gateway::grpc::wire::telemetry_command::Command;
use firn_gateway::grpc::wire::*;
use firn_protocol::limits::RETRY_PAUSES_SECS;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::client::*;
use crate::semantics::group;
use crate::stack::{ACME, Stack};

/// One stream, as a client holds it.
pub(super) struct Telemetry {
    pub(super) say: mpsc::Sender<TelemetryCommand>,
    pub(super) hear: Streaming<TelemetryCommand>,
    handle: tokio::runtime::Handle,
}

impl Telemetry {
    pub(super) fn open(client: &Grpc) -> Self {
        let (say, said) = mpsc::channel(8);
        let said = futures_util::stream::unfold(said, |mut said| async {
            Some((said.recv().await?, said))
        });
        let opened = client
            .handle
            .block_on(client.stub().telemetry(client.request(said)));
        Self {
            say,
            hear: opened.expect("a stream").into_inner(),
            handle: client.handle.clone(),
        }
    }

    pub(super) fn tell(&self, settings: Settings) {
        let command = TelemetryCommand {
            status: None,
            command: Some(Command::Settings(settings)),
        };
        self.handle.block_on(self.say.send(command)).expect("open");
    }

    #[track_caller]
    pub(super) fn next(&mut self) -> TelemetryCommand {
        let next = self.handle.block_on(self.hear.message());
        next.expect("no error").expect("a command")
    }
}

pub(super) fn producer(client: &Grpc, topics: &[&str]) -> Settings {
    let topics = topics.iter().filter_map(|name| client.resource(name));
    Settings {
        client_type: Some(ClientType::Producer.into()),
        request_timeout: Some(seconds(3)),
        access_point: Some(endpoints()),
        user_agent: Some(Ua {
            language: Language::Python.into(),
            version: "5.1.2".to_owned(),
            ..Ua::default()
        }),
        pub_sub: Some(PubSub::Publishing(Publishing {
            topics: topics.collect(),
            ..Publishing::default()
        })),
        ..Settings::default()
    }
}

fn consumer(client: &Grpc, kind: ClientType, language: Language, group: &str) -> Settings {
    let subscriptions = vec![SubscriptionEntry {
        topic: client.resource("orders"),
        expression: Some(tags("a || b")),
    }];
    Settings {
        client_type: Some(kind.into()),
        user_agent: Some(Ua {
            language: language.into(),
            ..Ua::default()
        }),
        pub_sub: Some(PubSub::Subscription(Subscription {
            group: client.resource(group),
            subscriptions,
            ..Subscription::default()
        })),
        ..Settings::default()
    }
}

fn exponential(first: prost_types::Duration, max: i64) -> Strategy {
    Strategy::ExponentialBackoff(ExponentialBackoff {
        initial: Some(first),
        max: Some(seconds(max)),
        multiplier: 2.0,
    })
}

fn customized(pauses: &[u64]) -> Strategy {
    Strategy::CustomizedBackoff(CustomizedBackoff {
        next: pauses.iter().map(|secs| seconds(*secs as i64)).collect(),
    })
}

#[track_caller]
fn told(telemetry: &mut Telemetry) -> Settings {
    let command = telemetry.next();
    assert_eq!(code(command.status.as_ref()), Code::Ok);
    match command.command {
        Some(Command::Settings(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_producer_is_told_its_limits_and_once_more() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut telemetry = Telemetry::open(&client);
    let given = producer(&client, &["orders", "nothing"]);
    telemetry.tell(given.clone());
    let wanted = Settings {
        backoff_policy: Some(RetryPolicy {
            max_attempts: 3,
            strategy: Some(exponential(
                prost_types::Duration {
                    seconds: 0,
                    nanos: 100_000_000,
                },
                1,
            )),
        }),
        metric: Some(Metric::default()),
        pub_sub: Some(PubSub::Publishing(Publishing {
            topics: ["orders", "nothing"]
                .iter()
                .filter_map(|it| client.resource(it))
                .collect(),
            max_body_size: 512 << 10,
            validate_message_type: true,
        })),
        ..given
    };
    assert_eq!(told(&mut telemetry), wanted);
    stack.advance_ms(1000);
    assert_eq!(told(&mut telemetry), wanted);
}

#[test]
fn members_are_told_the_group_s_own_pauses() {
    let stack = Stack::start();
    group(&stack, "strict", json!({"ordered": true}));
    group(
        &stack,
        "mild",
        json!({"ordered": true, "onPoison": "deadLetter", "maxRetries": 3}),
    );
    let client = Grpc::demo(&stack);
    let rows = [
        (
            "workers",
            Language::Python,
            17,
            customized(&RETRY_PAUSES_SECS),
        ),
        (
            "workers",
            Language::Java,
            17,
            customized(&RETRY_PAUSES_SECS),
        ),
        (
            "workers",
            Language::NodeJs,
            17,
            exponential(seconds(10), 7200),
        ),
        (
            "brittle",
            Language::Golang,
            1,
            customized(&RETRY_PAUSES_SECS),
        ),
        ("strict", Language::Python, i32::MAX, customized(&[1])),
        (
            "strict",
            Language::NodeJs,
            i32::MAX,
            exponential(seconds(1), 1),
        ),
        ("mild", Language::Cpp, 4, customized(&[1])),
    ];
    for (group, language, max_attempts, strategy) in rows {
        let mut telemetry = Telemetry::open(&client);
        let given = consumer(&client, ClientType::PushConsumer, language, group);
        telemetry.tell(given.clone());
        let Some(PubSub::Subscription(subscription)) = given.pub_sub.clone() else {
            unreachable!("a consumer");
        };
        let wanted = Settings {
            backoff_policy: Some(RetryPolicy {
                max_attempts,
                strategy: Some(strategy),
            }),
            metric: Some(Metric::default()),
            pub_sub: Some(PubSub::Subscription(Subscription {
                fifo: Some(matches!(group, "strict" | "mild")),
                receive_batch_size: Some(32),
                long_polling_timeout: Some(seconds(20)),
                ..subscription
            })),
            ..given
        };
        assert_eq!(told(&mut telemetry), wanted, "{group} {language:?}");
    }
}

#[test]
fn settings_that_cannot_be_are_refused_and_the_stream_stays() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut telemetry = Telemetry::open(&client);
    let of = |kind, group| consumer(&client, kind, Language::Python, group);
    let rows = [
        (
            of(ClientType::PushConsumer, "nobody"),
            Code::ConsumerGroupNotFound,
        ),
        (
            of(ClientType::LitePushConsumer, "workers"),
            Code::Unsupported,
        ),
        (of(ClientType::PushConsumer, ""), Code::IllegalConsumerGroup),
        (Settings::default(), Code::UnrecognizedClientType),
    ];
    for (settings, wanted) in rows {
        telemetry.tell(settings);
        let command = telemetry.next();
        assert_eq!(code(command.status.as_ref()), wanted);
        assert_eq!(command.command, None);
    }
    telemetry.tell(of(ClientType::SimpleConsumer, "workers"));
    told(&mut telemetry);
}

fn online(stack: &Stack) -> Vec<Value> {
    let rows = stack.demo().get(&format!("{ACME}/sessions")).ok();
    rows["items"].as_array().expect("rows").clone()
}

#[test]
fn a_client_is_online_as_long_as_its_stream() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut member = Telemetry::open(&client);
    let kind = ClientType::PushConsumer;
    member.tell(consumer(&client, kind, Language::Python, "workers"));
    told(&mut member);
    let mut sender = Telemetry::open(&client);
    sender.tell(producer(&client, &["single"]));
    told(&mut sender);
    stack.advance_ms(3_600_000);
    let mut rows = online(&stack);
    rows.sort_by_key(|row| row["kind"].to_string());
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(rows[0]["group"], "workers");
    assert_eq!(rows[0]["consumeType"], "CONSUME_PASSIVELY");
    assert_eq!(rows[0]["subscriptions"][0]["expression"], "a || b");
    assert_eq!(rows[1]["topics"], json!(["single"]));
    drop((member, sender));
    // The end of a stream is seen in the background, and noted with the time.
    for _ in 0..10_000 {
        stack.advance_ms(30_000);
        if online(&stack).is_empty() {
            return;
        }
    }
    panic!("still online");
}

#[test]
fn a_push_consumer_that_fails_gets_the_pause_of_the_group() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut telemetry = Telemetry::open(&client);
    let kind = ClientType::PushConsumer;
    telemetry.tell(consumer(&client, kind, Language::NodeJs, "workers"));
    told(&mut telemetry);
    client.sent(client.message("orders", "fails"));
    let ask = || ReceiveMessageRequest {
        auto_renew: true,
        invisible_duration: None,
        ..client.ask("workers", "orders")
    };
    let got = client.receive(ask()).messages;
    // What the Node library makes of ten seconds.
    let tiny = prost_types::Duration {
        seconds: 0,
        nanos: 10_000_000,
    };
    let changed = client.change("workers", "orders", &got[0], tiny);
    assert_eq!(code(changed.status.as_ref()), Code::Ok);
    stack.advance_ms(9_999);
    assert!(client.receive(ask()).messages.is_empty());
    stack.advance_ms(1);
    let patient = ReceiveMessageRequest {
        long_polling_timeout: Some(seconds(20)),
        ..ask()
    };
    let again = client.receive(patient).messages;
    assert_eq!(system(&again[0]).delivery_attempt, Some(2));
}

#[test]
fn a_stream_that_may_not_be_says_why_and_ends() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut telemetry = Telemetry::open(&client.user("demo", "wrong"));
    let first = telemetry.next();
    assert_eq!(code(first.status.as_ref()), Code::Unauthorized);
    let end = client.handle.block_on(telemetry.hear.message());
    let end = end.expect_err("refused");
    assert_eq!(end.code(), tonic::Code::Unauthenticated);
    let mut telemetry = Telemetry::open(&client.with("x-mq-client-id", ""));
    let first = telemetry.next();
    assert_eq!(code(first.status.as_ref()), Code::ClientIdRequired);
}

#[test]
fn the_rust_library_is_refused_without_an_error_at_the_end() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack).with("x-mq-language", "RUST");
    let mut telemetry = Telemetry::open(&client.user("demo", "wrong"));
    let first = telemetry.next();
    assert_eq!(code(first.status.as_ref()), Code::Unauthorized);
    let end = client.handle.block_on(telemetry.hear.message());
    assert!(end.expect("no error").is_none());
}

/// Waits until a counter of the gateway stands at a number.
fn until_counted(stack: &Stack, name: &str, wanted: u64) {
    let mut http = crate::http::Http::new(stack.ops);
    for _ in 0..10_000 {
        let text = http.get("/metrics").text();
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let value = lines.find_map(|rest| rest.trim().parse::<u64>().ok());
        if value.is_some_and(|value| value >= wanted) {
            return;
        }
    }
    panic!("{name} never came to {wanted}");
}

#[test]
fn a_push_consumer_keeps_what_it_holds_while_it_is_there() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut telemetry = Telemetry::open(&client);
    let kind = ClientType::PushConsumer;
    telemetry.tell(consumer(&client, kind, Language::Java, "workers"));
    told(&mut telemetry);
    client.sent(client.message("orders", "slow"));
    client.sent(client.message("orders", "stuck"));
    let ask = ReceiveMessageRequest {
        auto_renew: true,
        invisible_duration: None,
        ..client.ask("workers", "orders")
    };
    let mut got = client.receive(ask).messages;
    if got.len() < 2 {
        let ask = ReceiveMessageRequest {
            auto_renew: true,
            invisible_duration: None,
            ..client.ask("workers", "orders")
        };
        got.extend(client.receive(ask).messages);
    }
    let other = client.with("x-mq-client-id", "other");
    for round in 1..=3 {
        stack.advance_ms(35_000);
        until_counted(&stack, "firn_gateway_leases_renewed_total", 2 * round);
        assert!(other.take("workers", "orders").is_empty());
    }
    // The handle is still the first one.
    let (slow, stuck): (Vec<_>, Vec<_>) = got.into_iter().partition(|it| it.body == "slow");
    let acked = client.ack("workers", "orders", &slow);
    assert_eq!(code(acked.status.as_ref()), Code::Ok);
    // A client that vanishes loses the rest, and that counts as an attempt.
    drop(telemetry);
    let again = stack.while_time_passes(500, move || {
        loop {
            let got = other.take("workers", "orders");
            if !got.is_empty() {
                return got;
            }
        }
    });
    assert_eq!(bodies(&again), bodies(&stuck));
    assert_eq!(system(&again[0]).delivery_attempt, Some(2));
}
