mod model;
mod table;

use proptest::prelude::*;

use self::model::{expression, message};
use super::*;
use crate::limits::{SQL_DEPTH_MAX, SQL_TERMS_MAX};
use crate::message::NewMessage;

fn sql(text: &str) -> SqlFilter {
    SqlFilter::parse(text).expect(text)
}

/// A fuzz target: any text is an expression or an error that names its place, and
/// an expression is stored, read again and evaluated.
fn fuzz_expression(text: &str) {
    let filter = match SqlFilter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(error.message.starts_with("filter: "), "{}", error.message);
            return;
        }
    };
    assert_eq!(sql(filter.as_str()), filter, "the normal form is stable");
    let stored = serde_json::to_string(&filter).expect("text");
    let read: SqlFilter = serde_json::from_str(&stored).expect("what is stored can be read");
    assert_eq!(read.0.condition, filter.0.condition);
    let _ = filter.matches(&NewMessage::default());
}

/// Pieces of which chance makes expressions, and what is nearly one.
fn rubbish() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "TAGS",
        "'x'",
        "''",
        "'",
        "1",
        "0.5",
        ".5e1",
        "007",
        "1L",
        "(",
        ")",
        ",",
        "=",
        "<>",
        "<",
        ">=",
        "-",
        "+",
        "--",
        "/*",
        "*/",
        "\n",
        "NOT",
        "and",
        "OR",
        "IN",
        "BETWEEN",
        "IS",
        "NULL",
        "TRUE",
        "CONTAINS",
        "LIKE",
        "!",
        "é",
        "\u{1F600}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_parsed_expression_means_what_was_written(
        (expression, text) in expression(),
        message in message(),
    ) {
        let filter = sql(&text);
        prop_assert_eq!(filter.matches(&message), expression.is_true_of(&message), "{}", text);
        let again = sql(filter.as_str());
        prop_assert_eq!(&again.0.condition, &filter.0.condition, "{}", text);
        prop_assert_eq!(again.as_str(), filter.as_str());
    }

    #[test]
    fn no_text_does_harm(text in any::<String>()) {
        fuzz_expression(&text);
    }

    #[test]
    fn no_pieces_do_harm(text in rubbish()) {
        fuzz_expression(&text);
    }

    #[test]
    fn no_damage_to_an_expression_does_harm(
        (_, text) in expression(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<char>()), 1..4),
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, to) in edits {
            let at = at.index(chars.len());
            chars[at] = to;
        }
        fuzz_expression(&chars.into_iter().collect::<String>());
    }

    #[test]
    fn numbers_are_read_back_as_they_were(number in any::<f64>(), whole in any::<i64>()) {
        prop_assume!(number.is_finite() && whole != i64::MIN);
        for text in [format!("a = {number:e}"), format!("a = {whole}")] {
            fuzz_expression(&text);
        }
    }
}

#[test]
fn bounds_of_size() {
    let nested = |n: usize| format!("{}a = 1{}", "(".repeat(n), ")".repeat(n));
    sql(&nested(SQL_DEPTH_MAX));
    let refused = |text: &str| SqlFilter::parse(text).expect_err("too much").message;
    let deep = "filter: column 34: nested more than 32 deep";
    assert_eq!(refused(&nested(SQL_DEPTH_MAX + 1)), deep);
    for opening in ["(", "NOT ", "- ", "a = (", "NOT(", "a=1 AND("] {
        let text = opening.repeat(FILTER_BYTES_MAX / opening.len());
        assert!(refused(&text).contains("nested more than"), "{opening}");
    }
    let terms = |n: usize| vec!["a=1"; n].join(" OR ");
    sql(&terms(SQL_TERMS_MAX));
    assert!(refused(&terms(SQL_TERMS_MAX + 1)).contains("more than 128 comparisons"));
    let long = |n: usize| format!("a = '{}'", "x".repeat(n - 6));
    fuzz_expression(&long(FILTER_BYTES_MAX));
    assert_eq!(
        refused(&long(FILTER_BYTES_MAX + 1)),
        "filter: over 4096 bytes"
    );
}

#[test]
fn what_grows_most_in_normal_form_can_be_stored() {
    let lists = vec!["a IN('','b','','c','d')"; SQL_TERMS_MAX].join("OR ");
    let decimals = vec!["1<.1"; SQL_TERMS_MAX].join("OR ");
    let constants = vec!["TRUE"; FILTER_BYTES_MAX / 6].join("OR");
    let strings = format!("a IN('1{}')", "','".repeat(FILTER_BYTES_MAX / 3 - 5));
    for text in [lists, decimals, constants, strings] {
        fuzz_expression(&text);
    }
}

#[test]
fn stored_text_that_is_no_expression_is_an_error() {
    for stored in ["\"a = \"", "\"\"", "1", "\"a = 1 OR\""] {
        assert!(
            serde_json::from_str::<SqlFilter>(stored).is_err(),
            "{stored}"
        );
    }
    let large = format!("\"a = '{}'\"", "x".repeat(FILTER_STORED_BYTES_MAX));
    assert!(serde_json::from_str::<SqlFilter>(&large).is_err());
}

#[test]
fn stored_text_is_kept_as_it_is() {
    let read: SqlFilter = serde_json::from_str("\"a=1\"").expect("an expression");
    assert_eq!(read.as_str(), "a=1");
    assert_ne!(read, sql("a=1"));
}

#[test]
fn equal_in_normal_form() {
    for (one, other) in [
        ("a=1 and b='x'", "(a = 1) AND ((b) = 'x')"),
        ("a in ('y','x','y')", "a IN ('x', 'y')"),
        ("a = 1 OR (b = 2 OR c = 3)", "a=1 OR b=2 OR c=3"),
        ("not(a is null)/* why */", "NOT (a IS NULL) -- so"),
        ("a > -(5)", "a > -5"),
        ("a = 10L", "a = +10"),
        ("a < 1.50", "a < 15e-1"),
    ] {
        assert_eq!(sql(one), sql(other));
        assert_eq!(sql(one).cmp(&sql(other)), Ordering::Equal);
    }
    for (one, other) in [
        ("a = 1", "A = 1"),
        ("a = 1 AND (b = 2 OR c = 3)", "a = 1 AND b = 2 OR c = 3"),
        ("NOT (a = 1)", "a <> 1"),
        ("a = 1", "a = 1.0"),
    ] {
        assert_ne!(sql(one), sql(other));
    }
}
