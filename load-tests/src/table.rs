//! How a run with few figures is reported: a line about what was measured, and a table.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use crate::machine::Machine;

/// The report of a run: which build, `what` it did, and a row for each part of it.
pub(crate) fn report(
    machine: &Machine,
    version: &str,
    what: &str,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    format!("commit {}, {version}: {what}\n{table}\n", machine.commit)
}

/// Of latencies in microseconds.
pub(crate) fn millis(micros: f64) -> String {
    format!("{:.2} ms", micros / 1000.0)
}

/// Of times in seconds.
pub(crate) fn seconds(seconds: f64) -> String {
    format!("{seconds:.1} s")
}
