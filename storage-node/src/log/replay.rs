//! Reads the log front to back, says what is damaged and where it ends.
//!
//! What counts: frames whose LSNs follow one another, written by an incarnation
//! that no later one began before. A gap below a position that a later header
//! calls synced is damage: reported, stepped over, never cut. A gap that no
//! later header vouches for is a torn tail, and the log ends there (RULES 3).
//! Changes nothing on disk.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use super::config::Mutant;
use super::error::{LogError, VisitError};
use super::files::LogFile;
use super::format::{BATCH_HEADER_BYTES, BLOCK, BatchHeader};
use super::frame::{FRAME_HEADER_BYTES, FrameHeader, LogPlace, Lsn, RawFrame};
use super::walk::{Step, Walk, batch_at, find_batch};
use super::window::Window;

/// A frame as a replay finds it.
#[derive(Clone, Copy, Debug)]
pub struct ReplayedFrame<'a> {
    pub lsn: Lsn,
    pub header: FrameHeader,
    pub payload: &'a [u8],
    pub place: LogPlace,
}

/// What was durable once and cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedRange {
    /// Number of the file.
    pub file: u64,
    /// Bytes of it that cannot be used.
    pub bytes: Range<u64>,
    /// LSNs lost with them; empty when only a header without frames is damaged,
    /// or when nothing tells how many a cut file has lost.
    pub lsns: Range<Lsn>,
    /// The frame's header, if that can be read and only the payload is lost.
    pub frame: Option<FrameHeader>,
}

/// What was written after the last position known to be synced and is not whole.
/// None of it was ever answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Number of the file.
    pub file: u64,
    pub from_byte: u64,
    /// LSNs that were meant to be there, as far as a header tells.
    pub lsns: Range<Lsn>,
}

/// A visitor of frames in log order.
pub type Visitor<'a> = dyn FnMut(ReplayedFrame<'_>) -> Result<(), VisitError> + 'a;

/// Where the log's last batch or terminator stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct LastUnit {
    /// Which of the files.
    pub(super) index: usize,
    pub(super) at: u64,
    /// Its header, shortened to the frames that can be read.
    pub(super) header: BatchHeader,
}

/// What a replay found.
pub(super) struct Outcome {
    /// Last LSN of the log.
    pub(super) end: Lsn,
    /// Highest incarnation seen.
    pub(super) incarnation: u64,
    pub(super) damage: Vec<DamagedRange>,
    pub(super) torn: Option<TornTail>,
    /// Which of the files the log ends in, and the byte where it goes on.
    pub(super) index: usize,
    pub(super) at: u64,
    /// The last batch or terminator, if nothing after it proves that it was synced.
    pub(super) last: Option<LastUnit>,
}

/// What to replay.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// First LSN wanted; 0 = from the first there is.
    pub(super) from: Lsn,
    /// Last LSN wanted, known to be durable; `None` = up to the log's end.
    pub(super) until: Option<Lsn>,
}

/// Replays a span of a log's files.
///
/// # Errors
/// When the disk or the visitor fails, or a header is of a newer version.
pub(super) fn replay(
    log_id: u64,
    files: &[Arc<LogFile>],
    span: Span,
    mutant: Option<Mutant>,
    visit: &mut Visitor<'_>,
) -> Result<Outcome, LogError> {
    let start = first_file(files, span.from);
    let expected = files.get(start).and_then(|file| file.first_lsn);
    let mut replay = Replay {
        log_id,
        files,
        span,
        mutant,
        expected: expected.unwrap_or(span.from.max(Lsn(1))),
        outcome: Outcome {
            end: Lsn::ZERO,
            incarnation: 0,
            damage: Vec::new(),
            torn: None,
            index: start,
            at: BLOCK,
            last: None,
        },
    };
    replay.check_start(start);
    for index in start..files.len() {
        if replay.file(index, visit)?.is_break() {
            break;
        }
    }
    replay.outcome.end = replay.expected.prev();
    Ok(replay.outcome)
}

/// The last file that begins at or before an LSN.
fn first_file(files: &[Arc<LogFile>], from: Lsn) -> usize {
    let begins_before = |file: &Arc<LogFile>| file.first_lsn.is_some_and(|first| first <= from);
    files.iter().rposition(begins_before).unwrap_or(0)
}

struct Replay<'a> {
    log_id: u64,
    files: &'a [Arc<LogFile>],
    span: Span,
    mutant: Option<Mutant>,
    /// The LSN that comes next.
    expected: Lsn,
    outcome: Outcome,
}

/// What follows a place where no acceptable batch begins.
enum Gap {
    /// Damage up to this batch.
    Until(u64, Lsn),
    NextFile,
    End,
}

