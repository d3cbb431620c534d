//! Frames that wait for their commit.
//!
//! Owns the order: an LSN is given under the queue's lock, and batches leave in
//! that order. Frames are laid out as they will be on disk, so a payload is
//! copied once, here.

use std::collections::VecDeque;

use tokio::sync::oneshot;

use super::error::{CommitError, SubmitError};
use super::format::{BATCH_FRAMES_MAX, BATCH_HEADER_BYTES, BatchHeader, padded};
use super::frame::{self, FRAME_HEADER_BYTES, FrameHeader, Lsn, Seed};

/// Learns once whether a frame became durable.
pub type Completion = oneshot::Sender<Result<Lsn, CommitError>>;

/// Smallest and largest buffer that a batch starts with.
const BUFFER_BYTES_MIN: usize = 4 << 10;
const BUFFER_BYTES_MAX: usize = 1 << 20;

/// A frame in a batch.
#[derive(Clone, Copy)]
pub(super) struct Queued {
    pub(super) header: FrameHeader,
    /// Byte in the batch where its header begins.
    pub(super) start: usize,
    /// Bytes of the payload.
    pub(super) len: usize,
}

/// Frames that become durable together.
pub(super) struct Batch {
    pub(super) first_lsn: Lsn,
    pub(super) buffer: Vec<u8>,
    pub(super) frames: Vec<Queued>,
    pub(super) done: Vec<(Lsn, Completion)>,
}

impl Batch {
    fn new(first_lsn: Lsn, capacity: usize) -> Self {
        let mut buffer = Vec::with_capacity(capacity);
        buffer.resize(BATCH_HEADER_BYTES, 0);
        Self {
            first_lsn,
            buffer,
            frames: Vec::new(),
            done: Vec::new(),
        }
    }

    fn push(&mut self, header: FrameHeader, payload: &[&[u8]], len: usize) {
        let start = self.buffer.len();
        self.buffer.reserve(FRAME_HEADER_BYTES + len);
        self.buffer.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
        for part in payload {
            self.buffer.extend_from_slice(part);
        }
        self.frames.push(Queued { header, start, len });
    }

    pub(super) fn last_lsn(&self) -> Lsn {
        Lsn(self.first_lsn.0 + self.frames.len() as u64 - 1)
    }

    /// Bytes it takes in a file.
    pub(super) fn extent(&self) -> u64 {
        padded(self.buffer.len() as u64)
    }

    /// Fills in headers, checksums and padding.
    pub(super) fn seal(&mut self, place: BatchHeader) {
        let header = BatchHeader {
            first_lsn: self.first_lsn,
            frame_bytes: (self.buffer.len() - BATCH_HEADER_BYTES) as u32,
            frame_count: self.frames.len() as u32,
            ..place
        };
        header.encode(&mut self.buffer);
        for (index, queued) in self.frames.iter().enumerate() {
            let end = queued.start + FRAME_HEADER_BYTES + queued.len;
            let seed = Seed {
                log_id: header.log_id,
                incarnation: header.incarnation,
                lsn: Lsn(self.first_lsn.0 + index as u64),
            };
            let bytes = &mut self.buffer[queued.start..end];
            frame::seal(bytes, &queued.header, index as u16, seed);
        }
        let extent = self.extent() as usize;
        self.buffer.resize(extent, 0);
        // Readers keep this buffer for long; what it has to spare would be waste.
        if self.buffer.capacity() > extent + extent / 4 + BUFFER_BYTES_MIN {
            self.buffer.shrink_to_fit();
        }
    }
}

/// Whether frames are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    Running,
    /// A write or sync failed; nothing is taken until [`super::Log::recover`].
    Failed,
    Closed,
}

/// The bounds of a queue.
#[derive(Clone, Copy)]
pub(super) struct QueueLimits {
    /// Bytes after which a batch is closed.
    pub(super) batch_bytes: u64,
    /// Bytes of a file that batches may take.
    pub(super) capacity: u64,
    pub(super) pending_bytes: u64,
}

