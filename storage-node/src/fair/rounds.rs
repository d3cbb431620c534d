//! Those who wait, a line for each instance, and whose turn it is: deficit
//! round robin by bytes (Shreedhar and Varghese, 1995).
//!
//! In each round a line may go on by a quantum, and what it does not use is
//! kept as its deficit while it has somebody waiting. Of two lines that both
//! have, neither gets ahead by more than two quanta and a request. Rounds in
//! which nobody could go are not walked through but counted.

use std::collections::VecDeque;

use firn_protocol::ids::InstanceId;
use rustc_hash::FxHashMap;

/// What one who waits costs in memory, beside what it sends.
pub const WAITER_BYTES: u64 = 1024;

/// The bounds of [`Rounds`].
#[derive(Clone, Copy, Debug)]
pub struct RoundsLimits {
    /// Bytes by which a line may go on in each round; at least 1.
    pub quantum_bytes: u64,
    /// Bytes of all who wait, [`WAITER_BYTES`] for each included.
    pub waiting_bytes_max: u64,
}

/// A place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    pub instance: InstanceId,
    number: u64,
}

/// The instance has so much waiting that others would be left without room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too much of the instance waits already")]
pub struct Full;

/// Those who wait. See the module.
#[derive(Debug)]
pub struct Rounds<T> {
    limits: RoundsLimits,
    lines: FxHashMap<InstanceId, Line<T>>,
    /// Lines with somebody in them, in the order of their turns.
    turns: VecDeque<InstanceId>,
    waiting_bytes: u64,
    next_number: u64,
}

#[derive(Debug)]
struct Line<T> {
    waiters: VecDeque<Waiter<T>>,
    /// What they cost.
    waiting_bytes: u64,
    deficit: u64,
    /// Has had its quantum of this round.
    is_at_turn: bool,
}

#[derive(Debug)]
struct Waiter<T> {
    number: u64,
    bytes: u64,
    item: T,
}

impl<T> Rounds<T> {
    #[must_use]
    pub fn new(limits: RoundsLimits) -> Self {
        Self {
            limits: RoundsLimits {
                quantum_bytes: limits.quantum_bytes.max(1),
                ..limits
            },
            lines: FxHashMap::default(),
            turns: VecDeque::new(),
            waiting_bytes: 0,
            next_number: 0,
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether somebody of the instance waits.
    #[must_use]
    pub fn has_line(&self, instance: InstanceId) -> bool {
        self.lines.contains_key(&instance)
    }

    /// What all who wait cost.
    #[must_use]
    pub fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Puts a send at the end of its instance's line.
    ///
    /// # Errors
    /// When the line may not take more room than all lines leave free (a dynamic
    /// threshold, Choudhury and Hahne, 1998): one alone gets half of all, each of
    /// two a third, and one that comes later always finds some.
    pub fn join(&mut self, instance: InstanceId, bytes: u64, item: T) -> Result<Ticket, Full> {
        let cost = bytes.saturating_add(WAITER_BYTES);
        let free = self.limits.waiting_bytes_max - self.waiting_bytes;
        let own = self.lines.get(&instance).map_or(0, |it| it.waiting_bytes);
        if own.saturating_add(cost) > free {
            return Err(Full);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.waiting_bytes += cost;
        let line = self.lines.entry(instance).or_insert_with(|| {
            self.turns.push_back(instance);
            Line {
                waiters: VecDeque::new(),
                waiting_bytes: 0,
                deficit: 0,
                is_at_turn: false,
            }
        });
        line.waiting_bytes += cost;
        line.waiters.push_back(Waiter {
            number,
            bytes,
            item,
        });
        Ok(Ticket { instance, number })
    }

    /// Takes out one who waits no longer; `None` if its turn has come before.
    pub fn leave(&mut self, ticket: Ticket) -> Option<T> {
        let line = self.lines.get_mut(&ticket.instance)?;
        let at = line
            .waiters
            .binary_search_by_key(&ticket.number, |it| it.number);
        let waiter = line.waiters.remove(at.ok()?)?;
        self.left(ticket.instance, waiter.bytes);
        Some(waiter.item)
    }

    /// Whose turn it is. Lines whose first `may_pass` refuses stand aside until
    /// they are asked again; they lose nothing, and save nothing up.
    pub fn next(
        &mut self,
        may_pass: impl Fn(InstanceId, u64, &T) -> bool,
    ) -> Option<(InstanceId, u64, T)> {
        if let Some(found) = self.walk(&may_pass) {
            return Some(found);
        }
        self.skip_rounds(&may_pass)?;
        self.walk(&may_pass)
    }

    /// One round, until somebody may go.
    fn walk(
        &mut self,
        may_pass: &impl Fn(InstanceId, u64, &T) -> bool,
    ) -> Option<(InstanceId, u64, T)> {
        for _ in 0..self.turns.len() {
            let &instance = self.turns.front()?;
            let line = self.lines.get_mut(&instance)?;
            let first = line.waiters.front()?;
            if may_pass(instance, first.bytes, &first.item) {
                if !line.is_at_turn {
                    line.is_at_turn = true;
                    line.deficit += self.limits.quantum_bytes;
                }
                if first.bytes <= line.deficit {
                    line.deficit -= first.bytes;
                    let waiter = line.waiters.pop_front()?;
                    self.left(instance, waiter.bytes);
                    return Some((instance, waiter.bytes, waiter.item));
                }
                line.is_at_turn = false;
            }
            self.turns.rotate_left(1);
        }
        None
    }

    /// Gives everybody the quanta of the rounds in which nobody can go; `None` if
    /// nobody may go at all. The next round is the one in which somebody does.
    fn skip_rounds(&mut self, may_pass: &impl Fn(InstanceId, u64, &T) -> bool) -> Option<()> {
        let quantum = self.limits.quantum_bytes;
        let passing = |line: &Line<T>, instance: InstanceId| {
            let first = line.waiters.front()?;
            let may = may_pass(instance, first.bytes, &first.item);
            may.then(|| first.bytes.saturating_sub(line.deficit).div_ceil(quantum))
        };
        let rounds = self.lines.iter();
        let rounds = rounds.filter_map(|(&instance, line)| passing(line, instance));
        let skipped = rounds.min()?.saturating_sub(1);
        for (&instance, line) in &mut self.lines {
            if passing(line, instance).is_some() {
                line.deficit += skipped * quantum;
            }
        }
        Some(())
    }

    /// Somebody with so many bytes is out of a line.
    fn left(&mut self, instance: InstanceId, bytes: u64) {
        let cost = bytes.saturating_add(WAITER_BYTES);
        self.waiting_bytes -= cost;
        let Some(line) = self.lines.get_mut(&instance) else {
            return;
        };
        line.waiting_bytes -= cost;
        if line.waiters.is_empty() {
            // What an empty line has saved up is lost, as in every round robin.
            self.lines.remove(&instance);
            if let Some(at) = self.turns.iter().position(|&it| it == instance) {
                self.turns.remove(at);
            }
        }
    }
}
