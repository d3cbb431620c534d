//! Trims between everything else that happens to a broker.

use firn_protocol::ids::{Generation, Offset, Position, QueueId, TopicId};
use firn_protocol::time::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::broker::entry::{
    Copy, Head, Receive, ReceivePart, Subscribe, Transfer, TransferReason, TrimReason,
};
use crate::broker::state::{dead_letter_queue, retry_queue};
use crate::consume::ranges::Ranges;
use crate::record::RunHeader;

const TOPIC: TopicKey = TopicKey::User(TopicId(5));
const GROUPS: [GroupId; 2] = [GroupId(1), GroupId(2)];

#[derive(Clone, Copy, Debug)]
enum Op {
    Append {
        queue: u16,
        records: u32,
    },
    Receive {
        group: usize,
        queue: u16,
        max: u64,
    },
    ReceiveCopy {
        group: usize,
    },
    Ack {
        group: usize,
        nth: usize,
    },
    /// A lease ends: 0 passes, 1 fails, 2 was the last one.
    End {
        group: usize,
        nth: usize,
        how: u8,
    },
    Due {
        group: usize,
    },
    Seek {
        group: usize,
        to: u64,
    },
    Trim {
        group: usize,
        queue: u8,
        upto: u64,
    },
    Purge {
        queue: u16,
        upto: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let group = 0..GROUPS.len();
    prop_oneof![
        3 => (0..2_u16, 1..6_u32).prop_map(|(queue, records)| Op::Append { queue, records }),
        4 => (group.clone(), 0..2_u16, 1..5_u64)
            .prop_map(|(group, queue, max)| Op::Receive { group, queue, max }),
        2 => group.clone().prop_map(|group| Op::ReceiveCopy { group }),
        2 => (group.clone(), 0..9_usize).prop_map(|(group, nth)| Op::Ack { group, nth }),
        4 => (group.clone(), 0..9_usize, 0..3_u8)
            .prop_map(|(group, nth, how)| Op::End { group, nth, how }),
        2 => group.clone().prop_map(|group| Op::Due { group }),
        1 => (group.clone(), 0..20_u64).prop_map(|(group, to)| Op::Seek { group, to }),
        3 => (group, 0..5_u8, 0..30_u64)
            .prop_map(|(group, queue, upto)| Op::Trim { group, queue, upto }),
        1 => (0..2_u16, 0..30_u64).prop_map(|(queue, upto)| Op::Purge { queue, upto }),
    ]
}

fn user_queue(queue: u16) -> QueueKey {
    QueueKey {
        topic: TOPIC,
        queue: QueueId(queue),
    }
}

#[derive(Default)]
struct Script(BrokerState);

impl Script {
    fn apply(&mut self, head: &Head, records: u32) {
        let run = head.run_queue().map(|queue| RunHeader {
            first_offset: Offset(self.0.queue(queue).end),
            first_position: Position(self.0.next_position),
            stored_at: Timestamp(1000 + self.0.seq),
            count: records,
            bytes: 100,
        });
        let applied = self
            .0
            .apply(self.0.seq + 1, Generation(1), head, None, run.as_ref());
        applied.expect("applies");
    }

    fn subscribe(&mut self, group: GroupId) {
        let head = Head::Subscribe(Subscribe {
            group,
            version: 1,
            max_retries: 3,
            topic: TOPIC,
            // Below the low mark, if there is one by now.
            starts: vec![(QueueId(0), 0), (QueueId(1), 0)],
            filter: None,
        });
        self.apply(&head, 0);
    }

    fn lease(&mut self, group: GroupId, queue: QueueKey, leased: Vec<(u64, u64)>) {
        let parts = vec![ReceivePart {
            queue,
            leased,
            skipped: Vec::new(),
        }];
        let head = Head::Receive(Receive {
            group,
            topic: TOPIC,
            deadline: Timestamp(30_000 + self.0.seq),
            parts,
        });
        self.apply(&head, 0);
    }

    /// A leased record of a group.
    fn leased(&self, group: GroupId, nth: usize) -> Option<(QueueKey, u64)> {
        let leases = self.0.due.iter();
        let mut leases: Vec<_> = leases
            .filter(|due| due.group == group && due.queue != WAITING_QUEUE)
            .map(|due| (due.queue, due.offset))
            .collect();
        leases.sort_unstable();
        (!leases.is_empty()).then(|| leases[nth % leases.len()])
    }

