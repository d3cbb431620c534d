//! The stream that every client keeps open: it says what it is and is told how to
//! behave, and is asked about half messages. The client shows as online for as long
//! as the stream is open.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;

use firn_protocol::catalogue::Group;
use firn_protocol::client::{ClientProtocol, ConsumeType, MessageModel};
use firn_protocol::limits::CLIENT_TOPICS_MAX;
use firn_protocol::{Timestamp, TopicKey};
use futures_util::{Stream, stream};
use tonic::Streaming;

use super::call::{Answer, Call};
use super::checks::Asked;
use super::clients::{Client, OpenStream};
use super::receive::filter;
use super::settings::{is_node, of_consumer, of_producer};
use super::status::{self, Failure, Outcome, is_rust, known_to};
use super::wire::settings::PubSub;
use super::wire::telemetry_command::Command;
use super::wire::{
    ClientType, Code, Publishing, Resource, Settings, Status, Subscription, TelemetryCommand,
};
use crate::auth::{Action, Identity};
use crate::ops::receive::Consumer;
use crate::ops::{Scope, Target};
use crate::sessions::{Client as Row, Online, Part};

/// The Node library may not listen yet when the first answer comes, and then waits for
/// another one: it is said again.
const AGAIN_MS: u64 = 1000;

pub(crate) type Commands =
    Pin<Box<dyn Stream<Item = Result<TelemetryCommand, tonic::Status>> + Send>>;

/// The answer's head goes out at once: clients wait for it before they say anything.
pub(super) fn open(call: &Arc<Call>, inbound: Streaming<TelemetryCommand>) -> Commands {
    match Conversation::begin(call, inbound) {
        Ok(conversation) => {
            let _ = call.finish(Ok(TelemetryCommand::refused(status::ok())));
            Box::pin(stream::unfold(
                conversation,
                |mut conversation| async move {
                    let command = conversation.next().await?;
                    Some((Ok(command), conversation))
                },
            ))
        }
        Err(failure) => {
            // A client that waits for settings ends its wait by the first.
            let text = failure.text.clone();
            let told = call.finish::<TelemetryCommand>(Err(failure));
            let end = match told.status.as_ref().map(Status::code) {
                Some(Code::Unauthorized) => tonic::Status::unauthenticated(text),
                Some(Code::TooManyRequests) => tonic::Status::resource_exhausted(text),
                _ => tonic::Status::failed_precondition(text),
            };
            // The Rust library reads on behind an error, for ever.
            let end = (!is_rust(call.language())).then_some(Err(end));
            Box::pin(stream::iter([Some(Ok(told)), end].into_iter().flatten()))
        }
    }
}

impl Answer for TelemetryCommand {
    fn refused(status: Status) -> Self {
        Self {
            status: Some(status),
            command: None,
        }
    }

    fn code(&self) -> i32 {
        self.status.as_ref().map_or(0, |status| status.code)
    }
}

/// One stream.
struct Conversation {
    call: Arc<Call>,
    identity: Identity,
    client: Arc<Client>,
    inbound: Streaming<TelemetryCommand>,
    outbound: VecDeque<TelemetryCommand>,
    /// The answer to the last settings, and when it is said again.
    again: Option<(Timestamp, TelemetryCommand)>,
    asked: Asked,
    scope: Scope,
    /// What the client shows as online for.
    online: Vec<Online>,
    _open: OpenStream,
}

/// What comes next on a stream.
enum Event {
    Inbound(Option<Box<TelemetryCommand>>),
    Again,
    Learned,
    Asked(Vec<TelemetryCommand>),
    Closing,
}

impl Conversation {
    fn begin(call: &Arc<Call>, inbound: Streaming<TelemetryCommand>) -> Outcome<Self> {
        let identity = call.identity()?;
        let scope = call.scope(&identity, &[])?;
        if call.client_id().is_empty() {
            let text = "x-mq-client-id: missing";
            return Err(Failure::new(Code::ClientIdRequired, text));
        }
        let now = call.services().now();
        let client = call.edge.clients.seen(&call.client_key(&scope), now);
        let mut conversation = Self {
            call: call.clone(),
            identity,
            _open: client.open(),
            client,
            inbound,
            outbound: VecDeque::new(),
            again: None,
            asked: Asked::nothing(&call.edge, scope.clone()),
            scope,
            online: Vec::new(),
        };
        conversation.learn();
        Ok(conversation)
    }

    /// `None` at the end.
    async fn next(&mut self) -> Option<TelemetryCommand> {
        loop {
            if let Some(command) = self.outbound.pop_front() {
                return Some(command);
            }
            match self.event().await {
                Event::Inbound(Some(command)) => self.hear(*command),
                Event::Inbound(None) | Event::Closing => return None,
                Event::Again => {
                    let again = self.again.take();
                    self.outbound.extend(again.map(|(_, command)| command));
                }
                Event::Learned => self.learn(),
                Event::Asked(commands) => self.outbound.extend(commands),
            }
        }
    }

