//! A bill as a table for spreadsheets and as a page for people. Pure.

use std::fmt::Write as _;

use firn_protocol::api::billing::{Bill, BillLine};

use super::shapes::billing::money;

const COLUMNS: [&str; 14] = [
    "tenant",
    "month",
    "closed",
    "instance",
    "instance_name",
    "plan",
    "item",
    "correction",
    "quantity",
    "unit_micros",
    "per",
    "price_list",
    "price_version",
    "amount",
];

/// RFC 4180, a line for each line of the bill and one for the total. The currency is
/// in the name of the last column.
pub(super) fn csv(bill: &Bill) -> String {
    let mut text = COLUMNS.join(",");
    let _ = write!(text, "_{}\r\n", bill.currency.to_lowercase());
    for line in &bill.lines {
        let cells = [
            bill.tenant.to_string(),
            bill.month.clone(),
            bill.is_closed.to_string(),
            cell(&line.instance_uid),
            cell(&line.instance_name),
            cell(&line.plan),
            cell(&line.item),
            line.is_correction.to_string(),
            line.quantity.to_string(),
            line.unit_micros.to_string(),
            line.per.to_string(),
            cell(&line.price_list),
            line.price_version.to_string(),
            money(line.amount_micros),
        ];
        text += &cells.join(",");
        text += "\r\n";
    }
    let _ = write!(
        text,
        "{},{},{},,,,total,,,,,,,{}\r\n",
        bill.tenant,
        bill.month,
        bill.is_closed,
        money(bill.total_micros)
    );
    text
}

/// Text of a user: quoted where it has to be, and never taken for a formula.
fn cell(text: &str) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = match is_formula {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    match text.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;\
padding:0 1rem}table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left}\
.n{text-align:right;font-variant-numeric:tabular-nums}tfoot{font-weight:bold}";

/// A page without scripts or foreign parts.
pub(super) fn html(bill: &Bill) -> String {
    let state = match bill.is_closed {
        true => "closed",
        false => "as it stands; it may still change",
    };
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Bill {month}</title>\
         <style>{STYLE}</style><h1>Bill of tenant {tenant} for {month}</h1><p>{state}</p>\n\
         <table><thead><tr><th>Instance<th>Plan<th>Item<th class=\"n\">Quantity\
         <th class=\"n\">Price<th>Price list<th class=\"n\">{currency}</thead>\n",
        month = escaped(&bill.month),
        tenant = bill.tenant,
        currency = escaped(&bill.currency),
    );
    for line in &bill.lines {
        row(&mut page, line);
    }
    let _ = writeln!(
        page,
        "<tfoot><tr><td colspan=\"6\">Total<td class=\"n\">{}</tfoot></table></html>",
        money(bill.total_micros)
    );
    page
}

fn row(page: &mut String, line: &BillLine) {
    let late = if line.is_correction {
        " (correction)"
    } else {
        ""
    };
    let price = i64::try_from(line.unit_micros).unwrap_or(i64::MAX);
    let _ = writeln!(
        page,
        "<tr><td>{}<td>{}<td>{}{late}<td class=\"n\">{}<td class=\"n\">{} for {}\
         <td>{} version {}<td class=\"n\">{}",
        escaped(&line.instance_name),
        escaped(&line.plan),
        escaped(&line.item),
        line.quantity,
        money(price),
        line.per,
        escaped(&line.price_list),
        line.price_version,
        money(line.amount_micros),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use firn_protocol::{InstanceId, TenantId};

    use super::*;

    fn bill() -> Bill {
        let line = BillLine {
            instance: InstanceId(1),
            instance_uid: "00ff".to_owned(),
            instance_name: "=HYPERLINK(\"x\"),<b>".to_owned(),
            plan: "basic".to_owned(),
            item: "unitsIn".to_owned(),
            quantity: -3,
            price_list: "-list".to_owned(),
            price_version: 2,
            unit_micros: 400_000,
            per: 1_000_000,
            amount_micros: -1,
            is_correction: true,
        };
        let fee = BillLine {
            instance_name: "demo".to_owned(),
            item: "instanceMonth".to_owned(),
            quantity: 744,
            price_list: "standard".to_owned(),
            unit_micros: 10_000_000,
            per: 744,
            amount_micros: 10_000_000,
            is_correction: false,
            ..line.clone()
        };
        Bill {
            tenant: TenantId(2),
            month: "2025-01".to_owned(),
            is_closed: true,
            currency: "EUR".to_owned(),
            lines: vec![fee, line],
            total_micros: 9_999_999,
        }
    }

    /// A golden sample: programs read it.
    #[test]
    fn the_table() {
        let expected = "tenant,month,closed,instance,instance_name,plan,item,correction,quantity,\
             unit_micros,per,price_list,price_version,amount_eur\r\n\
             2,2025-01,true,00ff,demo,basic,instanceMonth,false,744,10000000,744,standard,2,10.000000\r\n\
             2,2025-01,true,00ff,\"'=HYPERLINK(\"\"x\"\"),<b>\",basic,unitsIn,true,-3,400000,1000000,\
             '-list,2,-0.000001\r\n\
             2,2025-01,true,,,,total,,,,,,,9.999999\r\n";
        assert_eq!(csv(&bill()), expected);
        for text in ["+1", "@x", "\tx", "\rx"] {
            assert!(
                cell(text).trim_start_matches('"').starts_with('\''),
                "{text:?}"
            );
        }
    }

    #[test]
    fn the_page() {
        let page = html(&bill());
        for part in [
            "<h1>Bill of tenant 2 for 2025-01</h1><p>closed</p>",
            "<tr><td>=HYPERLINK(&quot;x&quot;),&lt;b&gt;<td>basic<td>unitsIn (correction)\
             <td class=\"n\">-3<td class=\"n\">0.400000 for 1000000<td>-list version 2\
             <td class=\"n\">-0.000001\n",
            "Total<td class=\"n\">9.999999</tfoot>",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
        assert!(!page.contains("<b>"));
    }
}
