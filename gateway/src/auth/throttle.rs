//! Slows down whoever guesses passwords and secrets (docs/decisions/0021-access.md).
//!
//! Wrong attempts are counted by account and by address. The first ones are free;
//! then each makes the next one wait, twice as long every time, up to a minute, and
//! every minute one is forgotten. Who has to wait is refused before anything is
//! compared. An address from which an account was used rightly has a count of its own
//! for that account, so that a flood from elsewhere does not lock its owner out.
//! Names that nobody has are treated alike. Memory is bounded.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, Ordering};

use firn_protocol::error::Detail;
use firn_protocol::{ApiError, ApiResult, ErrorCode, TenantId};
use firn_runtime::Clock;
use moka::sync::Cache;
use parking_lot::Mutex;
use rustc_hash::FxHashMap;

/// Wrong attempts without a wait, on one account.
const FREE_ACCOUNT: u32 = 10;
/// The same from one address, on whatever accounts.
const FREE_ADDRESS: u32 = 50;
/// The first wait; doubled by each wrong attempt after it.
const WAIT_FIRST_MS: u64 = 1000;
const WAIT_MAX_MS: u64 = 60_000;
/// Doublings that are counted: more make no difference to the wait.
const DOUBLINGS_MAX: u32 = 8;
/// One wrong attempt is forgotten each time this has passed.
const FORGET_MS: u64 = 60_000;
/// Counts of one generation; there are two.
const COUNTS_MAX: usize = 1 << 15;
/// How long an address counts as an account's own after a right attempt.
const KNOWN_MS: u64 = 7 * 24 * 3600 * 1000;
/// When a right attempt is noted again.
const KNOWN_AGAIN_MS: u64 = 3600 * 1000;
const KNOWN_MAX: u64 = 100_000;
const RETRY_AFTER_MS: &str = "retryAfterMs";

/// Whose password or secret is tried.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum Account<'a> {
    /// Its access key.
    User(&'a str),
    Person(Option<TenantId>, &'a str),
}

/// What an attempt is counted under.
pub(super) struct Attempt {
    /// Account and address.
    pair: u64,
    counted: [Option<Counted>; 2],
}

#[derive(Clone, Copy)]
struct Counted {
    key: u64,
    free: u32,
}

#[derive(Clone, Copy)]
struct Count {
    wrong: u32,
    /// Since when the oldest wrong attempt of these waits to be forgotten.
    since_ms: u64,
    /// The next attempt is let through then.
    open_ms: u64,
}

#[derive(Default)]
struct Counts {
    young: FxHashMap<u64, Count>,
    old: FxHashMap<u64, Count>,
}

pub(super) struct Throttle {
    clock: Clock,
    /// Secret and drawn at the start: keys that collide cannot be made.
    hasher: RandomState,
    counts: Mutex<Counts>,
    /// Whether there is any count; spares right callers the lock.
    is_used: AtomicBool,
    /// Pairs of account and address, and when an attempt was right last.
    known: Cache<u64, u64>,
}

impl Throttle {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            hasher: RandomState::new(),
            counts: Mutex::default(),
            is_used: AtomicBool::new(false),
            known: Cache::new(KNOWN_MAX),
        }
    }

    /// Lets an attempt through, or tells how long to wait.
    ///
    /// # Errors
    /// `RATE_LIMITED`; then nothing may be compared.
    pub(super) fn admit(&self, account: Account<'_>, peer: Option<IpAddr>) -> ApiResult<Attempt> {
        let address = peer.map(network);
        let now = self.clock.now_ms();
        let pair = self.hasher.hash_one((account, address));
        let count = |key, free| Some(Counted { key, free });
        let known = self.known.get(&pair);
        let counted = if known.is_some_and(|at| now < at + KNOWN_MS) {
            [count(pair, FREE_ACCOUNT), None]
        } else {
            [
                count(self.hasher.hash_one(account), FREE_ACCOUNT),
                count(self.hasher.hash_one(address), FREE_ADDRESS),
            ]
        };
        let attempt = Attempt { pair, counted };
        if self.is_used.load(Ordering::Relaxed) {
            let mut counts = self.counts.lock();
            let opens = attempt.counted().map(|it| counts.opens(it.key));
            let open_ms = opens.max().unwrap_or_default();
            if now < open_ms {
                return Err(refused(open_ms - now));
            }
        }
        Ok(attempt)
    }

    /// Counts a wrong attempt.
    pub(super) fn wrong(&self, attempt: &Attempt) {
        let now = self.clock.now_ms();
        let mut counts = self.counts.lock();
        for counted in attempt.counted() {
            counts.add(counted, now);
        }
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// Takes back what [`Self::wrong`] counted before it was known better.
    pub(super) fn not_wrong(&self, attempt: &Attempt) {
        let mut counts = self.counts.lock();
        for counted in attempt.counted() {
            counts.take_back(counted);
        }
    }

    /// Remembers that the account is used from this address.
    pub(super) fn right(&self, attempt: &Attempt) {
        let now = self.clock.now_ms();
        let known = self.known.get(&attempt.pair);
        if known.is_none_or(|at| now >= at + KNOWN_AGAIN_MS) {
            self.known.insert(attempt.pair, now);
        }
        if self.is_used.load(Ordering::Relaxed) {
            self.counts.lock().remove(attempt.pair);
        }
    }
}