pub(super) struct Queue {
    limits: QueueLimits,
    pub(super) state: LogState,
    filling: Batch,
    full: VecDeque<Batch>,
    /// Bytes taken and not committed, the batch being written included.
    pub(super) pending_bytes: u64,
    /// Whether the commit thread sleeps.
    pub(super) parked: bool,
    pub(super) closing: bool,
    buffer_bytes: usize,
}

impl Queue {
    pub(super) fn new(next: Lsn, limits: QueueLimits) -> Self {
        Self {
            limits,
            state: LogState::Running,
            filling: Batch::new(next, BUFFER_BYTES_MIN),
            full: VecDeque::new(),
            pending_bytes: 0,
            parked: false,
            closing: false,
            buffer_bytes: BUFFER_BYTES_MIN,
        }
    }

    /// The LSN that the next frame gets.
    fn next_lsn(&self) -> Lsn {
        Lsn(self.filling.first_lsn.0 + self.filling.frames.len() as u64)
    }

    /// Takes a frame. `room` is what the disk has for its class, if that is scarce.
    pub(super) fn push(
        &mut self,
        header: FrameHeader,
        payload: &[&[u8]],
        room: Option<u64>,
        done: Option<Completion>,
    ) -> Result<Lsn, SubmitError> {
        match self.state {
            LogState::Running => {}
            LogState::Failed => return Err(SubmitError::Failed),
            LogState::Closed => return Err(SubmitError::Closed),
        }
        let len: usize = payload.iter().map(|part| part.len()).sum();
        let bytes = (FRAME_HEADER_BYTES + len) as u64;
        let alone = padded(BATCH_HEADER_BYTES as u64 + bytes);
        if alone > self.limits.capacity {
            return Err(SubmitError::TooLarge { bytes });
        }
        let pending = self.pending_bytes + bytes;
        if self.pending_bytes > 0 && pending > self.limits.pending_bytes {
            return Err(SubmitError::Overloaded);
        }
        if room.is_some_and(|room| self.pending_bytes + alone > room) {
            return Err(SubmitError::DiskFull);
        }
        let batch_bytes = self.limits.batch_bytes.min(self.limits.capacity);
        let grown = padded(self.filling.buffer.len() as u64 + bytes);
        let frames = self.filling.frames.len();
        if frames > 0 && (grown > batch_bytes || frames == BATCH_FRAMES_MAX) {
            let next = Batch::new(self.next_lsn(), self.buffer_bytes);
            self.full
                .push_back(std::mem::replace(&mut self.filling, next));
        }
        let lsn = self.next_lsn();
        self.pending_bytes = pending;
        self.filling.push(header, payload, len);
        if let Some(done) = done {
            self.filling.done.push((lsn, done));
        }
        Ok(lsn)
    }

    /// The oldest batch; `None` when nothing waits.
    pub(super) fn pop(&mut self) -> Option<Batch> {
        if let Some(batch) = self.full.pop_front() {
            return Some(batch);
        }
        if self.filling.frames.is_empty() {
            return None;
        }
        // The next batch will be about as large as this one.
        let used = self.filling.buffer.len() + self.filling.buffer.len() / 8;
        self.buffer_bytes = padded(used as u64) as usize;
        self.buffer_bytes = self.buffer_bytes.clamp(BUFFER_BYTES_MIN, BUFFER_BYTES_MAX);
        let next = Batch::new(self.next_lsn(), self.buffer_bytes);
        Some(std::mem::replace(&mut self.filling, next))
    }

    /// A batch was committed.
    pub(super) fn committed(&mut self, batch_bytes: u64) {
        self.pending_bytes -= batch_bytes;
    }

    /// Forgets all that waits and goes on at `next`; who waits is returned.
    pub(super) fn reset(&mut self, state: LogState, next: Lsn) -> Vec<(Lsn, Completion)> {
        let mut waiting = Vec::new();
        for batch in self.full.drain(..) {
            waiting.extend(batch.done);
        }
        let fresh = Batch::new(next, BUFFER_BYTES_MIN);
        waiting.extend(std::mem::replace(&mut self.filling, fresh).done);
        self.pending_bytes = 0;
        self.state = state;
        waiting
    }
}