impl Replay<'_> {
    /// The beginning that was asked for may be gone.
    fn check_start(&mut self, start: usize) {
        let Some(file) = self.files.get(start) else {
            return;
        };
        if self.span.from != Lsn::ZERO && self.span.from < self.expected {
            let lsns = self.span.from..self.expected;
            self.damaged(file.number, 0..0, lsns, None);
        }
    }

    fn is_last(&self, index: usize) -> bool {
        index + 1 == self.files.len()
    }

    fn damaged(
        &mut self,
        file: u64,
        bytes: Range<u64>,
        lsns: Range<Lsn>,
        frame: Option<FrameHeader>,
    ) {
        let lsns = if lsns.is_empty() {
            lsns
        } else if lsns.end > self.span.from {
            lsns.start.max(self.span.from)..lsns.end
        } else {
            return;
        };
        self.outcome.damage.push(DamagedRange {
            file,
            bytes,
            lsns,
            frame,
        });
    }

    /// One file, from its header on.
    fn file(&mut self, index: usize, visit: &mut Visitor<'_>) -> Result<ControlFlow<()>, LogError> {
        let file = self.files[index].clone();
        if self.span.until.is_some_and(|until| self.expected > until) {
            return Ok(ControlFlow::Break(()));
        }
        self.begin_file(index, &file);
        let mut window = file.window();
        let mut at = BLOCK;
        self.outcome.index = index;
        loop {
            self.outcome.at = at;
            let found = batch_at(&mut window, self.log_id, file.number, at);
            let found = found.map_err(|error| error.of(file.number))?;
            let Some(batch) = found.filter(|batch| self.accepts(index, batch)) else {
                match self.gap(index, &mut window, at)? {
                    Gap::Until(to, lsn) => {
                        self.damaged(file.number, at..to, self.expected..lsn, None);
                        self.expected = lsn;
                        at = to;
                        continue;
                    }
                    Gap::NextFile => return Ok(ControlFlow::Continue(())),
                    Gap::End => {
                        self.end(&file, &mut window, at)?;
                        return Ok(ControlFlow::Break(()));
                    }
                }
            };
            if self.span.until.is_some_and(|until| batch.first_lsn > until) {
                return Ok(ControlFlow::Break(()));
            }
            if batch.first_lsn > self.expected {
                self.damaged(file.number, at..at, self.expected..batch.first_lsn, None);
                self.expected = batch.first_lsn;
            }
            self.outcome.incarnation = self.outcome.incarnation.max(batch.incarnation);
            if self
                .frames(index, &mut window, at, batch, visit)?
                .is_break()
            {
                return Ok(ControlFlow::Break(()));
            }
            at += batch.extent();
        }
    }

    /// Judges a file's header against what came before.
    fn begin_file(&mut self, index: usize, file: &LogFile) {
        let Some(header) = file.header else {
            self.damaged(file.number, 0..BLOCK, self.expected..self.expected, None);
            return;
        };
        // A header is written when all before it is synced.
        self.outcome.last = None;
        self.outcome.incarnation = self.outcome.incarnation.max(header.incarnation);
        if header.first_lsn > self.expected {
            let lsns = self.expected..header.first_lsn;
            match index.checked_sub(1).map(|before| &self.files[before]) {
                Some(before) => {
                    let (number, len) = (before.number, before.len);
                    self.damaged(number, self.outcome.at.min(len)..len, lsns, None);
                }
                None => self.damaged(file.number, 0..0, lsns, None),
            }
            self.expected = header.first_lsn;
        }
        if file.is_cut() {
            let lost = file.len..header.file_bytes;
            self.damaged(file.number, lost, self.expected..self.expected, None);
        }
    }

    /// Whether a valid batch continues the log where it stands.
    fn accepts(&self, index: usize, batch: &BatchHeader) -> bool {
        let follows = batch.first_lsn == self.expected
            || (batch.first_lsn > self.expected && batch.synced >= self.expected);
        // A terminator holds no frame that could be superseded.
        let counts = batch.terminator || batch.first_lsn < self.limit(index, batch.incarnation);
        let current = batch.incarnation >= self.outcome.incarnation && counts;
        follows && (current || self.mutant == Some(Mutant::AcceptOldIncarnation))
    }

    /// Where later files say that the writing of an incarnation in this file stops counting.
    fn limit(&self, index: usize, incarnation: u64) -> Lsn {
        if self.mutant == Some(Mutant::AcceptOldIncarnation) {
            return Lsn(u64::MAX);
        }
        let later = self.files[index + 1..].iter().filter_map(|file| file.epoch);
        let superseding = later.filter(|(theirs, _)| *theirs > incarnation);
        let began = superseding.map(|(_, began)| began);
        began.min().unwrap_or(Lsn(u64::MAX))
    }

    fn gap(&self, index: usize, window: &mut Window, at: u64) -> Result<Gap, LogError> {
        let next = self.files.get(index + 1);
        let continues = next
            .and_then(|file| file.header)
            .is_some_and(|header| header.first_lsn == self.expected);
        if continues {
            return Ok(Gap::NextFile);
        }
        if self.mutant != Some(Mutant::CutDamageSilently) {
            let number = self.files[index].number;
            let found = find_batch(window, self.log_id, number, at + BLOCK, |batch| {
                self.accepts(index, batch)
            });
            if let Some((to, batch)) = found.map_err(|error| error.of(number))? {
                return Ok(Gap::Until(to, batch.first_lsn));
            }
        }
        if self.is_last(index) {
            Ok(Gap::End)
        } else {
            Ok(Gap::NextFile)
        }
    }

    /// Nothing acceptable follows in the last file: a clean end, a torn tail, or
    /// damage if the caller knows that more was durable.
    fn end(&mut self, file: &LogFile, window: &mut Window, at: u64) -> Result<(), LogError> {
        if let Some(until) = self.span.until {
            if self.expected <= until {
                let lsns = self.expected..until.next();
                self.damaged(file.number, at..file.len, lsns, None);
                self.expected = until.next();
            }
            return Ok(());
        }
        let read = LogError::io("read the log's tail");
        let block = window.get(at, BLOCK as usize).map_err(read)?;
        let is_zero = block.iter().all(|byte| *byte == 0);
        let recycled = file.header.is_none_or(|header| header.recycled);
        // What a recycled file held before looks like anything.
        if !is_zero && !recycled {
            self.outcome.torn = Some(TornTail {
                file: file.number,
                from_byte: at,
                lsns: self.expected..self.expected,
            });
        }
        Ok(())
    }

    /// The frames of one batch. Breaks where the log ends.
    fn frames(
        &mut self,
        index: usize,
        window: &mut Window,
        at: u64,
        batch: BatchHeader,
        visit: &mut Visitor<'_>,
    ) -> Result<ControlFlow<()>, LogError> {
        let file = self.files[index].number;
        let limit = self.limit(index, batch.incarnation);
        let mut synced = None;
        let mut walk = Walk::new(batch, at);
        let read = |source| LogError::Io {
            action: "read frames",
            source,
        };
        self.outcome.last = Some(LastUnit {
            index,
            at,
            header: batch,
        });
        while let Some(step) = walk.step(window).map_err(read)? {
            match step {
                Step::Good { lsn, .. } if lsn >= limit => break,
                Step::Good { lsn, at, raw } => {
                    self.expected = lsn.next();
                    if lsn < self.span.from {
                        continue;
                    }
                    if self.span.until.is_some_and(|until| lsn > until) {
                        self.expected = lsn;
                        return Ok(ControlFlow::Break(()));
                    }
                    let place = place_of(file, &batch, lsn, at, &raw);
                    let body = at + FRAME_HEADER_BYTES as u64;
                    visit(ReplayedFrame {
                        lsn,
                        header: raw.header,
                        payload: window.get(body, raw.len as usize).map_err(read)?,
                        place,
                    })
                    .map_err(LogError::Visit)?;
                }
                Step::Bad { lsns, .. } if lsns.start >= limit => break,
                Step::Bad {
                    bytes,
                    lsns,
                    header,
                } => {
                    let known = match synced {
                        Some(known) => known,
                        None => *synced.insert(self.synced_after(index, at, &batch)?),
                    };
                    if known < lsns.start {
                        self.cut(index, at, batch, bytes.start, lsns.start);
                        return Ok(ControlFlow::Break(()));
                    }
                    self.expected = lsns.end;
                    self.damaged(file, bytes, lsns, header);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The highest position that a header after this batch knows to be synced.
    fn synced_after(&self, index: usize, at: u64, batch: &BatchHeader) -> Result<Lsn, LogError> {
        let mut known = self.span.until.unwrap_or(Lsn::ZERO);
        if self.mutant == Some(Mutant::CutDamageSilently) {
            return Ok(known);
        }
        let mut from = at + batch.extent();
        for file in &self.files[index..] {
            if let Some(header) = file.header.filter(|_| from == BLOCK) {
                known = known.max(header.first_lsn.prev());
            }
            let wanted = |later: &BatchHeader| {
                later.incarnation >= batch.incarnation && later.synced >= batch.first_lsn
            };
            let found = find_batch(&mut file.window(), self.log_id, file.number, from, wanted);
            if let Some((_, later)) = found.map_err(|error| error.of(file.number))? {
                return Ok(known.max(later.synced));
            }
            from = BLOCK;
        }
        Ok(known)
    }

    /// The log ends inside a batch: the frames before the bad one stay.
    fn cut(&mut self, index: usize, at: u64, batch: BatchHeader, bad: u64, lsn: Lsn) {
        self.outcome.torn = Some(TornTail {
            file: self.files[index].number,
            from_byte: bad,
            lsns: lsn..batch.end(),
        });
        let kept = (lsn.0 - batch.first_lsn.0) as u32;
        self.outcome.at = at;
        self.outcome.last = None;
        if kept > 0 {
            let header = BatchHeader {
                frame_count: kept,
                frame_bytes: (bad - at) as u32 - BATCH_HEADER_BYTES as u32,
                ..batch
            };
            self.outcome.at = at + header.extent();
            self.outcome.last = Some(LastUnit { index, at, header });
        }
    }
}

fn place_of(file: u64, batch: &BatchHeader, lsn: Lsn, at: u64, raw: &RawFrame) -> LogPlace {
    LogPlace {
        lsn,
        file,
        incarnation: batch.incarnation,
        offset: at as u32,
        len: raw.len,
    }
}
