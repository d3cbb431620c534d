//! What no client sends: refused, and others do not notice.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use firn_gateway::grpc::wire::*;
use tonic::codegen::http::uri::PathAndQuery;

use super::client::*;
use crate::stack::Stack;

/// Bytes where a message of the protocol is expected.
#[derive(Clone, PartialEq, prost::Message)]
struct Rubbish {
    #[prost(bytes = "vec", tag = "1")]
    bytes: Vec<u8>,
}

/// Sends bytes as a message of any call; the gRPC code.
fn raw(client: &Grpc, path: &'static str, bytes: Vec<u8>) -> tonic::Code {
    client.handle.block_on(async {
        let mut grpc = tonic::client::Grpc::new(client.channel.clone());
        grpc.ready().await.expect("connected");
        let request = client.request(Rubbish { bytes });
        let path = PathAndQuery::from_static(path);
        let codec = tonic_prost::ProstCodec::<Rubbish, Rubbish>::default();
        match grpc.unary(request, path, codec).await {
            Ok(_) => tonic::Code::Ok,
            Err(status) => status.code(),
        }
    })
}

#[track_caller]
fn is_served(client: &Grpc) {
    assert_eq!(code(client.route("orders").status.as_ref()), Code::Ok);
}

#[test]
fn a_message_that_cannot_be_read_is_refused_and_the_connection_stays() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    const SEND: &str = "/apache.rocketmq.v2.MessagingService/SendMessage";
    for bytes in [
        vec![0xff; 10],
        vec![0x0a, 0x7f],
        vec![0x0a, 0x02, 0xff, 0xff],
    ] {
        assert_eq!(raw(&client, SEND, bytes), tonic::Code::Internal);
        is_served(&client);
    }
    let huge = vec![0; 9 << 20];
    assert_eq!(raw(&client, SEND, huge), tonic::Code::OutOfRange);
    is_served(&client);
    let unknown = "/apache.rocketmq.v2.MessagingService/Nothing";
    assert_eq!(
        raw(&client, unknown, Vec::new()),
        tonic::Code::Unimplemented
    );
    is_served(&client);
}

#[test]
fn bytes_that_are_no_http_end_their_connection_alone() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"\x00\x01\x02\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        let mut socket = TcpStream::connect(stack.grpc).expect("connected");
        socket.write_all(bytes).expect("written");
        socket
            .shutdown(std::net::Shutdown::Write)
            .expect("half closed");
        let mut answer = Vec::new();
        // Closed in order or reset: either way it is over.
        let _ = socket.read_to_end(&mut answer);
        is_served(&client);
    }
}

#[test]
fn what_is_not_offered_says_so() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let mut stub = client.stub();
    let lite = stub.sync_lite_subscription(client.request(SyncLiteSubscriptionRequest::default()));
    let lite = client
        .handle
        .block_on(lite)
        .expect("an answer")
        .into_inner();
    assert_eq!(code(lite.status.as_ref()), Code::Unsupported);
    let mut stub = client.stub();
    let offset = stub.get_offset(client.request(GetOffsetRequest::default()));
    let offset = client
        .handle
        .block_on(offset)
        .expect("an answer")
        .into_inner();
    assert_eq!(code(offset.status.as_ref()), Code::Unsupported);
    let wrong = client.user("demo", "wrong");
    let mut stub = client.stub();
    let refused = stub.query_offset(wrong.request(QueryOffsetRequest::default()));
    let refused = client
        .handle
        .block_on(refused)
        .expect("an answer")
        .into_inner();
    assert_eq!(code(refused.status.as_ref()), Code::Unauthorized);
}

#[test]
fn calls_without_what_they_need_are_told_what() {
    let stack = Stack::start();
    let client = Grpc::demo(&stack);
    let nothing = client.request(QueryRouteRequest {
        topic: client.resource("orders"),
        endpoints: None,
    });
    let answer = client.handle.block_on(client.stub().query_route(nothing));
    let answer = answer.expect("an answer").into_inner();
    assert_eq!(code(answer.status.as_ref()), Code::IllegalAccessPoint);
    let received = client.receive(ReceiveMessageRequest::default());
    assert_eq!(code(Some(&received.status)), Code::IllegalTopic);
    let ask = ReceiveMessageRequest {
        group: None,
        ..client.ask("workers", "orders")
    };
    let received = client.receive(ask);
    assert_eq!(code(Some(&received.status)), Code::IllegalConsumerGroup);
    let ask = ReceiveMessageRequest {
        invisible_duration: Some(seconds(0)),
        ..client.ask("workers", "orders")
    };
    assert_eq!(
        code(Some(&client.receive(ask).status)),
        Code::IllegalInvisibleTime
    );
    let ask = ReceiveMessageRequest {
        long_polling_timeout: Some(seconds(-1)),
        ..client.ask("workers", "orders")
    };
    assert_eq!(
        code(Some(&client.receive(ask).status)),
        Code::IllegalPollingTime
    );
    let sent = client.send(Vec::new());
    assert_eq!(code(sent.status.as_ref()), Code::IllegalTopic);
    let nameless = client.with("x-mq-client-id", "");
    let beat = nameless.request(HeartbeatRequest::default());
    let beat = client.handle.block_on(client.stub().heartbeat(beat));
    let beat = beat.expect("an answer").into_inner();
    assert_eq!(code(beat.status.as_ref()), Code::ClientIdRequired);
}
