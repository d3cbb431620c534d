//! Messages by page number, as the management API asks for them: with the number of all
//! that there are. Only places are kept of those that are not shown.

use firn_protocol::limits::ANSWER_BYTES_MAX;
use firn_protocol::message::Message;
use firn_protocol::{ApiResult, BrokerId, Position, QueueKey, Timestamp};

use super::find;
use super::time_query::{self, Window};
use super::{Scope, Services, Target};

/// Hits of a key, and messages of a window that were looked at for their tag, beyond
/// which nothing is counted.
pub(crate) const LISTED_MAX: u64 = 10_000;
/// Messages read at a time.
const RUN: usize = 64;

/// A part of a list.
pub(crate) struct Listed {
    pub(crate) total: u64,
    pub(crate) messages: Vec<Message>,
    /// There is more than was counted, or than an answer may hold.
    pub(crate) is_cut: bool,
}

/// Which part is wanted.
#[derive(Clone, Copy)]
pub(crate) struct Part {
    pub(crate) skipped: u64,
    pub(crate) size: usize,
}

impl Part {
    fn end(self) -> u64 {
        self.skipped.saturating_add(self.size as u64)
    }

    fn has(self, at: u64) -> bool {
        (self.skipped..self.end()).contains(&at)
    }
}

/// Messages that carry a key, newest last.
///
/// # Errors
/// As `find::by_key`.
pub(crate) async fn by_key(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    (key, broker): (&str, Option<BrokerId>),
    part: Part,
) -> ApiResult<Listed> {
    let mut places: Vec<(Timestamp, BrokerId, Position)> = Vec::new();
    let mut cursor = None;
    loop {
        let page = find::by_key(services, scope, topic, key, RUN, cursor.as_deref()).await?;
        let found = page.messages.iter();
        let found = found.filter(|it| broker.is_none_or(|wanted| it.broker == wanted));
        places.extend(found.map(|it| (it.stored_at, it.broker, it.position)));
        cursor = page.cursor;
        if cursor.is_none() || places.len() as u64 >= LISTED_MAX {
            break;
        }
    }
    places.sort_unstable();
    let mut listed = Listed {
        total: places.len() as u64,
        messages: Vec::new(),
        is_cut: cursor.is_some(),
    };
    let skipped = usize::try_from(part.skipped).unwrap_or(usize::MAX);
    for (_, broker, position) in places.into_iter().skip(skipped).take(part.size) {
        let storage = &services.storage;
        // What went meanwhile is not shown.
        if let Some(found) = storage.by_position(&scope.ctx, broker, position).await? {
            listed.messages.push(found);
        }
        if bytes(&listed.messages) > ANSWER_BYTES_MAX {
            listed.is_cut |= find::keep_within_answer(&mut listed.messages);
            break;
        }
    }
    Ok(listed)
}

/// Messages stored in a window, oldest first, all or those with a tag.
///
/// # Errors
/// As `time_query::by_time`.
pub(crate) async fn in_window(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    (window, tag): (Window, Option<&str>),
    part: Part,
) -> ApiResult<Listed> {
    let all = count(services, scope, topic, window).await?;
    let mut listed = Listed {
        total: all,
        messages: Vec::new(),
        is_cut: false,
    };
    if tag.is_none() && part.skipped >= all.min(LISTED_MAX) {
        listed.is_cut = part.skipped < all;
        return Ok(listed);
    }
    let (mut cursor, mut seen, mut hits) = (None, 0_u64, 0_u64);
    loop {
        let page =
            time_query::by_time(services, scope, topic, window, RUN, cursor.as_deref()).await?;
        for message in page.messages {
            seen += 1;
            if tag.is_some_and(|tag| message.content.tag.as_deref() != Some(tag)) {
                continue;
            }
            if part.has(hits) {
                listed.messages.push(message);
            }
            hits += 1;
        }
        cursor = page.cursor;
        let is_full = bytes(&listed.messages) > ANSWER_BYTES_MAX;
        // Without a tag the rest need not be looked at to be counted.
        let is_done = is_full || (tag.is_none() && hits >= part.end());
        if cursor.is_none() || is_done || seen >= LISTED_MAX {
            break;
        }
    }
    if tag.is_some() {
        listed.total = hits;
        listed.is_cut = cursor.is_some();
    }
    listed.is_cut |= find::keep_within_answer(&mut listed.messages);
    Ok(listed)
}

/// How many messages were stored in a window.
async fn count(
    services: &Services,
    scope: &Scope,
    topic: &Target,
    window: Window,
) -> ApiResult<u64> {
    let (storage, key) = (&services.storage, topic.key());
    let mut count = 0;
    for broker in topic.brokers(&scope.instance) {
        for (queue, min, end) in storage.bounds(&scope.ctx, broker, key).await? {
            let queue = QueueKey { topic: key, queue };
            let at = async |time| storage.offset_at(&scope.ctx, broker, queue, time).await;
            let from = at(window.from).await?.clamp(min, end);
            let to = at(window.to.plus_ms(1)).await?.clamp(min, end);
            count += to.0.saturating_sub(from.0);
        }
    }
    Ok(count)
}

fn bytes(messages: &[Message]) -> u64 {
    messages.iter().map(Message::content_bytes).sum()
}
