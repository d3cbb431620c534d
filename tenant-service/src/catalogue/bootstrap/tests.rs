use proptest::prelude::*;

use super::*;
use crate::catalogue::plans::built_in;
use std::sync::Arc;

fn try_file(text: &str) -> Result<Plan, BootstrapError> {
    let mut memory = Memory::default();
    for plan in built_in() {
        memory.apply(&Change::AddPlan(Arc::new(plan)));
    }
    let file = parse(text)?;
    plan(
        &file,
        memory,
        Numbers::default(),
        Timestamp(1),
        Durability::Local,
    )
}

/// Lines that are often right on their own and rarely together.
fn line() -> impl Strategy<Value = String> {
    let keys = prop::sample::select(vec![
        "id",
        "name",
        "plan",
        "brokers",
        "durability",
        "retention_hours",
        "disk_policy",
        "remark",
        "time_zone",
        "expires_at",
        "access_key",
        "secret_key",
        "topics",
        "ip_allow",
        "type",
        "queues",
        "permission",
        "ordered",
        "tps",
        "allowed_groups",
        "on_poison",
        "max_retries",
        "enabled",
        "start",
        "subscriptions",
        "burst_seconds",
        "message_bytes",
    ]);
    let values = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (0..5i64).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| format!("{n:?}").replace("NaN", "nan")),
        any::<bool>().prop_map(|b| b.to_string()),
        "[a-z]{1,3}".prop_map(|text| format!("\"{text}\"")),
        "\\PC{0,5}".prop_map(|text| format!("\"{text}\"")),
        Just("[]".to_owned()),
        Just("[\"a\", \"b\"]".to_owned()),
        Just("{ a = { tps = 1 } }".to_owned()),
        prop::sample::select(vec!["basic", "local", "fifo", "read", "latest", "park"])
            .prop_map(|word| format!("\"{word}\"")),
    ];
    let heads = prop::sample::select(vec![
        "[[plan]]",
        "[[tenant]]",
        "[[tenant.instance]]",
        "[[tenant.instance.user]]",
        "[[tenant.instance.topic]]",
        "[[tenant.instance.group]]",
        "[tenant]",
        "[[",
        "#",
    ]);
    prop_oneof![
        3 => (keys, values).prop_map(|(key, value)| format!("{key} = {value}")),
        2 => heads.prop_map(str::to_owned),
    ]
}

/// A file in which every entry has at least its name, so that rules are reached.
fn shaped() -> impl Strategy<Value = String> {
    let fields = |prefix: &'static str, key: &'static str| {
        ("[a-b]{1,2}", prop::collection::vec(line(), 0..3)).prop_map(move |(name, lines)| {
            let lines: Vec<_> = lines.into_iter().filter(|l| !l.starts_with('[')).collect();
            format!("{prefix}\n{key} = \"{name}\"\n{}\n", lines.join("\n"))
        })
    };
    let entry = prop_oneof![
        fields("[[tenant.instance]]", "name"),
        fields("[[tenant.instance.user]]", "access_key"),
        fields("[[tenant.instance.topic]]", "name"),
        fields("[[tenant.instance.group]]", "name"),
    ];
    prop::collection::vec(entry, 0..6).prop_map(|entries| {
        let head = "[[tenant]]\nid = 2\nname = \"acme\"\n[[tenant.instance]]\nname = \"c\"\n";
        format!("{head}{}", entries.concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_gets_an_answer(text in "\\PC{0,60}") {
        let _ = try_file(&text);
    }

    #[test]
    fn any_mixture_of_lines_gets_an_answer(lines in prop::collection::vec(line(), 0..12)) {
        let _ = try_file(&lines.join("\n"));
    }

    #[test]
    fn a_file_that_was_applied_has_nothing_left_to_do(text in shaped()) {
        let Ok(first) = try_file(&text) else { return Ok(()) };
        let mut memory = Memory::default();
        for plan in built_in() {
            memory.apply(&Change::AddPlan(Arc::new(plan)));
        }
        for change in &first.changes {
            memory.apply(change);
        }
        let file = parse(&text).expect("it was read before");
        let second = plan(&file, memory, first.numbers, Timestamp(2), Durability::Local)
            .expect("what is there needs no rule");
        prop_assert!(second.changes.is_empty());
        prop_assert_eq!(second.numbers, first.numbers);
    }
}

#[test]
fn keys_are_written_as_in_the_file() {
    assert_eq!(file_key("maxRetries"), "max_retries");
    assert_eq!(file_key("name"), "name");
}
