//! One token bucket, counted in thousandths of a message and 65,536ths of these: a part
//! of a rate of n messages a second is n times the part of these a millisecond, so
//! nothing is ever rounded.

use firn_protocol::api::shares::Part;
use firn_protocol::limits::SHARE_RENEWAL_MS;
use parking_lot::Mutex;

use super::hold::Hold;

const MILLI: u64 = 1 << 16;
const MESSAGE: u64 = 1000 * MILLI;
/// A want rises at once and falls to this part of itself with each report.
const WANT_FALL: u64 = 16;
/// A little more is asked for than is wanted, so that a bucket fills up again.
const WANT_SPARE: u64 = 64;

/// How fast a bucket fills, and how much goes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rate {
    pub(super) tps: u64,
    size: Size,
}

/// How much goes in, in thousandths of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    burst: u64,
    /// What comes in a tick of the clock.
    tick: u64,
}

impl Rate {
    /// At least one message fits, and what comes in a tick of the clock:
    /// otherwise the rate could never be reached.
    pub(super) fn new(tps: u64, burst_ms: u64) -> Self {
        Self {
            tps,
            size: Size {
                burst: (tps * burst_ms).max(tps).max(1000),
                tick: tps,
            },
        }
    }

    /// What comes of a part of the rate between two times.
    pub(super) fn fills(self, part: Part, from_ms: u64, to_ms: u64) -> u64 {
        let passed_ms = to_ms.saturating_sub(from_ms);
        self.each_ms(part).saturating_mul(passed_ms)
    }

    fn each_ms(self, part: Part) -> u64 {
        self.tps * u64::from(part.parts())
    }

    /// How much a bucket holds of it: half of the burst goes with the base and half with
    /// the share, so that all gateways' together are the burst. Again one message fits at
    /// each gateway.
    fn room(self, base: Part, share: Part) -> u64 {
        let parts = u64::from(base.parts()) + u64::from(share.parts());
        if parts == 0 {
            return 0;
        }
        let burst = self.size.burst * parts / 2;
        let tick = self.size.tick * u64::from(share.parts());
        burst.max(tick).max(MESSAGE)
    }
}

/// What is there always fits with what was taken and not settled: together
/// they are the most that can pass at once.
pub(super) struct Bucket(Mutex<Level>);

struct Level {
    rate: Rate,
    there: u64,
    taken: u64,
    at_ms: u64,
    /// The part of the limit that came with an answer, and that answer's number.
    share: Option<(u64, Part)>,
    /// Messages that wanted to pass since the last report.
    wanted: u64,
    /// Messages a second, as was reported.
    reported: u64,
}

/// Times until something is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) message_ms: u64,
    pub(super) full_ms: u64,
}

/// What a gateway says about a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) held: Part,
    pub(super) wanted: Part,
}

/// What was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) count: usize,
    /// Nothing comes in, and what is there goes to its end.
    pub(super) needs_share: bool,
}

impl Bucket {
    /// One that nothing was taken from. More than the base's burst is there only after
    /// the gateway has had the rest for some time: others may have used it before.
    pub(super) fn new(rate: Rate, hold: &Hold) -> Self {
        Self(Mutex::new(Level {
            rate,
            there: rate.room(hold.base, Part::NONE),
            taken: 0,
            at_ms: hold.every_since_ms,
            share: None,
            wanted: 0,
            reported: 0,
        }))
    }

    /// Takes up to `wanted` messages' worth, until they are settled or put back.
    pub(super) fn take(&self, rate: Rate, hold: &Hold, now_ms: u64, wanted: usize) -> Taken {
        let mut level = self.0.lock();
        // After a change of the plan: what was saved up is of the old rate.
        level.rate.size = rate.size;
        level.fill(hold, now_ms);
        level.rate = rate;
        let count = (level.there / MESSAGE).min(wanted as u64);
        level.there -= count * MESSAGE;
        level.taken += count * MESSAGE;
        level.wanted = level.wanted.saturating_add(wanted as u64);
        let is_short = count < wanted as u64 || level.there < level.room(hold, now_ms) / 2;
        Taken {
            count: count as usize,
            needs_share: is_short && level.part(hold, now_ms).is_none(),
        }
    }

