//! The object store of a node at its start: opened, checked, and told whose it is.

use std::sync::Arc;

use anyhow::Context as _;
use firn_runtime::{Clock, config};
use firn_storage_node::cold::paths::NodeId;
use firn_storage_node::cold::{ColdSettings, ColdStore, ColdUrl, ProbeError, probe};
use firn_storage_node::node::ColdParts;

use crate::startup::DataDir;

/// The object store of a node.
pub(crate) struct Opened {
    pub(crate) cold: ColdParts,
    /// Whether it answered. If not, what it holds is looked at later.
    pub(crate) answers: bool,
}

/// Opens the object store and tries out that it keeps what it promises. One that
/// does not answer stops a new node only: a node that has served before goes on
/// from its disk and catches up later.
///
/// # Errors
/// When it cannot be used; one line.
pub(crate) async fn open(url: &ColdUrl, data: &DataDir, clock: &Clock) -> anyhow::Result<Opened> {
    let store = connect(url, clock)?;
    let id = &data.identity().node_id;
    let owner = NodeId::parse(id).context("node.json has no node id of 32 hex digits")?;
    let answers = match probe(&store).await {
        Ok(()) => true,
        Err(ProbeError::Store(error)) if error.failure.is_retryable() && !data.is_new() => {
            tracing::warn!(%error, "the object store does not answer; sealing goes on once it does");
            false
        }
        Err(error) => return Err(error).context("object store"),
    };
    let cold = ColdParts { store, owner };
    Ok(Opened { cold, answers })
}

/// Opens the object store and asks it nothing yet.
///
/// # Errors
/// When the URL leads nowhere; one line.
pub(crate) fn connect(url: &ColdUrl, clock: &Clock) -> anyhow::Result<ColdStore> {
    let objects = url.open(&config::variable)?;
    Ok(ColdStore::new(
        Arc::new(objects),
        ColdSettings::default(),
        clock,
    ))
}
