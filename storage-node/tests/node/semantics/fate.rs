//! Time, power and operators: what befalls all readers at once, and how a life ends.

use firn_protocol::api::admin::{AdminApi, PurgeRequest};
use firn_protocol::api::storage::{RedriveRequest, StorageApi};
use firn_protocol::ids::{Offset, TopicId, TopicKey};
use firn_protocol::message::ConsumeStatus;
use firn_protocol::time::Timestamp;

use super::System;
use super::model::{Checked, Place, ensure};
use super::ops::{Ask, QUEUES, READERS, ReaderKind, TOPICS};
use super::readers::State;
use crate::harness::{BROKERS, START_MS, context, queue_key};

/// Rounds after which a life must have come to its end.
const ROUNDS_MAX: usize = 200;

impl System {
    pub(super) fn advance(&mut self, ms: u64) {
        self.bench.advance(ms);
        let now = self.now();
        self.models.iter_mut().for_each(|model| model.pass(now));
    }

    pub(super) fn advance_to_next(&mut self, early: bool) {
        let now = self.now();
        let dues = self
            .models
            .iter()
            .filter_map(|model| model.dues(now).pop_first());
        if let Some(at) = dues.min() {
            self.advance(at - now - u64::from(early));
        }
    }

    pub(super) fn restart(&mut self, keep_stores: bool) -> Checked {
        let work = self.bench.restart(keep_stores);
        self.runtime.block_on(work);
        for model in &mut self.models {
            model.durable();
        }
        self.begin_life()
    }

    /// All that was answered holds; leases that nobody waited for may be gone.
    pub(super) fn crash(&mut self, seed: u64, keep_stores: bool) -> Checked {
        let work = self.bench.crash(seed, keep_stores);
        self.runtime.block_on(work);
        self.begin_life()
    }

    fn begin_life(&mut self) -> Checked {
        for broker in 0..self.models.len() {
            let readers = self.models[broker].readers.values();
            let mut states = readers.flat_map(|reader| reader.states.values());
            if states.any(State::may_show_another) {
                self.timers();
                self.settle_only(broker)?;
            }
            for (reader, kind) in READERS.iter().enumerate() {
                self.models[broker].reader(reader).seen = None;
                self.survive(broker, reader, kind)?;
            }
        }
        Ok(())
    }

    fn survive(&mut self, broker: usize, reader: usize, kind: &ReaderKind) -> Checked {
        let states = self.models[broker].reader(reader).states.clone();
        if states.is_empty() {
            return Ok(());
        }
        let keys = states.keys();
        let places = keys.map(|key| (queue_key(key.0, key.1), Offset(key.2)));
        let (id, group) = (BROKERS[broker], kind.id());
        let node = self.bench.node().clone();
        let told = self.wait(node.status(&context(1), id, group, places.collect()));
        let told = told.map_err(|error| format!("L1: status: {error}"))?;
        for ((key, state), told) in states.into_iter().zip(told) {
            let state = state.survived(kind, told);
            let state = state
                .map_err(|breach| format!("{breach}: reader {reader}, {key:?} after a start"))?;
            self.models[broker].set(reader, key, state);
        }
        Ok(())
    }

    /// All that the node has done on a broker is durable, and can be seen.
    pub(super) fn settle(&mut self, broker: usize) -> Checked {
        self.settle_only(broker)?;
        self.models[broker].durable();
        Ok(())
    }

    fn settle_only(&mut self, broker: usize) -> Checked {
        let node = self.bench.node().clone();
        let lag = self.wait(node.lag(&context(1), BROKERS[broker], READERS[0].id()));
        lag.map_err(|error| format!("L1: lag: {error}"))?;
        Ok(())
    }

    /// Reads what stands behind the known part of a queue, up to an offset, or all.
    pub(super) fn learn(&mut self, broker: usize, place: Place, upto: Option<u64>) -> Checked {
        let from = self.models[broker].end(place);
        let count = upto.map_or(1000, |upto| upto.saturating_sub(from)) as usize;
        if count > 0 {
            let (node, now) = (self.bench.node().clone(), self.now());
            let (id, queue) = (BROKERS[broker], queue_key(place.0, place.1));
            let found = self.wait(node.read(&context(1), id, queue, Offset(from), count));
            let found = found.map_err(|error| format!("L1: read: {error}"))?;
            for message in &found {
                ensure!(
                    message.attempt == 1 && message.origin.is_none(),
                    "R2: no original: {message:?}"
                );
                self.models[broker].learn(place, message, now)?;
            }
        }
        let end = self.models[broker].end(place);
        ensure!(
            upto.is_none_or(|upto| upto == end),
            "R3: {place:?} ends at {end}, {upto:?} was answered"
        );
        Ok(())
    }

