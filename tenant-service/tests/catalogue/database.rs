//! Where the catalogues of these tests are: each in a file in its place.

use std::path::Path;

/// A new catalogue for a place in this folder.
pub(crate) fn url(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("catalogue.db").display())
}
