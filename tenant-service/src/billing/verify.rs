//! What is wrong with a bill, in words.

use std::collections::BTreeSet;

use firn_protocol::api::billing::{Bill, BillLine, UsageSums, Verification};

use super::price::amount;
use crate::store::Evidence;

/// Holds kept hours against what the events say, and the bill as it is shown
/// against the one that comes of the hours.
pub(crate) fn compare(evidence: &Evidence, shown: &Bill, recomputed: &Bill) -> Verification {
    let mut differences = Vec::new();
    let keys = evidence.kept.keys().chain(evidence.recounted.keys());
    for key in keys.collect::<BTreeSet<_>>() {
        let of = |sums: Option<&UsageSums>| sums.copied().unwrap_or_default();
        let (kept, found) = (of(evidence.kept.get(key)), of(evidence.recounted.get(key)));
        let (instance, hour, topic) = key;
        let topic = match topic {
            Some(topic) => format!("{topic:?}"),
            None => "no topic".to_owned(),
        };
        for (name, kept, found) in pairs(&kept, &found) {
            if kept != found {
                differences.push(format!(
                    "instance {instance}, hour {hour}, {topic}: {name} is {kept} in the hours \
                     and {found} in the events"
                ));
            }
        }
    }
    compare_lines(shown, recomputed, &mut differences);
    Verification {
        events: evidence.events,
        hours: evidence.hours,
        differences,
    }
}

fn pairs(a: &UsageSums, b: &UsageSums) -> [(&'static str, i64, i64); 9] {
    [
        ("messagesIn", a.messages_in, b.messages_in),
        ("unitsIn", a.units_in, b.units_in),
        ("bytesIn", a.bytes_in, b.bytes_in),
        ("messagesOut", a.messages_out, b.messages_out),
        ("unitsOut", a.units_out, b.units_out),
        ("bytesOut", a.bytes_out, b.bytes_out),
        ("apiCalls", a.api_calls, b.api_calls),
        (
            "storedByteSecondsHot",
            a.stored_byte_seconds_hot,
            b.stored_byte_seconds_hot,
        ),
        (
            "storedByteSecondsCold",
            a.stored_byte_seconds_cold,
            b.stored_byte_seconds_cold,
        ),
    ]
}

fn compare_lines(shown: &Bill, recomputed: &Bill, differences: &mut Vec<String>) {
    for line in shown
        .lines
        .iter()
        .filter(|line| !recomputed.lines.contains(line))
    {
        differences.push(format!(
            "the bill has a line that the hours do not give: {}",
            told(line)
        ));
    }
    for line in recomputed
        .lines
        .iter()
        .filter(|line| !shown.lines.contains(line))
    {
        differences.push(format!(
            "the bill lacks a line that the hours give: {}",
            told(line)
        ));
    }
    for line in &shown.lines {
        let expected = amount(line.quantity, line.unit_micros, line.per);
        if line.amount_micros != expected {
            differences.push(format!("the amount should be {expected}: {}", told(line)));
        }
    }
    let sum: i64 = shown.lines.iter().map(|line| line.amount_micros).sum();
    if sum != shown.total_micros {
        differences.push(format!(
            "the total is {}, the lines give {sum}",
            shown.total_micros
        ));
    }
}

fn told(line: &BillLine) -> String {
    format!(
        "instance {}, {}{}: {} at {} for {} by {} version {} = {}",
        line.instance_name,
        line.item,
        if line.is_correction {
            " (correction)"
        } else {
            ""
        },
        line.quantity,
        line.unit_micros,
        line.per,
        line.price_list,
        line.price_version,
        line.amount_micros
    )
}