    pub(super) fn learn_letters(&mut self, broker: usize, group: u64) -> Checked {
        let known = self.models[broker].letters.get(&group).map_or(0, Vec::len);
        let place = firn_protocol::ids::QueueKey {
            topic: TopicKey::DeadLetter(firn_protocol::ids::GroupId(group)),
            queue: firn_protocol::ids::QueueId(0),
        };
        let node = self.bench.node().clone();
        let from = Offset(known as u64);
        let found = self.wait(node.read(&context(1), BROKERS[broker], place, from, 1000));
        for letter in found.map_err(|error| format!("L1: read: {error}"))? {
            self.models[broker].learn_letter(group, &letter)?;
        }
        Ok(())
    }

    pub(super) fn timers(&mut self) {
        let node = self.bench.node().clone();
        self.wait(node.timer_step());
    }

    /// The node does what is due; then everything that can be seen agrees with the
    /// model.
    pub(super) fn look(&mut self) -> Checked {
        self.timers();
        for broker in 0..self.models.len() {
            self.settle(broker)?;
            for topic in TOPICS {
                for queue in 0..QUEUES {
                    self.learn(broker, (topic, queue), None)?;
                }
                self.look_at_halves(broker, topic)?;
            }
            self.models[broker].all_came()?;
            self.models[broker].all_fired(self.bench.now())?;
            self.look_at_readers(broker)?;
        }
        Ok(())
    }

    fn look_at_readers(&mut self, broker: usize) -> Checked {
        let mut groups: Vec<u64> = READERS.iter().map(|kind| kind.group).collect();
        groups.dedup();
        for group in groups {
            self.learn_letters(broker, group)?;
        }
        self.look_at_parked(broker)?;
        for (reader, kind) in READERS.iter().enumerate() {
            self.models[broker].all_noticed(reader)?;
            let node = self.bench.node().clone();
            let rows = self.wait(node.lag(&context(1), BROKERS[broker], kind.id()));
            let rows = rows.map_err(|error| format!("L1: lag: {error}"))?;
            let now = self.now();
            self.models[broker].rows_fit(reader, &rows, now)?;
        }
        Ok(())
    }

    fn look_at_parked(&mut self, broker: usize) -> Checked {
        let node = self.bench.node().clone();
        for (reader, kind) in READERS.iter().enumerate() {
            if kind.order.is_none() {
                continue;
            }
            let parked = self.wait(node.parked(&context(1), BROKERS[broker], kind.id()));
            let parked = parked.map_err(|error| format!("L1: parked: {error}"))?;
            self.models[broker].parked_fit(reader, &parked, self.bench.now())?;
        }
        Ok(())
    }

    pub(super) fn purge(&mut self, broker: usize, topic: usize, before_ms: Option<u64>) -> Checked {
        self.look()?;
        let (topic, before) = (TOPICS[topic], before_ms.map(|ms| START_MS + ms));
        let request = PurgeRequest {
            broker: BROKERS[broker],
            topic: TopicKey::User(TopicId(topic)),
            before: before.map(Timestamp),
        };
        let node = self.bench.node().clone();
        let purged = self.wait(node.purge(&context(1), request));
        let purged = purged.map_err(|error| format!("L1: purge: {error}"))?;
        let model = &mut self.models[broker];
        let mut expected = 0;
        let mut marks = Vec::new();
        for (&place, queue) in model.queues.range((topic, 0)..=(topic, u16::MAX)) {
            let is_kept = |stored_at: u64| before.is_some_and(|before| stored_at >= before);
            let gone = queue.records.iter();
            let gone = gone.take_while(|record| !is_kept(record.stored_at)).count() as u64;
            expected += gone.saturating_sub(queue.min);
            marks.push((place, gone));
        }
        ensure!(purged == expected, "R11: purged {purged} of {expected}");
        model.purge(&marks);
        model.durable();
        self.look()
    }

    pub(super) fn redrive(
        &mut self,
        broker: usize,
        reader: usize,
        named: bool,
        max: u64,
    ) -> Checked {
        self.look()?;
        let kind = READERS[reader];
        let model = &mut self.models[broker];
        let letters = model.letters.entry(kind.group).or_default();
        let name = letters.first().map(|letter| letter.number);
        let Some(name) = name else {
            return Ok(());
        };
        let ids = named.then(|| vec![model.sent[&name].id]);
        let request = RedriveRequest {
            broker: BROKERS[broker],
            group: firn_protocol::api::storage::GroupSpec {
                id: firn_protocol::ids::GroupId(kind.group),
                ..kind.spec()
            },
            topic: None,
            message_ids: ids,
            to_topic: true,
            from: Offset(0),
            max,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.redrive(&context(1), request));
        let answer = answer.map_err(|error| format!("L1: redrive: {error}"))?;
        let model = &mut self.models[broker];
        let letters = model.letters.entry(kind.group).or_default();
        let wanted = letters.iter_mut().filter(|letter| {
            if named {
                letter.number == name
            } else {
                !letter.sent
            }
        });
        let mut sent = 0;
        for letter in wanted.take(max as usize) {
            letter.sent = true;
            model
                .coming
                .push((letter.number, (letter.key.0, letter.key.1)));
            sent += 1;
        }
        ensure!(answer.sent == sent, "R1: {sent} redriven, not {answer:?}");
        model.durable();
        self.look()
    }

