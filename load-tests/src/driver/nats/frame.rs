//! The NATS client protocol, as much of it as JetStream needs: frames in.
//!
//! Promises that a frame which is malformed or over its bounds is an error, and that an
//! unfinished one is told apart from both. Frames borrow from the buffer.

use anyhow::{Context, Result, bail, ensure};

/// The longest control line, INFO included.
const LINE_BYTES_MAX: usize = 64 << 10;
const PAYLOAD_BYTES_MAX: usize = 16 << 20;
const HEADERS_BEGIN: &[u8] = b"NATS/1.0";

/// What a server sends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame<'a> {
    Info(&'a [u8]),
    Message(Message<'a>),
    Ping,
    Pong,
    Ok,
    Error(&'a [u8]),
}

/// A message for one of our subscriptions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) subject: &'a str,
    pub(super) subscription: u64,
    pub(super) reply: Option<&'a str>,
    /// Number in the first header line, such as 408; nothing for ordinary messages.
    pub(super) status: Option<u16>,
    pub(super) payload: &'a [u8],
}

/// Reads one frame and its length; nothing while it is not complete.
///
/// # Errors
/// Not the protocol, or over its bounds.
pub(super) fn parse(input: &[u8]) -> Result<Option<(Frame<'_>, usize)>> {
    let window = &input[..input.len().min(LINE_BYTES_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\n') else {
        ensure!(window.len() < LINE_BYTES_MAX, "a line over its bound");
        return Ok(None);
    };
    let line = window[..end]
        .strip_suffix(b"\r")
        .context("a line without a carriage return")?;
    let line = std::str::from_utf8(line).context("a line that is not text")?;
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let frame = match word {
        "MSG" => return message(input, end + 1, rest, false),
        "HMSG" => return message(input, end + 1, rest, true),
        "INFO" => Frame::Info(rest.as_bytes()),
        "PING" => Frame::Ping,
        "PONG" => Frame::Pong,
        "+OK" => Frame::Ok,
        "-ERR" => Frame::Error(rest.as_bytes()),
        other => bail!("the unknown frame {:?}", &other[..other.len().min(20)]),
    };
    Ok(Some((frame, end + 1)))
}

/// `<subject> <subscription> [reply] [header bytes] <all bytes>`, then the bytes.
fn message<'a>(
    input: &'a [u8],
    begin: usize,
    arguments: &'a str,
    has_headers: bool,
) -> Result<Option<(Frame<'a>, usize)>> {
    let mut words = [""; 5];
    let mut count = 0;
    for word in arguments.split_ascii_whitespace() {
        *words
            .get_mut(count)
            .context("a message with too many words")? = word;
        count += 1;
    }
    let sizes = 1 + usize::from(has_headers);
    let reply = match count.checked_sub(2 + sizes) {
        Some(0) => None,
        Some(1) => Some(words[2]),
        _ => bail!("a message of {count} words"),
    };
    let total = size(words[count - 1])?;
    let headers = if has_headers {
        size(words[count - 2])?
    } else {
        0
    };
    ensure!(headers <= total, "headers longer than their message");
    let left = &input[begin..];
    if left.len() < total + 2 {
        return Ok(None);
    }
    ensure!(&left[total..total + 2] == b"\r\n", "a message without end");
    let message = Message {
        subject: words[0],
        subscription: words[1].parse().context("a malformed subscription")?,
        reply,
        status: status(&left[..headers])?,
        payload: &left[headers..total],
    };
    Ok(Some((Frame::Message(message), begin + total + 2)))
}

fn size(digits: &str) -> Result<usize> {
    let size: usize = digits.parse().context("a malformed size")?;
    ensure!(size <= PAYLOAD_BYTES_MAX, "a message of {size} bytes");
    Ok(size)
}

fn status(headers: &[u8]) -> Result<Option<u16>> {
    if headers.is_empty() {
        return Ok(None);
    }
    let rest = headers
        .strip_prefix(HEADERS_BEGIN)
        .context("headers of an unknown version")?;
    let end = rest.iter().position(|byte| *byte == b'\r');
    let line = std::str::from_utf8(&rest[..end.context("headers without end")?])
        .context("a status that is not text")?;
    let Some(word) = line.split_ascii_whitespace().next() else {
        return Ok(None);
    };
    Ok(Some(word.parse().context("a malformed status")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: &[u8] =
        b"INFO {\"a\":1}\r\nMSG s.a 1 5\r\nhe\r\no\r\nMSG s 2 r.x 0\r\n\r\nPING\r\n\
        HMSG s 3 r 31 33\r\nNATS/1.0 408 Request Timeou\r\n\r\nxy\r\nHMSG s 4 18 19\r\n\
        NATS/1.0\r\na: b\r\n\r\nz\r\n+OK\r\n-ERR 'no'\r\nPONG\r\n";

    fn all(mut input: &[u8]) -> Result<Vec<Frame<'_>>> {
        let mut frames = Vec::new();
        while let Some((frame, length)) = parse(input)? {
            frames.push(frame);
            input = &input[length..];
        }
        Ok(frames)
    }

    fn message<'a>(
        subscription: u64,
        reply: Option<&'a str>,
        status: Option<u16>,
        payload: &'a [u8],
    ) -> Frame<'a> {
        let subject = if subscription == 1 { "s.a" } else { "s" };
        Frame::Message(Message {
            subject,
            subscription,
            reply,
            status,
            payload,
        })
    }

    #[test]
    fn frames_of_every_kind_are_read() {
        let expected = vec![
            Frame::Info(b"{\"a\":1}"),
            message(1, None, None, b"he\r\no"),
            message(2, Some("r.x"), None, b""),
            Frame::Ping,
            message(3, Some("r"), Some(408), b"xy"),
            message(4, None, None, b"z"),
            Frame::Ok,
            Frame::Error(b"'no'"),
            Frame::Pong,
        ];
        assert_eq!(all(FRAMES).unwrap(), expected);
    }

    #[test]
    fn an_unfinished_frame_waits_for_more() {
        for whole in [
            &b"INFO {}\r\n"[..],
            b"MSG s.a 1 5\r\nhe\r\no\r\n",
            b"HMSG s 4 12 13\r\nNATS/1.0\r\n\r\nz\r\n",
        ] {
            for end in 0..whole.len() {
                assert_eq!(parse(&whole[..end]).unwrap(), None, "end at {end}");
            }
            assert_eq!(parse(whole).unwrap().map(|(_, n)| n), Some(whole.len()));
        }
    }

    #[test]
    fn malformed_frames_are_errors() {
        let long = format!("INFO {}", "x".repeat(LINE_BYTES_MAX));
        for bad in [
            "HELLO\r\n",
            "PING\n",
            "MSG s 1\r\n",
            "MSG s 1 r x 5\r\n",
            "MSG s 1 r 1 1 1 1\r\n",
            "MSG s x 1\r\na\r\n",
            "MSG s 1 -1\r\n",
            "MSG s 1 99999999999\r\n",
            "MSG s 1 1\r\nabc",
            "HMSG s 1 5\r\nhello\r\n",
            "HMSG s 1 6 5\r\nhello\r\n",
            "HMSG s 1 5 5\r\nhello\r\n",
            "HMSG s 1 8 8\r\nNATS/1.0\r\n",
            "HMSG s 1 14 14\r\nNATS/1.0 4x\r\n\r\n\r\n",
            &long,
        ] {
            let shown = &bad[..bad.len().min(40)];
            assert!(parse(bad.as_bytes()).is_err(), "{shown:?}");
        }
    }
}
