//! The report of a measurement of the cold tier, as text.

use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;

use super::{Report, Round};

/// The report as text.
#[must_use]
pub fn render(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "commit {}, {}, object store {}{}, load {} at the end\n{}{}{}",
        machine.commit,
        report.version,
        report.plan.store.name(),
        distance(report),
        machine.load,
        rounds(report),
        restarts(report),
        object_class(report),
    )
}

fn distance(report: &Report) -> String {
    report.plan.distance.map_or_else(String::new, |distance| {
        format!(
            " {:?} away, {:.0} MiB/s a connection",
            distance.latency,
            distance.bytes_per_second / f64::from(1 << 20)
        )
    })
}

fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table.add_rows(rows);
    table
}

fn rounds(report: &Report) -> String {
    let header = [
        "message",
        "written",
        "sealed after",
        "segments",
        "restored",
        "ready",
        "RSS",
    ];
    let written = table(
        &header,
        report.rounds.iter().map(|round| {
            let rate = report.plan.mib as f64 / round.fill_seconds;
            vec![
                format!("{} B", round.message_bytes),
                format!("{:.0} MiB/s", rate),
                format!("{:.1} s", round.stop_seconds),
                format!("{}, {:.0} MiB", round.segments, round.segment_mib),
                format!("{:.2} s", round.restore_seconds),
                format!("{:.2} s", round.ready_seconds),
                format!("{:.0} MiB", round.ready_mib),
            ]
        }),
    );
    let header = [
        "message",
        "caught up",
        "bodies",
        "objects",
        "gets",
        "CPU",
        "RSS",
        "checked",
    ];
    let caught_up = table(
        &header,
        report.rounds.iter().map(|round| {
            let figures = &round.catch_up;
            let seconds = figures.messages / figures.rate;
            vec![
                format!("{} B", round.message_bytes),
                format!("{:.0}/s", figures.rate),
                format!("{:.0} MiB/s", round.catch_up_mib()),
                format!("{:.0} MiB/s", round.read_mib / seconds),
                format!("{:.0}, {:.0} MiB", round.gets, round.read_mib),
                format!("{:.1} µs", figures.server_cpu_us),
                format!("{:.0} MiB", figures.resident_mib),
                round.verdict.to_string(),
            ]
        }),
    );
    let plain = table(
        &[
            "message",
            "plain gets at a time",
            "before",
            "after",
            "bodies / plain",
        ],
        report.rounds.iter().flat_map(plain_rows),
    );
    format!(
        "\nwritten, sealed, machine lost, restored\n{written}\n\ncaught up by one consumer\n{caught_up}\n\nagainst plain gets of 8 MiB\n{plain}\n"
    )
}

fn plain_rows(round: &Round) -> impl Iterator<Item = Vec<String>> + '_ {
    round.plain.iter().map(|(streams, before, after)| {
        vec![
            format!("{} B", round.message_bytes),
            streams.to_string(),
            format!("{before:.0} MiB/s"),
            format!("{after:.0} MiB/s"),
            format!(
                "{:.2}",
                round.catch_up_mib() / f64::midpoint(*before, *after)
            ),
        ]
    })
}

fn restarts(report: &Report) -> String {
    if report.restarts.is_empty() {
        return String::new();
    }
    let rows = report.restarts.iter().map(|restart| {
        vec![
            format!("{} MiB", restart.cold_mib),
            restart.segments.to_string(),
            format!("{:.2} s", restart.ready_seconds),
            format!("{:.2} s", restart.cpu_seconds),
            format!("{:.0} MiB", restart.ready_mib),
        ]
    });
    let table = table(
        &["bodies in the store", "segments", "ready", "CPU", "RSS"],
        rows,
    );
    format!("\nstarted again\n{table}\n")
}

fn object_class(report: &Report) -> String {
    let Some(class) = &report.object_class else {
        return String::new();
    };
    let rows = class.cells.iter().map(|cell| {
        let figures = &cell.figures;
        vec![
            format!("{} × {}", cell.in_flight, cell.batch),
            format!("{:.0}/s", figures.rate),
            format!("{:.1} ms", figures.p50_us / 1000.0),
            format!("{:.1} ms", figures.p99_us / 1000.0),
            format!("{:.2}", cell.puts_per_thousand),
            format!("{:.0} µs", figures.server_cpu_us),
            cell.verdict.to_string(),
        ]
    });
    let header = [
        "in flight × batch",
        "rate",
        "p50",
        "p99",
        "puts a 1000",
        "CPU",
        "checked",
    ];
    format!(
        "\nclass object, 1 KiB; a put of 4 KiB alone takes {:.1} ms (p99 {:.1})\n{}\n",
        class.put_p50_us / 1000.0,
        class.put_p99_us / 1000.0,
        table(&header, rows)
    )
}
