//! The rules that every manifest keeps, tested before writing and after reading.

use std::collections::BTreeSet;

use firn_protocol::ids::TopicKey;

use super::{INLINE_STATE_BYTES_MAX, Manifest, ReleasedObject, SegmentEntry, StatePlace};

impl Manifest {
    /// The first rule that is broken, in words.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        require(self.number > 0, "numbers begin at 1")?;
        require(
            self.covered.generation <= self.generation,
            "it covers a later generation than its own",
        )?;
        let is_sorted = self.segments.is_sorted_by(|one, next| one.name < next.name);
        require(is_sorted, "segments are out of order")?;
        for segment in &self.segments {
            check_segment(segment)?;
            let is_ours = segment.name.generation <= self.generation
                && segment.name.first_sequence <= self.covered.sequence;
            require(is_ours, "a segment lies beyond what is covered")?;
        }
        self.check_queues()?;
        match &self.state {
            StatePlace::Inline(state) => require(
                state.len() <= INLINE_STATE_BYTES_MAX,
                "the inline state is too large",
            )?,
            StatePlace::Object { name, .. } => require(
                name.sequence <= self.covered.sequence,
                "the state lies beyond what is covered",
            )?,
            StatePlace::None => {}
        }
        self.check_released()
    }

    /// Each offset of a queue is in one segment at most (R10). Waiting bodies are
    /// kept by the hour they are due, so that their ranges may interleave.
    fn check_queues(&self) -> Result<(), &'static str> {
        let mut ranges: Vec<_> = self
            .segments
            .iter()
            .flat_map(|segment| &segment.queues)
            .filter(|range| range.queue.topic != TopicKey::Waiting)
            .map(|range| (range.queue, range.first, range.end))
            .collect();
        ranges.sort_unstable();
        let overlap = ranges
            .windows(2)
            .any(|pair| pair[0].0 == pair[1].0 && pair[0].2 > pair[1].1);
        require(!overlap, "two segments hold the same records")
    }

    fn check_released(&self) -> Result<(), &'static str> {
        let named: BTreeSet<_> = self.objects().collect();
        let mut seen = BTreeSet::new();
        for released in &self.released {
            require(seen.insert(released.object), "an object is released twice")?;
        }
        let is_named = self
            .released_objects()
            .any(|(name, _)| named.contains(&name));
        require(!is_named, "an object is named and released")?;
        let segments = self.released.iter().filter_map(|one| match one.object {
            ReleasedObject::Segment(name) => Some(name),
            ReleasedObject::State(_) => None,
        });
        let mut generations = segments.map(|name| name.generation);
        require(
            generations.all(|generation| generation <= self.generation),
            "a later owner's segment is released",
        )
    }
}

fn check_segment(segment: &SegmentEntry) -> Result<(), &'static str> {
    require(
        segment.positions.0 <= segment.positions.1,
        "a segment's positions are the wrong way round",
    )?;
    let is_sorted = segment
        .queues
        .is_sorted_by(|one, next| (one.queue, one.first) < (next.queue, next.first));
    require(is_sorted, "a segment's queues are out of order")?;
    for range in &segment.queues {
        require(
            range.first < range.end && range.stored_at.0 <= range.stored_at.1,
            "a queue's range is the wrong way round",
        )?;
        require(
            range.records <= range.end.0 - range.first.0,
            "a queue's range holds more records than offsets",
        )?;
    }
    Ok(())
}

fn require(holds: bool, rule: &'static str) -> Result<(), &'static str> {
    match holds {
        true => Ok(()),
        false => Err(rule),
    }
}
