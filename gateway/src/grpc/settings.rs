//! What a client says of itself, and what it is told in turn. Libraries understand
//! different parts of it: which ones, is in docs/decisions/0026-grpc.md.

use firn_protocol::catalogue::{Group, OnPoison};
use firn_protocol::limits::{ORDERED_PAUSE_MS, RETRY_PAUSES_SECS};

use super::message::duration;
use super::receive::POLL_MS_DEFAULT;
use super::wire::retry_policy::Strategy;
use super::wire::{
    CustomizedBackoff, ExponentialBackoff, Language, Metric, Publishing, RetryPolicy, Settings,
    Subscription,
};
use crate::ops::Scope;

/// Messages that a push consumer asks for at a time.
const RECEIVE_BATCH: i32 = 32;
/// Attempts of a producer to send, and the pauses between them.
const SEND_ATTEMPTS: i32 = 3;
const SEND_PAUSE_FIRST_MS: u64 = 100;
const SEND_PAUSE_MAX_MS: u64 = 1000;
const DOUBLE: f32 = 2.0;

/// What a producer is told.
pub(super) fn of_producer(scope: &Scope, given: &Settings, publishing: &Publishing) -> Settings {
    let told = Publishing {
        topics: publishing.topics.clone(),
        max_body_size: i32::try_from(scope.instance.message_bytes).unwrap_or(i32::MAX),
        validate_message_type: true,
    };
    let policy = RetryPolicy {
        max_attempts: SEND_ATTEMPTS,
        strategy: Some(exponential(SEND_PAUSE_FIRST_MS, SEND_PAUSE_MAX_MS)),
    };
    Settings {
        pub_sub: Some(super::wire::settings::PubSub::Publishing(told)),
        ..common(given, policy)
    }
}

/// What a member of a group is told.
pub(super) fn of_consumer(
    group: &Group,
    given: &Settings,
    subscription: &Subscription,
    is_node: bool,
) -> Settings {
    let told = Subscription {
        group: subscription.group.clone(),
        subscriptions: subscription.subscriptions.clone(),
        fifo: Some(group.ordered),
        receive_batch_size: Some(RECEIVE_BATCH),
        long_polling_timeout: Some(duration(POLL_MS_DEFAULT)),
        // Lite topics are not offered.
        lite_subscription_quota: None,
        max_lite_topic_size: None,
    };
    let policy = RetryPolicy {
        max_attempts: attempts(group),
        strategy: Some(strategy(group, is_node)),
    };
    Settings {
        pub_sub: Some(super::wire::settings::PubSub::Subscription(told)),
        ..common(given, policy)
    }
}

fn common(given: &Settings, policy: RetryPolicy) -> Settings {
    Settings {
        client_type: given.client_type,
        access_point: given.access_point.clone(),
        backoff_policy: Some(policy),
        request_timeout: given.request_timeout,
        user_agent: given.user_agent.clone(),
        metric: Some(Metric {
            on: false,
            endpoints: None,
        }),
        pub_sub: None,
    }
}

/// A member of an ordered group tries again by itself, and forwards to the dead
/// letters at the end: in a group that blocks or waits for an operator it never does.
fn attempts(group: &Group) -> i32 {
    let is_endless = group.ordered
        && match group.on_poison {
            OnPoison::Block | OnPoison::Park => true,
            OnPoison::DeadLetter => false,
        };
    match is_endless {
        true => i32::MAX,
        false => i32::try_from(group.max_retries).map_or(i32::MAX, |it| it.saturating_add(1)),
    }
}

/// The group's own pauses. The Node library knows exponential ones alone, and only
/// their whole seconds; the Python one knows no others than a list.
fn strategy(group: &Group, is_node: bool) -> Strategy {
    let pauses: Vec<u64> = match group.ordered {
        true => vec![ORDERED_PAUSE_MS],
        false => RETRY_PAUSES_SECS.iter().map(|secs| secs * 1000).collect(),
    };
    if is_node {
        let first = pauses.first().copied().unwrap_or(ORDERED_PAUSE_MS);
        let last = pauses.last().copied().unwrap_or(first);
        return exponential(first, last);
    }
    Strategy::CustomizedBackoff(CustomizedBackoff {
        next: pauses.into_iter().map(duration).collect(),
    })
}

fn exponential(first_ms: u64, max_ms: u64) -> Strategy {
    Strategy::ExponentialBackoff(ExponentialBackoff {
        initial: Some(duration(first_ms)),
        max: Some(duration(max_ms)),
        multiplier: DOUBLE,
    })
}

/// Whether the client is the Node library.
pub(super) fn is_node(given: &Settings, language: &str) -> bool {
    let named = given.user_agent.as_ref().map(super::wire::Ua::language);
    named == Some(Language::NodeJs) || language == "NODE_JS"
}
