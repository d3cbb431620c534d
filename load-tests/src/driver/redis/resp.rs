//! RESP 2, as much of it as streams need: commands out, replies in.
//!
//! Promises that a reply which is malformed or over its bounds is an error, and that an
//! unfinished one is told apart from both. Replies borrow from the buffer.

use std::io::Write as _;

use anyhow::{Context, Result, bail, ensure};

const LINE_BYTES_MAX: usize = 64 << 10;
const BULK_BYTES_MAX: i64 = 16 << 20;
const ARRAY_LENGTH_MAX: i64 = 1 << 20;
const DEPTH_MAX: usize = 8;

/// A server's reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply<'a> {
    Status(&'a [u8]),
    Error(&'a [u8]),
    Integer(i64),
    Bulk(&'a [u8]),
    Array(Vec<Reply<'a>>),
    /// A missing string or array.
    Nil,
}

impl<'a> Reply<'a> {
    /// # Errors
    /// The reply is an error, or of another kind.
    pub(super) fn bulk(&self) -> Result<&'a [u8]> {
        let Self::Bulk(bytes) = self else {
            bail!("a string was expected, not {self}");
        };
        Ok(bytes)
    }

    /// # Errors
    /// The reply is an error, or of another kind.
    pub(super) fn integer(&self) -> Result<i64> {
        let Self::Integer(number) = self else {
            bail!("a number was expected, not {self}");
        };
        Ok(*number)
    }

    /// # Errors
    /// The reply is an error, or of another kind.
    pub(super) fn array(&self) -> Result<&[Reply<'a>]> {
        let Self::Array(items) = self else {
            bail!("an array was expected, not {self}");
        };
        Ok(items)
    }

    /// The items of an array of exactly `N`.
    ///
    /// # Errors
    /// The reply is an error, of another kind or of another length.
    pub(super) fn items<const N: usize>(&self) -> Result<&[Reply<'a>; N]> {
        let items = self.array()?;
        items
            .try_into()
            .with_context(|| format!("{N} items were expected, not {}", items.len()))
    }
}

impl std::fmt::Display for Reply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error(text) => write!(f, "the error \"{}\"", String::from_utf8_lossy(text)),
            Self::Status(text) => write!(f, "the status {}", String::from_utf8_lossy(text)),
            Self::Integer(number) => write!(f, "the number {number}"),
            Self::Bulk(bytes) => write!(f, "a string of {} bytes", bytes.len()),
            Self::Array(items) => write!(f, "an array of {}", items.len()),
            Self::Nil => f.write_str("nothing"),
        }
    }
}

/// Appends a command to `out`.
pub(super) fn command(out: &mut Vec<u8>, words: &[&[u8]]) {
    command_head(out, words.len());
    for word in words {
        argument(out, word);
    }
}

/// Begins a command of `words` arguments, its name included.
pub(super) fn command_head(out: &mut Vec<u8>, words: usize) {
    write!(out, "*{words}\r\n").expect("writing to memory cannot fail");
}

/// Appends one argument of a command.
pub(super) fn argument(out: &mut Vec<u8>, word: &[u8]) {
    write!(out, "${}\r\n", word.len()).expect("writing to memory cannot fail");
    out.extend_from_slice(word);
    out.extend_from_slice(b"\r\n");
}

/// Reads one reply and its length; nothing while it is not complete.
///
/// # Errors
/// Not RESP 2, or over its bounds.
pub(super) fn parse(input: &[u8]) -> Result<Option<(Reply<'_>, usize)>> {
    let mut at = 0;
    let reply = value(input, &mut at, DEPTH_MAX)?;
    Ok(reply.map(|reply| (reply, at)))
}

fn value<'a>(input: &'a [u8], at: &mut usize, depth: usize) -> Result<Option<Reply<'a>>> {
    let Some(line) = line(input, at)? else {
        return Ok(None);
    };
    let (kind, rest) = line.split_first().context("an empty reply")?;
    let reply = match kind {
        b'+' => Reply::Status(rest),
        b'-' => Reply::Error(rest),
        b':' => Reply::Integer(number(rest)?),
        b'$' => return bulk(input, at, number(rest)?),
        b'*' => return array(input, at, number(rest)?, depth),
        other => bail!("a reply that begins with byte {other}"),
    };
    Ok(Some(reply))
}

