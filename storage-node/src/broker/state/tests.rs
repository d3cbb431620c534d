//! Snapshots: golden bytes, and that nothing of a state is missing in them.

use firn_protocol::api::usage::Counts;
use firn_protocol::filter::Filter;
use firn_protocol::ids::{Generation, Offset, Position, QueueId, TopicId, TopicKey, UniqueId};
use proptest::prelude::*;

use super::*;
use crate::broker::entry::{Copy, Head, Receive, ReceivePart, Subscribe, Transfer, TransferReason};
use crate::broker::usage::{Metered, UsageHead};
use crate::consume::dedup::First;
use crate::consume::in_place::{Again, Membership, When};
use crate::consume::transaction::Half;
use crate::record::RunHeader;

const GROUP: GroupId = GroupId(300);
const TOPIC: TopicKey = TopicKey::User(TopicId(5));
const QUEUE: QueueKey = QueueKey {
    topic: TOPIC,
    queue: QueueId(2),
};

struct Script(BrokerState);

impl Script {
    fn apply(&mut self, head: &Head) {
        let run = head.run_queue().map(|queue| RunHeader {
            first_offset: Offset(self.0.queue(queue).end),
            first_position: Position(self.0.next_position),
            stored_at: Timestamp(1_700_000_000_000 + self.0.seq),
            count: if queue == QUEUE { 8 } else { 1 },
            bytes: 100,
        });
        let seq = self.0.seq + 1;
        let metered = metered(seq, head);
        let applied = self
            .0
            .apply(seq, Generation(4), head, metered.as_ref(), run.as_ref());
        applied.expect("applies");
    }

    fn transfer(
        &mut self,
        reason: TransferReason,
        from: (QueueKey, u64),
        to: QueueKey,
        original: u64,
        attempt: u32,
    ) {
        self.apply(&Head::Transfer(Transfer {
            group: GROUP,
            reason,
            from: from.0,
            from_offset: from.1,
            to,
            copy: Copy {
                topic: TOPIC,
                queue: QueueId(2),
                offset: original,
                attempt,
            },
            due: (reason == TransferReason::Failed).then_some(Timestamp(1_700_000_010_000)),
        }));
    }
}

/// What sends and receives count here.
fn metered(seq: u64, head: &Head) -> Option<Metered> {
    let group = if let Head::Receive(receive) = head {
        Some(receive.group)
    } else if matches!(head, Head::Append { .. }) {
        None
    } else {
        return None;
    };
    Some(Metered {
        at: Timestamp(1_700_000_000_000 + seq),
        topic: TOPIC,
        group,
        counts: Counts::message(seq),
    })
}

/// A state in which every field is in use.
fn rich() -> BrokerState {
    let mut script = Script(BrokerState::default());
    script.apply(&Head::Append { queue: QUEUE });
    script.apply(&Head::Subscribe(Subscribe {
        group: GROUP,
        version: 9,
        max_retries: 16,
        topic: TOPIC,
        starts: vec![(QueueId(2), 0)],
        filter: Some(Filter::Tags(vec!["a".into()])),
    }));
    script.apply(&Head::Receive(Receive {
        group: GROUP,
        topic: TOPIC,
        deadline: Timestamp(1_700_000_030_000),
        parts: vec![ReceivePart {
            queue: QUEUE,
            leased: vec![(0, 6)],
            skipped: vec![(6, 7)],
        }],
    }));
    let records = |offsets: &[u64]| vec![(QUEUE, offsets.to_vec())];
    let group = GROUP;
    script.apply(&Head::GiveBack {
        group,
        records: records(&[1]),
    });
    script.apply(&Head::Ack {
        group,
        records: records(&[0, 3]),
    });
    let (retry, dead) = (retry_queue(GROUP), dead_letter_queue(GROUP));
    script.transfer(TransferReason::Failed, (QUEUE, 4), WAITING_QUEUE, 4, 2);
    script.transfer(TransferReason::Expired, (QUEUE, 5), retry, 5, 2);
    script.transfer(TransferReason::Exhausted, (QUEUE, 2), dead, 2, 1);
    script.transfer(TransferReason::Redriven, (dead, 0), retry, 2, 1);
    script.apply(&Head::Receive(Receive {
        group: GROUP,
        topic: TOPIC,
        deadline: Timestamp(1_700_000_040_000),
        parts: vec![ReceivePart {
            queue: retry,
            leased: vec![(0, 1)],
            skipped: vec![],
        }],
    }));
    let mut state = script.0;
    state.tier = TierState {
        manifest: 3,
        covered: 9,
        ends: BTreeMap::from([(QUEUE, 7)]),
        needed_from: 400,
        carried_at: Timestamp(1_700_000_000_008),
        ..state.tier
    };
    state.class = ClassState {
        object_since: 6,
        local_since: 3,
    };
    hold_some(&mut state);
    state
}

