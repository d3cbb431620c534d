//! Names of one directory: as seen, as synced, and the changes between.

use std::collections::BTreeMap;
use std::io;

use super::Random;

/// One directory.
#[derive(Default)]
pub(super) struct Names {
    /// What programs see.
    pub(super) live: BTreeMap<String, u64>,
    /// What a crash keeps for certain.
    durable: BTreeMap<String, u64>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Create(String, u64),
    Rename { to: String, inode: u64 },
    Remove(String),
}

impl Names {
    pub(super) fn create(&mut self, name: String, inode: u64) -> io::Result<()> {
        if self.live.contains_key(&name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.change(Change::Create(name, inode));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: String, to: String) -> io::Result<()> {
        let inode = *self.live.get(&from).ok_or(io::ErrorKind::NotFound)?;
        self.change(Change::Rename { to, inode });
        Ok(())
    }

    pub(super) fn remove(&mut self, name: String) -> io::Result<()> {
        if !self.live.contains_key(&name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.change(Change::Remove(name));
        Ok(())
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            apply(&mut self.durable, change);
        }
    }

    /// A failed sync: some changes are durable, the others never will be by
    /// themselves; a later sync that succeeds says nothing about them.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.keep_some(random);
    }

    /// Power loss: what survives becomes all there is.
    pub(super) fn crash(&mut self, random: &mut Random) {
        self.keep_some(random);
        self.live.clone_from(&self.durable);
    }

    /// Whether a name leads to these contents, now or after a crash.
    pub(super) fn refers_to(&self, inode: u64) -> bool {
        let in_pending = self.pending.iter().any(|change| match change {
            Change::Create(_, it) | Change::Rename { inode: it, .. } => *it == inode,
            Change::Remove(_) => false,
        });
        in_pending
            || self.live.values().any(|it| *it == inode)
            || self.durable.values().any(|it| *it == inode)
    }

    /// Half of the crashes keep a prefix of the changes, as a journal does; in
    /// the others each change has its own fate.
    fn keep_some(&mut self, random: &mut Random) {
        let pending = std::mem::take(&mut self.pending);
        let prefix = random
            .coin()
            .then(|| random.below(pending.len() as u64 + 1));
        for (n, change) in pending.into_iter().enumerate() {
            let keep = match prefix {
                Some(prefix) => (n as u64) < prefix,
                None => random.coin(),
            };
            if keep {
                apply(&mut self.durable, change);
            }
        }
    }

    fn change(&mut self, change: Change) {
        self.pending.push(change.clone());
        apply(&mut self.live, change);
    }
}

fn apply(names: &mut BTreeMap<String, u64>, change: Change) {
    match change {
        Change::Create(name, inode) => {
            names.insert(name, inode);
        }
        Change::Rename { to, inode } => {
            names.retain(|_, it| *it != inode);
            names.insert(to, inode);
        }
        Change::Remove(name) => {
            names.remove(&name);
        }
    }
}
