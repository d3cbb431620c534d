//! Half messages: stored, decided, asked about (SEED_SPEC 2.1).

use std::sync::Arc;

use firn_protocol::api::hold::{ChecksRequest, Decided, HalfMessage, Held, PrepareRequest};
use firn_protocol::context::RequestContext;
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::{BrokerId, Offset, TopicKey};
use firn_protocol::limits::{TRANSACTION_CHECK_EVERY_MS, TRANSACTIONS_OPEN_MAX};
use firn_protocol::message::{Message, NewMessage};
use firn_protocol::receipt::HeldPlace;
use firn_protocol::time::Timestamp;

use super::StorageNode;
use super::delay::held_at;
use super::usage::sent;
use crate::broker::entry::Head;
use crate::broker::held::HeldHead;
use crate::broker::owner::{Broker, Core, Mark};
use crate::config::Mutant;
use crate::consume::transaction::{Decision, HALVES_QUEUE, Half};
use crate::record::EncodedRecords;

impl StorageNode {
    pub(super) async fn prepare_message(
        &self,
        ctx: &RequestContext,
        request: PrepareRequest,
    ) -> Result<Held, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let bytes = request.message.content_bytes();
        let place = self.enter(&broker, bytes).await?;
        self.quotas.admit(ctx, bytes)?;
        let mut records = EncodedRecords::default();
        records.push_held(&request.message, request.queue);
        let (held, mark) = {
            let mut core = broker.lock()?;
            if core.state.halves.len() >= TRANSACTIONS_OPEN_MAX {
                return Err(ApiError::new(
                    ErrorCode::Overloaded,
                    format!("the broker has {TRANSACTIONS_OPEN_MAX} undecided transactions"),
                ));
            }
            let header = self.next_run(&core, HALVES_QUEUE, &records);
            let head = Head::Held(HeldHead::Prepare(Half {
                target: request.queue,
                producers: request.producers,
                since: header.stored_at,
                next_check: header.stored_at.plus_ms(request.check_after_ms),
                checks: 0,
            }));
            let run = Some((&header, &records.bytes[..]));
            let metered = sent(request.queue.topic, header.stored_at, [&request.message]);
            let metered = Some(&metered);
            place.submits();
            let mark = self.submit_metered(&broker, &mut core, &head, metered, run, None)?;
            let (queue, id) = (HALVES_QUEUE.queue, request.message.message_id);
            let held = held_at(&broker, request.queue, queue, &header, 0, id);
            core.checks_changed.notify_waiters();
            (held, mark)
        };
        self.outcome(mark).await?;
        Ok(held)
    }

    pub(super) async fn decide_half(
        &self,
        ctx: &RequestContext,
        place: HeldPlace,
        commit: bool,
    ) -> Result<Decided, ApiError> {
        let broker = self.broker_to_change(ctx, place.broker).await?;
        let offset = place.offset.0;
        let message = self.read_half(&broker, offset).await?;
        let is_it = |message: &Message| {
            let target = message.target.map(|target| target.topic);
            message.position == place.position && target == Some(place.topic)
        };
        let Some(message) = message.filter(is_it) else {
            return Ok(Decided::Unknown);
        };
        let (decided, mark) = {
            let mut core = broker.lock()?;
            let before = core.state.halves.decision(offset);
            let same = match commit {
                true => Decision::Committed,
                false => Decision::RolledBack,
            };
            match before {
                Decision::Open => {
                    let mark = self.decide(&broker, &mut core, offset, &message, commit)?;
                    (Decided::Done, mark)
                }
                Decision::Committed | Decision::RolledBack if before == same => {
                    (Decided::Done, core.mark())
                }
                Decision::Committed | Decision::RolledBack => (Decided::Opposite, core.mark()),
            }
        };
        self.outcome(mark).await?;
        Ok(decided)
    }

    async fn read_half(
        &self,
        broker: &Arc<Broker>,
        offset: u64,
    ) -> Result<Option<Message>, ApiError> {
        let mark = {
            let core = broker.lock()?;
            let queue = core.state.queue(HALVES_QUEUE);
            if !(queue.min..queue.end).contains(&offset) {
                return Ok(None);
            }
            core.mark()
        };
        self.settled(mark).await?;
        self.read_one(broker, HALVES_QUEUE, offset).await
    }

    fn decide(
        &self,
        broker: &Broker,
        core: &mut Core,
        offset: u64,
        message: &Message,
        commit: bool,
    ) -> Result<Mark, ApiError> {
        let time = self.now().max(core.state.last_time);
        let forgets = self.config.mutant == Some(Mutant::ForgetHalf);
        let target = message.target.filter(|_| commit && !forgets);
        let Some(to) = target else {
            let to = None;
            let head = Head::Held(HeldHead::Decide { time, offset, to });
            return self.submit(broker, core, &head, None, None);
        };
        let mut records = EncodedRecords::default();
        records.push_original(&NewMessage {
            message_id: Some(message.message_id),
            ..message.content.clone()
        });
        let header = self.next_run(core, to, &records);
        let to = Some(to);
        let head = Head::Held(HeldHead::Decide { time, offset, to });
        self.submit(broker, core, &head, Some((&header, &records.bytes)), None)
    }

    pub(super) async fn ask_producers(
        &self,
        ctx: &RequestContext,
        request: ChecksRequest,
    ) -> Result<Vec<HalfMessage>, ApiError> {
        let broker = self.broker_to_change(ctx, request.broker).await?;
        let now = self.now();
        let (asked, mark) = {
            let mut core = broker.lock()?;
            let due = core.state.halves.checks(request.topic, &request.producers);
            let due = due.take_while(|(at, _)| *at <= now);
            let offsets: Vec<u64> = due.map(|(_, offset)| offset).take(request.max).collect();
            if offsets.is_empty() {
                return Ok(Vec::new());
            }
            let time = now.max(core.state.last_time);
            let head = Head::Held(HeldHead::Check {
                offsets: offsets.clone(),
                next: time.plus_ms(TRANSACTION_CHECK_EVERY_MS),
            });
            let mark = self.submit(&broker, &mut core, &head, None, None)?;
            let halves = offsets.into_iter();
            let halves = halves.filter_map(|at| Some((at, core.state.halves.get(at)?.clone())));
            (halves.collect::<Vec<_>>(), mark)
        };
        // A count that is lost would ask once too often.
        self.settled(mark).await?;
        self.with_bodies(&broker, asked, now).await
    }

    pub(super) async fn wait_for_checks(
        &self,
        ctx: &RequestContext,
        request: ChecksRequest,
        until: Timestamp,
    ) -> Result<(), ApiError> {
        let broker = self.broker(ctx, request.broker)?;
        loop {
            let (changed, next) = {
                let core = broker.lock()?;
                let changed = core.checks_changed.clone().notified_owned();
                let mut due = core.state.halves.checks(request.topic, &request.producers);
                (changed, due.next().map(|(at, _)| at))
            };
            if next.is_some_and(|next| next <= self.now()) || self.now() >= until {
                return Ok(());
            }
            let until = next.map_or(until, |next| next.min(until));
            tokio::select! {
                () = changed => {}
                () = self.clock.sleep_until_ms(until.0) => {}
            }
        }
    }

    pub(super) async fn undecided(
        &self,
        ctx: &RequestContext,
        broker: BrokerId,
        topic: TopicKey,
        given_up: Option<bool>,
        from: Offset,
        max: usize,
    ) -> Result<Vec<HalfMessage>, ApiError> {
        let broker = self.broker(ctx, broker)?;
        let now = self.now();
        let (halves, mark) = {
            let core = broker.lock()?;
            let open = core.state.halves.open(from.0).filter(|(_, half)| {
                let is_wanted = given_up.is_none_or(|wanted| half.is_given_up(now) == wanted);
                half.target.topic == topic && is_wanted
            });
            let open = open.take(max).map(|(at, half)| (at, half.clone()));
            (open.collect::<Vec<_>>(), core.mark())
        };
        self.settled(mark).await?;
        self.with_bodies(&broker, halves, now).await
    }

    async fn with_bodies(
        &self,
        broker: &Arc<Broker>,
        halves: Vec<(u64, Half)>,
        now: Timestamp,
    ) -> Result<Vec<HalfMessage>, ApiError> {
        let mut found = Vec::with_capacity(halves.len());
        for (offset, half) in halves {
            // One that is lost was reported where it was noticed.
            let Some(message) = self.read_half(broker, offset).await? else {
                continue;
            };
            found.push(HalfMessage {
                place: HeldPlace {
                    broker: broker.key.broker,
                    topic: half.target.topic,
                    queue: HALVES_QUEUE.queue,
                    offset: Offset(offset),
                    position: message.position,
                },
                is_given_up: half.is_given_up(now),
                producers: half.producers,
                since: half.since,
                next_check: half.next_check,
                checks: half.checks,
                message,
            });
        }
        Ok(found)
    }
}
