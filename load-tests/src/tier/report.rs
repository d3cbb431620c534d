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
        "by",
        "bodies",
        "of plain gets",
        "gets",
        "CPU",
        "RSS",
        "checked",
    ];
    let read = table(&header, report.rounds.iter().flat_map(read_rows));
    let plain = table(
        &["message", "plain gets at a time", "before", "after"],
        report.rounds.iter().flat_map(plain_rows),
    );
    format!(
        "\nwritten, sealed, machine lost, restored\n{written}\n\nplain gets of 8 MiB\n{plain}\n\ncaught up, against as many plain gets at a time\n{read}\n"
    )
}

fn plain_rows(round: &Round) -> impl Iterator<Item = Vec<String>> + '_ {
    round.plain.iter().map(|(streams, before, after)| {
        vec![
            format!("{} B", round.message_bytes),
            streams.to_string(),
            format!("{before:.0} MiB/s"),
            format!("{after:.0} MiB/s"),
        ]
    })
}

/// Of each number of streams what the tier gave by itself, and what came over HTTP.
fn read_rows(round: &Round) -> impl Iterator<Item = Vec<String>> + '_ {
    let plain = |rate: f64, streams: usize| {
        let mut rates = round.plain.iter();
        let found = rates.find(|(n, _, _)| *n == streams);
        let (_, before, after) = found.copied().unwrap_or_default();
        format!("{:.2}", rate / f64::midpoint(before, after))
    };
    let tier = round.tier.iter().map(move |read| {
        vec![
            format!("{} B", round.message_bytes),
            format!("the tier alone, {}", read.readers),
            format!("{:.0} MiB/s", read.mib_per_second),
            plain(read.mib_per_second, read.readers),
            format!("{}, {:.0} MiB", read.gets, read.read_mib),
            String::new(),
            String::new(),
            format!("all {} ok", read.messages),
        ]
    });
    let caught_up = round.catch_up.iter().map(move |one| {
        let figures = &one.figures;
        vec![
            format!("{} B", round.message_bytes),
            format!("consumers, {}", one.consumers),
            format!("{:.0} MiB/s, {:.0}/s", one.mib_per_second, figures.rate),
            plain(one.mib_per_second, one.consumers),
            format!("{:.0}, {:.0} MiB", one.gets, one.read_mib),
            format!("{:.1} µs", figures.server_cpu_us),
            format!("{:.0} MiB", figures.resident_mib),
            one.verdict.to_string(),
        ]
    });
    tier.chain(caught_up)
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