    /// Everything that may be seen reaches everybody who asked once, or its dead
    /// letters (R1).
    pub(super) fn heal(&mut self) -> Checked {
        for broker in 0..self.models.len() {
            self.ask_again(broker)?;
        }
        self.look()?;
        let now = self.now();
        let dues = self
            .models
            .iter()
            .filter_map(|model| model.dues(now).pop_last());
        if let Some(last) = dues.max() {
            self.advance(last - now);
        }
        for _ in 0..ROUNDS_MAX {
            for broker in 0..self.models.len() {
                for reader in 0..READERS.len() {
                    self.receive_all(broker, reader)?;
                }
                for pick in 0..4 {
                    self.release(broker, 0, pick)?;
                }
            }
            self.look()?;
            if self.models.iter().all(|model| model.left().is_none()) {
                return Ok(());
            }
            self.advance_to_next(false);
        }
        let left: Vec<_> = self
            .models
            .iter()
            .filter_map(|model| model.left())
            .collect();
        Err(format!("R1: left for ever: {left:?}"))
    }

    fn receive_all(&mut self, broker: usize, reader: usize) -> Checked {
        for (topic, number) in TOPICS.iter().enumerate() {
            let model = self.models[broker].reader(reader);
            // The first reader gets everything in any case.
            if reader > 0 && !model.topics.contains(number) {
                continue;
            }
            for _ in 0..ROUNDS_MAX {
                let handles = self.receive(Ask {
                    broker,
                    reader,
                    topic,
                    max: 256,
                    run_max: 4,
                    invisible_ms: 30_000,
                })?;
                if handles.is_empty() {
                    break;
                }
                self.ack_handles(&handles)?;
            }
        }
        Ok(())
    }
}

impl State {
    /// A lease that may be lost, with the one before it, passed, in its place.
    fn may_show_another(&self) -> bool {
        matches!(self, Self::Leased { attempt, is_durable: false, .. } if *attempt > 1)
    }

    /// What is left of it after a crash, by the status that it has then.
    fn survived(self, kind: &ReaderKind, told: ConsumeStatus) -> Checked<Self> {
        use ConsumeStatus::{Consumed, Consuming, ToConsume};
        let wrong = |rule: &str| Err(format!("{rule}: {self:?} is {told:?}"));
        match (self, told) {
            (Self::Acked(_) | Self::Dead { .. } | Self::Purged, Consumed)
            | (Self::Parked { .. }, ToConsume)
            | (Self::Leased { .. }, Consuming) => Ok(self),
            (
                Self::Leased {
                    attempt,
                    lease,
                    is_durable: false,
                    ..
                },
                ToConsume,
            ) => Ok(Self::lost(attempt, attempt, lease)),
            // The lease is lost, or has passed: it comes as this attempt or the next.
            (
                Self::Open {
                    hi,
                    is_told: false,
                    last: Some(last),
                    ..
                },
                _,
            ) if !last.is_durable => Ok(Self::lost(last.attempt, hi, last.lease)),
            (Self::Over(last), _) if !last.is_durable => {
                Ok(Self::lost(last.attempt, last.attempt + 1, last.lease))
            }
            (Self::Over(_), _) => Ok(self),
            (Self::Open { last, .. }, Consuming) if last.is_some_and(|last| last.is_unnoticed) => {
                Ok(self)
            }
            (Self::Open { lo, hi, .. }, Consumed) if hi > lo && kind.is_last(hi - 1) => Ok(self),
            (Self::Open { .. }, ToConsume) => Ok(self),
            (Self::Acked(_) | Self::Purged, _) => wrong("R7"),
            (Self::Leased { .. }, _) => wrong("R6"),
            (Self::Dead { .. } | Self::Open { .. } | Self::Parked { .. }, _) => wrong("R1"),
        }
    }

    fn lost(lo: u32, hi: u32, lease: super::model::Lease) -> Self {
        Self::Open {
            lo,
            hi,
            not_before: 0,
            is_told: false,
            last: Some(super::readers::Last {
                lease,
                attempt: lo,
                is_unnoticed: hi > lo,
                is_durable: true,
                is_lost: true,
            }),
        }
    }
}