    /// Of what was taken, so many messages did not need it after all.
    pub(super) fn put_back(&self, count: usize) {
        self.settle(0, count);
    }

    /// Of `taken` messages' worth, `used` have passed.
    pub(super) fn settle(&self, used: usize, taken: usize) {
        let unused = (taken - used.min(taken)) as u64;
        let (used, taken) = (used as u64 * MESSAGE, taken as u64 * MESSAGE);
        let mut level = self.0.lock();
        assert!(
            used <= taken && taken <= level.taken,
            "only what was taken is settled"
        );
        level.taken -= taken;
        level.there += taken - used;
        level.wanted = level.wanted.saturating_sub(unused);
    }

    /// Whether it says no more than none.
    pub(super) fn is_spare(&self, hold: &Hold, now_ms: u64) -> bool {
        let mut level = self.0.lock();
        level.fill(hold, now_ms);
        level.is_full(hold, now_ms) && level.share(hold).is_none()
    }

    pub(super) fn wait(&self, hold: &Hold, now_ms: u64) -> Wait {
        let mut level = self.0.lock();
        level.fill(hold, now_ms);
        let each_ms = level.rate.each_ms(level.part(hold, now_ms));
        let until = |wanted: u64| match wanted.saturating_sub(level.there) {
            0 => 0,
            // A share comes with the next answer.
            _ if each_ms == 0 => SHARE_RENEWAL_MS,
            missing => missing.div_ceil(each_ms),
        };
        Wait {
            message_ms: until(MESSAGE),
            full_ms: until(level.room(hold, now_ms)),
        }
    }

    /// What is to be said about the limit; nothing when nobody wants it. `closed_ms` is
    /// the time since the last report, for one that counts anew from here.
    pub(super) fn report(
        &self,
        hold: &Hold,
        now_ms: u64,
        closed_ms: Option<u64>,
    ) -> Option<Report> {
        let mut level = self.0.lock();
        level.fill(hold, now_ms);
        if let Some(passed_ms) = closed_ms {
            let each_second = level.wanted.saturating_mul(1000) / passed_ms.max(1);
            let each_second = each_second.min(level.rate.tps);
            level.reported = each_second.max(level.reported / WANT_FALL);
            level.wanted = 0;
        }
        let wanted = level.reported.max(level.wanted);
        let is_full = level.is_full(hold, now_ms);
        if is_full && wanted == 0 {
            level.share = None;
            return None;
        }
        let there = level.there.saturating_add(level.taken);
        let missing = level
            .room(hold, now_ms)
            .saturating_sub(there)
            .div_ceil(MESSAGE);
        let wanted = wanted
            .saturating_add(wanted / WANT_SPARE)
            .saturating_add(missing);
        let share = level.share(hold);
        Some(Report {
            held: share.map_or(Part::NONE, |_| level.part(hold, now_ms)),
            wanted: Part::of(wanted.max(1), level.rate.tps),
        })
    }

    /// A new answer has come: what was in force before it counts until now.
    pub(super) fn renew(&self, before: &Hold, after: &Hold, now_ms: u64, share: Part) {
        let mut level = self.0.lock();
        level.fill(before, now_ms);
        level.share = Some((after.answer, share));
        level.fill(after, now_ms);
    }
}

impl Level {
    fn fill(&mut self, hold: &Hold, now_ms: u64) {
        let more = hold.fills(self.rate, self.share(hold), self.at_ms, now_ms);
        let room = self.room(hold, now_ms).saturating_sub(self.taken);
        self.there = self.there.saturating_add(more).min(room);
        self.at_ms = self.at_ms.max(now_ms);
    }

    fn is_full(&self, hold: &Hold, now_ms: u64) -> bool {
        self.taken == 0 && self.there == self.room(hold, now_ms)
    }

    /// None once another answer has come.
    fn share(&self, hold: &Hold) -> Option<Part> {
        let (answer, part) = self.share?;
        (answer == hold.answer).then_some(part)
    }

    fn part(&self, hold: &Hold, now_ms: u64) -> Part {
        hold.part(self.share(hold), now_ms)
    }

    fn room(&self, hold: &Hold, now_ms: u64) -> u64 {
        self.rate.room(hold.base, self.part(hold, now_ms))
    }
}
