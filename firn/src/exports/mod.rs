//! Exports of the catalogue in the object store: numbered objects, the highest
//! number being the newest.
//!
//! Owns when the catalogue is exported and under which number. Promises that
//! each change is in an export soon after it, that nothing is written without a
//! change, that another catalogue's exports are left alone, and that trouble
//! with the object store never stops anything else. The same for the meter's books, which go
//! as parts behind one another. What is in an export or a part is the tenant service's, how objects are stored the storage node's.

mod books;
mod exporter;
mod objects;
mod pace;
#[cfg(test)]
mod tests;

pub(crate) use books::{BooksExporter, newest_part, read_part};
pub(crate) use exporter::{BeginError, Exporter, ExporterParts};
pub(crate) use objects::{numbers, read};
