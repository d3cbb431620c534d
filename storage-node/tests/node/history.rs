//! What clients know of a node, and whether what it says later agrees: R1 to R4
//! and R7 of the reliability rules, decided from answers alone.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use firn_protocol::api::storage::{KeyQuery, QueueLag, ReceiveRequest, Received, StorageApi};
use firn_protocol::filter::Filter;
use firn_protocol::ids::{BrokerId, Offset, QueueKey, TopicKey};
use firn_protocol::message::{ConsumeStatus, Message, NewMessage};
use firn_protocol::time::Timestamp;
use firn_runtime::Clock;
use firn_storage_node::node::StorageNode;

use crate::power::{BROKERS, Dice, GROUP, TOPIC, World, ctx, queue};

type Number = u64;

/// Committed offsets that were told.
type Floors = BTreeMap<(BrokerId, QueueKey), u64>;

/// A breach of a promise, in words.
pub(crate) type Breach = String;

struct Sent {
    broker: BrokerId,
    queue: QueueKey,
    body: Bytes,
    /// The numbers that were sent together: first and how many.
    batch: (Number, u64),
    /// Refused before it was taken: must never appear.
    refused: bool,
    /// When sending began, in ms; 0 if nothing expires.
    at: u64,
}

/// How long records are kept, by which clock.
#[derive(Clone)]
pub(crate) struct Ages {
    pub(crate) clock: Clock,
    pub(crate) retention_ms: u64,
}

#[derive(Default)]
pub(crate) struct History {
    sent: BTreeMap<Number, Sent>,
    /// What must stand at a place: it was answered, or it was read there.
    placed: BTreeMap<(BrokerId, QueueKey, u64), Number>,
    /// Acknowledged for certain, and when by [`Self::tick`].
    acked: BTreeMap<Number, u64>,
    /// Perhaps acknowledged: by so many acks whose effect is not known.
    maybe_acked: BTreeMap<Number, u32>,
    committed: Floors,
    /// Nothing expires without.
    pub(crate) ages: Option<Ages>,
    /// Expired, and found to be gone.
    pub(crate) gone: BTreeSet<Number>,
    pub(crate) tick: u64,
    pub(crate) answered: u64,
    pub(crate) unknown: u64,
}

pub(crate) fn number_of(message: &Message) -> Result<Number, Breach> {
    let body = &message.content.body;
    let raw = body.get(..8).and_then(|raw| raw.try_into().ok());
    raw.map(u64::from_le_bytes)
        .ok_or_else(|| format!("a phantom body of {} bytes", body.len()))
}

fn body_of(number: Number, len: usize) -> Bytes {
    let mut body = number.to_le_bytes().to_vec();
    let mut dice = Dice(number);
    while body.len() < len {
        body.push(dice.next() as u8);
    }
    body.into()
}

impl History {
    /// New messages of a batch, known from now on as perhaps stored.
    pub(crate) fn sending(
        &mut self,
        broker: BrokerId,
        queue: QueueKey,
        lens: &[usize],
    ) -> (Number, Vec<NewMessage>) {
        let first = self.sent.keys().next_back().map_or(1, |last| last + 1);
        let count = lens.len() as u64;
        let at = self.ages.as_ref().map_or(0, |ages| ages.clock.now_ms());
        let messages = (first..).zip(lens).map(|(number, len)| {
            let body = body_of(number, *len);
            let sent = Sent {
                broker,
                queue,
                body: body.clone(),
                batch: (first, count),
                refused: false,
                at,
            };
            self.sent.insert(number, sent);
            NewMessage {
                keys: vec![format!("k{number}")],
                body,
                ..NewMessage::default()
            }
        });
        (first, messages.collect())
    }

    pub(crate) fn stored(
        &mut self,
        broker: BrokerId,
        queue: QueueKey,
        offset: Offset,
        (first, count): (Number, u64),
    ) -> Result<(), Breach> {
        self.answered += count;
        (0..count).try_for_each(|i| self.place(broker, queue, offset.0 + i, first + i))
    }

    /// The node said that it did not take it.
    pub(crate) fn refused(&mut self, first: Number) {
        let count = self.sent[&first].batch.1;
        for number in first..first + count {
            self.sent.get_mut(&number).expect("sent").refused = true;
        }
    }