    fn transfer(
        &mut self,
        group: GroupId,
        reason: TransferReason,
        from: (QueueKey, u64),
        to: QueueKey,
    ) {
        let state = &self.0.groups[&group];
        let copy = match from.0.topic {
            TopicKey::Retry(_) => state.retry.copies[&from.1],
            TopicKey::Waiting => state.retry.waiting[&from.1].copy,
            TopicKey::User(_) | TopicKey::DeadLetter(_) => Copy {
                topic: TOPIC,
                queue: from.0.queue,
                offset: from.1,
                attempt: 2,
            },
        };
        let due = Timestamp(60_000 + self.0.seq);
        let head = Head::Transfer(Transfer {
            group,
            reason,
            from: from.0,
            from_offset: from.1,
            to,
            copy,
            due: (reason == TransferReason::Failed).then_some(due),
        });
        self.apply(&head, 1);
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Append { queue, records } => {
                let queue = user_queue(queue);
                self.apply(&Head::Append { queue }, records);
            }
            Op::Receive { group, queue, max } => {
                let (group, queue) = (GROUPS[group], user_queue(queue));
                let end = self.0.queue(queue).end;
                let progress = self.0.groups[&group].progress(queue).expect("subscribed");
                let open = progress.open_ranges(end, &Ranges::default(), max);
                let open = open.into_iter().map(|range| (range.start, range.end));
                self.lease(group, queue, open.collect());
            }
            Op::ReceiveCopy { group } => {
                let ready = self.0.groups[&GROUPS[group]].retry.ready.get(&TOPIC);
                if let Some(&offset) = ready.and_then(|ready| ready.first()) {
                    let queue = retry_queue(GROUPS[group]);
                    self.lease(GROUPS[group], queue, vec![(offset, offset + 1)]);
                }
            }
            Op::Ack { group, nth } => {
                if let Some((queue, offset)) = self.leased(GROUPS[group], nth) {
                    let group = GROUPS[group];
                    let records = vec![(queue, vec![offset])];
                    self.apply(&Head::Ack { group, records }, 0);
                }
            }
            Op::End { group, nth, how } => {
                let group = GROUPS[group];
                if let Some(from) = self.leased(group, nth) {
                    let (reason, to) = match how {
                        0 => (TransferReason::Expired, retry_queue(group)),
                        1 => (TransferReason::Failed, WAITING_QUEUE),
                        _ => (TransferReason::Exhausted, dead_letter_queue(group)),
                    };
                    self.transfer(group, reason, from, to);
                }
            }
            Op::Due { group } => {
                let group = GROUPS[group];
                let waiting = self.0.groups[&group].retry.waiting.keys().next().copied();
                if let Some(offset) = waiting {
                    let from = (WAITING_QUEUE, offset);
                    self.transfer(group, TransferReason::Due, from, retry_queue(group));
                }
            }
            Op::Seek { group, to } => {
                let to = to.min(self.0.queue(user_queue(0)).end);
                let head = Head::Seek {
                    time: Timestamp(1),
                    group: GROUPS[group],
                    topic: TOPIC,
                    starts: vec![(QueueId(0), to)],
                };
                self.apply(&head, 0);
            }
            Op::Purge { queue, upto } => self.purge(user_queue(queue), upto),
            Op::Trim { .. } => {}
        }
    }

    /// A group's records of a queue that it has not finished.
    fn lag(&self, group: GroupId, queue: QueueKey) -> u64 {
        let Some(state) = self.0.groups.get(&group) else {
            return 0;
        };
        match queue.topic {
            TopicKey::Retry(_) => state.retry.copies.len() as u64,
            TopicKey::User(_) | TopicKey::DeadLetter(_) | TopicKey::Waiting => {
                let progress = state.progress(queue);
                progress.map_or(0, |progress| progress.lag(self.0.queue(queue).end))
            }
        }
    }

    fn trim(&mut self, queue: QueueKey, upto: u64) {
        let before = self.0.clone();
        let marks = vec![(queue, upto)];
        let missed = self.0.missed_by(&marks);
        let lags: Vec<u64> = GROUPS.iter().map(|group| self.lag(*group, queue)).collect();
        let waiting = |state: &BrokerState| -> Vec<_> {
            let groups = state.groups.values();
            groups.map(|group| group.retry.waiting.clone()).collect()
        };
        let trim = Trim {
            time: Timestamp(1),
            reason: TrimReason::Age,
            marks,
        };
        self.apply(&Head::Trim(trim), 0);
        let (old, new) = (before.queue(queue), self.0.queue(queue));
        assert_eq!(old.end, new.end, "offsets are never given out again");
        if queue == WAITING_QUEUE {
            assert_eq!(
                new.min,
                upto.min(before.waiting_floor(WAITING_QUEUE.queue))
                    .max(old.min)
            );
        } else {
            assert_eq!(new.min, upto.min(old.end).max(old.min));
        }
        assert_eq!(
            waiting(&self.0),
            waiting(&before),
            "what waits goes on waiting"
        );
        for (&group, lag) in GROUPS.iter().zip(lags) {
            if queue.topic == TopicKey::Retry(group) || queue.topic == TOPIC {
                let told = missed.iter().filter(|missed| missed.group == group);
                let told: u64 = told.map(|missed| missed.records).sum();
                assert_eq!(
                    self.lag(group, queue) + told,
                    lag,
                    "each lost record is told"
                );
            }
        }
        for missed in missed {
            assert!(missed.first <= missed.last && missed.last < upto);
            assert!(missed.records <= missed.last - missed.first + 1);
        }
    }

