//! Bodies as JSON texts. A body is most of an answer and mostly needs no escapes, so it
//! is looked at many bytes at a time and copied once. Promises the same text as
//! `serde_json` writes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Looked at in one step: the compiler makes vector instructions of it.
const STEP_BYTES: usize = 64;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends `text` in quotes.
pub(super) fn write_text(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    let mut plain = 0;
    let mut at = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + STEP_BYTES);
        if bytes[at..end]
            .iter()
            .fold(false, |any, byte| any | is_special(*byte))
        {
            for special in (at..end).filter(|at| is_special(bytes[*at])) {
                out.extend_from_slice(&bytes[plain..special]);
                write_escape(out, bytes[special]);
                plain = special + 1;
            }
        }
        at = end;
    }
    out.extend_from_slice(&bytes[plain..]);
    out.push(b'"');
}

/// Appends `bytes` as Base64 in quotes.
pub(super) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let begin = out.len();
    // Four characters for each three bytes begun.
    out.resize(begin + bytes.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(bytes, &mut out[begin..]);
    let written = written.expect("as long as Base64 is");
    out.truncate(begin + written);
    out.push(b'"');
}

fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0C => b'f',
        _ => {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let mut out = b"before".to_vec();
        write_text(&mut out, text);
        let expected = format!("before{}", serde_json::json!(text));
        assert_eq!(String::from_utf8(out).as_deref(), Ok(expected.as_str()));
    }

    #[test]
    fn texts_are_written_as_serde_json_writes_them() {
        for code in 0..=0x2FF {
            let one = char::from_u32(code).expect("a character");
            // At every place of a step, and around the border of two.
            for before in (0..3).chain(STEP_BYTES - 4..STEP_BYTES + 3) {
                check(&format!("{}{one}", "x".repeat(before)));
                check(&format!("{}{one}{one}rest", "ü".repeat(before)));
            }
        }
        check("");
        check(&"long and plain ".repeat(100));
        check(&"\"\\\n\u{1}\u{1F600}".repeat(100));
    }

    #[test]
    fn bytes_are_written_as_base64() {
        for length in 0..200 {
            let bytes: Vec<u8> = (0..length).map(|n: u8| n.wrapping_mul(91)).collect();
            let mut out = b"before".to_vec();
            write_base64(&mut out, &bytes);
            let expected = format!("before\"{}\"", STANDARD.encode(&bytes));
            assert_eq!(String::from_utf8(out).as_deref(), Ok(expected.as_str()));
        }
    }
}