/// Messages that are held, in every way.
fn hold_some(state: &mut BrokerState) {
    state
        .delayed
        .hold(QueueId(17), Timestamp(1_700_000_400_000));
    state.delayed.fire(QueueId(17), 1);
    state.delayed.forget(QueueId(17), 3);
    state
        .delayed
        .drop_topic(TopicKey::User(TopicId(9)), Timestamp(7));
    let half = Half {
        target: QUEUE,
        producers: "p".into(),
        since: Timestamp(1_700_000_000_000),
        next_check: Timestamp(1_700_000_006_000),
        checks: 2,
    };
    state.halves.prepare(4, half.clone());
    state.halves.prepare(5, half);
    state.halves.decide(4, true);
    let in_place = state.in_place.entry(GROUP).or_default();
    in_place.version = 3;
    in_place.rules.is_ordered = true;
    let times = [
        When::Now,
        When::At(Timestamp(1_700_000_001_000)),
        When::Parked(Timestamp(5)),
    ];
    for (offset, when) in (40..).zip(times) {
        in_place.set(QUEUE, offset, Again { attempt: 2, when });
    }
    let member = state.in_place.entry(GroupId(1 << 63)).or_default();
    member.member = Some(Membership {
        group: GROUP,
        name: "m".into(),
    });
    let first = First {
        queue: QUEUE,
        offset: 3,
        position: 4,
        at: Timestamp(1_700_000_000_000),
    };
    state.dedup.note(UniqueId([7; 16]), first);
    state.shapes.insert(TOPIC, 300);
    state.usage.change(7, &UsageHead::Cut);
    state.usage.note(
        8,
        Generation(4),
        metered(8, &Head::Append { queue: QUEUE }).as_ref(),
    );
    state.due.insert(Due {
        at: Timestamp(1_700_000_001_000),
        group: GROUP,
        queue: QUEUE,
        offset: 41,
    });
}

/// What is due by what older versions had.
fn without_held_due() -> BTreeSet<Due> {
    let due = rich().due.into_iter();
    due.filter(|due| due.offset != 41).collect()
}

/// Version 1, which had no tier.
const GOLDEN_1: &str = concat!(
    "010a0c88d095ffbc310704000502000880d095ffbc3101ac0200000288d095ffbc3102ac02000001",
    "87d095ffbc310300000185d095ffbc3101ac02091001000500010101016101020107260100000000",
    "000000000000003a3000000100000000000400100000000200030004000500060001010200030202",
    "010102040000020501000001080000000000000000000100c08898ffbc3106040200000502050201",
    "000502020101000501010100909e96ffbc3100050204021e0100000000000000000000003a300000",
    "0100000000000000100000000000",
);

/// What version 2 has behind that.
const GOLDEN_2_TIER: &str = "030901000502079003940580d095ffbc3188d095ffbc3101";

/// What version 3 has behind that.
const GOLDEN_3_CLASS: &str = "0603";

