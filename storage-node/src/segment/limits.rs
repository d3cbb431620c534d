//! Bounds of a segment, checked against each other when compiling. What is read
//! is held to them before anything is allocated for it.

use firn_protocol::limits::{KIB, MIB, REQUEST_BYTES_MAX};

use super::blocks::FENCE_BYTES_MAX;
use super::chunks::CHUNK_ENTRY_BYTES_MAX;

/// Runs of one chunk, uncompressed. Only a chunk of one single run comes near.
pub const CHUNK_RAW_BYTES_MAX: usize = 16 * MIB as usize;
/// Chunks of one segment; the chunk index is held in memory by readers.
pub const CHUNKS_MAX: usize = 65_536;
/// The chunk index, uncompressed.
pub const CHUNK_INDEX_RAW_BYTES_MAX: usize = 16 * MIB as usize;
/// Tags that the summary of a chunk lists; with more it stands for any.
pub const TAGS_MAX: usize = 16;
/// Keys and ids of one segment; the writer holds 32 bytes for each.
pub const HASHES_MAX: usize = 8 * 1024 * 1024;
/// A block of the key or position index, uncompressed.
pub const BLOCK_RAW_BYTES_MAX: usize = 64 * KIB as usize;
/// Blocks of the key index, and of the position index.
pub const BLOCKS_MAX: usize = 65_536;
/// The key index or the position index, uncompressed.
pub const FENCES_RAW_BYTES_MAX: usize = 4 * MIB as usize;
/// The filter, with all that stands before its blocks.
pub const FILTER_BYTES_MAX: usize = MIB as usize;

const _: () = assert!(
    CHUNK_RAW_BYTES_MAX as u64 >= 2 * REQUEST_BYTES_MAX,
    "what one request sends must fit one chunk"
);
const _: () = assert!(
    CHUNK_INDEX_RAW_BYTES_MAX >= CHUNKS_MAX * CHUNK_ENTRY_BYTES_MAX,
    "the index of a full segment must be readable"
);
const _: () = assert!(
    FENCES_RAW_BYTES_MAX >= BLOCKS_MAX * FENCE_BYTES_MAX,
    "the fences of a full segment must be readable"
);
