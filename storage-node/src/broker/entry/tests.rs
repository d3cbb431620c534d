//! The bytes of entries: golden ones are only ever added, never edited.

use firn_protocol::api::usage::Counts;
use firn_protocol::catalogue::{Durability, OnPoison};
use firn_protocol::ids::{Generation, Offset, Position, TopicId, UniqueId};
use firn_protocol::message::NewMessage;
use proptest::prelude::*;

use super::*;
use crate::broker::held::{Fire, Hold};
use crate::broker::in_place::AgainEntry;
use crate::consume::in_place::{Again, InPlaceRules, Membership, When};
use crate::consume::transaction::Half;
use crate::record::{EncodedRecords, encode_run};

const GROUP: GroupId = GroupId(300);

fn queue(topic: TopicKey, queue: u16) -> QueueKey {
    QueueKey {
        topic,
        queue: QueueId(queue),
    }
}

fn user() -> TopicKey {
    TopicKey::User(TopicId(5))
}

/// One of every kind, each field with a value of its own.
#[allow(
    clippy::too_many_lines,
    reason = "one sample of every kind, in one list"
)]
fn samples() -> Vec<Head> {
    let (original, retry) = (queue(user(), 2), queue(TopicKey::Retry(GROUP), 0));
    let copy = Copy {
        topic: user(),
        queue: QueueId(2),
        offset: 130,
        attempt: 2,
    };
    let transfer = |reason, to, due| {
        Head::Transfer(Transfer {
            group: GROUP,
            reason,
            from: original,
            from_offset: 130,
            to,
            copy,
            due,
        })
    };
    let waiting = queue(TopicKey::Waiting, 0);
    let dead = queue(TopicKey::DeadLetter(GROUP), 0);
    let filter = Filter::Tags(vec!["a".into(), "b".into()]);
    let subscribe = Subscribe {
        group: GROUP,
        version: 9,
        max_retries: 16,
        topic: user(),
        starts: vec![(QueueId(0), 0), (QueueId(2), 128)],
        filter: Some(filter.clone()),
    };
    let receive = Receive {
        group: GROUP,
        topic: user(),
        deadline: Timestamp(1_700_000_030_000),
        parts: vec![
            ReceivePart {
                queue: original,
                leased: vec![(130, 132), (140, 141)],
                skipped: vec![(132, 140)],
            },
            ReceivePart {
                queue: retry,
                leased: vec![(1, 2)],
                skipped: vec![],
            },
        ],
    };
    let records = vec![(original, vec![130, 140]), (retry, vec![1])];
    vec![
        Head::Append { queue: original },
        Head::Subscribe(subscribe.clone()),
        Head::Subscribe(Subscribe {
            filter: None,
            starts: vec![],
            ..subscribe
        }),
        Head::Unsubscribe {
            group: GROUP,
            topic: user(),
            filter: Filter::All,
        },
        Head::Receive(receive),
        Head::Ack {
            group: GROUP,
            records: records.clone(),
        },
        Head::Renew {
            group: GROUP,
            queue: retry,
            offset: 1,
            deadline: Timestamp(1_700_000_060_000),
        },
        Head::GiveBack {
            group: GROUP,
            records,
        },
        transfer(TransferReason::Expired, retry, None),
        transfer(
            TransferReason::Failed,
            waiting,
            Some(Timestamp(1_700_000_010_000)),
        ),
        transfer(TransferReason::Due, retry, None),
        transfer(TransferReason::Exhausted, dead, None),
        transfer(TransferReason::Redriven, retry, None),
        Head::Seek {
            time: Timestamp(1_700_000_000_000),
            group: GROUP,
            topic: user(),
            starts: vec![(QueueId(2), 7)],
        },
        Head::DropTopic { topic: user() },
        Head::DropGroup { group: GROUP },
        Head::Carry(Carry {
            tier: TierState {
                manifest: 3,
                covered: 300,
                ends: [(original, 130)].into(),
                needed_from: 400,
                waiting_bytes: 500,
                waiting_since: Timestamp(1_700_000_000_000),
                carried_at: Timestamp(1_700_000_000_001),
                is_changed: true,
            },
            snapshot: vec![2, 0, 255],
        }),
        Head::Again { queue: original },
        Head::Class(Durability::Object),
        Head::Trim(Trim {
            time: Timestamp(1_700_000_000_000),
            reason: TrimReason::Quota,
            marks: vec![(original, 130), (retry, 2)],
        }),
        Head::Unsubscribe {
            group: GROUP,
            topic: user(),
            filter: Filter::parse_sql("a=1 or b in ('y','x')").expect("an expression"),
        },
        Head::Held(HeldHead::Hold(Hold {
            slot: QueueId(17),
            start: Timestamp(1_700_000_400_000),
        })),
        Head::Held(HeldHead::Fire(Fire {
            from: vec![(QueueId(17), 3), (QueueId(18), 0)],
            to: original,
        })),
        Head::Held(HeldHead::Forget {
            slot: QueueId(17),
            offsets: vec![4, 300],
        }),
        Head::Held(HeldHead::Prepare(Half {
            target: original,
            producers: "p".into(),
            since: Timestamp(1_700_000_000_000),
            next_check: Timestamp(1_700_000_006_000),
            checks: 0,
        })),
        Head::Held(HeldHead::Decide {
            time: Timestamp(1_700_000_000_000),
            offset: 5,
            to: Some(original),
        }),
        Head::Held(HeldHead::Decide {
            time: Timestamp(1_700_000_000_000),
            offset: 5,
            to: None,
        }),
        Head::Held(HeldHead::Check {
            offsets: vec![5, 6],
            next: Timestamp(1_700_000_036_000),
        }),
        Head::InPlace(InPlaceHead::Configure {
            group: GROUP,
            version: 3,
            rules: Some(InPlaceRules {
                is_ordered: true,
                on_poison: OnPoison::Park,
            }),
        }),
        Head::InPlace(InPlaceHead::Again(AgainEntry {
            group: GROUP,
            queue: original,
            offset: 130,
            again: Again {
                attempt: 2,
                when: When::At(Timestamp(1_700_000_001_000)),
            },
            given_back: vec![131],
        })),
        Head::InPlace(InPlaceHead::Ready {
            group: GROUP,
            records: vec![(original, 130)],
            is_reset: true,
        }),
        Head::InPlace(InPlaceHead::Join {
            member: GroupId(1 << 63),
            of: Membership {
                group: GROUP,
                name: "m".into(),
            },
        }),
        Head::Unique(UniqueHead {
            queue: QueueKey {
                topic: TopicKey::Waiting,
                queue: QueueId(17),
            },
            hold: Some(Hold {
                slot: QueueId(17),
                start: Timestamp(1_700_000_400_000),
            }),
            id: UniqueId([7; 16]),
        }),
        Head::Trim(Trim {
            time: Timestamp(1_700_000_000_000),
            reason: TrimReason::Purge,
            marks: vec![(original, 130)],
        }),
        transfer(TransferReason::Redriven, original, None),
        Head::Shape {
            topic: user(),
            version: 300,
        },
        Head::Usage(UsageHead::Cut),
        Head::Usage(UsageHead::Taken {
            generation: Generation(3),
            from: 300,
        }),
        Head::Erase,
    ]
}

