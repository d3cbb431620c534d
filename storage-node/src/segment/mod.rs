//! Cold segments: one immutable object with records of many queues of one
//! broker. Owns the bytes of such an object and how they are searched; promises
//! that damaged, foreign or hostile bytes give a named error and never a wrong
//! record, a panic or an allocation above [`limits`]. Leaves fetching, uploading,
//! caching and the manifest to others: bytes in, bytes out, no clock, no chance.
//!
//! An object, front to back:
//!
//! | part | what |
//! |---|---|
//! | header | magic, version, whose it is, seed; 56 bytes |
//! | chunks | runs of one queue each, by (queue, offset), compressed one by one |
//! | key blocks | (hash, queue, offset, position) in order of (hash, position) |
//! | position blocks | (position, count, queue, offset) in order of position |
//! | filter | over all hashes, also for the manifest |
//! | key index, position index | the first entry of each block and where it lies |
//! | chunk index | queues and their chunks, with times and tags |
//! | trailer | where all that is, totals; 256 bytes, the same in every version |
//!
//! A reader needs the object's length and its last [`TRAILER_BYTES`]. Every
//! checksum covers the identity of the segment and the place as well, so that
//! bytes of another segment, or of another place, are never an answer.

mod blocks;
mod chunks;
mod error;
mod filter;
mod format;
mod hash;
pub mod inspect;
mod intake;
mod keys;
pub mod limits;
mod output;
mod pack;
mod positions;
mod tags;
#[cfg(test)]
mod tests;
mod trailer;
mod writer;

pub use blocks::BlockPlace;
pub use chunks::{ChunkEntry, QueueSummary, SegmentIndex, offset_at_time};
pub use error::{Part, SegmentError};
pub use filter::KeyFilter;
pub use format::{FORMAT, HEADER_BYTES, MAGIC, SegmentId, decode_header};
pub use hash::{KeyHash, Seed, TagHash};
pub use keys::{KeyBlock, KeyIndex};
pub use positions::{PositionBlock, PositionIndex};
pub use tags::TagSummary;
pub use trailer::{Section, TRAILER_BYTES, Totals, Trailer};
pub use writer::{Cut, SegmentSpec, SegmentSummary, SegmentWriter};
