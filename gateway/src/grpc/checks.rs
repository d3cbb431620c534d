//! Asks the producer behind a telemetry stream about half messages that are not
//! decided. Who is asked: clients that have begun transactions in the topic; while
//! none of them is there, any producer that names the topic. Whoever is asked and
//! does not answer makes no harm: somebody is asked again.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use firn_protocol::api::hold::HalfMessage;
use firn_protocol::catalogue::{Topic, TopicType};
use firn_protocol::{ApiResult, TopicId};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::Edge;
use super::clients::Decider;
use super::message;
use super::wire::telemetry_command::Command;
use super::wire::{RecoverOrphanedTransactionCommand, Resource, TelemetryCommand};
use crate::ops::transaction::{self, Checks};
use crate::ops::{Scope, Target};

/// How long one round waits for a half message.
const ROUND_MS: u64 = 30_000;
/// Half messages of one round.
const ASKED_MAX: usize = 32;
/// Pause after what could not be asked, and while others are asked first.
const PAUSE_MS: u64 = 5000;

type Round = Pin<Box<dyn Future<Output = (TopicId, ApiResult<Vec<HalfMessage>>)> + Send>>;

/// What one stream is asked about.
pub(super) struct Asked {
    edge: Arc<Edge>,
    scope: Scope,
    topics: BTreeMap<TopicId, Wanted>,
    rounds: FuturesUnordered<Round>,
}

struct Wanted {
    topic: Arc<Topic>,
    /// As the client names it.
    name: Resource,
    /// It has begun transactions there.
    decider: Option<Decider>,
}

impl Asked {
    pub(super) fn nothing(edge: &Arc<Edge>, scope: Scope) -> Self {
        Self {
            edge: edge.clone(),
            scope,
            topics: BTreeMap::new(),
            rounds: FuturesUnordered::new(),
        }
    }

    /// The client names the topic, or has begun a transaction in it.
    pub(super) fn add(&mut self, topic: &Arc<Topic>, name: Resource, is_decider: bool) {
        let takes_halves = match topic.topic_type {
            TopicType::Transaction | TopicType::Mixed => true,
            TopicType::Normal | TopicType::Fifo | TopicType::Delay => false,
        };
        if !takes_halves {
            return;
        }
        let decider = || is_decider.then(|| Decider::new(&self.edge, topic.id));
        match self.topics.get_mut(&topic.id) {
            Some(known) if known.decider.is_none() => known.decider = decider(),
            Some(_) => {}
            None => {
                let wanted = Wanted {
                    topic: topic.clone(),
                    name,
                    decider: decider(),
                };
                self.topics.insert(topic.id, wanted);
                self.begin_round(topic.id);
            }
        }
    }

    fn begin_round(&self, id: TopicId) {
        let Some(wanted) = self.topics.get(&id) else {
            return;
        };
        let (edge, scope, topic) = (self.edge.clone(), self.scope.clone(), wanted.topic.clone());
        let is_decider = wanted.decider.is_some();
        self.rounds.push(Box::pin(async move {
            let services = &edge.services;
            if !is_decider && edge.clients.has_decider(id) {
                pause(&edge).await;
                return (id, Ok(Vec::new()));
            }
            let wanted = Checks {
                topic,
                producers: None,
                max: ASKED_MAX,
                wait_ms: ROUND_MS,
            };
            let found = transaction::checks(services, &scope, wanted).await;
            if found.is_err() {
                pause(&edge).await;
            }
            (id, found)
        }));
    }

    /// The next half messages that the client is to decide; never ends.
    pub(super) async fn next(&mut self) -> Vec<TelemetryCommand> {
        loop {
            let Some((id, found)) = self.rounds.next().await else {
                std::future::pending::<()>().await;
                continue;
            };
            self.begin_round(id);
            let (Some(wanted), Ok(halves)) = (self.topics.get(&id), found) else {
                continue;
            };
            if halves.is_empty() {
                continue;
            }
            let commands = halves.iter().map(|half| self.command(wanted, half));
            return commands.collect();
        }
    }

    fn command(&self, wanted: &Wanted, half: &HalfMessage) -> TelemetryCommand {
        let target = Target::Topic(wanted.topic.clone());
        let services = &self.edge.services;
        let recover = RecoverOrphanedTransactionCommand {
            message: Some(message::half(&target, &wanted.name, half)),
            transaction_id: transaction::id_of(services, &self.scope, &half.place),
        };
        TelemetryCommand {
            status: None,
            command: Some(Command::RecoverOrphanedTransactionCommand(recover)),
        }
    }
}

async fn pause(edge: &Edge) {
    let services = &edge.services;
    tokio::select! {
        () = services.closing.cancelled() => {}
        () = services.clock.sleep_until_ms(services.now().0 + PAUSE_MS) => {}
    }
}
