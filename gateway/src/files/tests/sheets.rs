//! Spreadsheets of all kinds, made by hand.

use std::io::{Cursor, Write as _};

use firn_protocol::ErrorCode;
use firn_protocol::limits::*;
use proptest::prelude::*;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{Format, topics};

fn packed(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        writer
            .start_file(*name, SimpleFileOptions::default())
            .expect("a part");
        writer.write_all(bytes).expect("memory takes all");
    }
    writer.finish().expect("memory takes all").into_inner()
}

/// A workbook of one sheet with this inside `sheetData`, and these shared texts.
fn workbook(rows: &str, texts: &str) -> Vec<u8> {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    const RELATION: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006/relationships";
    let book = format!(
        "<workbook xmlns=\"{MAIN}\" xmlns:r=\"{RELATION}\"><sheets>\
         <sheet name=\"s\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let relation = |id: &str, kind: &str, target: &str| {
        format!("<Relationship Id=\"{id}\" Type=\"{RELATION}/{kind}\" Target=\"{target}\"/>")
    };
    let relations = |list: &[String]| {
        format!(
            "<Relationships xmlns=\"{PACKAGE}\">{}</Relationships>",
            list.concat()
        )
    };
    let root = relations(&[relation("r1", "officeDocument", "xl/workbook.xml")]);
    let parts = relations(&[
        relation("r1", "worksheet", "worksheets/sheet1.xml"),
        relation("r2", "sharedStrings", "sharedStrings.xml"),
    ]);
    let sheet = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>{rows}</sheetData></worksheet>");
    let texts = format!("<sst xmlns=\"{MAIN}\">{texts}</sst>");
    packed(&[
        ("_rels/.rels", root.as_bytes()),
        ("xl/workbook.xml", book.as_bytes()),
        ("xl/_rels/workbook.xml.rels", parts.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
        ("xl/sharedStrings.xml", texts.as_bytes()),
    ])
}

#[test]
fn spreadsheets_give_values_and_never_formulas() {
    let header = "<row r=\"1\"><c r=\"A1\" t=\"s\"><v>0</v></c><c r=\"B1\" t=\"inlineStr\"><is><t>是否有序</t></is></c>\
        <c r=\"C1\" t=\"inlineStr\"><is><t>队列数</t></is></c></row>";
    let row = |number: u32, cells: &str| format!("<row r=\"{number}\">{cells}</row>");
    let rows = [
        header.to_owned(),
        row(
            3,
            "<c r=\"A3\" t=\"s\"><v>1</v></c><c r=\"B3\" t=\"b\"><v>1</v></c><c r=\"C3\"><v>8</v></c>",
        ),
        row(
            4,
            "<c r=\"A4\"><v>123</v></c><c r=\"B4\" t=\"b\"><v>0</v></c><c r=\"C4\"><f>4+4</f></c>",
        ),
        row(
            5,
            "<c r=\"A5\" t=\"s\"><v>1</v></c><c r=\"B5\" t=\"b\"><v>0</v></c><c r=\"C5\"><v>1.5</v></c>",
        ),
        row(
            7,
            "<c r=\"A7\" t=\"e\"><v>#REF!</v></c><c r=\"XFD7\"><v>1</v></c>",
        ),
    ];
    let bytes = workbook(&rows.concat(), "<si><t>topic名称</t></si><si><t>t</t></si>");
    let read = topics::read(&bytes).expect("readable");
    let found: Vec<_> = read
        .lines
        .iter()
        .map(|line| {
            let fields = line.fields.as_ref();
            (
                line.number,
                line.name.as_str(),
                fields
                    .map_err(|error| error.message.as_str())
                    .map(|f| f.queues),
            )
        })
        .collect();
    let whole = "队列数: not a whole number from 1 to 1024";
    assert_eq!(
        found,
        [
            (3, "t", Ok(Some(8))),
            (4, "123", Err("队列数: missing")),
            (5, "t", Err(whole)),
            (7, "#REF!", Err("line: too many cells")),
        ]
    );
}

#[test]
fn bombs_are_refused() {
    let zeros = vec![0; IMPORT_UNPACKED_BYTES_MAX as usize + 1];
    let bomb = packed(&[("xl/workbook.xml", &zeros)]);
    assert!(bomb.len() < 64 * 1024, "{}", bomb.len());
    let two = packed(&[
        ("a", &zeros[..zeros.len() / 2]),
        ("b", &zeros[..zeros.len() / 2 + 1]),
    ]);
    let names: Vec<String> = (0..=IMPORT_PARTS_MAX).map(|n| n.to_string()).collect();
    let parts: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    // One long text that many cells share.
    let text = format!("<si><t>{}</t></si>", "x".repeat(1 << 20));
    let cells = |n: u32| format!("<row><c r=\"A{n}\" t=\"s\"><v>0</v></c></row>");
    let shared: String = (1..=17).map(cells).collect();
    for (bytes, named) in [
        (bomb, "unpacks to over"),
        (two, "unpacks to over"),
        (packed(&parts), "over 1000 parts"),
        (workbook(&shared, &text), "too much text"),
        (
            vec![b'a'; IMPORT_BYTES_MAX as usize + 1],
            "over 4194304 bytes",
        ),
    ] {
        let error = topics::read(&bytes).expect_err(named);
        assert_eq!(error.code, ErrorCode::RequestTooLarge, "{error}");
        assert!(error.message.contains(named), "{error}");
    }
    let lines: String = (1..=IMPORT_LINES_MAX as u32 + 2).map(cells).collect();
    let error = topics::read(&workbook(&lines, "<si><t>t</t></si>")).expect_err("too many");
    assert!(error.message.contains("over 10000 lines"), "{error}");
    let lie = lying(&zeros);
    topics::read(&lie).expect_err("its size is a lie");
    topics::read(b"\xd0\xcf\x11\xe0\xa1\xb1").expect_err("an old spreadsheet");
    topics::read(b"PK\x03\x04").expect_err("no zip");
    topics::read(&packed(&[("a", b"b")])).expect_err("no spreadsheet");
}

/// A bomb that says in all places that it unpacks to one byte.
fn lying(zeros: &[u8]) -> Vec<u8> {
    let mut bytes = packed(&[("a", zeros)]);
    let size = (zeros.len() as u32).to_le_bytes();
    let found: Vec<usize> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..*at + 4] == size)
        .collect();
    assert!(!found.is_empty(), "the size is there");
    for at in found {
        bytes[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_spreadsheets_get_an_answer(
        hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = topics::template(Format::Xlsx).expect("written");
        let mut bytes = whole.clone();
        for (at, byte) in &hits {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        bytes[..4].copy_from_slice(&whole[..4]);
        let found = [topics::read(&bytes), topics::read(&whole[..cut.index(whole.len())])];
        for read in found.into_iter().flatten() {
            prop_assert!(read.lines.len() <= IMPORT_LINES_MAX);
        }
    }

    #[test]
    fn odd_sheets_get_an_answer(
        rows in "(<row( r=\"[0-9]{0,12}\")?>|</row>|<c r=\"[A-Z]{0,5}[0-9]{0,11}\"( t=\"(s|b|e|n|d|str|inlineStr)\")?>|<v>|</v>|<f>|</f>|</c>|[0-9]{1,20}|&amp;|&x;|-|<is><t>t</t></is>){0,30}",
    ) {
        let bytes = workbook(&rows, "<si><t>topic名称</t></si>");
        if let Ok(read) = topics::read(&bytes) {
            prop_assert!(read.lines.len() <= 31);
        }
    }
}
