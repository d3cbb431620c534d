//! A set of numbers kept as disjoint ranges, for offsets to hand out again.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Disjoint, non-adjacent half-open ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers are in the set.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    #[must_use]
    pub fn contains(&self, value: u64) -> bool {
        self.0
            .range(..=value)
            .next_back()
            .is_some_and(|(_, &end)| value < end)
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|(&start, &end)| start..end)
    }

    /// The part of the set within `within`, in order.
    pub fn within(&self, within: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let from = self
            .0
            .range(..=within.start)
            .next_back()
            .map_or(within.start, |(&start, _)| start);
        self.0
            .range(from..within.end.max(from))
            .filter_map(move |(&start, &end)| {
                let cut = start.max(within.start)..end.min(within.end);
                (!cut.is_empty()).then_some(cut)
            })
    }

    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let Range { mut start, mut end } = range;
        if let Some((&before, &before_end)) = self.0.range(..=start).next_back()
            && before_end >= start
        {
            start = before;
            end = end.max(before_end);
        }
        while let Some((&next, &next_end)) = self.0.range(start..=end).next() {
            end = end.max(next_end);
            self.0.remove(&next);
        }
        self.0.insert(start, end);
    }

    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if let Some((&before, &before_end)) = self.0.range(..range.start).next_back()
            && before_end > range.start
        {
            self.0.insert(before, range.start);
            if before_end > range.end {
                self.0.insert(range.end, before_end);
            }
        }
        while let Some((&next, &next_end)) = self.0.range(range.clone()).next() {
            self.0.remove(&next);
            if next_end > range.end {
                self.0.insert(range.end, next_end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in proptest::collection::vec((any::<bool>(), 0..60_u64, 0..9_u64), 0..60), cut in (0..60_u64, 0..60_u64)) {
            let mut ranges = Ranges::default();
            let mut set = BTreeSet::new();
            for (insert, start, len) in ops {
                let range = start..start + len;
                if insert {
                    ranges.insert(range.clone());
                    set.extend(range);
                } else {
                    ranges.remove(range.clone());
                    set.retain(|v| !range.contains(v));
                }
                let flat: Vec<u64> = ranges.iter().flatten().collect();
                prop_assert_eq!(&flat, &set.iter().copied().collect::<Vec<_>>());
                prop_assert_eq!(ranges.len(), set.len() as u64);
                let ends: Vec<_> = ranges.iter().collect();
                prop_assert!(ends.windows(2).all(|w| w[0].end < w[1].start), "ranges touch");
            }
            let within: Vec<u64> = ranges.within(cut.0..cut.1).flatten().collect();
            let expected: Vec<u64> = set.iter().copied().filter(|v| (cut.0..cut.1).contains(v)).collect();
            prop_assert_eq!(within, expected);
            for value in 0..70 {
                prop_assert_eq!(ranges.contains(value), set.contains(&value));
            }
        }
    }
}
