//! Hands messages to a member of a group, waiting for them if there are none.

use std::sync::Arc;

use firn_protocol::api::storage::{
    Delivery, GroupMode, GroupSpec, ReceiveRequest, RepeatRequest, WaitRequest,
};
use firn_protocol::catalogue::Group;
use firn_protocol::filter::Filter;
use firn_protocol::limits::{
    ATTEMPT_ID_BYTES_MAX, CONSUMER_ID_BYTES_MAX, INVISIBLE_SECONDS_MAX, INVISIBLE_SECONDS_MIN,
    RECEIVE_MESSAGES_MAX,
};
use firn_protocol::{
    ApiError, ApiResult, AttemptId, BrokerId, ErrorCode, GroupId, Timestamp, TopicKey,
};
use futures_util::future::{join_all, try_join_all};
use moka::sync::Cache;

use super::give_back::{Attended, GiveBack};
use super::target::group_spec;
use super::{Scope, Services, Target};
use crate::admission::{Demand, RateLimit};

/// (group, topic) pairs whose progress is known to exist everywhere.
pub(crate) type Subscribed = Cache<(GroupId, u64, TopicKey, u16, usize), ()>;

const SUBSCRIBED_MAX: u64 = 100_000;

pub(crate) fn no_subscriptions() -> Subscribed {
    Cache::new(SUBSCRIBED_MAX)
}

/// Who receives what. Values were checked by [`Self::check`].
#[derive(Clone)]
pub(crate) struct Consumer {
    pub(crate) group: Arc<Group>,
    pub(crate) topic: Target,
    pub(crate) filter: Filter,
    pub(crate) invisible_ms: u64,
    /// The member's id.
    pub(crate) member: String,
    /// Ordered groups: so many messages of one message group at a time.
    pub(crate) run_max: usize,
    /// The member gets every message, with a progress of its own.
    pub(crate) is_broadcast: bool,
    /// Under which the answer can be had again (RULES 20).
    pub(crate) attempt: Option<AttemptId>,
}

/// Deliveries on their way to the member.
pub(crate) struct Batch {
    pub(crate) deliveries: Vec<Delivery>,
    pub(crate) give_back: GiveBack,
}

impl Consumer {
    /// Whose progress it is.
    fn spec(&self) -> GroupSpec {
        let spec = group_spec(&self.group);
        if !self.is_broadcast {
            return spec;
        }
        GroupSpec {
            id: spec.id.member(&self.member),
            mode: GroupMode::Member { of: spec.id },
            ..spec
        }
    }

    /// # Errors
    /// `FORBIDDEN` when group and topic do not allow each other.
    pub(crate) fn require_subscription(group: &Group, topic: &Target) -> ApiResult<()> {
        let name = topic.name();
        let listed = group.subscriptions.is_empty()
            || group
                .subscriptions
                .iter()
                .any(|(allowed, _)| *allowed == name);
        let welcome = match topic {
            Target::Topic(topic) => {
                topic.allowed_groups.is_empty() || topic.allowed_groups.contains(&group.name)
            }
            Target::Retry(_) | Target::DeadLetter(_) => true,
        };
        if listed && welcome {
            return Ok(());
        }
        Err(ApiError::new(
            ErrorCode::Forbidden,
            format!("group '{}' may not consume topic '{name}'", group.name),
        ))
    }

    /// # Errors
    /// The state that forbids consumption now.
    pub(crate) fn require_state(&self, scope: &Scope) -> ApiResult<()> {
        scope.require_running()?;
        if !self.group.enabled {
            return Err(ApiError::new(
                ErrorCode::GroupDisabled,
                format!("group '{}' is switched off", self.group.name),
            ));
        }
        match &self.topic {
            Target::Topic(topic) if !topic.permission.can_read() => Err(ApiError::new(
                ErrorCode::TopicNotReadable,
                format!("topic '{}' is write-only", topic.name),
            )),
            Target::Retry(_) => Err(ApiError::field(
                "topic",
                "retries are received under the topic that they came from",
            )),
            Target::Topic(_) | Target::DeadLetter(_) => Ok(()),
        }
    }
}