/// What version 4 has behind that.
const GOLDEN_4_HELD: &str = concat!(
    "01118085aeffbc310000200100000000000000000000003a30000001000000000001001000000001",
    "00030000001e0100000000000000000000003a300000010000000000000010000000030001000907",
    "0105000502017080d095ffbc31f0fe95ffbc31021e0100000000000000000000003a300000010000",
    "000000000010000000040002ac02030100000100050203280200290201e8d795ffbc312a02020580",
    "80808080808080800100000001ac02016d0001070707070707070707070707070707070005020304",
    "80d095ffbc31",
);

/// What version 5 has behind that: shapes, then usage.
const GOLDEN_5: &str = concat!(
    "010005ac02",
    "010408018ad5e00600050002021001040107028ad5e0060005000202028ad5e006000501ac0204041a00"
);

/// What version 6 has behind that: last deliveries of what is in nobody's hands.
const GOLDEN_6: &str = "02ac02000502010401ac020300000404";

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = (0..hex.len()).step_by(2).map(|at| &hex[at..at + 2]);
    let bytes = digits.map(|digits| u8::from_str_radix(digits, 16).expect("hex"));
    bytes.collect()
}

#[test]
fn golden_bytes_of_a_snapshot() {
    let body = format!("{}{GOLDEN_2_TIER}{GOLDEN_3_CLASS}", &GOLDEN_1[2..]);
    let golden = bytes_of(&format!("06{body}{GOLDEN_4_HELD}{GOLDEN_5}{GOLDEN_6}"));
    assert_eq!(rich().snapshot(), golden);
    let read = BrokerState::from_snapshot(&golden).expect("reads");
    assert_eq!(read, rich());
}

/// The state as versions before 6 have it.
fn without_returned() -> BrokerState {
    let mut state = rich();
    let groups = state.groups.values_mut();
    groups.for_each(GroupState::forget_returned);
    state
}

#[test]
fn a_snapshot_of_version_5_is_read_without_what_came_back() {
    let body = format!("{}{GOLDEN_2_TIER}{GOLDEN_3_CLASS}", &GOLDEN_1[2..]);
    let golden = bytes_of(&format!("05{body}{GOLDEN_4_HELD}{GOLDEN_5}"));
    let read = BrokerState::from_snapshot(&golden).expect("reads");
    assert_ne!(read, rich());
    assert_eq!(read, without_returned());
}

#[test]
fn a_snapshot_of_version_4_is_read_without_shapes_and_usage() {
    let body = format!("{}{GOLDEN_2_TIER}{GOLDEN_3_CLASS}", &GOLDEN_1[2..]);
    let golden = bytes_of(&format!("04{body}{GOLDEN_4_HELD}"));
    let read = BrokerState::from_snapshot(&golden).expect("reads");
    let expected = BrokerState {
        shapes: BTreeMap::new(),
        usage: UsageState::default(),
        ..without_returned()
    };
    assert_eq!(read, expected);
}

#[test]
fn a_snapshot_of_version_3_is_read_without_held_messages() {
    let body = format!("{}{GOLDEN_2_TIER}{GOLDEN_3_CLASS}", &GOLDEN_1[2..]);
    let read = BrokerState::from_snapshot(&bytes_of(&format!("03{body}"))).expect("reads");
    let expected = BrokerState {
        delayed: Delayed::default(),
        halves: Halves::default(),
        in_place: InPlaceGroups::default(),
        dedup: Dedup::default(),
        shapes: BTreeMap::new(),
        usage: UsageState::default(),
        due: without_held_due(),
        ..without_returned()
    };
    assert_eq!(read, expected);
}

#[test]
fn a_snapshot_of_version_2_is_read_without_a_class() {
    let golden = bytes_of(&format!("02{}{GOLDEN_2_TIER}", &GOLDEN_1[2..]));
    let read = BrokerState::from_snapshot(&golden).expect("reads");
    let expected = BrokerState {
        class: ClassState::default(),
        delayed: Delayed::default(),
        halves: Halves::default(),
        in_place: InPlaceGroups::default(),
        dedup: Dedup::default(),
        shapes: BTreeMap::new(),
        usage: UsageState::default(),
        due: without_held_due(),
        ..without_returned()
    };
    assert_eq!(read, expected);
}

