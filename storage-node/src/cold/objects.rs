//! The seam between the cold store and whatever keeps objects.
//!
//! Owns the vocabulary: one call is one attempt, paths are plain text, nothing
//! is resolved or tried again. Whoever implements it promises that a create
//! never replaces an object and that a finished write is durable. Leaves names
//! to [`super::paths`] and everything clever to [`super::ColdStore`].
//!
//! Living implementations: [`super::RealObjects`] (S3, a directory, memory),
//! [`super::FaultyObjects`], and the layers `Retrying`, `Metered`, `Limited`.

use async_trait::async_trait;
use bytes::Bytes;
use firn_protocol::time::Timestamp;

use super::error::ColdError;

/// Which bytes of an object are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    All,
    /// From the first up to, but not including, the second; not empty.
    Range(u64, u64),
    /// The last so many, or all of a shorter object; at least one.
    Tail(u64),
}

/// Bytes of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    pub bytes: Bytes,
    /// Length of the whole object.
    pub object_bytes: u64,
}

/// What a store says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub path: String,
    pub bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: Timestamp,
}

/// A place for objects. Every call is one attempt.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// Puts an object under a name that is free.
    ///
    /// # Errors
    /// `Exists` when it is taken, or when another create was under way.
    async fn create(&self, path: &str, body: &Bytes) -> Result<(), ColdError>;

    /// Puts an object, replacing what has the name.
    async fn put(&self, path: &str, body: &[Bytes]) -> Result<(), ColdError>;

    /// Begins an object that is sent in parts. It exists once it is complete.
    async fn start_upload(&self, path: &str) -> Result<Box<dyn PartUpload>, ColdError>;

    /// Reads an object or a part of it.
    async fn get(&self, path: &str, wanted: Wanted) -> Result<Got, ColdError>;

    /// Length and age of an object.
    async fn head(&self, path: &str) -> Result<Stored, ColdError>;

    /// All objects below a path, in any order. `""` is the root.
    async fn list(&self, prefix: &str) -> Result<Vec<Stored>, ColdError>;

    /// Takes objects away; those that are not there are fine.
    async fn delete(&self, paths: &[String]) -> Result<(), ColdError>;

    /// Tells that the caller has reached a named point between two operations,
    /// so that a test can stop the process there. Does nothing in production.
    fn reach(&self, _point: &'static str) -> Result<(), ColdError> {
        Ok(())
    }
}

/// An object on its way. Dropping it leaves it incomplete.
#[async_trait]
pub trait PartUpload: Send {
    /// Sends a part; numbers begin at 0 and leave none out. Sending one again replaces it.
    async fn part(&mut self, index: usize, body: &[Bytes]) -> Result<(), ColdError>;

    /// Makes an object of the parts.
    async fn complete(&mut self) -> Result<(), ColdError>;

    /// Throws the parts away.
    async fn abort(&mut self) -> Result<(), ColdError>;
}

/// Total length of a body in pieces.
pub(super) fn body_bytes(body: &[Bytes]) -> u64 {
    body.iter().map(|piece| piece.len() as u64).sum()
}