/// # Errors
/// `BAD_REQUEST` naming `max`.
pub(crate) fn check_max(max: u64) -> ApiResult<usize> {
    match usize::try_from(max) {
        Ok(max) if (1..=RECEIVE_MESSAGES_MAX).contains(&max) => Ok(max),
        _ => Err(ApiError::field(
            "max",
            format_args!("not 1 to {RECEIVE_MESSAGES_MAX}"),
        )),
    }
}

/// 1 unless the member wants more.
///
/// # Errors
/// `BAD_REQUEST` naming `runMax`.
pub(crate) fn check_run_max(run_max: Option<u64>) -> ApiResult<usize> {
    match usize::try_from(run_max.unwrap_or(1)) {
        Ok(run_max) if (1..=RECEIVE_MESSAGES_MAX).contains(&run_max) => Ok(run_max),
        _ => Err(ApiError::field(
            "runMax",
            format_args!("not 1 to {RECEIVE_MESSAGES_MAX}"),
        )),
    }
}

/// Whether the member gets every message.
///
/// # Errors
/// `BAD_REQUEST` naming `mode`, or `consumerId` if such a member has none.
pub(crate) fn check_mode(mode: Option<&str>, has_name: bool) -> ApiResult<bool> {
    match mode {
        None | Some("clustering") => Ok(false),
        Some("broadcasting") if has_name => Ok(true),
        Some("broadcasting") => Err(ApiError::field(
            "consumerId",
            "required: a member of a broadcast is known by it",
        )),
        Some(_) => Err(ApiError::field(
            "mode",
            "neither clustering nor broadcasting",
        )),
    }
}

/// # Errors
/// `BAD_REQUEST` naming `invisibleSeconds`.
pub(crate) fn check_invisible(seconds: u64) -> ApiResult<u64> {
    if (INVISIBLE_SECONDS_MIN..=INVISIBLE_SECONDS_MAX).contains(&seconds) {
        return Ok(seconds * 1000);
    }
    Err(ApiError::field(
        "invisibleSeconds",
        format_args!("not {INVISIBLE_SECONDS_MIN} to {INVISIBLE_SECONDS_MAX}"),
    ))
}

/// # Errors
/// `BAD_REQUEST` naming `consumerId`.
pub(crate) fn check_member(member: String) -> ApiResult<String> {
    if (1..=CONSUMER_ID_BYTES_MAX).contains(&member.len()) && !member.chars().any(char::is_control)
    {
        return Ok(member);
    }
    Err(ApiError::field(
        "consumerId",
        format_args!("not 1 to {CONSUMER_ID_BYTES_MAX} bytes without control characters"),
    ))
}

/// # Errors
/// `BAD_REQUEST` naming `attemptId`.
pub(crate) fn check_attempt(attempt: Option<&str>) -> ApiResult<Option<AttemptId>> {
    match attempt {
        Some(id) if !(1..=ATTEMPT_ID_BYTES_MAX).contains(&id.len()) => Err(ApiError::field(
            "attemptId",
            format_args!("not 1 to {ATTEMPT_ID_BYTES_MAX} bytes"),
        )),
        attempt => Ok(attempt.map(AttemptId::of)),
    }
}

/// One consumer that asks its brokers in turn.
pub(crate) struct Receiver<'a> {
    services: &'a Services,
    scope: &'a Scope,
    consumer: &'a Consumer,
    brokers: Vec<BrokerId>,
    /// What each broker had seen when it last had nothing.
    seen: Vec<(BrokerId, u64)>,
    /// Asked next, so that brokers share the demand.
    next: usize,
}