/// The bytes of each sample, in order.
const GOLDEN: &[&str] = &[
    "010400000502",
    "011401ac020910000502000002800101010201610162",
    "010901ac02091000050000",
    "010602ac02000500",
    "012503ac020005b0ba97ffbc310200050202820184018c018d010184018c0101ac020001010200",
    "011204ac02020005020282018c0101ac02000101",
    "010e05ac0201ac020001e0a499ffbc31",
    "011206ac02020005020282018c0101ac02000101",
    "011407ac0200000502820101ac020000050282010200",
    "011807ac02010005028201030000050282010201909e96ffbc31",
    "011407ac0202000502820101ac020000050282010200",
    "011407ac0203000502820102ac020000050282010200",
    "011407ac0204000502820101ac020000050282010200",
    "010e0880d095ffbc31ac020005010207",
    "0103090005",
    "01030aac02",
    "011f0b03ac020100050282019003f40380d095ffbc3181d095ffbc3101030200ff",
    "01040c000502",
    "01020d01",
    "01130e80d095ffbc310102000502820101ac020002",
    "011f02ac020005021861203d2031204f52206220494e20282778272c2027792729",
    "01090f00118085aeffbc31",
    "010a0f010211031200000502",
    "01070f02110204ac02",
    "01140f03000502017080d095ffbc31f0fe95ffbc3100",
    "010d0f0480d095ffbc310501000502",
    "010a0f0480d095ffbc310500",
    "010b0f05020506a0e997ffbc31",
    "01081000ac0203010101",
    "01141002ac0200050282010201e8d795ffbc31018301",
    "010b1003ac0201000502820101",
    "0110100180808080808080808001ac02016d",
    "011b11031101118085aeffbc3107070707070707070707070707070707",
    "010e0e80d095ffbc3103010005028201",
    "011307ac0204000502820100050200050282010200",
    "0105120005ac02",
    "01021300",
    "0105130103ac02",
    "010114",
];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn a_run() -> Vec<u8> {
    let mut records = EncodedRecords::default();
    records.push_original(&NewMessage {
        born_host: "10.0.0.1:1".to_owned(),
        body: Bytes::from_static(b"body"),
        ..NewMessage::default()
    });
    let header = RunHeader {
        first_offset: Offset(130),
        first_position: Position(999),
        stored_at: Timestamp(1_700_000_000_000),
        count: 1,
        bytes: records.bytes.len() as u32,
    };
    let mut run = Vec::new();
    encode_run(&mut run, &header, &records.bytes);
    run
}

