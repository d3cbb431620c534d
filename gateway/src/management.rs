//! The management API under `/api/` (SEED_SPEC 4 and 5): paths, parameters, envelope and
//! names of the guide, with what it tolerates (SEED_SPEC 8). Owns that wire alone: rights
//! are those of `auth`, and what is done is done by `ops` and the services, as for the
//! native API.

mod account;
mod body;
mod clients;
mod cluster;
mod depth;
mod docs;
mod enter;
mod envelope;
mod groups;
mod messages;
mod params;
mod paths;
mod reset;
mod runtime;
mod shapes;
mod table;
mod topic_views;
mod topics;
mod tps;

pub(crate) use docs::description;
pub(crate) use envelope::finish;
pub(crate) use paths::canonical;
pub(crate) use table::table;
