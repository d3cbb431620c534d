//! Expressions with what comes of them.

use super::*;

/// Properties `n` = 5, `d` = 5.5, `big` = 3000000000, `s` = it's, `t` = true,
/// `x` = abc, `up` = 10; two keys; a tag and a message group.
fn sample() -> NewMessage {
    let properties = [
        ("n", "5"),
        ("d", "5.5"),
        ("big", "3000000000"),
        ("s", "it's"),
        ("t", "True"),
        ("x", "abc"),
        ("up", "10"),
    ];
    let own = |text: &str| text.to_owned();
    NewMessage {
        tag: Some(own("red")),
        keys: vec![own("k1"), own("k2")],
        properties: properties.map(|(k, v)| (own(k), own(v))).to_vec(),
        message_group: Some(own("g")),
        ..NewMessage::default()
    }
}

#[track_caller]
fn check(is_wanted: bool, expressions: &[&str]) {
    for text in expressions {
        assert_eq!(sql(text).matches(&sample()), is_wanted, "{text}");
    }
}

#[test]
fn comparisons() {
    check(
        true,
        &[
            "n = 5",
            "n = 5.0",
            "5 = n",
            "n <> 6",
            "n < 6",
            "n <= 5",
            "n > 4.9",
            "n >= 5",
            "n > -1",
            "d > 5",
            "d = 5.5",
            "d = 55e-1",
            "big > 5",
            "big = 3000000000L",
            "n < up",
            "n<up AND up>n",
            "x = 'abc'",
            "x <> 'ABC'",
            "n = '5'",
            "n <> '5.0'",
            "s = 'it''s'",
            "t = TRUE",
            "TRUE = t",
            "x = FALSE",
            "1 = 1",
            "'a' <> 'b'",
            "TRUE",
            "n > .5",
        ],
    );
    check(
        false,
        &[
            "n = 6",
            "n <> 5",
            "n < 5",
            "n > 5",
            "up < n",
            "x = 'ABC'",
            "x = 'abc '",
            "FALSE",
            "t = FALSE",
            "x = TRUE",
            "N = 5",
            "1 = 2",
            "n = '05'",
        ],
    );
}

#[test]
fn lists_bounds_and_parts() {
    check(
        true,
        &[
            "n BETWEEN 5 AND 5",
            "n NOT BETWEEN 6 AND 7",
            "n between -1 and up",
            "n NOT BETWEEN 7 AND 6",
            "x IN ('q', 'abc')",
            "x NOT IN ('q')",
            "n IN ('5')",
            "x CONTAINS 'b'",
            "x STARTSWITH 'ab'",
            "x ENDSWITH 'bc'",
            "x NOT CONTAINS 'z'",
            "x NOT STARTSWITH 'b'",
            "x NOT ENDSWITH 'b'",
            "s CONTAINS ''''",
        ],
    );
    check(
        false,
        &[
            "n BETWEEN 6 AND 7",
            "n NOT BETWEEN 5 AND 7",
            "x IN ('ABC')",
            "x NOT IN ('abc')",
            "n IN ('5.0')",
            "x CONTAINS 'B'",
            "x STARTSWITH 'b'",
            "x ENDSWITH 'b'",
            "x CONTAINS ''",
            "x NOT CONTAINS ''",
            "x STARTSWITH ''",
            "x NOT ENDSWITH ''",
        ],
    );
}

#[test]
fn what_is_missing_is_unknown() {
    check(
        true,
        &[
            "m IS NULL",
            "n IS NOT NULL",
            "m IS NULL OR m = 1",
            "m = 1 OR n = 5",
            "NOT (m = 1 AND n = 6)",
            "m = k",
            "n <> m",
            "5 <> m",
            "NOT (m CONTAINS 'x')",
        ],
    );
    check(
        false,
        &[
            "m IS NOT NULL",
            "n IS NULL",
            "m = 1",
            "m <> 1",
            "NOT (m = 1)",
            "m > 1",
            "NOT (m > 1)",
            "m <> k",
            "n = m",
            "m = n",
            "m <> n",
            "m IN ('x')",
            "m NOT IN ('x')",
            "m BETWEEN 1 AND 2",
            "m NOT BETWEEN 1 AND 2",
            "m CONTAINS 'x'",
            "m NOT CONTAINS 'x'",
            "m = TRUE",
            "m = FALSE",
            "m = 1 AND n = 5",
        ],
    );
}

#[test]
fn a_number_that_is_none_ends_the_evaluation() {
    check(true, &["n = 5 OR x > 1", "NOT (n = 6 AND x > 1)"]);
    check(
        false,
        &[
            "x > 1",
            "NOT (x > 1)",
            "x = 1",
            "x <> 1",
            "x > 1 OR n = 5",
            "x < up",
            "t > 0",
            "x BETWEEN 1 AND 2",
            "x NOT BETWEEN 1 AND 2",
            "n BETWEEN 1 AND x",
        ],
    );
    check(true, &["n NOT BETWEEN 6 AND x"]);
    let number = |value: &str| NewMessage {
        properties: vec![("v".to_owned(), value.to_owned())],
        ..NewMessage::default()
    };
    for good in ["1", "+1", "01", "1.0", "1e0", ".1e1", "10e-1", "1."] {
        assert!(sql("v = 1").matches(&number(good)), "{good}");
    }
    for bad in [
        "", " 1", "1 ", "0x1", "inf", "NaN", "1e999", "١", "1f", "-", "1_0",
    ] {
        assert!(!sql("v = 1 OR v <> 1").matches(&number(bad)), "{bad}");
    }
    let exact = sql("v = 9007199254740993");
    assert!(exact.matches(&number("9007199254740993")));
    assert!(!exact.matches(&number("9007199254740992")));
}