#[test]
fn a_snapshot_of_version_1_is_read_without_a_tier() {
    let read = BrokerState::from_snapshot(&bytes_of(GOLDEN_1)).expect("reads");
    let expected = BrokerState {
        tier: TierState::default(),
        class: ClassState::default(),
        delayed: Delayed::default(),
        halves: Halves::default(),
        in_place: InPlaceGroups::default(),
        dedup: Dedup::default(),
        shapes: BTreeMap::new(),
        usage: UsageState::default(),
        due: without_held_due(),
        ..without_returned()
    };
    assert_eq!(read, expected);
}

#[test]
fn a_carried_broker_is_what_it_was() {
    let state = rich();
    let tier = TierState {
        manifest: 8,
        ..state.tier.clone()
    };
    let carry = Carry {
        tier: tier.clone(),
        snapshot: state.snapshot().into(),
    };
    let seq = state.seq + 1;
    let read = BrokerState::from_carry(seq, &carry).expect("reads");
    let mut applied = state;
    let head = Head::Carry(carry.clone());
    let done = applied.apply(seq, Generation(4), &head, None, None);
    done.expect("applies");
    assert_eq!(read, applied, "with the entries before, and without");
    assert_eq!(read.tier, tier);
    for wrong in [seq - 1, seq + 1] {
        assert!(BrokerState::from_carry(wrong, &carry).is_err());
    }
}

#[test]
fn what_waits_is_counted_and_what_is_carried_is_no_change() {
    let mut script = Script(BrokerState::default());
    script.apply(&Head::Append { queue: QUEUE });
    script.apply(&Head::Append { queue: QUEUE });
    let tier = &script.0.tier;
    assert_eq!(tier.waiting_bytes, 2 * (32 + 100));
    assert_eq!(tier.waiting_since, Timestamp(1_700_000_000_000));
    let carried = Carry {
        tier: TierState::default(),
        snapshot: script.0.snapshot().into(),
    };
    script.apply(&Head::Again { queue: QUEUE });
    script.apply(&Head::Carry(carried));
    assert_eq!(script.0.queue(QUEUE).end, 16, "nothing is stored twice");
    assert_eq!(script.0.tier, TierState::default());
    script.apply(&Head::DropGroup { group: GROUP });
    assert!(script.0.tier.is_changed);
}

#[test]
fn a_snapshot_holds_everything() {
    let state = rich();
    // The due index is not stored and must come back all the same.
    assert_eq!(state.due.len(), 3, "{:?}", state.due);
    let read = BrokerState::from_snapshot(&state.snapshot()).expect("reads");
    assert_eq!(read, state);
}

/// A waiting copy that is given up leaves nothing behind that becomes due.
#[test]
fn a_copy_that_waits_no_more_is_not_due() {
    let mut script = Script(rich());
    script.apply(&Head::Ack {
        group: GROUP,
        records: vec![(WAITING_QUEUE, vec![0])],
    });
    let state = script.0;
    assert!(state.groups[&GROUP].retry.waiting.is_empty());
    let read = BrokerState::from_snapshot(&state.snapshot()).expect("reads");
    assert_eq!(read, state);
}

#[test]
fn another_version_is_refused() {
    let mut bytes = rich().snapshot().to_vec();
    for version in [0, SNAPSHOT_VERSION + 1, 255] {
        bytes[0] = version;
        assert!(BrokerState::from_snapshot(&bytes).is_err());
    }
    assert!(BrokerState::from_snapshot(&[]).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_a_snapshot_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300), version in 1..=SNAPSHOT_VERSION) {
        let mut bytes = bytes;
        bytes.insert(0, version);
        let _ = BrokerState::from_snapshot(&bytes);
    }

    #[test]
    fn a_changed_snapshot_is_one_or_an_error(at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = rich().snapshot().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = to;
        bytes.truncate(cut.index(bytes.len()) + 1);
        let _ = BrokerState::from_snapshot(&bytes);
    }
}
