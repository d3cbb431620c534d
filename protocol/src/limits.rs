//! Every bound of the product, in one place, checked against each other when
//! compiling. Sources: SEED_SPEC section 3 and API.md.

pub const KIB: u64 = 1024;
pub const MIB: u64 = 1024 * KIB;

/// Largest body that any plan may allow.
pub const MESSAGE_BYTES_MAX: u64 = 4 * MIB;
/// Body bound of the built-in plans (SEED_SPEC 8.2-5).
pub const MESSAGE_BYTES_DEFAULT: u64 = 512 * KIB;
/// A whole HTTP request.
pub const REQUEST_BYTES_MAX: u64 = 8 * MIB;
/// Messages in one send request.
pub const SEND_MESSAGES_MAX: usize = 1000;
/// Messages in one receive answer.
pub const RECEIVE_MESSAGES_MAX: usize = 256;
pub const RECEIVE_MESSAGES_DEFAULT: usize = 16;
/// Body and property bytes in one receive or query answer; the first message always fits.
pub const ANSWER_BYTES_MAX: u64 = 8 * MIB;
pub const WAIT_SECONDS_MAX: u64 = 30;
pub const INVISIBLE_SECONDS_MIN: u64 = 1;
pub const INVISIBLE_SECONDS_MAX: u64 = 43_200;
pub const INVISIBLE_SECONDS_DEFAULT: u64 = 30;
/// Receipt handles in one ack request.
pub const ACK_HANDLES_MAX: usize = 1000;

pub const TAG_BYTES_MAX: usize = 127;
pub const KEYS_MAX: usize = 16;
pub const KEY_BYTES_MAX: usize = 256;
pub const PROPERTIES_MAX: usize = 128;
pub const PROPERTIES_BYTES_MAX: usize = 16 * KIB as usize;
pub const MESSAGE_GROUP_BYTES_MAX: usize = 64;
pub const DEDUP_ID_BYTES_MAX: usize = 128;
pub const CONSUMER_ID_BYTES_MAX: usize = 255;
pub const ATTEMPT_ID_BYTES_MAX: usize = 128;
pub const FILTER_BYTES_MAX: usize = 4 * KIB as usize;
pub const FILTER_TAGS_MAX: usize = 64;
/// An expression in the form that is stored: blanks are put around its operators.
pub const FILTER_STORED_BYTES_MAX: usize = 4 * FILTER_BYTES_MAX;
/// Comparisons in one expression of the type SQL92: each may read a whole property.
pub const SQL_TERMS_MAX: usize = 128;
/// Parentheses, `NOT`s and signs around one another.
pub const SQL_DEPTH_MAX: usize = 32;
/// Distinct live filters of one (group, topic) (RULES 18).
pub const FILTERS_LIVE_MAX: usize = 16;
/// How long a filter counts after its last member's call (RULES 18).
pub const FILTER_LIVE_MS: u64 = 30_000;

/// Furthest time ahead that a delay may name: 40 days.
pub const DELAY_MS_MAX: u64 = 40 * 24 * 3600 * 1000;
/// The delay levels, level n at n - 1 (SEED_SPEC 2.1).
pub const DELAY_LEVELS_SECS: [u64; 18] = [
    1, 5, 10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];