impl Attempt {
    fn counted(&self) -> impl Iterator<Item = Counted> {
        self.counted.into_iter().flatten()
    }
}

impl Counts {
    /// Brings a count of the old generation into the young one.
    fn find(&mut self, key: u64) -> Option<&mut Count> {
        if let Some(count) = self.old.remove(&key) {
            self.young.insert(key, count);
        }
        self.young.get_mut(&key)
    }

    fn opens(&mut self, key: u64) -> u64 {
        self.find(key).map_or(0, |count| count.open_ms)
    }

    fn add(&mut self, counted: Counted, now: u64) {
        if self.find(counted.key).is_none() && self.young.len() >= COUNTS_MAX {
            // Those that were not tried again since the last time are let go.
            self.old = std::mem::take(&mut self.young);
        }
        let count = self.young.entry(counted.key).or_insert(Count {
            wrong: 0,
            since_ms: now,
            open_ms: 0,
        });
        count.forget(now);
        count.wrong = (count.wrong + 1).min(counted.free + DOUBLINGS_MAX);
        if let Some(doublings) = count.wrong.checked_sub(counted.free + 1) {
            count.open_ms = now + (WAIT_FIRST_MS << doublings).min(WAIT_MAX_MS);
        }
    }

    fn take_back(&mut self, counted: Counted) {
        if let Some(count) = self.find(counted.key) {
            count.wrong = count.wrong.saturating_sub(1);
            count.open_ms = 0;
        }
    }

    fn remove(&mut self, key: u64) {
        self.young.remove(&key);
        self.old.remove(&key);
    }
}

impl Count {
    fn forget(&mut self, now: u64) {
        let forgotten = now.saturating_sub(self.since_ms) / FORGET_MS;
        self.wrong = self
            .wrong
            .saturating_sub(u32::try_from(forgotten).unwrap_or(u32::MAX));
        self.since_ms = match self.wrong {
            0 => now,
            _ => self.since_ms + forgotten * FORGET_MS,
        };
    }
}

/// Whom an address stands for: of IPv6, all of the network that one customer has.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn refused(wait_ms: u64) -> ApiError {
    let text = "too many wrong attempts, try again later";
    ApiError::new(ErrorCode::RateLimited, text).with(RETRY_AFTER_MS, Detail::Number(wait_ms))
}

