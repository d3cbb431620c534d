//! Everything that can be seen of a broker from outside, held against a model.

use std::collections::BTreeMap;

use firn_protocol::api::storage::{QueueLag, StorageApi};
use firn_protocol::ids::{GroupId, Offset, QueueId, QueueKey, TopicKey};
use firn_protocol::message::{ConsumeStatus, Message};
use firn_storage_node::node::StorageNode;

use crate::harness::{BROKERS, context, queue_key};
use crate::model::{BrokerModel, GroupModel, Key, State};

/// What one group shows on one broker.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    rows: Vec<QueueLag>,
    statuses: BTreeMap<Key, ConsumeStatus>,
    letters: Vec<Message>,
}

/// Looks at a group; everything before is durable afterwards.
pub(crate) async fn observe(node: &StorageNode, broker: usize, group: u64, keys: &[Key]) -> Seen {
    let (ctx, id, group) = (context(1), BROKERS[broker], GroupId(group));
    let rows = node.lag(&ctx, id, group).await.expect("lag");
    let places = keys
        .iter()
        .map(|&(topic, queue, offset)| (queue_key(topic, queue), Offset(offset)))
        .collect();
    let statuses = node.status(&ctx, id, group, places).await.expect("status");
    let dead = QueueKey {
        topic: TopicKey::DeadLetter(group),
        queue: QueueId(0),
    };
    let letters = node.read(&ctx, id, dead, Offset(0), 1000).await;
    Seen {
        rows,
        statuses: keys.iter().copied().zip(statuses).collect(),
        letters: letters.expect("dead letters"),
    }
}

/// Whether a model explains what was seen; what it left open is then decided.
pub(crate) fn fit(model: &mut BrokerModel, group: u64, seen: &Seen) -> Result<(), String> {
    let Some(mut state) = model.groups.get(&group).cloned() else {
        let nothing = seen.rows.is_empty() && seen.letters.is_empty();
        let open = seen
            .statuses
            .values()
            .all(|s| *s == ConsumeStatus::ToConsume);
        return if nothing && open {
            Ok(())
        } else {
            Err(format!("a group that is not there shows {seen:?}"))
        };
    };
    for (&key, &status) in &seen.statuses {
        let Some(topic) = state.topics.get(&key.0) else {
            if status != ConsumeStatus::ToConsume {
                return Err(format!("{key:?} is {status:?} without a subscription"));
            }
            continue;
        };
        let Some(queue) = topic.queues.get(&key.1) else {
            continue;
        };
        let expected = queue.state(key.2);
        match expected {
            State::Open { maybe: true, .. } if status == ConsumeStatus::Consumed => {
                state.set(key, State::Finished { by: None });
            }
            State::Open {
                attempt,
                copy,
                last,
                maybe: true,
            } if status == ConsumeStatus::ToConsume => {
                let maybe = false;
                let open = State::Open {
                    attempt,
                    copy,
                    last,
                    maybe,
                };
                state.set(key, open);
            }
            State::Open { .. }
            | State::Leased { .. }
            | State::Waiting { .. }
            | State::Finished { .. }
            | State::Dead => {
                if expected.status() != status {
                    return Err(format!(
                        "group {group}: {key:?} is {status:?}, {expected:?}"
                    ));
                }
            }
        }
    }
    rows_fit(model, &state, group, &seen.rows)?;
    letters_fit(model, &state, &seen.letters)?;
    model.groups.insert(group, state);
    Ok(())
}

fn rows_fit(
    model: &BrokerModel,
    state: &GroupModel,
    group: u64,
    rows: &[QueueLag],
) -> Result<(), String> {
    let mut expected = Vec::new();
    for (&topic, progress) in &state.topics {
        for (&queue, progress) in &progress.queues {
            let end = model.end(topic, queue);
            let count = |wanted: &dyn Fn(&State) -> bool| {
                (0..end).filter(|&o| wanted(&progress.state(o))).count() as u64
            };
            let committed = model.committed(state, topic, queue);
            let lag = count(&State::is_open_at_origin);
            let oldest = (lag > 0).then(|| model.record((topic, queue, committed)).stored_at);
            expected.push((
                queue_key(topic, queue),
                [0, end, committed, lag],
                count(&|s| s.is_leased() && s.copy().is_none()),
                0,
                oldest,
            ));
        }
    }
    let states: Vec<&State> = state.touched().map(|(_, state)| state).collect();
    let waiting = states.iter().filter(|s| s.is_waiting()).count() as u64;
    let copies: Vec<u64> = states.iter().filter_map(|s| s.copy()).collect();
    if state.retry_end > 0 || waiting > 0 {
        let queue = QueueKey {
            topic: TopicKey::Retry(GroupId(group)),
            queue: QueueId(0),
        };
        let low = copies.iter().min().copied().unwrap_or(state.retry_end);
        let in_flight = states
            .iter()
            .filter(|s| s.is_leased() && s.copy().is_some());
        let oldest = rows.last().and_then(|row| row.oldest_at).map(|at| at.0);
        expected.push((
            queue,
            [0, state.retry_end, low, copies.len() as u64 + waiting],
            in_flight.count() as u64,
            waiting,
            oldest,
        ));
    }
    let found: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.queue,
                [row.min_offset.0, row.max_offset.0, row.committed.0, row.lag],
                row.in_flight,
                row.scheduled,
                row.oldest_at.map(|at| at.0),
            )
        })
        .collect();
    if found == expected {
        Ok(())
    } else {
        Err(format!(
            "R11: group {group} shows\n{found:?}, counted\n{expected:?}"
        ))
    }
}

fn letters_fit(model: &BrokerModel, state: &GroupModel, found: &[Message]) -> Result<(), String> {
    let places: Vec<Option<Key>> = found
        .iter()
        .map(|letter| letter.origin)
        .map(|origin| origin.map(|o| (o.topic.number(), o.queue.0, o.offset.0)))
        .collect();
    let expected: Vec<Option<Key>> = state.letters.iter().map(|(key, _)| Some(*key)).collect();
    if places != expected {
        return Err(format!(
            "R15: dead letters {places:?}, expected {expected:?}"
        ));
    }
    for (letter, (key, _)) in found.iter().zip(&state.letters) {
        if model.queues.contains_key(&(key.0, key.1)) {
            model.compare(*key, letter)?;
        }
    }
    Ok(())
}
