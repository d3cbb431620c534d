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
