//! What came of a file.

use serde::Serialize;
use utoipa::ToSchema;

use crate::ops::import::{Imported, LineError};

/// What came of a file, line by line.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::native) struct ImportJson {
    /// Whether nothing was made, because nothing was to be.
    dry_run: bool,
    /// Lines of the file, without the header and blank ones.
    lines: usize,
    /// Names of what was made, or would have been.
    created: Vec<String>,
    /// Number of `errors`.
    failed: usize,
    /// Lines that made nothing.
    errors: Vec<LineErrorJson>,
    /// Headers of the file that say nothing to the service.
    ignored_columns: Vec<String>,
}

#[derive(Serialize, ToSchema)]
struct LineErrorJson {
    /// As an editor or a spreadsheet numbers it: the header is line 1.
    line: u64,
    name: String,
    code: String,
    reason: String,
}

impl ImportJson {
    pub(in crate::native) fn new(done: Imported, dry_run: bool, ignored: Vec<String>) -> Self {
        Self {
            dry_run,
            lines: done.lines,
            created: done.created,
            failed: done.errors.len(),
            errors: done.errors.into_iter().map(LineErrorJson::from).collect(),
            ignored_columns: ignored,
        }
    }
}

impl From<LineError> for LineErrorJson {
    fn from(failed: LineError) -> Self {
        Self {
            line: failed.line,
            name: failed.name,
            code: failed.error.code.as_str().to_owned(),
            reason: failed.error.message,
        }
    }
}

/// A form with one file alone, of any field name.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::native) struct FileForm {
    #[schema(value_type = String, format = Binary)]
    file: (),
}
