//! Half messages: decided, asked about.

use firn_gateway::grpc::wire::telemetry_command::Command;
use firn_gateway::grpc::wire::*;

use super::client::*;
use super::telemetry::{Telemetry, producer};
use crate::semantics::topic;
use crate::stack::Stack;

const COMMIT: TransactionResolution = TransactionResolution::Commit;
const ROLLBACK: TransactionResolution = TransactionResolution::Rollback;

fn half(client: &Grpc, topic: &str, body: &str) -> (String, String) {
    let entry = client.sent(client.special(topic, body, |system| {
        system.message_type = MessageType::Transaction.into();
    }));
    assert_eq!(entry.message_id, message_id(body));
    assert!(!entry.transaction_id.is_empty());
    (entry.message_id, entry.transaction_id)
}

fn pair((id, transaction): &(String, String)) -> (&str, &str) {
    (id, transaction)
}

#[test]
fn a_half_message_is_seen_once_it_is_committed() {
    let stack = Stack::start();
    topic(&stack, "sure", "transaction", 1);
    topic(&stack, "other", "transaction", 1);
    let client = Grpc::demo(&stack);
    let kept = half(&client, "sure", "kept");
    let undone = half(&client, "sure", "undone");
    assert!(client.take("workers", "sure").is_empty());
    assert_eq!(
        client.end("other", pair(&kept), COMMIT),
        Code::InvalidTransactionId
    );
    for _ in 0..2 {
        assert_eq!(client.end("sure", pair(&kept), COMMIT), Code::Ok);
        assert_eq!(client.end("sure", pair(&undone), ROLLBACK), Code::Ok);
    }
    assert_eq!(
        client.end("sure", pair(&kept), ROLLBACK),
        Code::InvalidTransactionId
    );
    assert_eq!(
        client.end("sure", ("", "rubbish"), COMMIT),
        Code::InvalidTransactionId
    );
    // A producer that does not know is asked again.
    let unknown = TransactionResolution::Unspecified;
    assert_eq!(client.end("sure", ("", "rubbish"), unknown), Code::Ok);
    let got = client.take("workers", "sure");
    assert_eq!(bodies(&got), ["kept"]);
    assert_eq!(system(&got[0]).message_type(), MessageType::Transaction);
    // Half messages and others are not sent together.
    let mut mixed = client.message("sure", "x");
    mixed.system_properties.get_or_insert_default().message_type = MessageType::Transaction.into();
    let answer = client.send(vec![mixed, client.message("sure", "y")]);
    let code = code(answer.status.as_ref());
    assert_eq!(code, Code::MessagePropertyConflictWithType);
}

/// The half message that the client is asked about next.
fn asked(telemetry: &mut Telemetry) -> (Message, String) {
    loop {
        match telemetry.next().command {
            Some(Command::RecoverOrphanedTransactionCommand(asked)) => {
                return (asked.message.expect("a message"), asked.transaction_id);
            }
            Some(Command::Settings(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_orphan_is_asked_about() {
    let stack = Stack::start();
    topic(&stack, "sure", "transaction", 1);
    let client = Grpc::demo(&stack);
    // A producer that names the topic but begins nothing is not asked while there
    // is one that did, although it named none.
    let silent = Telemetry::open(&client.with("x-mq-client-id", "silent"));
    silent.tell(producer(&client, &["sure"]));
    let mut telemetry = Telemetry::open(&client);
    telemetry.tell(producer(&client, &[]));
    telemetry.next();
    let (_, transaction) = half(&client, "sure", "orphan");
    let mut waiting = telemetry;
    let (message, id, mut telemetry) = stack.while_time_passes(50, move || {
        let (message, id) = asked(&mut waiting);
        (message, id, waiting)
    });
    assert_eq!(id, transaction);
    assert_eq!(message.body, "orphan");
    assert_eq!(message.topic, client.resource("sure"));
    let got = system(&message);
    assert_eq!(got.message_id, message_id("orphan"));
    assert_eq!(got.message_type(), MessageType::Transaction);
    assert_eq!(got.body_encoding(), Encoding::Identity);
    assert!(got.body_digest.is_some());
    // Nobody answers: it is asked again, and then decided.
    let (_, again, _telemetry) = stack.while_time_passes(500, move || {
        let (message, id) = asked(&mut telemetry);
        (message, id, telemetry)
    });
    assert_eq!(again, transaction);
    let request = client.request(EndTransactionRequest {
        topic: client.resource("sure"),
        message_id: message_id("orphan"),
        transaction_id: again,
        resolution: COMMIT.into(),
        source: TransactionSource::SourceServerCheck.into(),
        trace_context: String::new(),
    });
    let answer = client
        .handle
        .block_on(client.stub().end_transaction(request));
    assert_eq!(
        code(answer.expect("an answer").into_inner().status.as_ref()),
        Code::Ok
    );
    assert_eq!(bodies(&client.take("workers", "sure")), ["orphan"]);
}

#[test]
fn while_nobody_begins_any_producer_of_the_topic_is_asked() {
    let stack = Stack::start();
    topic(&stack, "sure", "transaction", 1);
    let client = Grpc::demo(&stack);
    let gone = half(&client.with("x-mq-client-id", "gone"), "sure", "orphan");
    let mut telemetry = Telemetry::open(&client);
    telemetry.tell(producer(&client, &["sure"]));
    let (message, id) = stack.while_time_passes(100, move || asked(&mut telemetry));
    assert_eq!(id, gone.1);
    assert_eq!(message.body, "orphan");
}
