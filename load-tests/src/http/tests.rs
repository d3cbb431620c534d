use super::*;

const PLAIN: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 201 Created\r\ntransfer-encoding: Chunked\r\n\r\n\
    5\r\nhello\r\n1;ext=1\r\n \r\nA\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n";

/// Feeds `input` in pieces that end at `cuts`, then whole.
fn decode(input: &[u8], cuts: &[usize]) -> Result<Option<(u16, Vec<u8>, usize)>> {
    let mut decoder = Decoder::default();
    for cut in cuts {
        if decoder.advance(&input[..*cut])? {
            break;
        }
    }
    if !decoder.advance(input)? {
        return Ok(None);
    }
    let answer = decoder.answer(input);
    Ok(Some((answer.status, answer.body.to_vec(), decoder.at)))
}

#[test]
fn an_answer_is_the_same_however_its_bytes_arrive() {
    for (input, status, body) in [
        (PLAIN, 200, &b"hello"[..]),
        (CHUNKED, 201, b"hello 0123456789"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
        (
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
            200,
            b"x",
        ),
    ] {
        let expected = Some((status, body.to_vec(), input.len()));
        let every_byte: Vec<usize> = (0..input.len()).collect();
        assert_eq!(decode(input, &every_byte).unwrap(), expected);
        for cut in 0..input.len() {
            assert_eq!(decode(input, &[cut]).unwrap(), expected, "cut at {cut}");
        }
    }
}

#[test]
fn an_unfinished_answer_is_never_taken_for_a_whole_one() {
    for input in [PLAIN, CHUNKED] {
        for end in 0..input.len() {
            assert_eq!(decode(&input[..end], &[]).unwrap(), None, "end at {end}");
        }
    }
}

#[test]
fn what_follows_an_answer_is_left_alone() {
    let both = [PLAIN, CHUNKED].concat();
    let (_, body, consumed) = decode(&both, &[]).unwrap().unwrap();
    assert_eq!((&body[..], consumed), (&b"hello"[..], PLAIN.len()));
}

#[test]
fn malformed_answers_are_errors() {
    let long_head = format!(
        "HTTP/1.1 200 OK\r\nA: {}\r\n\r\n",
        "x".repeat(HEAD_BYTES_MAX)
    );
    let open_head = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_BYTES_MAX));
    let chunked =
        |rest: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{rest}");
    let length = |value: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\n");
    for bad in [
        "SSH-2.0-x\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\n\r\nunframed".to_owned(),
        long_head,
        open_head,
        length("-1"),
        length("+1"),
        length(""),
        length("1 1"),
        length("99999999999999999999999"),
        length(&(BODY_BYTES_MAX + 1).to_string()),
        length("1\r\nContent-Length: 1"),
        length("1\r\nTransfer-Encoding: chunked"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(),
        chunked("x\r\n"),
        chunked("\r\n"),
        chunked("-1\r\n"),
        chunked("1\r\nab\r\n0\r\n\r\n"),
        chunked(&format!("{:x}\r\n", BODY_BYTES_MAX + 1)),
        chunked(&format!("1\r\na\r\n{BODY_BYTES_MAX:x}\r\n")),
        chunked("ffffffffffffffffffff\r\n"),
        chunked(&"1".repeat(CHUNK_LINE_BYTES_MAX + 2)),
        chunked(&format!("0\r\nT: {}", "x".repeat(HEAD_BYTES_MAX))),
        chunked(&format!(
            "0\r\n{}",
            "T: xxxxxxxx\r\n".repeat(HEAD_BYTES_MAX / 8)
        )),
    ] {
        let shown = &bad[..bad.len().min(90)];
        assert!(decode(bad.as_bytes(), &[]).is_err(), "{shown}");
    }
}

#[test]
fn a_failure_shows_the_status_and_the_text() {
    let answer = Answer {
        status: 429,
        body: b"slow down",
    };
    let error = answer.success("a send").unwrap_err().to_string();
    assert_eq!(error, "a send was answered 429: slow down");
    assert!(
        Answer {
            status: 201,
            body: b""
        }
        .success("a send")
        .is_ok()
    );
}
