//! What receives under an attempt id were answered, so that a caller who did not
//! see the answer can have it again (RULES 20). Only in memory: after a restart
//! the leases pass by themselves.

use std::collections::{HashMap, VecDeque};

use firn_protocol::ids::{AttemptId, GroupId, TopicKey};
use firn_protocol::receipt::Receipt;
use firn_protocol::time::Timestamp;

/// Deliveries that are remembered of one broker; then the oldest answers go.
const DELIVERIES_MAX: usize = 65_536;

/// Who asked, and by which call.
pub type Attempt = (GroupId, TopicKey, AttemptId);

/// Answers of before, at least as long as their leases last.
#[derive(Debug, Default)]
pub struct Attempts {
    answers: HashMap<Attempt, Answer>,
    /// In the order in which they were given.
    order: VecDeque<(Attempt, u64)>,
    deliveries: usize,
    next: u64,
}

#[derive(Debug)]
struct Answer {
    number: u64,
    until: Timestamp,
    receipts: Vec<Receipt>,
}

impl Attempts {
    /// Remembers an answer whose leases pass at `until`.
    pub fn note(
        &mut self,
        attempt: Attempt,
        receipts: Vec<Receipt>,
        until: Timestamp,
        now: Timestamp,
    ) {
        self.next += 1;
        let number = self.next;
        self.deliveries += receipts.len();
        let answer = Answer {
            number,
            until,
            receipts,
        };
        if let Some(before) = self.answers.insert(attempt, answer) {
            self.deliveries -= before.receipts.len();
        }
        self.order.push_back((attempt, number));
        while let Some(&(oldest, number)) = self.order.front() {
            let answer = self.answers.get(&oldest);
            let answer = answer.filter(|answer| answer.number == number);
            // Without an answer of this number a later one took its place.
            let is_over = answer.is_none_or(|answer| answer.until <= now);
            if !is_over && self.deliveries <= DELIVERIES_MAX {
                break;
            }
            if answer.is_some()
                && let Some(gone) = self.answers.remove(&oldest)
            {
                self.deliveries -= gone.receipts.len();
            }
            self.order.pop_front();
        }
    }

    /// What was answered under this id. Whether the leases still hold is for
    /// the caller to see.
    #[must_use]
    pub fn answer(&self, attempt: &Attempt) -> &[Receipt] {
        self.answers
            .get(attempt)
            .map_or(&[], |answer| &answer.receipts)
    }
}

#[cfg(test)]
mod tests {
    use firn_protocol::ids::{BrokerId, Generation, Offset, QueueId, QueueKey, TopicId};

    use super::*;

    const TOPIC: TopicKey = TopicKey::User(TopicId(1));

    fn attempt(id: &str) -> Attempt {
        (GroupId(1), TOPIC, AttemptId::of(id))
    }

    fn receipts(count: u64) -> Vec<Receipt> {
        let receipt = |offset| Receipt {
            broker: BrokerId(1),
            group: GroupId(1),
            topic: TOPIC,
            queue: QueueKey {
                topic: TOPIC,
                queue: QueueId(0),
            },
            offset: Offset(offset),
            attempt: 1,
            epoch: 0,
            generation: Generation(1),
            lease: offset,
        };
        (0..count).map(receipt).collect()
    }

    #[test]
    fn the_newest_answer_under_an_id_counts() {
        let mut attempts = Attempts::default();
        let (now, until) = (Timestamp(0), Timestamp(100));
        assert_eq!(attempts.answer(&attempt("a")), []);
        attempts.note(attempt("a"), receipts(2), until, now);
        attempts.note(attempt("a"), receipts(3), until, now);
        assert_eq!(attempts.answer(&attempt("a")).len(), 3);
        assert_eq!(attempts.answer(&attempt("b")), []);
        let other = (GroupId(2), TOPIC, AttemptId::of("a"));
        assert_eq!(attempts.answer(&other), []);
    }

    #[test]
    fn answers_go_once_their_leases_passed() {
        let mut attempts = Attempts::default();
        attempts.note(attempt("a"), receipts(2), Timestamp(100), Timestamp(0));
        attempts.note(attempt("a"), receipts(2), Timestamp(300), Timestamp(0));
        attempts.note(attempt("b"), receipts(2), Timestamp(200), Timestamp(0));
        attempts.note(attempt("c"), receipts(1), Timestamp(400), Timestamp(250));
        assert_eq!(attempts.answer(&attempt("a")).len(), 2);
        attempts.note(attempt("d"), receipts(1), Timestamp(400), Timestamp(300));
        assert_eq!(attempts.answer(&attempt("a")), []);
        assert_eq!(attempts.answer(&attempt("b")), []);
        assert_eq!((attempts.answers.len(), attempts.deliveries), (2, 2));
        assert_eq!(attempts.order.len(), 2);
    }

    #[test]
    fn so_many_deliveries_and_no_more_are_remembered() {
        let mut attempts = Attempts::default();
        for n in 0..1000 {
            let id = attempt(&n.to_string());
            attempts.note(id, receipts(256), Timestamp(100), Timestamp(0));
            assert!(attempts.deliveries <= DELIVERIES_MAX);
        }
        assert_eq!(attempts.answers.len(), DELIVERIES_MAX / 256);
        assert_eq!(attempts.order.len(), DELIVERIES_MAX / 256);
        assert_eq!(attempts.answer(&attempt("0")), []);
        assert_eq!(attempts.answer(&attempt("999")).len(), 256);
    }
}
