//! What is no longer needed goes, and what readers saw is written. A failure is logged
//! where it happens and tried again later.

use firn_protocol::Timestamp;

use super::TenantService;
use crate::catalogue::memory::Memory;
use crate::catalogue::{Change, tokens, users};

impl TenantService {
    pub(super) async fn tidy(&self) {
        let now = Timestamp(self.shared.clock.now_ms());
        let has_ended = |memory: &Memory| {
            let earliest = memory.earliest_revocation_end();
            earliest.is_some_and(|until| until <= now)
        };
        let (has_revocation, has_grace, used) = {
            let memory = self.shared.memory.read();
            let used = tokens::unnoted(&memory);
            (
                has_ended(&memory),
                users::has_ended_grace(&memory, now),
                used,
            )
        };
        if has_grace {
            // They are refused since they ended; kept no longer than needed, too.
            let forgotten = self.change(None, |draft| {
                users::end_graces(draft);
                Ok(())
            });
            let _ = forgotten.await;
        }
        if !used.is_empty() {
            let noted = self.change(None, |draft| {
                let used = used.into_iter();
                let notes = used.map(|(id, at)| Change::NoteApiToken(id, at));
                draft.changes.extend(notes);
                Ok(())
            });
            let _ = noted.await;
        }
        if has_revocation {
            let pruned = self.change(None, |draft| {
                // Another process may have been first.
                if has_ended(draft.memory) {
                    draft.push(Change::PruneTokens(now));
                }
                Ok(())
            });
            let _ = pruned.await;
        }
    }
}