#[test]
fn precedence() {
    check(
        true,
        &[
            "n = 5 OR n = 6 AND n = 7",
            "NOT (n = 6) AND n = 5",
            "n BETWEEN 1 AND 9 AND x = 'abc'",
            "NOT NOT TRUE",
        ],
    );
    check(false, &["(n = 5 OR n = 6) AND n = 7", "NOT TRUE OR FALSE"]);
}

#[test]
fn what_stands_beside_the_properties() {
    check(
        true,
        &[
            "TAGS = 'red'",
            "TAGS IN ('red', 'blue')",
            "TAGS IS NOT NULL",
            "KEYS = 'k1 k2'",
            "KEYS CONTAINS 'k2'",
            "__SHARDINGKEY = 'g'",
            "tags IS NULL",
        ],
    );
    check(false, &["TAGS = 'blue'", "KEYS IS NULL"]);
    for text in ["TAGS IS NULL", "KEYS IS NULL", "__SHARDINGKEY IS NULL"] {
        assert!(sql(text).matches(&NewMessage::default()), "{text}");
    }
}

/// Each with what is wrong in it.
const BAD: &[(&str, &str)] = &[
    ("", "the type SQL92 needs an expression"),
    (" \t ", "the type SQL92 needs an expression"),
    (
        "-- all",
        "column 7: expected a property, a value, NOT or '(', found the end",
    ),
    (
        "a =",
        "column 4: expected a property, a value, NOT or '(', found the end",
    ),
    (
        "a = 1 b",
        "column 7: expected AND, OR or the end, found the name b",
    ),
    ("a = 1)", "column 6: no '(' belongs to this ')'"),
    ("(a = 1", "column 7: expected AND, OR or ')', found the end"),
    (
        "a = b = c",
        "column 7: expected AND, OR or the end, found '='",
    ),
    (
        "(a = 1) = TRUE",
        "column 1: expected a property or a value, found a condition",
    ),
    ("a = 'é' AND 'b", "column 13: the string has no end"),
    (
        "'é' = a é",
        "column 9: the character 'é' means nothing here",
    ),
    (
        "a == 1",
        "column 4: expected a property, a value, NOT or '(', found '='",
    ),
    ("a != 1", "column 3: '!' means nothing here; write <>"),
    (
        "a = \"x\"",
        "column 5: expected single quotes around a string",
    ),
    (
        "a LIKE 'x%'",
        "column 3: LIKE is not known; write CONTAINS, STARTSWITH or ENDSWITH",
    ),
    (
        "a NOT LIKE 'x'",
        "column 7: LIKE is not known; write CONTAINS, STARTSWITH or ENDSWITH",
    ),
    ("a = NULL", "column 5: NULL stands behind IS or IS NOT only"),
    (
        "a IS 1",
        "column 6: expected NULL or NOT NULL, found a number",
    ),
    ("a IS NOT b", "column 10: expected NULL, found the name b"),
    (
        "a > 'x'",
        "column 5: expected a property or a number: only numbers are less or greater",
    ),
    (
        "TRUE < a",
        "column 1: expected a property or a number: only numbers are less or greater",
    ),
    (
        "a BETWEEN 2 AND 1",
        "column 3: the lower bound is above the upper one",
    ),
    (
        "a BETWEEN 1 OR 2",
        "column 13: expected AND and the upper bound, found OR",
    ),
    (
        "a IN ()",
        "column 7: expected a string in single quotes, found ')'",
    ),
    (
        "a IN ('x', 1)",
        "column 12: expected a string in single quotes, found a number",
    ),
    (
        "a IN 'x'",
        "column 6: expected '(' and a list of strings, found a string",
    ),
    ("1 IN ('x')", "column 1: expected a property here"),
    (
        "a CONTAINS 1",
        "column 12: expected a string in single quotes, found a number",
    ),
    (
        "a NOT 1",
        "column 7: expected BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH, found a number",
    ),
    (
        "NOT a = 1",
        "column 1: expected parentheses around what NOT belongs to",
    ),
    (
        "NOT a",
        "column 1: expected parentheses around what NOT belongs to",
    ),
    (
        "a",
        "column 1: a property alone is no condition; write = TRUE or IS NOT NULL behind it",
    ),
    (
        "a = 1 AND b",
        "column 11: a property alone is no condition; write = TRUE or IS NOT NULL behind it",
    ),
    ("1", "column 1: a value alone is no condition"),
    ("a = -b", "column 6: expected a number behind the sign"),
    ("a = 07", "column 5: a whole number begins with no 0"),
    (
        "a = 9223372036854775808",
        "column 5: the number is too large for 64 bits with a sign",
    ),
    ("a = 1e999", "column 5: the number is too large"),
    ("1 = 'x'", "column 3: a number is never equal to a string"),
    (
        "TRUE = 1",
        "column 6: TRUE or FALSE is never equal to a number",
    ),
    ("a = 1 /* b", "column 7: the comment has no end"),
    ("a.b = 1", "column 2: the character '.' means nothing here"),
    (
        "a-b = 1",
        "column 2: expected AND, OR or the end, found '-'",
    ),
];

#[test]
fn bad_expressions_name_their_place() {
    for (text, expected) in BAD {
        let error = SqlFilter::parse(text).expect_err(text);
        assert_eq!(error.message, format!("filter: {expected}"), "{text}");
        assert_eq!(error.code, crate::ErrorCode::InvalidFilter);
    }
}
