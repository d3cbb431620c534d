//! Where the catalogues of these tests are: each in a database of its own of one
//! PostgreSQL, which runs as long as the tests do.

use std::path::Path;
use std::sync::LazyLock;

use crate::postgres::Cluster;

static CLUSTER: LazyLock<Option<Cluster>> = LazyLock::new(Cluster::start);

/// `None` where there cannot be a PostgreSQL, which was said then.
pub(crate) fn cluster() -> Option<&'static Cluster> {
    CLUSTER.as_ref()
}

/// A new catalogue for a place; in its folder where there is no PostgreSQL, so
/// that the tests still run.
pub(crate) fn url(folder: &Path) -> String {
    match cluster() {
        Some(cluster) => cluster.url(&cluster.database()),
        None => format!("sqlite://{}", folder.join("catalogue.db").display()),
    }
}
