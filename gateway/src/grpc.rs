//! The protocol of RocketMQ 5 clients, `apache.rocketmq.v2`, on a port of its own.
//! Owns the wire: metadata, messages, status codes, the telemetry streams. Thin like
//! the native API: a call decodes, calls one use case of `ops` and encodes. Keeps no
//! more than what goes with an open stream; a client whose stream is elsewhere is
//! served like any other (docs/decisions/0026-grpc.md).

mod call;
mod checks;
mod clients;
mod heartbeat;
mod leases;
mod message;
mod receive;
mod route;
mod send;
mod server;
mod settings;
mod settle;
mod signature;
mod socket;
mod status;
mod telemetry;
mod transaction;
pub mod wire;

use std::sync::Arc;

use tonic::{Request, Response};

use crate::metrics::RouteMetrics;
use crate::native::State;
use crate::ops::Services;
use call::{Answer, Call};
use clients::Clients;
pub(crate) use server::{Port, serve};
use status::{Failure, Outcome};
use wire::messaging_service_server::MessagingService;
use wire::{
    AckMessageRequest, AckMessageResponse, ChangeInvisibleDurationRequest,
    ChangeInvisibleDurationResponse, EndTransactionRequest, EndTransactionResponse,
    ForwardMessageToDeadLetterQueueRequest, ForwardMessageToDeadLetterQueueResponse,
    GetOffsetRequest, GetOffsetResponse, HeartbeatRequest, HeartbeatResponse,
    NotifyClientTerminationRequest, NotifyClientTerminationResponse, PullMessageRequest,
    PullMessageResponse, QueryAssignmentRequest, QueryAssignmentResponse, QueryOffsetRequest,
    QueryOffsetResponse, QueryRouteRequest, QueryRouteResponse, RecallMessageRequest,
    RecallMessageResponse, ReceiveMessageRequest, SendMessageRequest, SendMessageResponse, Status,
    SyncLiteSubscriptionRequest, SyncLiteSubscriptionResponse, TelemetryCommand,
    UpdateOffsetRequest, UpdateOffsetResponse, pull_message_response,
};

/// What all calls share.
pub(crate) struct Edge {
    state: State,
    services: Arc<Services>,
    clients: Clients,
    metrics: [RouteMetrics; Rpc::ALL.len()],
}

impl Edge {
    pub(crate) fn new(state: State) -> Self {
        let services = state.services();
        Self {
            metrics: Rpc::ALL.map(|rpc| services.metrics.route("POST", rpc.path())),
            clients: Clients::default(),
            services,
            state,
        }
    }

    fn metrics(&self, rpc: Rpc) -> &RouteMetrics {
        &self.metrics[rpc as usize]
    }
}

/// The calls, in the order of [`Rpc::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rpc {
    QueryRoute,
    Heartbeat,
    Send,
    QueryAssignment,
    Receive,
    Ack,
    ForwardToDeadLetters,
    EndTransaction,
    Telemetry,
    NotifyTermination,
    ChangeInvisible,
    Recall,
    /// Those that no client library calls.
    NotOffered,
}