impl<'a> Receiver<'a> {
    /// Makes sure that the group has progress on the topic.
    ///
    /// # Errors
    /// As `StorageApi::subscribe`.
    pub(crate) async fn subscribe(
        services: &'a Services,
        scope: &'a Scope,
        consumer: &'a Consumer,
    ) -> ApiResult<Self> {
        let brokers = consumer.topic.brokers(&scope.instance);
        let (group, topic) = (consumer.spec(), consumer.topic.spec());
        let known = (
            group.id,
            group.version,
            topic.key,
            topic.queues,
            brokers.len(),
        );
        if !services.subscribed.contains_key(&known) {
            let work = brokers.iter().map(|broker| {
                services
                    .storage
                    .subscribe(&scope.ctx, *broker, group, topic)
            });
            try_join_all(work).await?;
            services.subscribed.insert(known, ());
        }
        let next = services.spread.next() as usize % brokers.len().max(1);
        Ok(Self {
            services,
            scope,
            consumer,
            brokers,
            seen: Vec::new(),
            next,
        })
    }

    /// What an earlier call with the same attempt id was answered, if its leases
    /// still hold. It costs nothing, as it was paid for then.
    ///
    /// # Errors
    /// As `StorageApi::repeat`.
    async fn repeat(&self) -> ApiResult<Batch> {
        let mut batch = self.empty();
        let Some(attempt) = self.consumer.attempt else {
            return Ok(batch);
        };
        let (group, topic) = (self.consumer.spec().id, self.consumer.topic.key());
        let work = self.brokers.iter().map(|&broker| {
            let request = RepeatRequest {
                broker,
                group,
                topic,
                attempt,
            };
            self.services.storage.repeat(&self.scope.ctx, request)
        });
        batch.deliveries = try_join_all(work).await?.concat();
        batch.give_back.hold(&batch.deliveries);
        Ok(batch)
    }

