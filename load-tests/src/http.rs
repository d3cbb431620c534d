//! A lean HTTP/1.1 client: one connection, kept alive, one request in flight.
//!
//! Owns framing of requests and answers (by length or chunked). Promises that an answer
//! that is malformed or over its bounds is an error, and never a wrong body. Leaves
//! redirects, TLS and everything else that a load generator does not need to others: a
//! general client costs more than the servers measured with it.

use std::io::Write as _;
use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};

use crate::net::Wire;

/// Bytes of an answer's head, and of the trailers of a chunked one.
pub const HEAD_BYTES_MAX: usize = 16 << 10;
/// Bytes of an answer's body: the largest of the contract in base64, with its envelope.
pub const BODY_BYTES_MAX: usize = 2 * firn_protocol::limits::ANSWER_BYTES_MAX as usize;
const CHUNK_LINE_BYTES_MAX: usize = 1 << 10;
const HEADERS_MAX: usize = 64;

/// The head of a request up to its length, made once and sent many times.
#[derive(Clone, Debug)]
pub struct RequestHead(Vec<u8>);

impl RequestHead {
    /// `headers` are whole lines without their end, such as `Accept: */*`.
    #[must_use]
    pub fn new(method: &str, path: &str, host: SocketAddr, headers: &[String]) -> Self {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("Content-Length: ");
        Self(head.into_bytes())
    }
}

/// An answer, valid until the next call on its connection.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The status code, never 1xx.
    pub status: u16,
    /// The body, freed of its framing.
    pub body: &'a [u8],
}

impl Answer<'_> {
    /// Demands a 2xx.
    ///
    /// # Errors
    /// Any other status, with the begin of the body.
    pub fn success(&self, what: &str) -> Result<()> {
        if !(200..300).contains(&self.status) {
            let shown = &self.body[..self.body.len().min(300)];
            let text = String::from_utf8_lossy(shown);
            bail!("{what} was answered {}: {text}", self.status);
        }
        Ok(())
    }
}

/// One connection to an HTTP server.
pub struct HttpClient {
    wire: Wire,
    out: Vec<u8>,
    decoder: Decoder,
    answered: usize,
}

impl HttpClient {
    /// # Errors
    /// The socket's.
    pub async fn connect(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            wire: Wire::connect(address).await?,
            out: Vec::new(),
            decoder: Decoder::default(),
            answered: 0,
        })
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The socket's, or an answer that is not HTTP/1.1 within the bounds of this module.
    pub async fn call(&mut self, head: &RequestHead, body: &[u8]) -> Result<Answer<'_>> {
        self.wire.consume(self.answered);
        self.answered = 0;
        ensure!(
            self.wire.received().is_empty(),
            "bytes arrived after an answer and before the next request"
        );
        ensure!(!self.decoder.close, "the server announced that it closes");
        self.decoder.reset();
        self.out.clear();
        self.out.extend_from_slice(&head.0);
        write!(self.out, "{}\r\n\r\n", body.len()).context("frame the request")?;
        self.out.extend_from_slice(body);
        self.wire.send(&self.out).await?;
        while !self.decoder.advance(self.wire.received())? {
            self.wire.fill().await?;
        }
        self.answered = self.decoder.at;
        Ok(self.decoder.answer(self.wire.received()))
    }
}

/// Reads one answer from a buffer that grows; each byte is looked at once, save those
/// of an unfinished head.
#[derive(Default)]
struct Decoder {
    state: State,
    status: u16,
    close: bool,
    /// Bytes of the buffer that are done with.
    at: usize,
    /// Where the body of an answer with a length begins.
    begin: usize,
    /// The body of a chunked answer.
    chunks: Vec<u8>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Head,
    Length(usize),
    ChunkLine,
    ChunkData(usize),
    Trailers(usize),
    Done(Form),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Chunked,
}

impl Decoder {
    fn reset(&mut self) {
        self.state = State::Head;
        self.at = 0;
        self.begin = 0;
        self.chunks.clear();
    }

    /// Takes what it can from `input`, the buffer from the answer's first byte on.
    /// True when the answer is complete.
    fn advance(&mut self, input: &[u8]) -> Result<bool> {
        loop {
            let moved = match self.state {
                State::Head => self.head(input)?,
                State::Length(length) => self.whole(input, length),
                State::ChunkLine => self.chunk_line(input)?,
                State::ChunkData(left) => self.chunk_data(input, left)?,
                State::Trailers(taken) => self.trailer(input, taken)?,
                State::Done(_) => return Ok(true),
            };
            if !moved {
                return Ok(false);
            }
        }
    }

    fn answer<'a>(&'a self, input: &'a [u8]) -> Answer<'a> {
        let body = if self.state == State::Done(Form::Chunked) {
            &self.chunks[..]
        } else {
            &input[self.begin..self.at]
        };
        Answer {
            status: self.status,
            body,
        }
    }

