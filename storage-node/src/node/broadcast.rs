//! Members of a broadcast: each has a progress of its own, like a group, which is
//! let go when the member has done nothing for days (DESIGN 5).

use firn_protocol::api::storage::{GroupMode, GroupSpec, ReceiveRequest};
use firn_protocol::error::{ApiError, ErrorCode};
use firn_protocol::ids::GroupId;
use firn_protocol::limits::{BROADCAST_KEPT_MS, BROADCAST_MEMBERS_MAX};
use firn_protocol::receipt::Receipt;

use super::StorageNode;
use crate::broker::entry::Head;
use crate::broker::in_place::InPlaceHead;
use crate::broker::owner::{Broker, Core};
use crate::consume::in_place::Membership;

impl StorageNode {
    /// Makes sure that a member that asks for records is known by its name, and lets
    /// go of members that are long gone.
    pub(super) fn join(&self, broker: &Broker, request: &ReceiveRequest) -> Result<(), ApiError> {
        let GroupMode::Member { of: group } = request.group.mode else {
            return Ok(());
        };
        let member = request.group.id;
        let mut core = broker.lock()?;
        let now = self.now();
        core.members_seen.insert(member, now);
        let known = core.state.in_place.get(&member);
        match known.and_then(|state| state.member.as_ref()) {
            Some(of) if of.group == group && of.name == request.member => return Ok(()),
            Some(_) => {
                return Err(ApiError::new(
                    ErrorCode::Conflict,
                    "consumerId: this name cannot be told from another one here; choose another",
                ));
            }
            None => {}
        }
        self.let_go(broker, &mut core, group)?;
        if core.state.members_of(group).count() >= BROADCAST_MEMBERS_MAX {
            return Err(ApiError::new(
                ErrorCode::QuotaExceeded,
                format!("the group has {BROADCAST_MEMBERS_MAX} broadcast members"),
            ));
        }
        let head = Head::InPlace(InPlaceHead::Join {
            member,
            of: Membership {
                group,
                name: request.member.clone(),
            },
        });
        self.submit(broker, &mut core, &head, None, None)?;
        Ok(())
    }

    /// Members that have done nothing for long are members no more.
    fn let_go(&self, broker: &Broker, core: &mut Core, group: GroupId) -> Result<(), ApiError> {
        let now = self.now();
        let members: Vec<GroupId> = core.state.members_of(group).map(|(id, _)| id).collect();
        for member in members {
            // After a restart a member counts as just seen.
            let seen = *core.members_seen.entry(member).or_insert(now);
            if now.since_ms(seen) > BROADCAST_KEPT_MS {
                core.members_seen.remove(&member);
                let head = Head::DropGroup { group: member };
                self.submit(broker, core, &head, None, None)?;
            }
        }
        core.forget_members();
        Ok(())
    }
}

/// Whose progress a receipt that was given out to a group, or to a member of its
/// broadcast, speaks of; `None` if it was given out to neither.
pub(super) fn holder(core: &Core, group: GroupId, receipt: &Receipt) -> Option<GroupId> {
    let is_own = receipt.group == group
        || (receipt.group.is_member() && core.state.home(receipt.group) == group);
    is_own.then_some(receipt.group)
}

/// The same for a call about one receipt.
pub(super) fn holder_spec(core: &Core, group: GroupSpec, receipt: &Receipt) -> GroupSpec {
    let id = holder(core, group.id, receipt).unwrap_or(group.id);
    GroupSpec { id, ..group }
}
