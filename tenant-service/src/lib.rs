//! The tenant service: tenants, instances, plans, users, topics and groups, and the
//! meter's books.
//!
//! Owns the catalogue and its database. Promises that reads never wait and
//! never fail, that an answered change is durable, that changes happen one
//! after another, and that secrets leave it only by the calls that say so.
//! Leaves who may ask for what to the gateway.

mod api;
mod billing;
mod catalogue;
mod config;
mod error;
mod export;
mod keys;
mod metrics;
mod passwords;
mod secret;
mod service;
mod shares;
mod store;

#[doc(hidden)]
pub use billing::BooksMutant;
pub use billing::part::{BooksPart, PartHead};
pub use catalogue::bootstrap::BootstrapReport;
pub use config::{TenantConfig, check_catalogue_url};
pub use error::{BootstrapError, ExportError, OpenError, StoreError};
pub use export::{CatalogueExport, ExportHead, IdsInUse, Packed, Stamp, Unpacked};
pub use secret::Secret;
pub use service::{KeyRotation, NewSecret, Restored, TenantService};
pub use shares::{ShareCounts, ShareTable};