/// When to try again, if an error says so.
pub(crate) fn retry_after_ms(error: &ApiError) -> Option<u64> {
    let mut details = error.details.iter();
    details.find_map(|(name, value)| match value {
        Detail::Number(number) if *name == RETRY_AFTER_MS => Some(*number),
        Detail::Number(_) | Detail::Flag(_) | Detail::Text(_) | Detail::Rows(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    struct Guess {
        clock: Clock,
        throttle: Throttle,
    }

    impl Guess {
        fn new() -> Self {
            let clock = Clock::manual(1_700_000_000_000);
            let throttle = Throttle::new(clock.clone());
            Self { clock, throttle }
        }

        /// One wrong attempt: counted, or the wait in ms.
        fn wrong(&self, name: &str, peer: &str) -> Result<(), u64> {
            match self.throttle.admit(Account::User(name), ip(peer)) {
                Ok(attempt) => {
                    self.throttle.wrong(&attempt);
                    Ok(())
                }
                Err(error) => Err(retry_after_ms(&error).expect("a time")),
            }
        }

        fn right(&self, name: &str, peer: &str) -> bool {
            let admitted = self.throttle.admit(Account::User(name), ip(peer));
            admitted.map(|it| self.throttle.right(&it)).is_ok()
        }

        fn after(&self, ms: u64) -> &Self {
            self.clock.advance(Duration::from_millis(ms));
            self
        }
    }

    #[test]
    fn waits_double_up_to_a_minute_and_end() {
        let guess = Guess::new();
        for _ in 0..FREE_ACCOUNT {
            assert_eq!(guess.wrong("u", "1.1.1.1"), Ok(()));
        }
        // The first is forgotten after a minute.
        for wait in [1, 2, 4, 8, 16, 32, 32, 60, 60] {
            assert_eq!(guess.wrong("u", "1.1.1.1"), Ok(()));
            let wait = wait * 1000;
            assert_eq!(guess.wrong("u", "1.1.1.1"), Err(wait));
            assert!(!guess.right("u", "2.2.2.2"), "refused unseen");
            assert_eq!(guess.after(wait - 1).wrong("u", "3.3.3.3"), Err(1));
            guess.after(1);
        }
        // A day later all is forgotten.
        guess.after(24 * 3600 * 1000);
        for _ in 0..=FREE_ACCOUNT {
            assert_eq!(guess.wrong("u", "1.1.1.1"), Ok(()));
        }
        assert_eq!(guess.wrong("u", "1.1.1.1"), Err(1000));
    }

    #[test]
    fn a_flood_spares_the_owner_where_it_was_before_and_everybody_else() {
        let guess = Guess::new();
        assert!(guess.right("u", "9.9.9.9"));
        let mut let_through = 0;
        for second in 0..24 * 3600 {
            // From an address that changes all the time, and from one that does not.
            let peer = format!("5.5.{}.{}", (second >> 8) & 255, second & 255);
            let_through += u32::from(guess.wrong("u", &peer).is_ok());
            let _ = guess.wrong("u", "6.6.6.6");
            guess.after(1000);
        }
        assert!((1440..1500).contains(&let_through), "{let_through}");
        assert!(!guess.right("u", "8.8.8.8"), "not known there");
        assert!(guess.right("u", "9.9.9.9"), "known there");
        assert!(guess.right("other", "6.6.6.6"), "not tried");
        // Guessing from the owner's own address is slowed down as well.
        for _ in 0..=FREE_ACCOUNT {
            assert_eq!(guess.wrong("u", "9.9.9.9"), Ok(()));
        }
        assert_eq!(guess.wrong("u", "9.9.9.9"), Err(1000));
        // A week without a right attempt, and the address is like any other.
        guess.after(KNOWN_MS);
        assert!(
            guess.right("u", "9.9.9.9"),
            "a week later nobody guesses any more"
        );
    }

    #[test]
    fn one_address_on_many_accounts_is_slowed_down() {
        let guess = Guess::new();
        assert!(guess.right("colleague", "2001:db8::1"));
        for number in 0..=FREE_ADDRESS {
            let peer = format!("2001:db8::{number:x}");
            assert_eq!(guess.wrong(&format!("u{number}"), &peer), Ok(()));
        }
        assert_eq!(guess.wrong("v", "2001:db8::ffff"), Err(1000));
        assert!(!guess.right("v", "2001:db8::1"));
        assert!(guess.right("v", "2001:db8:0:1::1"), "another network");
        assert!(guess.right("colleague", "2001:db8::7"), "known there");
    }

    #[test]
    fn what_is_taken_back_was_never_counted() {
        let guess = Guess::new();
        for _ in 0..200 {
            let attempt = guess
                .throttle
                .admit(Account::Person(None, "p"), ip("1.1.1.1"));
            let attempt = attempt.expect("never refused");
            guess.throttle.wrong(&attempt);
            guess.throttle.not_wrong(&attempt);
        }
    }

    #[test]
    fn memory_is_bounded_whatever_is_tried() {
        let guess = Guess::new();
        for number in 0..3 * COUNTS_MAX as u32 {
            let peer = format!(
                "7.{}.{}.{}",
                number >> 16,
                (number >> 8) & 255,
                number & 255
            );
            assert_eq!(guess.wrong(&format!("u{number}"), &peer), Ok(()));
        }
        let counts = guess.throttle.counts.lock();
        assert!(counts.young.len() <= COUNTS_MAX && counts.old.len() <= COUNTS_MAX);
    }

    /// What each call with accessKey and secretKey pays; run by hand in release:
    /// `cargo test --release -p firn-gateway --lib -- --ignored --nocapture cost`.
    #[test]
    #[ignore = "prints a measurement, asserts nothing"]
    fn cost_of_a_right_attempt() {
        const BATCHES: u32 = 40;
        const ROUNDS: u32 = 50_000;
        let throttle = Throttle::new(Clock::system());
        let guess = Guess {
            clock: Clock::system(),
            throttle,
        };
        let names: Vec<String> = (0..64).map(|number| format!("user-{number}")).collect();
        let measure = |what: &str| {
            // The best batch is the one that other processes disturbed least.
            let mut best = Duration::MAX;
            for _ in 0..BATCHES {
                let watch = firn_runtime::clock::Stopwatch::start();
                for round in 0..ROUNDS {
                    let name = &names[round as usize % names.len()];
                    std::hint::black_box(guess.right(name, "10.1.2.3"));
                }
                best = best.min(watch.elapsed());
            }
            let ns = best.as_secs_f64() * 1e9 / f64::from(ROUNDS);
            println!("{what}: {ns:.0} ns");
        };
        measure("nobody guesses");
        for number in 0..1000 {
            let _ = guess.wrong(&format!("nobody-{number}"), "10.9.9.9");
        }
        measure("somebody guesses");
    }
}