impl Rpc {
    const ALL: [Self; 13] = [
        Self::QueryRoute,
        Self::Heartbeat,
        Self::Send,
        Self::QueryAssignment,
        Self::Receive,
        Self::Ack,
        Self::ForwardToDeadLetters,
        Self::EndTransaction,
        Self::Telemetry,
        Self::NotifyTermination,
        Self::ChangeInvisible,
        Self::Recall,
        Self::NotOffered,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::QueryRoute => "/apache.rocketmq.v2.MessagingService/QueryRoute",
            Self::Heartbeat => "/apache.rocketmq.v2.MessagingService/Heartbeat",
            Self::Send => "/apache.rocketmq.v2.MessagingService/SendMessage",
            Self::QueryAssignment => "/apache.rocketmq.v2.MessagingService/QueryAssignment",
            Self::Receive => "/apache.rocketmq.v2.MessagingService/ReceiveMessage",
            Self::Ack => "/apache.rocketmq.v2.MessagingService/AckMessage",
            Self::ForwardToDeadLetters => {
                "/apache.rocketmq.v2.MessagingService/ForwardMessageToDeadLetterQueue"
            }
            Self::EndTransaction => "/apache.rocketmq.v2.MessagingService/EndTransaction",
            Self::Telemetry => "/apache.rocketmq.v2.MessagingService/Telemetry",
            Self::NotifyTermination => {
                "/apache.rocketmq.v2.MessagingService/NotifyClientTermination"
            }
            Self::ChangeInvisible => "/apache.rocketmq.v2.MessagingService/ChangeInvisibleDuration",
            Self::Recall => "/apache.rocketmq.v2.MessagingService/RecallMessage",
            Self::NotOffered => "/apache.rocketmq.v2.MessagingService/{other}",
        }
    }
}

/// The service as tonic knows it.
#[derive(Clone)]
pub(crate) struct Messaging(pub(crate) Arc<Edge>);

type Reply<T> = Result<Response<T>, tonic::Status>;

impl Messaging {
    async fn unary<Q, A: Answer, W>(
        &self,
        rpc: Rpc,
        mut request: Request<Q>,
        work: impl FnOnce(Arc<Call>, Q) -> W,
    ) -> Reply<A>
    where
        W: Future<Output = Outcome<A>>,
    {
        let call = Arc::new(Call::new(self.0.clone(), rpc, &mut request));
        let outcome = work(call.clone(), request.into_inner()).await;
        Ok(Response::new(call.finish(outcome)))
    }

    async fn not_offered<Q, A: Answer>(&self, request: Request<Q>, what: &'static str) -> Reply<A> {
        let refuse = move |call: Arc<Call>, _: Q| async move {
            call.identity()?;
            Err(Failure::unsupported(what))
        };
        self.unary(Rpc::NotOffered, request, refuse).await
    }
}

#[tonic::async_trait]
impl MessagingService for Messaging {
    async fn query_route(&self, request: Request<QueryRouteRequest>) -> Reply<QueryRouteResponse> {
        self.unary(Rpc::QueryRoute, request, route::query_route)
            .await
    }

    async fn heartbeat(&self, request: Request<HeartbeatRequest>) -> Reply<HeartbeatResponse> {
        self.unary(Rpc::Heartbeat, request, heartbeat::heartbeat)
            .await
    }

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Reply<SendMessageResponse> {
        self.unary(Rpc::Send, request, send::send).await
    }

    async fn query_assignment(
        &self,
        request: Request<QueryAssignmentRequest>,
    ) -> Reply<QueryAssignmentResponse> {
        self.unary(Rpc::QueryAssignment, request, route::query_assignment)
            .await
    }

    type ReceiveMessageStream = receive::Deliveries;

    async fn receive_message(
        &self,
        request: Request<ReceiveMessageRequest>,
    ) -> Reply<Self::ReceiveMessageStream> {
        self.unary(Rpc::Receive, request, receive::receive).await
    }

    async fn ack_message(&self, request: Request<AckMessageRequest>) -> Reply<AckMessageResponse> {
        self.unary(Rpc::Ack, request, settle::ack).await
    }

    async fn forward_message_to_dead_letter_queue(
        &self,
        request: Request<ForwardMessageToDeadLetterQueueRequest>,
    ) -> Reply<ForwardMessageToDeadLetterQueueResponse> {
        self.unary(Rpc::ForwardToDeadLetters, request, settle::forward)
            .await
    }

    type PullMessageStream = futures_util::stream::Iter<
        std::array::IntoIter<Result<PullMessageResponse, tonic::Status>, 1>,
    >;