/// How often a producer is asked about a half message (SEED_SPEC 2.1).
pub const TRANSACTION_CHECKS_MAX: u32 = 15;
/// When it is asked first, unless the producer says otherwise.
pub const TRANSACTION_CHECK_AFTER_SECS: u64 = 6;
pub const TRANSACTION_CHECK_AFTER_SECS_MAX: u64 = 3600;
/// Time between two checks.
pub const TRANSACTION_CHECK_EVERY_MS: u64 = 30_000;
/// Undecided half messages of one broker.
pub const TRANSACTIONS_OPEN_MAX: usize = 100_000;
/// Check-backs, and transactions of a list, in one answer.
pub const TRANSACTIONS_LISTED_MAX: usize = 256;
/// Name of a producer group.
pub const PRODUCER_GROUP_BYTES_MAX: usize = 255;
/// How long a client counts as online after the end of its last call.
pub const ONLINE_MS: u64 = 30_000;
/// Clients that one gateway remembers.
pub const CLIENTS_MAX: usize = 100_000;
/// Clients of one instance that one gateway remembers.
pub const CLIENTS_INSTANCE_MAX: usize = 10_000;
/// Topics, each with one filter, that are remembered of one client.
pub const CLIENT_TOPICS_MAX: usize = 64;
/// What is kept of the name that a client gives its library.
pub const CLIENT_AGENT_BYTES_MAX: usize = 128;
/// Clients that one error lists.
pub const CLIENTS_LISTED_MAX: usize = 100;
/// Rate limits in use that one gateway remembers.
pub const RATE_LIMITS_MAX: usize = 200_000;
/// A rate above this is no limit: no gateway reaches it.
pub const TPS_MAX: u64 = 1_000_000_000;
/// Gateways that share limits.
pub const GATEWAYS_MAX: usize = 256;
/// Shares of limits that are divided at one time, over all gateways.
pub const SHARES_MAX: usize = 1_000_000;
/// How long a gateway may use its shares after it asked for them.
pub const SHARE_VALID_MS: u64 = 4_000;
/// By how much clocks and calls may differ over that time.
pub const SHARE_MARGIN_MS: u64 = 250;
/// How often gateways ask for shares.
pub const SHARE_RENEWAL_MS: u64 = 1_000;
/// Between calls of a gateway that lacks a share.
pub const SHARE_HURRY_MS: u64 = 200;
/// How long a gateway that is cut off keeps to the smaller of its share and its base,
/// until the shares of all others have run out as well.
pub const SHARE_GRACE_MS: u64 = 2_000;

pub const NAME_BYTES_MAX: usize = 64;
pub const REMARK_BYTES_MAX: usize = 512;
/// Queues of one topic on one broker (SEED_SPEC section 3).
pub const QUEUES_MAX: u16 = 1024;
pub const QUEUES_DEFAULT: u16 = 4;
/// Brokers of one instance.
pub const BROKERS_MAX: usize = 64;
/// Redeliveries before the dead-letter topic (SEED_SPEC 2.3).
pub const MAX_RETRIES_DEFAULT: u32 = 16;
pub const MAX_RETRIES_MAX: u32 = 1000;
pub const RETENTION_HOURS_DEFAULT: u32 = 72;
/// Ten years.
pub const RETENTION_HOURS_MAX: u32 = 87_600;

pub const BROKER_NAME_BYTES_MAX: usize = 32;
pub const TIME_ZONE_BYTES_MAX: usize = 64;
/// Names in one list of a topic, group or user.
pub const NAMES_LISTED_MAX: usize = 1000;
/// Addresses or networks in the allow list of a user.
pub const IP_ALLOW_MAX: usize = 64;
pub const SECRET_KEY_BYTES_MAX: usize = 128;
/// API tokens of one instance that have not ended.
pub const TOKENS_INSTANCE_MAX: usize = 100;
/// API tokens for all of a tenant that have not ended.
pub const TOKENS_TENANT_MAX: usize = 100;
/// Console users of a tenant.
pub const PEOPLE_TENANT_MAX: usize = 1000;
/// Life of an API token, at most and without a wish: two years, 90 days.
pub const TOKEN_LIFE_MS_MAX: u64 = 2 * 366 * 24 * 3600 * 1000;
pub const TOKEN_LIFE_MS_DEFAULT: u64 = 90 * 24 * 3600 * 1000;
/// How long a secret stays valid after a rotation, at most and without a wish.
pub const GRACE_SECONDS_MAX: u64 = 7 * 24 * 3600;
pub const GRACE_SECONDS_DEFAULT: u64 = 24 * 3600;
/// Shortest password of a console user.
pub const PASSWORD_BYTES_MIN: usize = 8;
pub const PASSWORD_BYTES_MAX: usize = 256;
/// Longest burst that a plan may allow, in seconds of its rate.
pub const BURST_SECONDS_MAX: f64 = 60.0;
/// Rows in one answer of the audit log.
pub const AUDIT_ROWS_MAX: usize = 1000;
/// Rows of the audit log that are counted for one answer.
pub const AUDIT_COUNTED_MAX: u64 = 10_000;
/// Largest number that every JSON reader takes exactly: 2^53 - 1.
pub const NUMBER_MAX: u64 = (1 << 53) - 1;

pub const QUERY_MESSAGES_DEFAULT: usize = 32;
pub const QUERY_MESSAGES_MAX: usize = 1000;
/// Records that one peek looks at.
pub const PEEK_RECORDS_MAX: usize = 4096;
/// Bytes of messages that one peek looks at.
pub const PEEK_BYTES_MAX: u64 = 32 * MIB;