    /// What is there now, from the first broker that has something.
    ///
    /// # Errors
    /// As `StorageApi::receive`, when no broker has anything.
    pub(crate) async fn try_receive(&mut self, max: usize) -> ApiResult<Batch> {
        let mut failure = None;
        self.seen.clear();
        for step in 0..self.brokers.len() {
            let broker = self.brokers[(self.next + step) % self.brokers.len()];
            match self.ask(broker, max).await {
                Ok(batch) if !batch.deliveries.is_empty() => {
                    self.keep_filter(step + 1).await;
                    self.next = (self.next + step + 1) % self.brokers.len();
                    return Ok(batch);
                }
                Ok(_) => {}
                // Another broker may serve while this one cannot.
                Err(error) => failure = Some(error),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(self.empty()),
        }
    }

    /// The member is there for the brokers that it does not come to, so that what
    /// its filter matches there is not finished as if nobody wanted it.
    async fn keep_filter(&self, asked: usize) {
        if self.consumer.is_broadcast {
            // Nobody else takes from its progress.
            return;
        }
        let (group, topic) = (self.consumer.spec(), self.consumer.topic.spec());
        let rest = (asked..self.brokers.len()).map(|step| {
            let broker = self.brokers[(self.next + step) % self.brokers.len()];
            let filter = self.consumer.filter.clone();
            let storage = &self.services.storage;
            storage.keep_filter(&self.scope.ctx, broker, group, topic, filter)
        });
        for kept in join_all(rest).await {
            if let Err(error) = kept {
                // Whoever asks that broker is told.
                tracing::debug!(%error, "a broker does not know of a member");
            }
        }
    }

    /// Waits until a broker may have something, after [`Self::try_receive`]
    /// found nothing; empty when `until` came first or it had nothing after all.
    ///
    /// # Errors
    /// As `StorageApi::wait` and `receive`.
    pub(crate) async fn wait(&mut self, max: usize, until: Timestamp) -> ApiResult<Batch> {
        let request = WaitRequest {
            group: self.consumer.spec().id,
            topic: self.consumer.topic.spec(),
            brokers: self.seen.clone(),
            filter: self.consumer.filter.clone(),
            until,
        };
        match self.services.storage.wait(&self.scope.ctx, request).await? {
            Some(broker) => self.ask(broker, max).await,
            None => Ok(self.empty()),
        }
    }

    /// As [`Self::wait`], but also waits for a limit to let a message pass.
    async fn wait_slowly(&mut self, max: usize, until: Timestamp) -> ApiResult<Batch> {
        let error = match self.wait(max, until).await {
            Ok(batch) => return Ok(batch),
            Err(error) => error,
        };
        let limit = RateLimit::of(&error);
        let pause_until = limit.map(|limit| self.services.now().plus_ms(limit.retry_after_ms));
        match pause_until.filter(|pause_until| *pause_until < until) {
            None => Err(error),
            Some(pause_until) => {
                self.services.clock.sleep_until_ms(pause_until.0).await;
                Ok(self.empty())
            }
        }
    }

    fn empty(&self) -> Batch {
        Batch {
            deliveries: Vec::new(),
            give_back: GiveBack::new(self.services, &self.scope.ctx, self.consumer.group.id),
        }
    }

    async fn ask(&mut self, broker: BrokerId, max: usize) -> ApiResult<Batch> {
        let (group, topic) = (&self.consumer.group, &self.consumer.topic);
        let demand = Demand::to_receive(&self.scope.instance, group, topic);
        let grant = self.services.admission.take(&demand, max).for_any()?;
        let request = ReceiveRequest {
            broker,
            group: self.consumer.spec(),
            topic: self.consumer.topic.spec(),
            max: grant.count(),
            invisible_ms: self.consumer.invisible_ms,
            filter: self.consumer.filter.clone(),
            member: self.consumer.member.clone(),
            run_max: self.consumer.run_max,
            attempt: self.consumer.attempt,
        };
        let (storage, ctx) = (self.services.storage.clone(), self.scope.ctx.clone());
        let mut batch = self.empty();
        let work = Box::pin(async move { storage.receive(&ctx, request).await });
        let received = Attended::new(work, &batch.give_back).await?;
        batch.give_back.hold(&received.deliveries);
        // A redelivery is the server's doing and costs the tenant nothing.
        let first = received.deliveries.iter();
        grant.settle(first.filter(|d| d.message.attempt == 1).count());
        if received.deliveries.is_empty() {
            self.seen.retain(|(known, _)| *known != broker);
            self.seen.push((broker, received.seen));
        }
        batch.deliveries = received.deliveries;
        Ok(batch)
    }
}

/// Up to `max` messages, waiting at most `wait_ms` for the first.
///
/// # Errors
/// The consumer's state, or what storage answers.
pub(crate) async fn receive(
    services: &Services,
    scope: &Scope,
    consumer: &Consumer,
    max: usize,
    wait_ms: u64,
) -> ApiResult<Batch> {
    consumer.require_state(scope)?;
    let until = services.now().plus_ms(wait_ms);
    let mut receiver = Receiver::subscribe(services, scope, consumer).await?;
    let batch = receiver.repeat().await?;
    if !batch.deliveries.is_empty() {
        return Ok(batch);
    }
    let mut batch = receiver.try_receive(max).await?;
    while batch.deliveries.is_empty() && services.now() < until {
        batch = tokio::select! {
            biased;
            () = services.closing.cancelled() => break,
            batch = receiver.wait_slowly(max, until) => batch?,
        };
    }
    count_out(services, &batch.deliveries);
    Ok(batch)
}

pub(crate) fn count_out(services: &Services, deliveries: &[Delivery]) {
    let bytes = deliveries.iter().map(|d| d.message.content_bytes()).sum();
    services
        .metrics
        .messages_out
        .inc_by(deliveries.len() as u64);
    services.metrics.bytes_out.inc_by(bytes);
}
