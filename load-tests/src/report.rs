//! The report: one table a cell, systems side by side, and Firn against its targets.
//!
//! Owns presentation and the condensing of rounds into medians. Nothing is asserted
//! here: a target that is missed is shown as missed.

use std::fmt::Write as _;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};

use crate::driver::Kind;
use crate::generator::Figures;
use crate::run::{CellResult, Outcome};
use crate::stats::{median, ratio, spread};
use crate::verify::Verdict;
use crate::workload::{Cell, Load, Target};

/// All rounds of one cell of one system.
struct Condensed {
    /// Medians over the rounds that were measured.
    figures: Figures,
    /// How far apart the rounds' rates are, over their median.
    rate_spread: f64,
    verdict: String,
}

/// The whole report as text.
#[must_use]
pub fn render(outcome: &Outcome) -> String {
    let mut out = String::new();
    head(outcome, &mut out);
    for cell in &outcome.workload.cells {
        let _ = write!(out, "\n{}\n{}\n", cell.name, cell_table(outcome, cell));
    }
    let _ = write!(
        out,
        "\nFirn against its targets\n{}\n",
        target_table(outcome)
    );
    notes(outcome, &mut out);
    out
}

fn head(outcome: &Outcome, out: &mut String) {
    let (machine, workload) = (&outcome.machine, &outcome.workload);
    let _ = writeln!(
        out,
        "commit {}, workload \"{}\": {} round(s), {} s a cell, {} B a message\n\
         {}, {} cores, {} MiB, Linux {}, load {} at the begin",
        machine.commit,
        workload.name,
        workload.rounds,
        workload.seconds,
        workload.message_bytes,
        machine.cpu,
        machine.cores,
        machine.memory_mib,
        machine.kernel,
        machine.load,
    );
    for (when, rate) in [
        ("before", outcome.disk_before),
        ("after", outcome.disk_after),
    ] {
        let _ = writeln!(
            out,
            "fdatasync of 4 KiB, {when}: {:.0} a second, p50 {}, p99 {}",
            rate.per_second,
            micros(rate.p50_us),
            micros(rate.p99_us)
        );
    }
    for (kind, version) in &outcome.systems {
        let _ = writeln!(out, "{}: {version}", kind.name());
    }
    for (kind, reason) in &outcome.skipped {
        let _ = writeln!(out, "{}: SKIPPED, {reason}", kind.name());
    }
}

fn cell_table(outcome: &Outcome, cell: &Cell) -> Table {
    let mut table = table(&[
        "system",
        "msg/s",
        "±",
        "p50",
        "p99",
        "p99.9",
        "server µs/msg",
        "generator µs/msg",
        "RSS MiB",
        "disk MiB",
        "contents",
    ]);
    for (kind, _) in &outcome.systems {
        let mut row = vec![kind.name().to_owned()];
        match condense(outcome, cell, *kind) {
            Ok(Some(condensed)) => row.extend(columns(&condensed)),
            Ok(None) => row.push("–".to_owned()),
            Err(error) => row.push(format!("FAILED: {error}")),
        }
        table.add_row(row);
    }
    table
}

fn columns(condensed: &Condensed) -> Vec<String> {
    let figures = &condensed.figures;
    vec![
        thousands(figures.rate),
        format!("{:.0} %", condensed.rate_spread * 100.0),
        micros(figures.p50_us),
        micros(figures.p99_us),
        micros(figures.p999_us),
        format!("{:.1}", figures.server_cpu_us),
        format!("{:.1}", figures.generator_cpu_us),
        format!("{:.0}", figures.resident_mib),
        format!("{:.0}", figures.disk_mib),
        condensed.verdict.clone(),
    ]
}

fn target_table(outcome: &Outcome) -> Table {
    let mut table = table(&["cell", "figure", "firn", "over", "ratio", "target", "met"]);
    for cell in &outcome.workload.cells {
        for target in &cell.targets {
            let mut row = vec![cell.name.clone(), target.figure.name().to_owned()];
            row.extend(judge(outcome, cell, target));
            table.add_row(row);
        }
    }
    table
}

