//! Failures that readers tell, and what operators do about parked records.

use firn_protocol::api::admin::{AdminApi, Release, ReleaseRequest};
use firn_protocol::api::storage::{
    AckStatus, GroupSpec, StorageApi, VisibilityAnswer, VisibilityRequest,
};
use firn_protocol::error::ErrorCode;
use firn_protocol::ids::{GroupId, Offset};

use super::System;
use super::model::{Checked, Lease, ensure, lease_of};
use super::ops::{READERS, TOPICS, release};
use super::readers::{FRESH, Last, State};
use crate::harness::{BROKERS, context, queue_key};

/// The reader whose poison messages are parked.
const PARKING: usize = 2;

impl State {
    /// The delivery that this lease stands for, if it may still be told to have
    /// failed, and whether it certainly may.
    fn held_by(&self, by: Lease) -> (Option<Last>, bool) {
        match *self {
            Self::Leased {
                attempt,
                lease,
                is_durable,
                ..
            } if lease == by => {
                let last = Last {
                    lease,
                    attempt,
                    is_unnoticed: false,
                    is_durable,
                    is_lost: false,
                };
                (Some(last), true)
            }
            Self::Open {
                last: Some(last), ..
            }
            | Self::Over(last)
                if last.lease == by && last.is_unnoticed =>
            {
                (Some(last), false)
            }
            Self::Leased { .. }
            | Self::Open { .. }
            | Self::Over(_)
            | Self::Parked { .. }
            | Self::Acked(_)
            | Self::Dead { .. }
            | Self::Purged => (None, false),
        }
    }
}

impl System {
    pub(super) fn fail(&mut self, pick: usize) -> Checked {
        let Some(handle) = self.pick(pick) else {
            return Ok(());
        };
        let (broker, reader, key, now) = (handle.broker, handle.reader, handle.key, self.now());
        let lease = lease_of(&handle.receipt);
        let kind = READERS[reader];
        let request = VisibilityRequest {
            broker: BROKERS[broker],
            group: GroupSpec {
                id: GroupId(kind.group),
                ..kind.spec()
            },
            receipt: handle.receipt,
            invisible_ms: 0,
        };
        let node = self.bench.node().clone();
        let answer = self.wait(node.change_visibility(&context(1), request));
        let answer = answer.map_err(|error| format!("L1: fail: {error}"))?;
        let model = &mut self.models[broker];
        let state = model.state(reader, key);
        let (held, is_sure) = state.held_by(lease);
        match (answer, held) {
            (
                VisibilityAnswer::Changed {
                    invisible_until, ..
                },
                Some(last),
            ) => {
                let next = model.fail(reader, key, last, now);
                model.durable();
                ensure!(
                    next.is_none_or(|next| next == invisible_until.0),
                    "R15: {key:?} comes again at {invisible_until:?}, not {next:?}"
                );
            }
            (VisibilityAnswer::Refused(status), _) if !is_sure => {
                let allowed = model.judge(reader, key, &handle.receipt, now);
                let is_gone = kind.member.is_some() && status == AckStatus::Invalid;
                let is_right = status == AckStatus::LeaseExpired || allowed.contains(&status);
                ensure!(
                    status != AckStatus::Ok && (is_right || is_gone),
                    "R6: refused with {status:?}, not {allowed:?}: {state:?}"
                );
            }
            (answer, _) => {
                return Err(format!(
                    "R6: failure of {handle:?} is {answer:?}: {state:?}"
                ));
            }
        }
        Ok(())
    }

    /// Lets a parked record go, or tries it with one that is none.
    pub(super) fn release(&mut self, broker: usize, pick: usize, how: u8) -> Checked {
        let reader = PARKING;
        let model = &mut self.models[broker];
        let states = &model.reader(reader).states;
        let mut parked = Vec::new();
        for (key, state) in states {
            if let State::Parked { attempt, .. } = state {
                parked.push((*key, Some(*attempt)));
            }
        }
        let (key, attempt) = match parked.len().checked_sub(1 + pick) {
            Some(at) => parked[at],
            None => ((TOPICS[0], 0, pick as u64), None),
        };
        let state = model.state(reader, key);
        let is_unknown = matches!(state, State::Over(_) | State::Open { .. }) && state != FRESH;
        let how = release(how);
        let request = ReleaseRequest {
            broker: BROKERS[broker],
            group: GroupId(READERS[reader].group),
            queue: queue_key(key.0, key.1),
            offset: Offset(key.2),
            how,
        };
        if is_unknown || matches!(state, State::Parked { .. }) && attempt.is_none() {
            return Ok(());
        }
        let node = self.bench.node().clone();
        let answer = self.wait(node.release(&context(1), request));
        let model = &mut self.models[broker];
        let Some(attempt) = attempt else {
            let code = answer.err().map(|error| error.code);
            ensure!(
                code == Some(ErrorCode::NotFound),
                "R5: {key:?} is {state:?}, its release {code:?}"
            );
            return Ok(());
        };
        answer.map_err(|error| format!("R5: release of {key:?}: {error}"))?;
        model.durable();
        let state = match how {
            Release::Retry => FRESH,
            Release::Skip => State::Acked(None),
            Release::DeadLetter => State::Dead {
                attempt,
                is_listed: false,
            },
        };
        model.set(reader, key, state);
        Ok(())
    }
}
