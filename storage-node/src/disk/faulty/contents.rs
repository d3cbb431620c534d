//! Contents of one file: what is written, what is synced, and the changes between.

use super::Random;

const SECTOR: usize = 512;

/// One file's bytes.
#[derive(Default)]
pub(super) struct Contents {
    /// What reads see.
    pub(super) live: Vec<u8>,
    /// What a crash keeps for certain.
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Grow(usize),
}

impl Contents {
    pub(super) fn write(&mut self, bytes: &[u8], offset: usize) {
        put(&mut self.live, bytes, offset);
        self.pending.push(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        });
    }

    pub(super) fn grow(&mut self, len: usize) {
        if self.live.len() < len {
            self.live.resize(len, 0);
            self.pending.push(Change::Grow(len));
        }
    }

    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            match change {
                Change::Write { offset, bytes } => put(&mut self.durable, &bytes, offset),
                Change::Grow(len) => grow(&mut self.durable, len),
            }
        }
    }

    /// A failed sync: some of it may have been written, and nothing of the rest
    /// is dirty any more.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.keep_some(random);
    }

    /// Power loss: what survives becomes all there is.
    pub(super) fn crash(&mut self, random: &mut Random) {
        self.keep_some(random);
        self.live.clone_from(&self.durable);
    }

    fn keep_some(&mut self, random: &mut Random) {
        for change in self.pending.drain(..) {
            match change {
                Change::Grow(len) => {
                    if random.coin() {
                        grow(&mut self.durable, len);
                    }
                }
                Change::Write { offset, bytes } => match random.below(4) {
                    0 => put(&mut self.durable, &bytes, offset),
                    1 => {}
                    2 => keep_sectors(&mut self.durable, &bytes, offset, |_| random.coin()),
                    _ => {
                        let sectors = bytes.len().div_ceil(SECTOR) as u64;
                        let kept = random.below(sectors + 1);
                        keep_sectors(&mut self.durable, &bytes, offset, |n| n < kept);
                    }
                },
            }
        }
    }

    pub(super) fn flip(&mut self, offset: usize, mask: u8) {
        self.live[offset] ^= mask;
        if let Some(byte) = self.durable.get_mut(offset) {
            *byte ^= mask;
        }
    }

    pub(super) fn truncate(&mut self, len: usize) {
        self.live.truncate(len);
        self.durable.truncate(len);
    }

    pub(super) fn overwrite(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.live, bytes, offset);
        put(&mut self.durable, bytes, offset);
    }
}

fn grow(target: &mut Vec<u8>, len: usize) {
    if target.len() < len {
        target.resize(len, 0);
    }
}

fn put(target: &mut Vec<u8>, bytes: &[u8], offset: usize) {
    grow(target, offset + bytes.len());
    target[offset..offset + bytes.len()].copy_from_slice(bytes);
}

/// Writes the sectors that `keep` wants, counted from 0 within the write.
fn keep_sectors(
    target: &mut Vec<u8>,
    bytes: &[u8],
    offset: usize,
    mut keep: impl FnMut(u64) -> bool,
) {
    let mut at = 0;
    let mut sector = 0;
    while at < bytes.len() {
        let end = bytes.len().min(at + SECTOR - (offset + at) % SECTOR);
        if keep(sector) {
            put(target, &bytes[at..end], offset + at);
        }
        at = end;
        sector += 1;
    }
}