/// Firn's figure, the other's, their ratio, the bound, and whether it is met.
fn judge(outcome: &Outcome, cell: &Cell, target: &Target) -> [String; 5] {
    let value = |kind| {
        let condensed = condense(outcome, cell, kind).ok().flatten()?;
        Some(target.figure.of(&condensed.figures))
    };
    let unknown = || "–".to_owned();
    let bound = match (target.at_least, target.at_most) {
        (Some(least), _) => format!("≥ {least}"),
        (None, Some(most)) => format!("≤ {most}"),
        (None, None) => unknown(),
    };
    let firn = value(Kind::Firn);
    let (other, judged) = match target.over {
        None => (unknown(), firn),
        Some(kind) => {
            let other = value(kind);
            let shown = other.map_or_else(unknown, thousands);
            let judged = firn.zip(other).and_then(|(a, b)| ratio(a, b));
            (format!("{} {shown}", kind.name()), judged)
        }
    };
    let met = judged.map(|judged| if target.is_met(judged) { "yes" } else { "NO" });
    let ratio = judged.filter(|_| target.over.is_some());
    [
        firn.map_or_else(unknown, thousands),
        other,
        ratio.map_or_else(unknown, |ratio| format!("{ratio:.2}")),
        bound,
        met.map_or_else(unknown, str::to_owned),
    ]
}

/// Medians of all rounds; nothing when the system cannot do this.
fn condense(outcome: &Outcome, cell: &Cell, kind: Kind) -> Result<Option<Condensed>, String> {
    let (mut rounds, mut verdicts) = (Vec::new(), Vec::new());
    let samples = outcome.samples.iter();
    for sample in samples.filter(|s| s.cell == cell.name && s.system == kind) {
        match &sample.result {
            CellResult::Measured { figures, verdict } => {
                rounds.push(*figures);
                verdicts.push(*verdict);
            }
            CellResult::NotApplicable => return Ok(None),
            CellResult::Failed(error) => return Err(error.clone()),
        }
    }
    if rounds.is_empty() {
        return Ok(None);
    }
    let all = |figure: fn(&Figures) -> f64| rounds.iter().map(figure).collect::<Vec<f64>>();
    let middle = |figure| median(&all(figure)).unwrap_or(0.0);
    Ok(Some(Condensed {
        figures: Figures {
            rate: middle(|f| f.rate),
            p50_us: middle(|f| f.p50_us),
            p99_us: middle(|f| f.p99_us),
            p999_us: middle(|f| f.p999_us),
            send_p99_us: middle(|f| f.send_p99_us),
            server_cpu_us: middle(|f| f.server_cpu_us),
            generator_cpu_us: middle(|f| f.generator_cpu_us),
            resident_mib: middle(|f| f.resident_mib),
            disk_mib: middle(|f| f.disk_mib),
            messages: middle(|f| f.messages),
        },
        rate_spread: spread(&all(|f| f.rate)),
        verdict: judge_contents(&verdicts),
    }))
}

/// The first fault there is; else how many messages came back in all rounds.
fn judge_contents(verdicts: &[Option<Verdict>]) -> String {
    let known: Vec<&Verdict> = verdicts.iter().flatten().collect();
    match known.iter().find(|verdict| !verdict.is_clean()) {
        Some(faulty) => faulty.to_string(),
        None if known.is_empty() => "answers checked".to_owned(),
        None => {
            let sent = known.iter().map(|verdict| verdict.sent).sum::<u64>();
            format!("all {} ok", thousands(sent as f64))
        }
    }
}

fn notes(outcome: &Outcome, out: &mut String) {
    out.push_str(
        "\nFigures are medians over the rounds; ± is the distance of the extreme rates over their\n\
         median. Latency: of a request in send cells; of one receive with its ack in the receive\n\
         cell; from the time a message was due to its receipt end to end. The floor's contents are\n\
         not read back. NATS does not answer acks of consumption, so they are not awaited there,\n\
         and its receives are as large as what has arrived.\n",
    );
    for (kind, _) in &outcome.systems {
        for cell in &outcome.workload.cells {
            if let (Load::EndToEnd { .. }, Ok(Some(condensed))) =
                (cell.load, condense(outcome, cell, *kind))
            {
                let p99 = micros(condensed.figures.send_p99_us);
                let _ = writeln!(out, "{}, {}: sends p99 {p99}", cell.name, kind.name());
            }
        }
    }
}

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(columns);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A duration in the unit that shows it best.
fn micros(value: f64) -> String {
    match value {
        0.0..1000.0 => format!("{value:.0} µs"),
        1000.0..10_000.0 => format!("{:.2} ms", value / 1000.0),
        10_000.0..1_000_000.0 => format!("{:.1} ms", value / 1000.0),
        _ => format!("{:.2} s", value / 1e6),
    }
}

/// A whole number with separators; small ones keep a decimal.
fn thousands(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