    async fn pull_message(
        &self,
        request: Request<PullMessageRequest>,
    ) -> Reply<Self::PullMessageStream> {
        let answer = self.not_offered::<_, PullMessageResponse>(request, OFFSETS);
        let answer = answer.await?.into_inner();
        Ok(Response::new(futures_util::stream::iter([Ok(answer)])))
    }

    async fn update_offset(
        &self,
        request: Request<UpdateOffsetRequest>,
    ) -> Reply<UpdateOffsetResponse> {
        self.not_offered(request, OFFSETS).await
    }

    async fn get_offset(&self, request: Request<GetOffsetRequest>) -> Reply<GetOffsetResponse> {
        self.not_offered(request, OFFSETS).await
    }

    async fn query_offset(
        &self,
        request: Request<QueryOffsetRequest>,
    ) -> Reply<QueryOffsetResponse> {
        self.not_offered(request, OFFSETS).await
    }

    async fn end_transaction(
        &self,
        request: Request<EndTransactionRequest>,
    ) -> Reply<EndTransactionResponse> {
        self.unary(Rpc::EndTransaction, request, transaction::end)
            .await
    }

    type TelemetryStream = telemetry::Commands;

    async fn telemetry(
        &self,
        mut request: Request<tonic::Streaming<TelemetryCommand>>,
    ) -> Reply<Self::TelemetryStream> {
        let call = Arc::new(Call::new(self.0.clone(), Rpc::Telemetry, &mut request));
        Ok(Response::new(telemetry::open(&call, request.into_inner())))
    }

    async fn notify_client_termination(
        &self,
        request: Request<NotifyClientTerminationRequest>,
    ) -> Reply<NotifyClientTerminationResponse> {
        self.unary(Rpc::NotifyTermination, request, heartbeat::terminated)
            .await
    }

    async fn change_invisible_duration(
        &self,
        request: Request<ChangeInvisibleDurationRequest>,
    ) -> Reply<ChangeInvisibleDurationResponse> {
        self.unary(Rpc::ChangeInvisible, request, settle::change_invisible)
            .await
    }

    async fn recall_message(
        &self,
        request: Request<RecallMessageRequest>,
    ) -> Reply<RecallMessageResponse> {
        self.unary(Rpc::Recall, request, transaction::recall).await
    }

    async fn sync_lite_subscription(
        &self,
        request: Request<SyncLiteSubscriptionRequest>,
    ) -> Reply<SyncLiteSubscriptionResponse> {
        self.not_offered(request, LITE_TOPICS).await
    }
}

/// Progress is kept by record, not by one offset of a queue.
const OFFSETS: &str = "pulling by offset and progress as one offset";
pub(super) const LITE_TOPICS: &str = "lite topics";

/// Answers with a `status` of their own.
macro_rules! answers {
    ($($answer:ident),* $(,)?) => {$(
        impl Answer for $answer {
            #[allow(clippy::needless_update, reason = "some hold nothing else")]
            fn refused(status: Status) -> Self {
                Self { status: Some(status), ..Self::default() }
            }

            fn code(&self) -> i32 {
                self.status.as_ref().map_or(0, |status| status.code)
            }
        }
    )*};
}

answers!(
    QueryRouteResponse,
    HeartbeatResponse,
    SendMessageResponse,
    QueryAssignmentResponse,
    AckMessageResponse,
    ForwardMessageToDeadLetterQueueResponse,
    UpdateOffsetResponse,
    GetOffsetResponse,
    QueryOffsetResponse,
    EndTransactionResponse,
    NotifyClientTerminationResponse,
    ChangeInvisibleDurationResponse,
    RecallMessageResponse,
    SyncLiteSubscriptionResponse,
);

impl Answer for PullMessageResponse {
    fn refused(status: Status) -> Self {
        Self {
            content: Some(pull_message_response::Content::Status(status)),
        }
    }

    fn code(&self) -> i32 {
        wire::Code::Unsupported.into()
    }
}
