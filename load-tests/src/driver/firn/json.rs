//! The bodies of Firn's native API, as far as the driver needs them.
//!
//! Field names are those of API.md, "Messages" and "Consume". Unknown fields of answers
//! are ignored; a missing one that matters is an error.

use std::borrow::Cow;
use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use base64::Engine as _;
use serde::{Deserialize, Serialize};

use crate::verify::Delivery;

#[derive(Serialize)]
struct Batch<'a> {
    messages: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    body: &'a str,
}

#[derive(Deserialize)]
struct SendAnswer<'a> {
    #[serde(borrow)]
    results: Vec<SendResult<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SendResult<'a> {
    #[serde(borrow)]
    message_id: Option<Text<'a>>,
    error: Option<serde_json::Value>,
}

/// Borrowed where the text has no escapes; an optional `Cow` alone would always copy.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

#[derive(Deserialize)]
struct ReceiveAnswer<'a> {
    #[serde(borrow)]
    messages: Vec<Received<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Received<'a> {
    #[serde(borrow)]
    broker: Cow<'a, str>,
    queue_id: u32,
    queue_offset: u64,
    #[serde(borrow)]
    body: Option<Text<'a>>,
    #[serde(borrow)]
    body_base64: Option<Text<'a>>,
    receipt_handle: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ack<'a> {
    receipt_handles: &'a [String],
}

#[derive(Deserialize)]
struct AckAnswer<'a> {
    #[serde(borrow)]
    results: Vec<AckResult<'a>>,
}

#[derive(Deserialize)]
struct AckResult<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
}

/// Dense numbers for (broker, queue) pairs, in the order of their first appearance.
#[derive(Default)]
pub(super) struct QueueNumbers(HashMap<(String, u32), u32>);

impl QueueNumbers {
    fn number(&mut self, broker: &str, queue_id: u32) -> u32 {
        let next = self.0.len() as u32;
        *self.0.entry((broker.to_owned(), queue_id)).or_insert(next)
    }
}

/// Writes the JSON form of a send into `out`, replacing what was there.
pub(super) fn write_batch(out: &mut Vec<u8>, bodies: &[Vec<u8>]) -> Result<()> {
    let messages = bodies
        .iter()
        .map(|body| std::str::from_utf8(body).map(|body| Entry { body }))
        .collect::<Result<_, _>>()
        .context("a body that is not text")?;
    out.clear();
    serde_json::to_writer(out, &Batch { messages }).context("write a batch")
}

/// Demands that exactly `expected` messages were taken.
pub(super) fn check_sent(answer: &[u8], expected: usize) -> Result<()> {
    let answer: SendAnswer<'_> = serde_json::from_slice(answer).context("the answer to a send")?;
    let got = answer.results.len();
    ensure!(got == expected, "{got} results for {expected} messages");
    for result in answer.results {
        if let Some(error) = result.error {
            bail!("a message was refused: {error}");
        }
        ensure!(result.message_id.is_some(), "a result without messageId");
    }
    Ok(())
}

