//! Message bodies that prove themselves.
//!
//! A body is text of a fixed length: a head of hexadecimal fields (run, producer,
//! sequence, time of sending, check of these), then filler that follows from producer
//! and sequence. Whoever holds a body can tell which message it is and whether a single
//! byte of it was altered, without any record of what was sent. It is letters and digits
//! only, so that no protocol needs to escape it.

use std::io::Write as _;
use std::sync::LazyLock;

/// Bytes before the filler.
pub const HEAD_BYTES: usize = 8 + 4 + 16 + 16 + 16;
/// Much longer than what is compressed at a time, so that bodies do not repeat each other:
/// they shrink to three quarters, because letters use six bits of eight.
const POOL_BYTES: usize = 4 << 20;
/// Runs from this number on are sparse: their bodies all have the same filler, so that
/// much of it takes little room where it is compressed.
pub const SPARSE_RUNS: u32 = 1 << 31;
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Random-looking filler, the same in every process; as long as the offsets into it
/// and a body, so that any body up to its length is one slice.
static POOL: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        LETTERS[(state >> 58) as usize]
    };
    std::iter::repeat_with(letter)
        .take(POOL_BYTES + BODY_BYTES_MAX)
        .collect()
});

/// The longest body that can be made: the bound of the built-in plans.
pub const BODY_BYTES_MAX: usize = firn_protocol::limits::MESSAGE_BYTES_DEFAULT as usize;

/// What a body says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which load run it belongs to.
    pub run: u32,
    /// Which producer of that run made it.
    pub producer: u16,
    /// How many that producer made before it.
    pub sequence: u64,
    /// When it was (to be) sent, as [`crate::clock::stamp`] counts.
    pub sent_ns: u64,
}

impl Stamp {
    /// Appends a body of `length` bytes to `out`.
    ///
    /// # Panics
    /// When `length` is not within [`HEAD_BYTES`] and [`BODY_BYTES_MAX`].
    pub fn write(&self, length: usize, out: &mut Vec<u8>) {
        assert!(
            (HEAD_BYTES..=BODY_BYTES_MAX).contains(&length),
            "a body of {length} bytes"
        );
        write!(
            out,
            "{:08x}{:04x}{:016x}{:016x}{:016x}",
            self.run,
            self.producer,
            self.sequence,
            self.sent_ns,
            self.check(length)
        )
        .expect("writing to memory cannot fail");
        out.extend_from_slice(self.filler(length));
    }

    /// Reads a body; nothing when any byte of it is not as it was written.
    #[must_use]
    pub fn read(body: &[u8]) -> Option<Self> {
        if !(HEAD_BYTES..=BODY_BYTES_MAX).contains(&body.len()) {
            return None;
        }
        let (head, filler) = body.split_at(HEAD_BYTES);
        let field = |from: usize, to: usize| hex(&head[from..to]);
        let stamp = Self {
            run: u32::try_from(field(0, 8)?).ok()?,
            producer: u16::try_from(field(8, 12)?).ok()?,
            sequence: field(12, 28)?,
            sent_ns: field(28, 44)?,
        };
        let whole = field(44, 60)? == stamp.check(body.len()) && filler == stamp.filler(body.len());
        whole.then_some(stamp)
    }

    fn filler(&self, length: usize) -> &'static [u8] {
        if self.run >= SPARSE_RUNS {
            return &POOL[..length - HEAD_BYTES];
        }
        let key = self.sequence ^ (u64::from(self.producer) << 48);
        let begin = (mix(key) % POOL_BYTES as u64) as usize;
        &POOL[begin..begin + length - HEAD_BYTES]
    }

    /// Covers the fields and the length: a body cut short or taken for another's fails.
    fn check(&self, length: usize) -> u64 {
        let place = (u64::from(self.run) << 32) | (u64::from(self.producer) << 16);
        [self.sequence, self.sent_ns, length as u64]
            .iter()
            .fold(mix(place), |sum, part| mix(sum ^ part))
    }
}

/// A fixed bijection that spreads every bit (the finaliser of SplitMix64).
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

/// Lower-case digits alone, as they are written: `A` for `a` is an alteration.
fn hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |sum, byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        run: 0x5EAD_BEEF,
        producer: 255,
        sequence: 1_234_567,
        sent_ns: 9_876_543_210,
    };

    fn body(length: usize) -> Vec<u8> {
        let mut out = Vec::new();
        STAMP.write(length, &mut out);
        assert_eq!(out.len(), length);
        out
    }

    #[test]
    fn a_body_tells_what_it_is() {
        for length in [HEAD_BYTES, HEAD_BYTES + 1, 1024, BODY_BYTES_MAX] {
            assert_eq!(Stamp::read(&body(length)), Some(STAMP));
        }
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let whole = body(300);
        for at in 0..whole.len() {
            for change in [0x01, 0x20, 0x80] {
                let mut altered = whole.clone();
                altered[at] ^= change;
                assert_eq!(Stamp::read(&altered), None, "byte {at} xor {change:#x}");
            }
        }
    }

    #[test]
    fn bodies_of_a_sparse_run_differ_in_their_heads_alone() {
        let body = |sequence| {
            let (mut out, run) = (Vec::new(), SPARSE_RUNS + 1);
            let stamp = Stamp {
                run,
                sequence,
                ..STAMP
            };
            stamp.write(300, &mut out);
            assert_eq!(Stamp::read(&out), Some(stamp));
            out
        };
        let (one, two) = (body(1), body(2));
        assert_ne!(one[..HEAD_BYTES], two[..HEAD_BYTES]);
        assert_eq!(one[HEAD_BYTES..], two[HEAD_BYTES..]);
    }

    #[test]
    fn a_shorter_or_longer_body_is_noticed() {
        let whole = body(300);
        for length in 0..whole.len() {
            assert_eq!(Stamp::read(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(Stamp::read(&[&whole[..], b"A"].concat()), None);
        assert_eq!(Stamp::read(&[&whole[..], &body(300)[..]].concat()), None);
    }

    #[test]
    fn the_filler_of_another_message_is_noticed() {
        let mut other = Vec::new();
        let stamp = Stamp {
            sequence: STAMP.sequence + 1,
            ..STAMP
        };
        stamp.write(300, &mut other);
        let swapped = [&body(300)[..HEAD_BYTES], &other[HEAD_BYTES..]].concat();
        assert_eq!(Stamp::read(&swapped), None);
    }

    #[test]
    fn a_body_needs_no_escaping() {
        assert!(
            body(2000)
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(b))
        );
    }
}