    fn head(&mut self, input: &[u8]) -> Result<bool> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut response = httparse::Response::new(&mut headers);
        let left = &input[self.at..];
        let length = match response.parse(left).context("malformed answer head")? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => {
                ensure!(
                    left.len() <= HEAD_BYTES_MAX,
                    "an answer head over its bound"
                );
                return Ok(false);
            }
        };
        ensure!(length <= HEAD_BYTES_MAX, "an answer head over its bound");
        ensure!(response.version == Some(1), "not an HTTP/1.1 answer");
        self.status = response.code.context("an answer without status")?;
        let framing = Framing::of(response.headers)?;
        self.at += length;
        self.close = framing.close;
        self.state = match self.status {
            100..200 => State::Head,
            204 | 304 => State::Length(0),
            _ if framing.chunked => State::ChunkLine,
            _ => State::Length(framing.length.context("neither length nor chunks")?),
        };
        self.begin = self.at;
        Ok(true)
    }

    fn whole(&mut self, input: &[u8], length: usize) -> bool {
        if input.len() - self.at < length {
            return false;
        }
        self.at += length;
        self.state = State::Done(Form::Whole);
        true
    }

    fn chunk_line(&mut self, input: &[u8]) -> Result<bool> {
        let Some(line) = line(&input[self.at..], CHUNK_LINE_BYTES_MAX)? else {
            return Ok(false);
        };
        let digits = line.split(|b| *b == b';').next().unwrap_or_default();
        let size = hex(digits.trim_ascii()).context("malformed chunk size")?;
        ensure!(
            size <= BODY_BYTES_MAX - self.chunks.len(),
            "a chunked body over its bound"
        );
        self.at += line.len() + 2;
        self.state = match size {
            0 => State::Trailers(0),
            size => State::ChunkData(size),
        };
        Ok(true)
    }

    fn chunk_data(&mut self, input: &[u8], left: usize) -> Result<bool> {
        let arrived = &input[self.at..];
        if left > 0 {
            let take = left.min(arrived.len());
            self.chunks.extend_from_slice(&arrived[..take]);
            self.at += take;
            self.state = State::ChunkData(left - take);
            return Ok(take > 0);
        }
        if arrived.len() < 2 {
            return Ok(false);
        }
        ensure!(arrived.starts_with(b"\r\n"), "a chunk longer than its size");
        self.at += 2;
        self.state = State::ChunkLine;
        Ok(true)
    }

    fn trailer(&mut self, input: &[u8], taken: usize) -> Result<bool> {
        let Some(line) = line(&input[self.at..], HEAD_BYTES_MAX - taken)? else {
            return Ok(false);
        };
        self.at += line.len() + 2;
        self.state = match line.len() {
            0 => State::Done(Form::Chunked),
            length => State::Trailers(taken + length),
        };
        Ok(true)
    }
}

/// What the headers say about an answer's end.
#[derive(Default)]
struct Framing {
    length: Option<usize>,
    chunked: bool,
    close: bool,
}

impl Framing {
    fn of(headers: &[httparse::Header<'_>]) -> Result<Self> {
        let mut framing = Self::default();
        for header in headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                ensure!(framing.length.is_none(), "two content lengths");
                let length = decimal(header.value).context("malformed content length")?;
                ensure!(length <= BODY_BYTES_MAX, "a body over its bound");
                framing.length = Some(length);
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                ensure!(
                    header.value.eq_ignore_ascii_case(b"chunked") && !framing.chunked,
                    "an unknown transfer encoding"
                );
                framing.chunked = true;
            } else if header.name.eq_ignore_ascii_case("connection") {
                framing.close = header.value.eq_ignore_ascii_case(b"close");
            }
        }
        ensure!(
            !(framing.chunked && framing.length.is_some()),
            "both a content length and chunks"
        );
        Ok(framing)
    }
}

/// The line at the begin of `input`, without its end; nothing while it is not complete.
fn line(input: &[u8], bytes_max: usize) -> Result<Option<&[u8]>> {
    let window = &input[..input.len().min(bytes_max + 2)];
    let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
        ensure!(window.len() < bytes_max + 2, "a line over its bound");
        return Ok(None);
    };
    Ok(Some(&input[..end]))
}

fn decimal(digits: &[u8]) -> Option<usize> {
    number(digits, 10)
}

fn hex(digits: &[u8]) -> Option<usize> {
    number(digits, 16)
}

/// Digits alone: no sign, no blank, no overflow.
fn number(digits: &[u8], radix: u32) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0usize, |sum, byte| {
        let digit = char::from(*byte).to_digit(radix)? as usize;
        sum.checked_mul(radix as usize)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests;
