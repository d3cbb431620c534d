use super::*;

fn tagged(tag: Option<&str>) -> NewMessage {
    NewMessage {
        tag: tag.map(str::to_owned),
        ..NewMessage::default()
    }
}

#[test]
fn tag_expressions() {
    assert_eq!(Filter::parse_tags(" * ").ok(), Some(Filter::All));
    assert_eq!(Filter::parse_tags("").ok(), Some(Filter::All));
    let filter = Filter::parse_tags(" b || a||b ").expect("valid");
    assert_eq!(filter, Filter::Tags(vec!["a".into(), "b".into()]));
    assert!(filter.matches(&tagged(Some("a"))));
    assert!(!filter.matches(&tagged(Some("c"))));
    assert!(!filter.matches(&tagged(None)));
    for bad in ["a ||", "|| a", "a | b", "a || || b"] {
        assert!(Filter::parse_tags(bad).is_err(), "{bad}");
    }
}

#[test]
fn an_expression_is_read_as_the_same_filter() {
    let tags = Filter::parse_tags(" b || a||b ").expect("valid");
    assert_eq!((tags.kind(), tags.expression().as_str()), ("TAG", "a || b"));
    for filter in [tags, Filter::All] {
        let again = Filter::parse_tags(&filter.expression());
        assert_eq!(again.ok(), Some(filter));
    }
    let sql = Filter::parse_sql("a=1 or b in ('y')").expect("valid");
    assert_eq!(sql.kind(), "SQL92");
    assert_eq!(Filter::parse_sql(&sql.expression()).ok(), Some(sql));
}