    fn place(
        &mut self,
        broker: BrokerId,
        queue: QueueKey,
        offset: u64,
        number: Number,
    ) -> Result<(), Breach> {
        let before = self.placed.insert((broker, queue, offset), number);
        match before {
            Some(before) if before != number => Err(format!(
                "R3: {broker} {queue} at {offset} was {before} and is {number}"
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Whether a message is so old that it may have expired.
    fn may_be_gone(&self, number: Number) -> bool {
        let ages = self.ages.as_ref();
        ages.is_some_and(|it| self.sent[&number].at + it.retention_ms <= it.clock.now_ms())
    }

    /// A queue begins at `min`: nothing below is asked for any more.
    fn forget_below(&mut self, broker: BrokerId, queue: QueueKey, min: u64) -> Result<(), Breach> {
        let below = self.placed.range((broker, queue, 0)..(broker, queue, min));
        let below: Vec<_> = below.map(|(place, number)| (*place, *number)).collect();
        for (place, number) in below {
            if !self.may_be_gone(number) {
                return Err(format!("R1: {number} at {place:?} went before its time"));
            }
            self.placed.remove(&place);
            self.gone.insert(number);
        }
        Ok(())
    }

    pub(crate) fn acked(&mut self, number: Number) {
        self.tick += 1;
        self.acked.insert(number, self.tick);
    }

    /// An ack is on its way.
    pub(crate) fn acking(&mut self, number: Number) {
        *self.maybe_acked.entry(number).or_default() += 1;
    }

    /// That ack did nothing; others may be on their way.
    pub(crate) fn not_acked(&mut self, number: Number) {
        let open = self.maybe_acked.entry(number).or_default();
        *open = open.saturating_sub(1);
        self.maybe_acked.retain(|_, open| *open > 0);
    }

    /// The group started over, or perhaps did.
    pub(crate) fn started_over(&mut self) {
        for number in std::mem::take(&mut self.acked).into_keys() {
            self.acking(number);
        }
        self.committed.clear();
    }

    /// A delivery from a receive that began at `since`.
    pub(crate) fn delivered(&self, message: &Message, since: u64) -> Result<Number, Breach> {
        let number = number_of(message)?;
        self.is_genuine(message, number)?;
        if self.acked.get(&number).is_some_and(|&at| at <= since) {
            return Err(format!("R7: {number} is delivered after its ack"));
        }
        Ok(number)
    }

    fn is_genuine(&self, message: &Message, number: Number) -> Result<(), Breach> {
        let sent = self
            .sent
            .get(&number)
            .ok_or(format!("R2: phantom {number}"))?;
        if sent.refused {
            return Err(format!("R2: {number} was refused and is there"));
        }
        if sent.body != message.content.body || sent.broker != message.broker {
            return Err(format!("R2: {number} is altered"));
        }
        Ok(())
    }

    /// What was committed before a question is asked; answers may overtake one another.
    pub(crate) fn floors(&self) -> Floors {
        self.committed.clone()
    }

    pub(crate) fn progress(
        &mut self,
        broker: BrokerId,
        rows: &[QueueLag],
        floors: &Floors,
    ) -> Result<(), Breach> {
        for row in rows.iter().filter(|row| row.queue.topic == TOPIC.key) {
            let place = (broker, row.queue);
            let floor = floors.get(&place).copied().unwrap_or(0);
            if row.committed.0 < floor {
                return Err(format!(
                    "R4: {broker} {} fell from {floor} to {}",
                    row.queue, row.committed
                ));
            }
            let known = self.committed.entry(place).or_default();
            *known = row.committed.0.max(*known);
        }
        Ok(())
    }

    /// Everything that a node says holds against what is known; from now on it is known.
    pub(crate) async fn verify(&mut self, node: &StorageNode) -> Result<(), Breach> {
        for broker in BROKERS {
            for queue in (0..TOPIC.queues).map(queue) {
                self.verify_queue(node, broker, queue).await?;
            }
            let rows = node.lag(&ctx(), broker, GROUP.id).await.map_err(text)?;
            self.progress(broker, &rows, &self.floors())?;
        }
        self.verify_batches()?;
        self.verify_acks(node).await
    }

    async fn verify_queue(
        &mut self,
        node: &StorageNode,
        broker: BrokerId,
        queue: QueueKey,
    ) -> Result<(), Breach> {
        let bounds = node
            .bounds(&ctx(), broker, queue.topic)
            .await
            .map_err(text)?;
        let row = bounds.iter().find(|row| row.0 == queue.queue);
        let (min, end) = row.map_or((0, 0), |row| (row.1.0, row.2.0));
        self.forget_below(broker, queue, min)?;
        let mut next = min;
        while next < end {
            let page = node
                .read(&ctx(), broker, queue, Offset(next), 7)
                .await
                .map_err(text)?;
            if page.is_empty() {
                return Err(format!(
                    "R1: {broker} {queue} reads nothing at {next} of {end}"
                ));
            }
            for message in page {
                if message.offset.0 != next {
                    return Err(format!(
                        "R3: {broker} {queue} has {} at {next}",
                        message.offset
                    ));
                }
                let number = number_of(&message)?;
                self.is_genuine(&message, number)?;
                if self.sent[&number].queue != queue {
                    return Err(format!("R2: {number} is in {queue}"));
                }
                self.place(broker, queue, next, number)?;
                next += 1;
            }
        }
        let from = (broker, queue, end)..=(broker, queue, u64::MAX);
        if let Some((place, number)) = self.placed.range(from).next() {
            return Err(format!(
                "R1: {number} at {place:?} is lost, the queue ends at {end}"
            ));
        }
        Ok(())
    }

    fn verify_batches(&self) -> Result<(), Breach> {
        let mut there = BTreeMap::new();
        for ((_, _, offset), number) in &self.placed {
            if there.insert(*number, *offset).is_some() {
                return Err(format!("R2: {number} is there twice"));
            }
        }
        for (number, offset) in &there {
            let (first, count) = self.sent[number].batch;
            // The first of them may have been in front of where the queue begins now.
            let start = offset.wrapping_sub(number - first);
            let whole = (0..count).all(|i| match there.get(&(first + i)) {
                Some(found) => *found == start.wrapping_add(i),
                None => self.gone.contains(&(first + i)),
            });
            if !whole {
                return Err(format!("R2: the batch of {number} is there in part"));
            }
        }
        Ok(())
    }

    async fn verify_acks(&self, node: &StorageNode) -> Result<(), Breach> {
        for ((broker, queue, offset), number) in &self.placed {
            if !self.acked.contains_key(number) {
                continue;
            }
            let record = vec![(*queue, Offset(*offset))];
            let status = node
                .status(&ctx(), *broker, GROUP.id, record)
                .await
                .map_err(text)?;
            if status != [ConsumeStatus::Consumed] {
                return Err(format!("R4: the ack of {number} is forgotten: {status:?}"));
            }
        }
        Ok(())
    }

    /// A few messages are found by key and by position, once each.
    pub(crate) async fn verify_index(&self, node: &StorageNode) -> Result<(), Breach> {
        let step = (self.placed.len() / 6).max(1);
        for ((broker, queue, offset), number) in self.placed.iter().step_by(step) {
            let query = KeyQuery::Key(format!("k{number}"));
            let page = node
                .by_key(&ctx(), *broker, Some(TOPIC.key), query, 0, 10)
                .await
                .map_err(text)?;
            let [found] = &page.messages[..] else {
                return Err(format!(
                    "R1: key of {number} finds {} messages",
                    page.messages.len()
                ));
            };
            if (found.queue, found.offset.0) != (*queue, *offset) {
                return Err(format!("R3: key of {number} leads elsewhere"));
            }
            let same = node
                .by_position(&ctx(), *broker, found.position)
                .await
                .map_err(text)?;
            if same.as_ref() != Some(found) {
                return Err(format!("R3: position of {number} leads elsewhere"));
            }
        }
        Ok(())
    }

    /// Everything is delivered in the end, or was finished before (R1, L2).
    pub(crate) async fn drain(&mut self, world: &World, node: &StorageNode) -> Result<(), Breach> {
        // A copy may have expired before its original has.
        let old = self.placed.values().copied();
        let old: Vec<Number> = old.filter(|number| self.may_be_gone(*number)).collect();
        let mut finished: BTreeSet<Number> = self.acked.keys().copied().collect();
        finished.extend(old);
        finished.extend(self.maybe_acked.keys());
        for round in 0.. {
            if round == 400 {
                return Err("L2: the group is stuck".to_owned());
            }
            world
                .clock
                .advance(std::time::Duration::from_secs(3 * 3600));
            let mut left = 0;
            for broker in BROKERS {
                let since = self.tick;
                let received = receive(node, broker, 32, 1000).await.map_err(text)?;
                let mut receipts = Vec::new();
                for delivery in &received.deliveries {
                    finished.insert(self.delivered(&delivery.message, since)?);
                    receipts.push(delivery.receipt);
                }
                node.ack(&ctx(), broker, GROUP.id, receipts)
                    .await
                    .map_err(text)?;
                let rows = node.lag(&ctx(), broker, GROUP.id).await.map_err(text)?;
                self.progress(broker, &rows, &self.floors())?;
                left += rows.iter().map(|row| row.lag).sum::<u64>();
            }
            if left == 0 {
                break;
            }
        }
        for broker in BROKERS {
            let dead = QueueKey {
                topic: TopicKey::DeadLetter(GROUP.id),
                ..queue(0)
            };
            let letters = node
                .read(&ctx(), broker, dead, Offset(0), 1000)
                .await
                .map_err(text)?;
            for letter in &letters {
                finished.insert(number_of(letter)?);
            }
        }
        match self
            .placed
            .values()
            .find(|number| !finished.contains(number))
        {
            Some(number) => Err(format!("R1: {number} was never delivered")),
            None => Ok(()),
        }
    }
}

pub(crate) async fn receive(
    node: &StorageNode,
    broker: BrokerId,
    max: usize,
    invisible_ms: u64,
) -> Result<Received, firn_protocol::ApiError> {
    let request = ReceiveRequest {
        broker,
        group: GROUP,
        topic: TOPIC,
        max,
        invisible_ms,
        filter: Filter::All,
        member: "m".to_owned(),
        run_max: 1,
        attempt: None,
    };
    node.receive(&ctx(), request).await
}

pub(crate) fn text(error: firn_protocol::ApiError) -> Breach {
    format!("L1: refused when well: {error}")
}

/// The end of time, for calls that wait.
pub(crate) const NEVER: Timestamp = Timestamp(u64::MAX);