#[test]
fn golden_bytes_of_every_kind() {
    let encode = |head: &Head| {
        let mut bytes = Vec::new();
        head.encode(None, &mut bytes);
        bytes
    };
    let found: Vec<String> = samples().iter().map(|head| hex(&encode(head))).collect();
    assert_eq!(found, GOLDEN);
    for head in samples() {
        let mut bytes = encode(&head);
        let run = head.run_queue().map(|_| Bytes::from(a_run()));
        bytes.extend_from_slice(run.as_deref().unwrap_or_default());
        let read = Entry::decode(&Bytes::from(bytes)).expect("decodes");
        let metered = None;
        assert_eq!(read, Entry { head, metered, run });
    }
}

#[test]
fn golden_bytes_of_an_entry_that_counts() {
    let queue = QueueKey {
        topic: user(),
        queue: QueueId(2),
    };
    let head = Head::Append { queue };
    let metered = Metered {
        at: Timestamp(1_700_000_000_000),
        topic: user(),
        group: Some(GROUP),
        counts: Counts::message(5000).negative(),
    };
    let mut bytes = Vec::new();
    head.encode(Some(&metered), &mut bytes);
    assert_eq!(hex(&bytes), "0204000005020f80d095ffbc31000501ac0201038f4e");
    bytes.extend_from_slice(&a_run());
    let read = Entry::decode(&Bytes::from(bytes.clone())).expect("decodes");
    let run = Some(Bytes::from(a_run()));
    let metered = Some(metered);
    assert_eq!(read, Entry { head, metered, run });
    // Counts that are cut are no run.
    for len in 7..bytes.len() - a_run().len() {
        assert!(Entry::decode(&Bytes::copy_from_slice(&bytes[..len])).is_err());
    }
}

#[test]
fn every_kind_has_a_number_of_its_own() {
    let mut kinds: Vec<u8> = samples().iter().map(Head::kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, (1..=29).collect::<Vec<u8>>());
}

#[test]
fn a_head_that_wants_a_run_has_one_and_no_other() {
    for head in samples() {
        let mut bytes = Vec::new();
        head.encode(None, &mut bytes);
        if head.run_queue().is_none() {
            bytes.extend_from_slice(&a_run());
        }
        assert!(Entry::decode(&Bytes::from(bytes)).is_err(), "{head:?}");
    }
}

#[test]
fn another_version_is_refused() {
    let mut bytes = Vec::new();
    Head::DropGroup { group: GROUP }.encode(None, &mut bytes);
    for version in [0, VERSION_METERED + 1, 255] {
        bytes[0] = version;
        assert!(Entry::decode(&Bytes::from(bytes.clone())).is_err());
    }
}

proptest! {
    #[test]
    fn any_bytes_are_an_entry_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), versioned in any::<bool>()) {
        let mut bytes = bytes;
        if versioned && !bytes.is_empty() {
            bytes[0] = 1 + u8::from(bytes.len() % 2 == 0);
        }
        if let Ok(entry) = Entry::decode(&Bytes::from(bytes)) {
            let _ = entry.run_header();
        }
    }

    #[test]
    fn a_changed_entry_is_an_entry_or_an_error(which in 0..GOLDEN.len(), at in any::<prop::sample::Index>(), to in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let head = samples().swap_remove(which);
        let mut bytes = Vec::new();
        head.encode(None, &mut bytes);
        if head.run_queue().is_some() {
            bytes.extend_from_slice(&a_run());
        }
        let at = at.index(bytes.len());
        bytes[at] = to;
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(entry) = Entry::decode(&Bytes::from(bytes)) {
            let _ = entry.run_header();
        }
    }
}
