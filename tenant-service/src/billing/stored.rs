//! Stored bytes over time: samples are integrated in byte-seconds, each piece in
//! the hour in which it lies. Times are whole seconds, so nothing is rounded.

use firn_protocol::Timestamp;
use firn_protocol::api::billing::UsageSums;

use super::time::Hour;

const HOUR_SECS: u64 = 3600;

/// A sample of a broker that did not change is taken up so often: what a reader of
/// the books sees is no older.
const UNCHANGED_SECS: u64 = 60;

/// What a broker stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bytes {
    pub(crate) hot: u64,
    pub(crate) cold: u64,
}

impl Bytes {
    /// So much for so long.
    pub(crate) fn over(self, secs: u64) -> UsageSums {
        let sum = |bytes: u64| {
            let product = u128::from(bytes) * u128::from(secs);
            i64::try_from(product).unwrap_or(i64::MAX)
        };
        UsageSums {
            stored_byte_seconds_hot: sum(self.hot),
            stored_byte_seconds_cold: sum(self.cold),
            ..UsageSums::default()
        }
    }
}

/// The last sample of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Last {
    /// To where it was added up.
    pub(crate) second: u64,
    /// Since when it is so much.
    pub(crate) changed: u64,
    pub(crate) bytes: Bytes,
}

/// A part of an hour in which a broker stored the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) hour: Hour,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

pub(crate) fn second_of(time: Timestamp) -> u64 {
    time.0 / 1000
}

impl Last {
    pub(crate) fn first(second: u64, bytes: Bytes) -> Self {
        Self {
            second,
            changed: second,
            bytes,
        }
    }

    /// Whether a sample has to be taken up.
    pub(crate) fn is_due(&self, second: u64, bytes: Bytes) -> bool {
        second > self.second
            && (bytes != self.bytes
                || second - self.second >= UNCHANGED_SECS
                || second / HOUR_SECS != self.second / HOUR_SECS)
    }

    /// The sample after this one.
    pub(crate) fn then(&self, second: u64, bytes: Bytes) -> Self {
        Self {
            second,
            changed: if bytes == self.bytes {
                self.changed
            } else {
                second
            },
            bytes,
        }
    }
}

/// The time from `from` to `to`, cut at the borders of hours.
pub(crate) fn pieces(from: u64, to: u64) -> impl Iterator<Item = Piece> {
    let mut at = from;
    std::iter::from_fn(move || {
        if at >= to {
            return None;
        }
        let end = ((at / HOUR_SECS + 1) * HOUR_SECS).min(to);
        let hour = Hour::of(Timestamp(at * 1000));
        let piece = Piece {
            hour,
            from: at,
            to: end,
        };
        at = end;
        Some(piece)
    })
}

/// A point of the stored form of an hour's samples.
pub(crate) fn point(second: u64, bytes: Bytes) -> String {
    format!("{second}:{}:{};", bytes.hot, bytes.cold)
}

/// What the samples of an hour add up to; `None` for text that is no samples.
pub(crate) fn sum_of(points: &str, until: u64) -> Option<UsageSums> {
    let mut known: Vec<(u64, Bytes)> = Vec::new();
    for text in points.split_terminator(';') {
        let mut numbers = text.split(':').map(|number| number.parse::<u64>().ok());
        let (second, hot, cold) = (numbers.next()??, numbers.next()??, numbers.next()??);
        known.push((second, Bytes { hot, cold }));
    }
    let ends = known.iter().skip(1).map(|(second, _)| *second);
    let ends: Vec<u64> = ends.chain([until]).collect();
    let parts = known.iter().zip(ends).map(|((from, bytes), to)| {
        let secs = to.checked_sub(*from)?;
        Some(bytes.over(secs))
    });
    parts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_are_the_whole_and_each_lies_in_its_hour(from in 0u64..20_000, len in 0u64..20_000) {
            let mut at = from;
            for piece in pieces(from, from + len) {
                prop_assert_eq!(piece.from, at);
                prop_assert!(piece.to > piece.from);
                let hour = u64::from(piece.hour.0);
                prop_assert!(piece.from >= hour * 3600 && piece.to <= (hour + 1) * 3600);
                at = piece.to;
            }
            prop_assert_eq!(at, from + len);
        }

        /// Second by second, as a naive meter would.
        #[test]
        fn samples_add_up_to_each_second(
            values in prop::collection::vec((1u64..4000, 0u64..5, 0u64..5), 1..10),
        ) {
            let mut last: Option<Last> = None;
            let mut naive = std::collections::BTreeMap::<u64, (i64, i64)>::new();
            let mut sums = naive.clone();
            let (mut now, mut current) = (0, Bytes::default());
            for (pause, hot, cold) in values {
                for second in now..now + pause {
                    let hour = naive.entry(second / 3600).or_default();
                    hour.0 += current.hot as i64;
                    hour.1 += current.cold as i64;
                }
                now += pause;
                current = Bytes { hot, cold };
                if let Some(before) = last {
                    if !before.is_due(now, current) {
                        continue;
                    }
                    for piece in pieces(before.second, now) {
                        let sum = before.bytes.over(piece.to - piece.from);
                        let hour = sums.entry(u64::from(piece.hour.0)).or_default();
                        hour.0 += sum.stored_byte_seconds_hot;
                        hour.1 += sum.stored_byte_seconds_cold;
                    }
                    last = Some(before.then(now, current));
                } else {
                    last = Some(Last::first(now, current));
                }
            }
            // What is not taken up yet is what did not change for less than a minute.
            let open = last.map_or(0, |last| now - last.second);
            prop_assert!(open < 60);
            for second in now - open..now {
                let hour = sums.entry(second / 3600).or_default();
                hour.0 += current.hot as i64;
                hour.1 += current.cold as i64;
            }
            naive.retain(|_, sum| *sum != (0, 0));
            sums.retain(|_, sum| *sum != (0, 0));
            prop_assert_eq!(sums, naive);
        }
    }

    #[test]
    fn stored_samples_are_read_back() {
        let mut text = point(100, Bytes { hot: 7, cold: 1 });
        text += &point(160, Bytes { hot: 2, cold: 0 });
        let sums = sum_of(&text, 200).unwrap();
        assert_eq!(sums.stored_byte_seconds_hot, 7 * 60 + 2 * 40);
        assert_eq!(sums.stored_byte_seconds_cold, 60);
        for bad in ["1:2", "1:2:x;", "100:1:1;90:1:1;"] {
            assert_eq!(sum_of(bad, 200), None, "{bad}");
        }
        assert_eq!(
            Bytes {
                hot: u64::MAX,
                cold: 0
            }
            .over(9)
            .stored_byte_seconds_hot,
            i64::MAX
        );
    }
}
