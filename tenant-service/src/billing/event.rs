//! Events of storage nodes: their stored form, and what they add to the books.

use std::collections::BTreeMap;

use firn_protocol::Timestamp;
use firn_protocol::api::billing::UsageSums;
use firn_protocol::api::usage::{Counts, UsageEvent, UsageKey};
use firn_protocol::{BrokerId, InstanceId};

use super::time::Hour;
use super::{Additions, CURVES_KEPT_MS, CurveKey, Curves, add};

pub(crate) type Rows = Vec<(UsageKey, Counts)>;

/// First byte of the stored form.
const VERSION: u8 = 1;
/// Events are small; a higher level gains nothing.
const ZSTD_LEVEL: i32 = 1;
/// An event of a node fits this many times over.
const PLAIN_BYTES_MAX: usize = 64 << 20;

/// Rows as they are stored: a version, then postcard in zstd.
///
/// # Errors
/// In words; no rows of a node give one.
pub(crate) fn pack(rows: &Rows) -> Result<Vec<u8>, String> {
    let plain = postcard::to_stdvec(rows).map_err(|error| error.to_string())?;
    let packed = zstd::bulk::compress(&plain, ZSTD_LEVEL).map_err(|error| error.to_string())?;
    let mut stored = vec![VERSION];
    stored.extend(packed);
    Ok(stored)
}

/// # Errors
/// What is wrong with the bytes.
pub(crate) fn unpack(stored: &[u8]) -> Result<Rows, String> {
    let Some((&VERSION, packed)) = stored.split_first() else {
        return Err("counts of an unknown version".to_owned());
    };
    let plain = zstd::bulk::decompress(packed, PLAIN_BYTES_MAX);
    let plain = plain.map_err(|error| error.to_string())?;
    postcard::from_bytes(&plain).map_err(|error| error.to_string())
}

/// What `rows` have more than those that were counted before.
pub(crate) fn difference(rows: &Rows, before: &Rows) -> Rows {
    let mut sums: BTreeMap<UsageKey, Counts> = BTreeMap::new();
    let negative = before.iter().map(|(key, counts)| (*key, counts.negative()));
    for (key, counts) in rows.iter().copied().chain(negative) {
        let sum = sums.entry(key).or_default();
        *sum = sum.plus(counts);
    }
    sums.retain(|_, counts| *counts != Counts::default());
    sums.into_iter().collect()
}

/// Adds rows to hours.
pub(crate) fn add_hours(additions: &mut Additions, instance: InstanceId, rows: &Rows) {
    for (key, counts) in rows {
        add(
            additions,
            instance,
            Hour::of(key.start()),
            Some(key.topic),
            sums(key, *counts),
        );
    }
}

/// Adds rows to curves, unless they are too old to be shown.
pub(crate) fn add_curves(curves: &mut Curves, event: &UsageEvent, rows: &Rows, now: Timestamp) {
    let oldest = now.0.saturating_sub(CURVES_KEPT_MS);
    for (key, counts) in rows.iter().filter(|(key, _)| key.start().0 >= oldest) {
        let sum = curves.entry(curve_key(event.instance, event.key.broker, key));
        let sum = sum.or_default();
        *sum = sum.plus(*counts);
    }
}

fn curve_key(instance: InstanceId, broker: BrokerId, key: &UsageKey) -> CurveKey {
    CurveKey {
        instance,
        slot: key.slot,
        broker,
        topic: key.topic,
        receiver: key.group,
    }
}

fn sums(key: &UsageKey, counts: Counts) -> UsageSums {
    match key.group {
        None => UsageSums {
            messages_in: counts.messages,
            units_in: counts.units,
            bytes_in: counts.bytes,
            ..UsageSums::default()
        },
        Some(_) => UsageSums {
            messages_out: counts.messages,
            units_out: counts.units,
            bytes_out: counts.bytes,
            ..UsageSums::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use firn_protocol::{GroupId, TopicId, TopicKey};
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = Rows> {
        let key =
            (0u32..90, 0u64..3, prop::option::of(1u64..3)).prop_map(|(slot, topic, group)| {
                UsageKey {
                    slot,
                    topic: TopicKey::User(TopicId(topic)),
                    group: group.map(GroupId),
                }
            });
        let counts =
            (-3i64..9, -9i64..99, -999i64..9999).prop_map(|(messages, units, bytes)| Counts {
                messages,
                units,
                bytes,
            });
        prop::collection::vec((key, counts), 0..20)
    }

    proptest! {
        #[test]
        fn stored_rows_are_read_back(rows in rows()) {
            prop_assert_eq!(unpack(&pack(&rows).unwrap()).unwrap(), rows);
        }

        #[test]
        fn whatever_is_read_is_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }

        #[test]
        fn the_earlier_and_the_difference_are_the_later(before in rows(), rows in rows()) {
            let mut once = Additions::new();
            add_hours(&mut once, InstanceId(1), &rows);
            let mut twice = Additions::new();
            add_hours(&mut twice, InstanceId(1), &before);
            add_hours(&mut twice, InstanceId(1), &difference(&rows, &before));
            let sum = |additions: &Additions| -> BTreeMap<(Hour, Option<TopicKey>), UsageSums> {
                let all = additions.iter().flat_map(|((_, hour), topics)| {
                    topics.iter().map(|(topic, sums)| ((*hour, *topic), *sums))
                });
                all.filter(|(_, sums)| *sums != UsageSums::default()).collect()
            };
            prop_assert_eq!(sum(&once), sum(&twice));
            prop_assert_eq!(difference(&rows, &rows), vec![]);
        }
    }

    /// A stored form is for ever.
    #[test]
    fn golden_bytes() {
        let key = UsageKey {
            slot: 14_464_080,
            topic: TopicKey::User(TopicId(7)),
            group: Some(GroupId(3)),
        };
        let rows = vec![(key, Counts::message(5000))];
        assert_eq!(hex::encode(pack(&rows).unwrap()), GOLDEN);
        assert_eq!(unpack(&hex::decode(GOLDEN).unwrap()).unwrap(), rows);
    }

    const GOLDEN: &str = "0128b52ffd200d69000001d0e8f206000701030204904e";
}