    /// Everything below is gone for every group, and no copy of it is left.
    fn purge(&mut self, queue: QueueKey, upto: u64) {
        let trim = Trim {
            time: Timestamp(1),
            reason: TrimReason::Purge,
            marks: vec![(queue, upto)],
        };
        self.apply(&Head::Trim(trim), 0);
        let is_gone = |copy: &Copy| copy.queue == queue.queue && copy.offset < upto;
        for group in self.0.groups.values() {
            let waiting = group.retry.waiting.values().map(|waiting| &waiting.copy);
            let mut copies = group.retry.copies.values().chain(waiting);
            assert!(!copies.any(is_gone));
            let mut moved = group.topics[&TOPIC].moved.keys();
            assert!(moved.all(|&(id, offset)| id != queue.queue || offset >= upto));
        }
    }

    /// No group waits for, holds or counts what is below a low mark.
    fn check(&self) {
        let state = &self.0;
        for (&id, group) in &state.groups {
            let queues = (0..2).map(user_queue).chain([retry_queue(id)]);
            for queue in queues {
                let QueueBounds { min, end } = bounds(state, queue);
                let progress = group.progress(queue).expect("there is one");
                assert_eq!(progress.breach(), None, "{queue}");
                assert!(progress.low() >= min, "{queue}: {} < {min}", progress.low());
                assert!(progress.leases().all(|(offset, _)| offset >= min));
                assert!(self.lag(id, queue) <= end - min, "{queue}");
            }
            let min = state.queue(retry_queue(id)).min;
            assert!(group.retry.copies.keys().all(|&offset| offset >= min));
            let ready = group.retry.ready.values().flatten();
            assert!(
                ready
                    .into_iter()
                    .all(|offset| group.retry.copies.contains_key(offset))
            );
            let floor = state.queue(WAITING_QUEUE).min;
            assert!(group.retry.waiting.keys().all(|&offset| offset >= floor));
        }
        let again = BrokerState::from_snapshot(&state.snapshot()).expect("reads");
        assert_eq!(&again, state, "what is due follows from the rest");
    }
}

struct QueueBounds {
    min: u64,
    end: u64,
}

fn bounds(state: &BrokerState, queue: QueueKey) -> QueueBounds {
    let state = state.queue(queue);
    assert!(state.min <= state.end);
    QueueBounds {
        min: state.min,
        end: state.end,
    }
}

proptest! {
    #[test]
    fn nobody_counts_or_holds_what_is_gone(ops in proptest::collection::vec(op(), 1..80)) {
        let mut script = Script::default();
        script.apply(&Head::Append { queue: user_queue(0) }, 3);
        for group in GROUPS {
            script.subscribe(group);
        }
        for op in ops {
            if let Op::Trim { group, queue, upto } = op {
                let queue = match queue {
                    0 => retry_queue(GROUPS[group]),
                    1 => dead_letter_queue(GROUPS[group]),
                    2 => WAITING_QUEUE,
                    _ => user_queue(u16::from(queue) - 3),
                };
                script.trim(queue, upto);
            } else {
                script.run(op);
            }
            script.check();
        }
    }
}

#[test]
fn a_group_that_comes_later_begins_at_the_low_mark() {
    let mut script = Script::default();
    script.apply(
        &Head::Append {
            queue: user_queue(0),
        },
        9,
    );
    script.trim(user_queue(0), 4);
    script.subscribe(GROUPS[0]);
    let progress = script.0.groups[&GROUPS[0]].progress(user_queue(0));
    assert_eq!(progress.map(|it| (it.low(), it.lag(9))), Some((4, 5)));
    script.run(Op::Seek { group: 0, to: 1 });
    let progress = script.0.groups[&GROUPS[0]].progress(user_queue(0));
    assert_eq!(progress.map(|it| (it.low(), it.lag(9))), Some((4, 5)));
}