fn bulk<'a>(input: &'a [u8], at: &mut usize, length: i64) -> Result<Option<Reply<'a>>> {
    if length == -1 {
        return Ok(Some(Reply::Nil));
    }
    ensure!(
        (0..=BULK_BYTES_MAX).contains(&length),
        "a string of {length} bytes"
    );
    let left = &input[*at..];
    let length = length as usize;
    if left.len() < length + 2 {
        return Ok(None);
    }
    ensure!(&left[length..length + 2] == b"\r\n", "a string without end");
    *at += length + 2;
    Ok(Some(Reply::Bulk(&left[..length])))
}

fn array<'a>(
    input: &'a [u8],
    at: &mut usize,
    length: i64,
    depth: usize,
) -> Result<Option<Reply<'a>>> {
    if length == -1 {
        return Ok(Some(Reply::Nil));
    }
    ensure!(
        (0..=ARRAY_LENGTH_MAX).contains(&length),
        "an array of {length} items"
    );
    let depth = depth.checked_sub(1).context("arrays nested too deep")?;
    let mut items = Vec::new();
    for _ in 0..length {
        match value(input, at, depth)? {
            Some(item) => items.push(item),
            None => return Ok(None),
        }
    }
    Ok(Some(Reply::Array(items)))
}

fn line<'a>(input: &'a [u8], at: &mut usize) -> Result<Option<&'a [u8]>> {
    let left = &input[*at..];
    let window = &left[..left.len().min(LINE_BYTES_MAX)];
    let Some(end) = window.iter().position(|byte| *byte == b'\r') else {
        ensure!(window.len() < LINE_BYTES_MAX, "a line over its bound");
        return Ok(None);
    };
    match left.get(end + 1) {
        None => Ok(None),
        Some(b'\n') => {
            *at += end + 2;
            Ok(Some(&left[..end]))
        }
        Some(_) => bail!("a line with a bare carriage return"),
    }
}

fn number(digits: &[u8]) -> Result<i64> {
    std::str::from_utf8(digits)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .context("a malformed number")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NESTED: &[u8] =
        b"*3\r\n*2\r\n$4\r\n1-1\r\r\n$-1\r\n:-7\r\n*2\r\n+OK\r\n-ERR no such key\r\n";

    #[test]
    fn replies_of_every_kind_are_read() {
        let (reply, length) = parse(NESTED).unwrap().unwrap();
        let expected = Reply::Array(vec![
            Reply::Array(vec![Reply::Bulk(b"1-1\r"), Reply::Nil]),
            Reply::Integer(-7),
            Reply::Array(vec![Reply::Status(b"OK"), Reply::Error(b"ERR no such key")]),
        ]);
        assert_eq!((reply, length), (expected, NESTED.len()));
        for (input, expected) in [
            (&b"*-1\r\n"[..], Reply::Nil),
            (b"*0\r\n", Reply::Array(vec![])),
            (b"$0\r\n\r\n", Reply::Bulk(b"")),
        ] {
            assert_eq!(parse(input).unwrap(), Some((expected, input.len())));
        }
    }

    #[test]
    fn an_unfinished_reply_waits_for_more() {
        for end in 0..NESTED.len() {
            assert_eq!(parse(&NESTED[..end]).unwrap(), None, "end at {end}");
        }
        let both = [b":1\r\n".as_slice(), NESTED].concat();
        assert_eq!(parse(&both).unwrap(), Some((Reply::Integer(1), 4)));
    }

    #[test]
    fn malformed_replies_are_errors() {
        let deep = "*1\r\n".repeat(DEPTH_MAX + 1);
        let long = format!("+{}", "x".repeat(LINE_BYTES_MAX));
        for bad in [
            "hello\r\n",
            "\r\n",
            ":x\r\n",
            ":\r\n",
            "$-2\r\n",
            "$99999999999\r\n",
            "$1\r\nabc",
            "*-2\r\n",
            "*99999999999\r\n",
            "+a\rb\r\n",
            &deep,
            &long,
        ] {
            let shown = &bad[..bad.len().min(40)];
            assert!(parse(bad.as_bytes()).is_err(), "{shown:?}");
        }
    }

    #[test]
    fn a_command_is_an_array_of_strings() {
        let mut out = Vec::new();
        command(&mut out, &[b"XADD", b"a b", b""]);
        assert_eq!(out, b"*3\r\n$4\r\nXADD\r\n$3\r\na b\r\n$0\r\n\r\n");
    }

    #[test]
    fn an_error_reply_is_shown_when_something_else_was_expected() {
        let error = Reply::Error(b"NOGROUP x").integer().unwrap_err();
        assert_eq!(
            error.to_string(),
            "a number was expected, not the error \"NOGROUP x\""
        );
    }
}