/// Hands out the messages of a receive and keeps their handles.
pub(super) fn deliver(
    answer: &[u8],
    queues: &mut QueueNumbers,
    handles: &mut Vec<String>,
    sink: &mut dyn FnMut(Delivery<'_>),
) -> Result<()> {
    let answer: ReceiveAnswer<'_> =
        serde_json::from_slice(answer).context("the answer to a receive")?;
    for message in answer.messages {
        let decoded;
        let body = match (&message.body, &message.body_base64) {
            (Some(text), None) => text.0.as_bytes(),
            (None, Some(text)) => {
                let engine = &base64::engine::general_purpose::STANDARD;
                decoded = engine.decode(text.0.as_bytes()).context("bodyBase64")?;
                &decoded
            }
            _ => bail!("a message needs exactly one of body and bodyBase64"),
        };
        sink(Delivery {
            queue: queues.number(&message.broker, message.queue_id),
            position: message.queue_offset,
            body,
        });
        handles.push(message.receipt_handle);
    }
    Ok(())
}

/// Writes the body of an ack into `out`, replacing what was there.
pub(super) fn write_ack(out: &mut Vec<u8>, handles: &[String]) -> Result<()> {
    out.clear();
    let ack = Ack {
        receipt_handles: handles,
    };
    serde_json::to_writer(out, &ack).context("write an ack")
}

/// Demands that exactly `expected` messages are finished by this ack.
pub(super) fn check_acked(answer: &[u8], expected: usize) -> Result<()> {
    let answer: AckAnswer<'_> = serde_json::from_slice(answer).context("the answer to an ack")?;
    let got = answer.results.len();
    ensure!(got == expected, "{got} results for {expected} handles");
    match answer.results.iter().find(|result| result.status != "OK") {
        Some(result) => bail!("an ack was answered {}", result.status),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_is_believed_only_with_an_id_for_each_message() {
        let answer = |text: &str, count| check_sent(text.as_bytes(), count);
        let id = r#"{"messageId":"7F","queueOffset":1,"durability":"local"}"#;
        assert!(answer(&format!(r#"{{"results":[{id}]}}"#), 1).is_ok());
        assert!(answer(&format!(r#"{{"results":[{id},{id}]}}"#), 2).is_ok());
        assert!(answer(&format!(r#"{{"results":[{id}]}}"#), 2).is_err());
        assert!(answer(r#"{"results":[{"queueOffset":1}]}"#, 1).is_err());
        assert!(answer(r#"{"results":[{"error":{"code":"DISK_FULL"}}]}"#, 1).is_err());
        assert!(answer("{}", 0).is_err());
        assert!(answer("", 0).is_err());
    }

    #[test]
    fn received_messages_keep_queue_place_and_bytes() {
        let text = r#"{"messages":[
            {"broker":"b","queueId":3,"queueOffset":9,"body":"a\nb","receiptHandle":"h1","attempt":1},
            {"broker":"a","queueId":3,"queueOffset":0,"bodyBase64":"/w==","receiptHandle":"h2"},
            {"broker":"b","queueId":3,"queueOffset":10,"body":"","receiptHandle":"h3"}]}"#;
        let (mut handles, mut got) = (Vec::new(), Vec::new());
        let mut queues = QueueNumbers::default();
        deliver(text.as_bytes(), &mut queues, &mut handles, &mut |d| {
            got.push((d.queue, d.position, d.body.to_vec()));
        })
        .unwrap();
        assert_eq!(handles, ["h1", "h2", "h3"]);
        let expected = [(0, 9, &b"a\nb"[..]), (1, 0, b"\xff"), (0, 10, b"")];
        let got: Vec<_> = got.iter().map(|(q, p, b)| (*q, *p, &b[..])).collect();
        assert_eq!(got, expected);
    }

    #[test]
    fn a_message_needs_exactly_one_body() {
        for fields in [
            "",
            r#""body":"a","bodyBase64":"YQ==","#,
            r#""bodyBase64":"*","#,
        ] {
            let text = format!(
                r#"{{"messages":[{{{fields}"broker":"a","queueId":0,"queueOffset":0,"receiptHandle":"h"}}]}}"#
            );
            let mut handles = Vec::new();
            let queues = &mut QueueNumbers::default();
            let result = deliver(text.as_bytes(), queues, &mut handles, &mut |_| ());
            assert!(result.is_err(), "{fields}");
        }
    }

    #[test]
    fn an_ack_counts_only_when_every_handle_was_open() {
        let answer = |text: &str, count| check_acked(text.as_bytes(), count);
        let ok = r#"{"receiptHandle":"h","status":"OK"}"#;
        let late = r#"{"receiptHandle":"h","status":"LEASE_EXPIRED"}"#;
        assert!(answer(&format!(r#"{{"results":[{ok},{ok}]}}"#), 2).is_ok());
        assert!(answer(&format!(r#"{{"results":[{ok},{late}]}}"#), 2).is_err());
        assert!(answer(&format!(r#"{{"results":[{ok}]}}"#), 2).is_err());
    }

    #[test]
    fn requests_are_as_the_contract_says() {
        let mut out = b"rest of before".to_vec();
        write_batch(&mut out, &[b"one".to_vec(), b"t\"o".to_vec()]).unwrap();
        assert_eq!(out, br#"{"messages":[{"body":"one"},{"body":"t\"o"}]}"#);
        assert!(write_batch(&mut out, &[b"\xff".to_vec()]).is_err());
        write_ack(&mut out, &["h1".to_owned()]).unwrap();
        assert_eq!(out, br#"{"receiptHandles":["h1"]}"#);
    }
}