    async fn event(&mut self) -> Event {
        let services = self.call.services().clone();
        let again = self.again.as_ref().map(|(at, _)| *at);
        let again = async {
            match again {
                Some(at) => services.clock.sleep_until_ms(at.0).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = services.closing.cancelled() => Event::Closing,
            // A connection that breaks ends the stream like a client that closes it.
            heard = self.inbound.message() => Event::Inbound(heard.ok().flatten().map(Box::new)),
            () = again => Event::Again,
            () = self.client.learned() => Event::Learned,
            commands = self.asked.next() => Event::Asked(commands),
        }
    }

    /// Anything but settings is an answer to what is never asked.
    fn hear(&mut self, command: TelemetryCommand) {
        let Some(Command::Settings(settings)) = command.command else {
            return;
        };
        let answer = match self.settle(&settings) {
            Ok(told) => TelemetryCommand {
                status: Some(status::ok()),
                command: Some(Command::Settings(told)),
            },
            Err(failure) => {
                self.call.note(&failure);
                let code = known_to(self.call.language(), failure.code);
                TelemetryCommand::refused(failure.under(code).status())
            }
        };
        let is_good = answer.command.is_some();
        let at = self.call.services().now().plus_ms(AGAIN_MS);
        self.again = is_good.then(|| (at, answer.clone()));
        self.outbound.push_back(answer);
    }

    fn settle(&mut self, given: &Settings) -> Outcome<Settings> {
        match &given.pub_sub {
            Some(PubSub::Publishing(publishing)) => self.produces(given, publishing),
            Some(PubSub::Subscription(subscription)) => self.consumes(given, subscription),
            None => {
                let text = "settings: neither publishing nor subscription";
                Err(Failure::new(Code::UnrecognizedClientType, text))
            }
        }
    }

    fn produces(&mut self, given: &Settings, publishing: &Publishing) -> Outcome<Settings> {
        let names: Vec<Option<&Resource>> = publishing.topics.iter().map(Some).collect();
        let scope = self.call.scope(&self.identity, &names)?;
        self.move_to(scope);
        self.online.clear();
        for name in publishing.topics.iter().take(CLIENT_TOPICS_MAX) {
            // What is not there, or not allowed, is told when it is used.
            let Ok(Target::Topic(topic)) = self.call.target(&self.scope, Some(name)) else {
                continue;
            };
            if !self.identity.may(Action::Produce(&topic.name)) {
                continue;
            }
            self.enter(TopicKey::User(topic.id), Part::Produces);
            self.asked.add(&topic, name.clone(), false);
        }
        self.client.set_push(false);
        self.learn();
        Ok(of_producer(&self.scope, given, publishing))
    }

    fn consumes(&mut self, given: &Settings, subscription: &Subscription) -> Outcome<Settings> {
        let kind = given.client_type();
        if matches!(
            kind,
            ClientType::LitePushConsumer | ClientType::LiteSimpleConsumer
        ) {
            return Err(Failure::unsupported(super::LITE_TOPICS));
        }
        let entries = &subscription.subscriptions;
        let topics = entries.iter().map(|entry| entry.topic.as_ref());
        let names: Vec<_> = topics.chain([subscription.group.as_ref()]).collect();
        let scope = self.call.scope(&self.identity, &names)?;
        let group = self.call.group(&scope, subscription.group.as_ref())?;
        self.move_to(scope);
        let is_push = kind == ClientType::PushConsumer;
        self.client.set_push(is_push);
        self.online.clear();
        for entry in entries.iter().take(CLIENT_TOPICS_MAX) {
            self.subscribes(&group, entry, is_push);
        }
        let is_node = is_node(given, self.call.language());
        Ok(of_consumer(&group, given, subscription, is_node))
    }

    /// What cannot be consumed is told when it is asked for.
    fn subscribes(&mut self, group: &Group, entry: &super::wire::SubscriptionEntry, is_push: bool) {
        let Ok(topic) = self.call.target(&self.scope, entry.topic.as_ref()) else {
            return;
        };
        let Ok(filter) = filter(entry.expression.as_ref()) else {
            return;
        };
        let (name, group_name) = (topic.name(), group.name.as_str());
        let right = Action::Consume {
            topic: &name,
            group: group_name,
        };
        let is_allowed =
            self.identity.may(right) && Consumer::require_subscription(group, &topic).is_ok();
        if !is_allowed {
            return;
        }
        let part = Part::Consumes {
            group: group.id,
            filter: &filter,
            consume_type: match is_push {
                true => ConsumeType::Push,
                false => ConsumeType::Pull,
            },
            model: MessageModel::Clustering,
        };
        self.enter(topic.key(), part);
    }

    fn enter(&mut self, topic: TopicKey, part: Part<'_>) {
        let call = &self.call;
        let (name, agent, address) = (call.client_name(), call.agent(), call.peer());
        let row = Row {
            name: &name,
            address: &address,
            agent: &agent,
            protocol: ClientProtocol::Grpc,
        };
        let sessions = &call.services().sessions;
        let online = sessions.enter(self.scope.instance.id, &row, topic, part);
        self.online.push(online);
    }

    /// A client works in one instance; its settings may name it first.
    fn move_to(&mut self, scope: Scope) {
        if scope.instance.id != self.scope.instance.id {
            let now = self.call.services().now();
            let key = self.call.client_key(&scope);
            self.client = self.call.edge.clients.seen(&key, now);
            self._open = self.client.open();
            self.asked = Asked::nothing(&self.call.edge, scope.clone());
        }
        self.scope = scope;
    }

    /// Topics that the client was seen to begin transactions in.
    fn learn(&mut self) {
        for id in self.client.half_topics() {
            let services = self.call.services();
            let instance = self.scope.instance.id;
            let Some(topic) = services.tenants.topic_by_id(instance, id) else {
                continue;
            };
            if self.identity.may(Action::Produce(&topic.name)) {
                let name = Resource {
                    resource_namespace: String::new(),
                    name: topic.name.clone(),
                };
                self.asked.add(&topic, name, true);
            }
        }
    }
}