/// A file that lists topics or groups.
pub const IMPORT_BYTES_MAX: u64 = 4 * MIB;
/// All parts of such a file, where it is a packed one.
pub const IMPORT_UNPACKED_BYTES_MAX: u64 = 16 * MIB;
/// Parts of a packed file.
pub const IMPORT_PARTS_MAX: usize = 1000;
/// Lines of such a file, its header apart.
pub const IMPORT_LINES_MAX: usize = 10_000;
pub const IMPORT_COLUMNS_MAX: usize = 64;
pub const IMPORT_CELL_BYTES_MAX: usize = 96 * KIB as usize;
/// Such files that one gateway takes apart at the same time.
pub const IMPORTS_AT_ONCE: usize = 2;

/// How long one call sends dead letters back.
pub const REDRIVE_MS_MAX: u64 = 30_000;
/// Dead letters a second, when they are paced.
pub const REDRIVE_RATE_MIN: f64 = 0.1;
pub const REDRIVE_RATE_MAX: f64 = 10_000.0;

/// How long a `dedupId` is remembered (RULES 23).
pub const DEDUP_WINDOW_MS: u64 = 600_000;
/// Ids remembered by one broker.
pub const DEDUP_IDS_MAX: usize = 1_000_000;
/// Members of one broadcast group.
pub const BROADCAST_MEMBERS_MAX: usize = 10_000;
/// How long the progress of a member that does nothing is kept: three days.
pub const BROADCAST_KEPT_MS: u64 = 3 * 24 * 3600 * 1000;
/// Pause before a failed message of an ordered group is redelivered (SEED_SPEC 2.3).
pub const ORDERED_PAUSE_MS: u64 = 1000;

/// Pauses before redelivery n of an unordered group, n from 1 (SEED_SPEC 2.3).
pub const RETRY_PAUSES_SECS: [u64; 16] = [
    10, 30, 60, 120, 180, 240, 300, 360, 420, 480, 540, 600, 1200, 1800, 3600, 7200,
];

const _: () = assert!(MESSAGE_BYTES_DEFAULT <= MESSAGE_BYTES_MAX);
const _: () = assert!(
    REQUEST_BYTES_MAX >= MESSAGE_BYTES_MAX * 3 / 2,
    "a largest body must fit its request in base64"
);
const _: () = assert!(ANSWER_BYTES_MAX >= MESSAGE_BYTES_MAX);
const _: () = assert!(
    CLIENTS_INSTANCE_MAX * 10 <= CLIENTS_MAX,
    "a few instances must not fill the gateway"
);
const _: () = assert!(
    ONLINE_MS == FILTER_LIVE_MS,
    "a member is shown as long as its filter counts"
);
const _: () = assert!(
    (TPS_MAX as u128) * (BURST_SECONDS_MAX as u128) * 1000 * (2 << 16) < u64::MAX as u128,
    "a burst is counted in thousandths of messages, in parts of two wholes"
);
const _: () = assert!(
    SHARE_VALID_MS >= 3 * SHARE_RENEWAL_MS,
    "a lost call or two must not end a share"
);
const _: () = assert!(
    SHARE_GRACE_MS >= 2 * SHARE_RENEWAL_MS,
    "whoever asked last before the service was away did so a renewal and a call later"
);
const _: () = assert!(PEEK_BYTES_MAX >= ANSWER_BYTES_MAX);
const _: () = assert!(
    IMPORT_BYTES_MAX < REQUEST_BYTES_MAX,
    "a file must fit its request with the form around it"
);
const _: () = assert!(
    IMPORT_CELL_BYTES_MAX >= NAMES_LISTED_MAX * (NAME_BYTES_MAX + 18),
    "a longest list of topics, each with its rate, must fit a cell"
);

/// The delay of a level; a level above the last is the last, level 0 is none.
#[must_use]
pub fn delay_level_ms(level: u64) -> u64 {
    match usize::try_from(level).unwrap_or(usize::MAX) {
        0 => 0,
        level => DELAY_LEVELS_SECS[level.min(DELAY_LEVELS_SECS.len()) - 1] * 1000,
    }
}

/// The pause before redelivery `n` (from 1); the last row of the table repeats.
#[must_use]
pub fn retry_pause_ms(redelivery: u32) -> u64 {
    let row = (redelivery.max(1) as usize - 1).min(RETRY_PAUSES_SECS.len() - 1);
    RETRY_PAUSES_SECS[row] * 1000
}
