//! Entries about groups whose records are handed out again where they are, and
//! what they do to a broker: see [`crate::consume::in_place`].

use firn_protocol::catalogue::OnPoison;
use firn_protocol::ids::{GroupId, QueueKey, TopicKey};
use firn_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::{BrokerState, Due};
use crate::consume::in_place::{Again, InPlaceRules, Membership, When};

/// What an entry says of such a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum InPlaceHead {
    /// The group is of this kind, or, without rules, is not any more.
    Configure {
        group: GroupId,
        /// Of the catalogue's row; an older one changes nothing.
        version: u64,
        rules: Option<InPlaceRules>,
    },
    /// A member of a broadcast has a progress of its own.
    Join { member: GroupId, of: Membership },
    /// A delivery failed: the record is open again, when it says.
    Again(AgainEntry),
    /// The time of records has come, or an operator lets them go: they may be
    /// handed out.
    Ready {
        group: GroupId,
        records: Vec<(QueueKey, u64)>,
        /// Deliveries are counted from 1 again.
        is_reset: bool,
    },
}

/// See [`InPlaceHead::Again`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgainEntry {
    pub group: GroupId,
    pub queue: QueueKey,
    pub offset: u64,
    pub again: Again,
    /// Records behind it that were handed out together with it and go back.
    pub given_back: Vec<u64>,
}

impl InPlaceHead {
    /// See [`super::entry::Head::kind`].
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Configure { .. } => 22,
            Self::Again(_) => 23,
            Self::Ready { .. } => 24,
            Self::Join { .. } => 25,
        }
    }

    #[must_use]
    pub fn group(&self) -> GroupId {
        match self {
            Self::Configure { group, .. } | Self::Ready { group, .. } => *group,
            Self::Join { member, .. } => *member,
            Self::Again(entry) => entry.group,
        }
    }
}

impl BrokerState {
    pub(super) fn change_in_place(&mut self, head: &InPlaceHead) {
        match head {
            InPlaceHead::Configure {
                group,
                version,
                rules,
            } => self.configure(*group, *version, *rules),
            InPlaceHead::Join { member, of } => {
                let state = self.in_place.entry(*member).or_default();
                state.member = Some(of.clone());
                state.rules.on_poison = OnPoison::DeadLetter;
            }
            InPlaceHead::Again(entry) => self.open_again(entry),
            InPlaceHead::Ready {
                group,
                records,
                is_reset,
            } => {
                for &(queue, offset) in records {
                    self.make_ready(*group, queue, offset, *is_reset);
                }
            }
        }
    }

    fn configure(&mut self, group: GroupId, version: u64, rules: Option<InPlaceRules>) {
        let known = self.in_place.get(&group).map(|it| it.version);
        if known.is_some_and(|known| known > version) {
            return;
        }
        match rules {
            Some(rules) => {
                let state = self.in_place.entry(group).or_default();
                state.version = version;
                state.rules = rules;
            }
            None => self.forget_in_place(group),
        }
    }

    /// The group has no records of this kind any more.
    pub(super) fn forget_in_place(&mut self, group: GroupId) {
        if let Some(state) = self.in_place.remove(&group) {
            for (queue, offset, at) in state.waiting() {
                self.due.remove(&Due {
                    at,
                    group,
                    queue,
                    offset,
                });
            }
        }
    }

    fn open_again(&mut self, entry: &AgainEntry) {
        let &AgainEntry {
            group,
            queue,
            offset,
            again,
            ..
        } = entry;
        let rest = entry.given_back.clone();
        self.give_back(
            group,
            &[(queue, std::iter::once(offset).chain(rest).collect())],
        );
        let Some(state) = self.in_place.get_mut(&group) else {
            return;
        };
        let before = state.set(queue, offset, again);
        self.end_wait(group, queue, offset, before);
        if let When::At(at) = again.when {
            self.due.insert(Due {
                at,
                group,
                queue,
                offset,
            });
        }
    }

    fn make_ready(&mut self, group: GroupId, queue: QueueKey, offset: u64, is_reset: bool) {
        let Some(state) = self.in_place.get_mut(&group) else {
            return;
        };
        let Some(again) = state.again(queue, offset) else {
            return;
        };
        let before = if is_reset {
            state.forget(queue, offset)
        } else {
            let when = When::Now;
            state.set(queue, offset, Again { when, ..again })
        };
        self.end_wait(group, queue, offset, before);
    }

    /// A record is finished for a group: nothing is known of it any more.
    pub(super) fn end_in_place(&mut self, group: GroupId, queue: QueueKey, offset: u64) {
        let state = self.in_place.get_mut(&group);
        let before = state.and_then(|state| state.forget(queue, offset));
        self.end_wait(group, queue, offset, before);
    }

    /// Records of a queue below `min` are gone for a group.
    pub(super) fn trim_in_place(&mut self, group: GroupId, queue: QueueKey, min: u64) {
        let state = self.in_place.get_mut(&group);
        let ended = state.map_or_else(Vec::new, |state| state.trim(queue, min));
        for (offset, at) in ended {
            self.end_wait(group, queue, offset, Some(at));
        }
    }

    /// A group starts over on a topic, or the topic is gone.
    pub(super) fn restart_in_place(&mut self, group: GroupId, topic: TopicKey) {
        let state = self.in_place.get_mut(&group);
        let ended = state.map_or_else(Vec::new, |state| state.drop_topic(topic));
        for (queue, offset, at) in ended {
            self.end_wait(group, queue, offset, Some(at));
        }
    }

    /// Members of a group's broadcast.
    pub fn members_of(&self, group: GroupId) -> impl Iterator<Item = (GroupId, &str)> {
        self.in_place.iter().filter_map(move |(&member, state)| {
            let of = state.member.as_ref().filter(|of| of.group == group)?;
            Some((member, of.name.as_str()))
        })
    }

    /// The group whose member this is, or the group itself.
    #[must_use]
    pub fn home(&self, group: GroupId) -> GroupId {
        let state = self.in_place.get(&group);
        let of = state.and_then(|state| state.member.as_ref());
        of.map_or(group, |of| of.group)
    }

    fn end_wait(&mut self, group: GroupId, queue: QueueKey, offset: u64, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.due.remove(&Due {
                at,
                group,
                queue,
                offset,
            });
        }
    }
}
