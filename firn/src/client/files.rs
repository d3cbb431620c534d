//! Lists of topics and groups as files: the flags, and what is printed of an answer.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::output::{remark, shown};
use super::request::{Method, Request, Upload};
use super::{Failure, Session};

/// Each line of a file is a change of the catalogue that is durable before the next.
const IMPORT_WAIT: Duration = Duration::from_secs(600);
/// Of zip, and so of xlsx.
const PACKED: &[u8] = b"PK\x03\x04";
const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

#[derive(Args)]
pub(super) struct ExportFlags {
    /// Where to write it; '-' or nothing means standard output.
    file: Option<PathBuf>,
    /// What to write [default: as the file's name ends, else csv].
    #[arg(long, value_parser = ["csv", "xlsx"])]
    format: Option<String>,
    /// Only this one; repeat for several.
    #[arg(long = "only", value_name = "NAME")]
    names: Vec<String>,
    /// Only the lines of this broker; repeat for several.
    #[arg(long = "broker", value_name = "NAME")]
    brokers: Vec<String>,
    /// Add columns for what the others cannot say, so that an import makes the same.
    #[arg(long)]
    all_columns: bool,
}

#[derive(Args)]
pub(super) struct ImportFlags {
    /// The file, CSV or xlsx; '-' reads standard input.
    file: PathBuf,
    /// Only say what would come of it.
    #[arg(long)]
    dry_run: bool,
}

impl ExportFlags {
    /// For `kind`, `topics` or `groups`.
    pub(super) fn request(&self, instance: &str, kind: &str) -> Request {
        let list = |names: &[String]| Some(names.join(",")).filter(|text| !text.is_empty());
        Request::get(&["instances", instance, kind, "export"])
            .query("format", Some(self.format()))
            .query("names", list(&self.names))
            .query("brokers", list(&self.brokers))
            .query("columns", self.all_columns.then_some("all"))
    }

    fn format(&self) -> &str {
        let is_sheet = |path: &Path| path.extension().is_some_and(|end| end == "xlsx");
        match &self.format {
            Some(format) => format,
            None if self.file.as_deref().is_some_and(is_sheet) => "xlsx",
            None => "csv",
        }
    }

    /// The file to write, if it is not standard output.
    pub(super) fn target(&self) -> Option<PathBuf> {
        self.file.clone().filter(|file| !is_stream(file))
    }
}

impl ImportFlags {
    /// For `kind`, `topics` or `groups`.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(super) fn request(&self, instance: &str, kind: &str) -> Result<Request, Failure> {
        let bytes = self.read().map_err(|source| Failure::Input {
            what: self.file.display().to_string(),
            source,
        })?;
        let content_type = match bytes.starts_with(PACKED) {
            true => XLSX,
            false => CSV,
        };
        let request = Request::new(Method::Post, &["instances", instance, kind, "import"]);
        let mut request = request.query("dryRun", self.dry_run.then_some("true"));
        request.upload = Some(Upload {
            content_type,
            bytes,
        });
        request.wait = IMPORT_WAIT;
        Ok(request)
    }

    fn read(&self) -> io::Result<Vec<u8>> {
        if !is_stream(&self.file) {
            return fs::read(&self.file);
        }
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

fn is_stream(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Writes a file of the server to a file here, or to standard output.
pub(super) fn save(
    session: &Session,
    request: &Request,
    target: Option<&Path>,
) -> Result<(), Failure> {
    let bytes = session.api.fetch(request)?;
    let Some(path) = target else {
        let mut out = io::stdout().lock();
        out.write_all(&bytes)?;
        return Ok(out.flush()?);
    };
    fs::write(path, &bytes).map_err(|source| Failure::Input {
        what: path.display().to_string(),
        source,
    })?;
    remark(&format!("wrote {}", path.display()));
    Ok(())
}

/// Prints what came of a file: the lines that made nothing.
///
/// # Errors
/// [`Failure::Partly`] when there are such lines.
pub(super) fn report(session: &mut Session, request: &Request) -> Result<(), Failure> {
    let answer = session.api.call(request)?;
    let json = answer.json;
    let number = |name: &str| json[name].as_u64().unwrap_or_default();
    let created = json["created"].as_array().map_or(0, Vec::len);
    if session.out.json {
        session.out.line(&answer.text)?;
    } else {
        let columns = ["line", "name", "reason"];
        let errors = json["errors"].as_array().into_iter().flatten();
        let row = |error: &Value| columns.map(|name| shown(name, &error[name])).to_vec();
        let rows: Vec<Vec<String>> = errors.map(row).collect();
        if !rows.is_empty() {
            session.out.table(&columns, rows)?;
        }
        let done = match json["dryRun"].as_bool() {
            Some(true) => "would create",
            Some(false) | None => "created",
        };
        remark(&format!("{done} {created}"));
        let ignored = shown("", &json["ignoredColumns"]);
        if !ignored.is_empty() {
            remark(&format!("columns without a meaning: {ignored}"));
        }
    }
    match number("failed") {
        0 => Ok(()),
        failed => Err(Failure::Partly(format!(
            "{failed} of {} lines failed",
            number("lines")
        ))),
    }
}
