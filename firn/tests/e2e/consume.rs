//! Consumption over HTTP, to the millisecond of a clock that the test moves.

use firn_runtime::tasks;
use serde_json::{Value, json};

use crate::stack::{ACME, Stack, ack, bodies, fail, receive, send};

fn attempts(messages: &[Value]) -> Vec<u64> {
    messages
        .iter()
        .filter_map(|m| m["attempt"].as_u64())
        .collect()
}

fn lag(stack: &Stack, group: &str) -> Value {
    stack.demo().get(&format!("{ACME}/groups/{group}/lag")).ok()
}

#[test]
fn a_waiting_member_gets_what_is_sent_later() {
    let stack = Stack::start();
    // The clock stands still: a member that misses its wake-up waits for ever.
    for number in 0..40 {
        let mut member = stack.demo();
        let work = move || {
            let got = receive(
                &mut member,
                "workers",
                "orders",
                &json!({"waitSeconds": 20}),
            );
            assert_eq!(ack(&mut member, "workers", "orders", &got), ["OK"]);
            got
        };
        let waiting = tasks::thread("member", work).expect("a thread");
        let body = format!("number {number}");
        send(&mut stack.demo(), "orders", &json!([{"body": body}]));
        let got = waiting.join().expect("it got something");
        assert_eq!(bodies(&got), [body]);
    }
}

#[test]
fn a_wait_without_messages_ends() {
    let stack = Stack::start();
    let mut member = stack.demo();
    let before = stack.clock.now_ms();
    let wanted = json!({"waitSeconds": 100_000});
    let got = stack.while_time_passes(100, move || {
        receive(&mut member, "workers", "orders", &wanted)
    });
    assert_eq!(got, [] as [Value; 0]);
    assert!(
        stack.clock.now_ms() >= before + 30_000,
        "30 s at most, and not less"
    );
}

#[test]
fn failures_pause_by_the_retry_table() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let sent = send(&mut http, "single", &json!([{"body": "x", "keys": ["k"]}]));
    let mut got = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(attempts(&got), [1]);
    for (pause, attempt) in [(10_000, 2), (30_000, 3), (60_000, 4)] {
        fail(&mut http, "workers", "single", &got[0]);
        stack.advance_ms(pause - 1);
        let early = receive(&mut http, "workers", "single", &json!({}));
        assert_eq!(early, [] as [Value; 0], "before {pause} ms");
        stack.advance_ms(1);
        // The copy is on its way through the log; the clock stands still.
        got = receive(&mut http, "workers", "single", &json!({"waitSeconds": 20}));
        assert_eq!(attempts(&got), [attempt], "after {pause} ms");
        assert_eq!(got[0]["messageId"], sent[0]["messageId"]);
        assert_eq!(got[0]["topic"], "single");
        assert_eq!(got[0]["queueOffset"], 0);
        assert_ne!(got[0]["offsetMessageId"], sent[0]["offsetMessageId"]);
        assert!(got[0]["retryQueue"].is_object(), "{}", got[0]);
    }
    assert_eq!(ack(&mut http, "workers", "single", &got), ["OK"]);
    let lag = lag(&stack, "workers");
    assert_eq!(
        (&lag["lag"], &lag["inFlight"]),
        (&json!(0), &json!(0)),
        "{lag}"
    );
}

#[test]
fn a_member_that_waits_is_woken_by_a_retry() {
    let stack = Stack::start();
    let mut http = stack.demo();
    send(&mut http, "single", &json!([{"body": "x"}]));
    let got = receive(&mut http, "workers", "single", &json!({}));
    fail(&mut http, "workers", "single", &got[0]);
    let wanted = json!({"waitSeconds": 30});
    let work = move || receive(&mut http, "workers", "single", &wanted);
    let waiting = tasks::thread("member", work).expect("a thread");
    stack.advance_ms(10_000);
    assert_eq!(attempts(&waiting.join().expect("it got it")), [2]);
}

#[test]
fn a_lease_that_passes_makes_the_message_available_at_once() {
    let stack = Stack::start();
    let mut http = stack.demo();
    send(&mut http, "single", &json!([{"body": "x"}]));
    let first = receive(
        &mut http,
        "workers",
        "single",
        &json!({"invisibleSeconds": 5}),
    );
    stack.advance_ms(4_999);
    let early = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(early, [] as [Value; 0]);
    stack.advance_ms(1);
    let second = receive(&mut http, "workers", "single", &json!({"waitSeconds": 20}));
    assert_eq!(attempts(&second), [2]);
    assert_eq!(
        ack(&mut http, "workers", "single", &first),
        ["LEASE_EXPIRED"]
    );
    assert_eq!(ack(&mut http, "workers", "single", &second), ["OK"]);
    assert_eq!(
        ack(&mut http, "workers", "single", &second),
        ["ALREADY_ACKED"]
    );
    stack.advance_ms(86_400_000);
    let never = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(never, [] as [Value; 0]);
}

#[test]
fn a_renewed_lease_holds_and_the_new_handle_counts() {
    let stack = Stack::start();
    let mut http = stack.demo();
    send(&mut http, "single", &json!([{"body": "x"}]));
    let got = receive(
        &mut http,
        "workers",
        "single",
        &json!({"invisibleSeconds": 5}),
    );
    let form = json!({"receiptHandle": got[0]["receiptHandle"], "invisibleSeconds": 20});
    let path = format!("{ACME}/groups/workers/topics/single/visibility");
    let renewed = http.post(&path, &form).ok();
    assert_eq!(renewed["invisibleUntil"], stack.clock.now_ms() + 20_000);
    stack.advance_ms(19_999);
    let early = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(early, [] as [Value; 0]);
    assert_eq!(ack(&mut http, "workers", "single", &[renewed]), ["OK"]);
}

#[test]
fn dead_letters_are_kept_shown_and_sent_back() {
    let stack = Stack::start();
    let mut http = stack.demo();
    send(
        &mut http,
        "single",
        &json!([{"body": "x", "tag": "t", "properties": {"p": "v"}}]),
    );
    let got = receive(&mut http, "brittle", "single", &json!({}));
    fail(&mut http, "brittle", "single", &got[0]);
    stack.advance_ms(86_400_000);
    let never = receive(&mut http, "brittle", "single", &json!({}));
    assert_eq!(never, [] as [Value; 0], "no redelivery is allowed");
    let dead = format!("{ACME}/topics/%25DLQ%25brittle/messages?broker=a&queueId=0&offset=0");
    let found = http.get(&dead).ok();
    let [letter] = &found["messages"].as_array().expect("messages")[..] else {
        panic!("one dead letter: {found}");
    };
    for (name, value) in [("body", "x"), ("tag", "t"), ("topic", "%DLQ%brittle")] {
        assert_eq!(letter[name], value, "{letter}");
    }
    assert_eq!(letter["properties"]["p"], "v");
    assert_eq!(letter["messageId"], got[0]["messageId"]);
    assert_eq!(letter["origin"]["topic"], "single");

    let redrive = format!("{ACME}/groups/brittle/dead-letters/redrive");
    assert_eq!(http.post(&redrive, &json!({})).ok()["redriven"], 1);
    assert_eq!(
        http.post(&redrive, &json!({})).ok()["redriven"],
        0,
        "marked"
    );
    let back = receive(&mut http, "brittle", "single", &json!({"waitSeconds": 20}));
    assert_eq!(bodies(&back), ["x"]);
    assert_eq!(attempts(&back), [1]);
    assert_eq!(ack(&mut http, "brittle", "single", &back), ["OK"]);
    let others = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(others.len(), 1, "other groups have the original alone");
}

#[test]
fn lag_is_what_is_stored_and_not_finished() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let messages: Vec<Value> = (0..10).map(|n| json!({"body": n.to_string()})).collect();
    // A group that has never called starts at the earliest.
    receive(&mut http, "workers", "single", &json!({}));
    send(&mut http, "single", &json!(messages));
    let got = receive(&mut http, "workers", "single", &json!({"max": 4}));
    stack.advance_ms(1234);
    let row = |lag: &Value| {
        let topics = lag["topics"].as_array().expect("topics").iter();
        let mut own = topics.filter(|topic| topic["topic"] == "single");
        own.next().cloned()
    };
    let before = lag(&stack, "workers");
    assert_eq!(
        (&before["lag"], &before["inFlight"]),
        (&json!(10), &json!(4)),
        "{before}"
    );
    let topic = row(&before).expect("a row");
    assert_eq!(topic["oldestAgeMs"], 1234, "{topic}");
    assert_eq!(ack(&mut http, "workers", "single", &got[..3]), ["OK"; 3]);
    let after = row(&lag(&stack, "workers")).expect("a row");
    let queue = &after["queues"][0];
    let numbers =
        ["minOffset", "maxOffset", "committed", "lag", "inFlight"].map(|name| &queue[name]);
    assert_eq!(
        numbers,
        [&json!(0), &json!(10), &json!(3), &json!(7), &json!(1)],
        "{after}"
    );
}

#[test]
fn seek_moves_progress_and_voids_leases() {
    let stack = Stack::start();
    let mut http = stack.demo();
    send(&mut http, "single", &json!([{"body": "0"}, {"body": "1"}]));
    stack.advance_ms(1000);
    let middle = stack.clock.now_ms();
    send(&mut http, "single", &json!([{"body": "2"}, {"body": "3"}]));
    let before = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(before.len(), 4);
    let seek = format!("{ACME}/groups/workers/topics/single/seek");
    let place = json!([{"broker": "a", "queueId": 0, "offset": 3}]);
    let dry = http
        .post(&seek, &json!({"to": "earliest", "dryRun": true}))
        .ok();
    assert_eq!(
        (&dry["total"], &dry["rows"][0]["rollbackOffset"]),
        (&json!(1), &json!(0)),
        "{dry}"
    );
    let none = receive(&mut http, "workers", "single", &json!({}));
    assert_eq!(none, [] as [Value; 0], "a dry run changes nothing");
    let cases = [
        (json!({"to": "earliest"}), vec!["0", "1", "2", "3"]),
        (json!({"to": middle}), vec!["2", "3"]),
        (json!({"to": middle + 1}), vec![]),
        (json!({"offsets": place}), vec!["3"]),
        (json!({"to": "latest"}), vec![]),
        (json!({"to": 0}), vec!["0", "1", "2", "3"]),
    ];
    for (form, expected) in cases {
        http.post(&seek, &form).ok();
        let got = receive(&mut http, "workers", "single", &json!({}));
        assert_eq!(bodies(&got), expected, "{form}");
    }
    assert_eq!(
        ack(&mut http, "workers", "single", &before),
        ["LEASE_EXPIRED"; 4]
    );
}

#[test]
fn queries_find_by_every_name_and_tell_the_status() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let messages = json!([
        {"body": "a", "keys": ["one", "both"]},
        {"body": "b", "keys": ["two", "both"]},
        {"bodyBase64": "/wA="},
    ]);
    let sent = send(&mut http, "single", &messages);
    let got = receive(&mut http, "workers", "single", &json!({"max": 2}));
    ack(&mut http, "workers", "single", &got[..1]);
    let expected = ["CONSUMED", "CONSUMING", "TO_CONSUME"];
    for (result, status) in sent.iter().zip(expected) {
        for id in ["messageId", "offsetMessageId"] {
            let id = result[id].as_str().expect("an id");
            for id in [id.to_owned(), id.to_lowercase()] {
                let found = http
                    .get(&format!("{ACME}/messages/{id}?group=workers"))
                    .ok();
                assert_eq!(found["messageId"], result["messageId"]);
                assert_eq!(found["queueOffset"], result["queueOffset"]);
                assert_eq!(found["status"], status, "{found}");
            }
        }
    }
}

#[test]
fn queries_find_what_is_stored_and_page_through_it() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let messages = json!([
        {"body": "a", "keys": ["one", "both"]},
        {"body": "b", "keys": ["two", "both"]},
        {"bodyBase64": "/wA="},
    ]);
    send(&mut http, "single", &messages);
    let at = stack.clock.now_ms();
    stack.advance_ms(5000);
    send(
        &mut http,
        "single",
        &json!([{"body": "late", "keys": ["both"]}]),
    );
    let mut query = |text: &str| {
        let found = http
            .get(&format!("{ACME}/topics/single/messages?{text}"))
            .ok();
        let list = found["messages"].as_array().expect("messages").clone();
        let offsets: Vec<u64> = list
            .iter()
            .filter_map(|m| m["queueOffset"].as_u64())
            .collect();
        (offsets, found)
    };
    let whole = |text: String| (text, vec![0, 1, 2, 3]);
    let cases = [
        ("key=one".to_owned(), vec![0]),
        ("key=both".to_owned(), vec![0, 1, 3]),
        ("key=none".to_owned(), vec![]),
        ("broker=a&queueId=0&offset=2".to_owned(), vec![2, 3]),
        ("broker=a&queueId=0&offset=99".to_owned(), vec![]),
        (format!("from={at}&to={at}"), vec![0, 1, 2]),
        (format!("from={}&to={}", at + 1, at + 4999), vec![]),
        (format!("from={}&to={}", at + 5000, at + 5000), vec![3]),
        whole("from=0&to=99999999999999".to_owned()),
    ];
    for (text, expected) in cases {
        assert_eq!(query(&text).0, expected, "{text}");
    }
    assert_eq!(
        query("broker=a&queueId=0&offset=2").1["messages"][0]["bodyBase64"],
        "/wA="
    );
    for base in [format!("from={at}&to={}", at + 9999), "key=both".to_owned()] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (offsets, page) = query(&format!("{base}&max=1{cursor}"));
            assert!(offsets.len() <= 1);
            seen.extend(offsets);
            match page["cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, query(&base).0, "{base}");
    }
}

#[test]
fn a_tag_filter_passes_what_it_names() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let messages = json!([
        {"body": "a", "tag": "red"}, {"body": "b", "tag": "blue"},
        {"body": "c"}, {"body": "d", "tag": "green"}, {"body": "e", "tag": "red"},
    ]);
    send(&mut http, "single", &messages);
    let filter = |text: &str| json!({"filter": {"type": "TAG", "expression": text}});
    let got = receive(&mut http, "workers", "single", &filter("red || green"));
    assert_eq!(bodies(&got), ["a", "d", "e"]);
    assert_eq!(ack(&mut http, "workers", "single", &got), ["OK"; 3]);
    let lag = lag(&stack, "workers");
    assert_eq!(lag["lag"], 0, "what no member wants is finished: {lag}");
    let all = receive(&mut http, "brittle", "single", &filter("*"));
    assert_eq!(
        bodies(&all),
        ["a", "b", "c", "d", "e"],
        "another group, another filter"
    );
}

#[test]
fn an_expression_passes_what_it_is_true_of() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let messages = json!([
        {"body": "a", "tag": "red", "properties": {"amount": "150", "city": "Bern"}},
        {"body": "b", "tag": "red", "properties": {"amount": "99.5"}},
        {"body": "c", "tag": "blue", "properties": {"amount": "1000"}},
        {"body": "d", "properties": {"amount": "much"}},
        {"body": "e", "keys": ["k1", "k2"], "properties": {"amount": "100", "city": "Basel"}},
    ]);
    send(&mut http, "single", &messages);
    let filter = |text: &str| json!({"filter": {"type": "SQL92", "expression": text}});
    let asked = filter("amount BETWEEN 100 AND 200 AND (TAGS = 'red' OR KEYS CONTAINS 'k2')");
    let got = receive(&mut http, "workers", "single", &asked);
    assert_eq!(bodies(&got), ["a", "e"]);
    assert_eq!(ack(&mut http, "workers", "single", &got), ["OK"; 2]);
    let lag = lag(&stack, "workers");
    assert_eq!(lag["lag"], 0, "what no member wants is finished: {lag}");
    let tagged = receive(&mut http, "brittle", "single", &filter("TAGS IS NOT NULL"));
    assert_eq!(bodies(&tagged), ["a", "b", "c"]);
    let path = format!("{ACME}/groups/workers/topics/single/receive");
    for wrong in ["", "amount", "amount LIKE '1%'"] {
        http.post(&path, &filter(wrong))
            .error(400, "INVALID_FILTER");
    }
    let large = json!({"filter": {"type": "SQL92", "expression": "(".repeat(4000)}});
    http.post(&path, &large).error(400, "INVALID_FILTER");
}

/// The messages of the next event of a stream; remarks are passed over.
fn event(stream: &mut crate::http::Http) -> Vec<Value> {
    loop {
        let piece = String::from_utf8(stream.piece().expect("it goes on")).expect("text");
        let data = piece.lines().filter_map(|line| line.strip_prefix("data: "));
        let messages: Vec<Value> = data
            .map(|json| serde_json::from_str(json).expect("JSON"))
            .collect();
        if !messages.is_empty() {
            let ids = piece.lines().filter_map(|line| line.strip_prefix("id: "));
            assert!(ids.eq(messages.iter().filter_map(|m| m["receiptHandle"].as_str())));
            return messages;
        }
    }
}

#[test]
fn a_stream_pushes_up_to_its_window_and_gives_back() {
    let stack = Stack::start();
    let mut http = stack.demo();
    let mut stream = stack.demo();
    let path = format!("{ACME}/groups/workers/topics/single/stream?max=2");
    let head = stream.open_stream(&path);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    send(&mut http, "single", &json!([{"body": "0"}]));
    let mut seen = event(&mut stream);
    let rest: Vec<Value> = (1..6).map(|n| json!({"body": n.to_string()})).collect();
    send(&mut http, "single", &json!(rest));
    while seen.len() < 2 {
        seen.extend(event(&mut stream));
    }
    assert_eq!(bodies(&seen), ["0", "1"], "the window is full");
    // Everything else is left for others, as far as the window goes.
    let other = receive(&mut http, "workers", "single", &json!({"max": 1}));
    assert_eq!(bodies(&other), ["2"]);
    assert_eq!(ack(&mut http, "workers", "single", &seen[..1]), ["OK"]);
    seen.extend(event(&mut stream));
    assert_eq!(bodies(&seen), ["0", "1", "3"]);
    stream.hang_up();
    // 4 and 5 were never taken; 1 and 3 come back when the server notices.
    let mut left = Vec::new();
    while left.len() < 4 {
        let more = receive(&mut http, "workers", "single", &json!({"waitSeconds": 20}));
        left.extend(more);
    }
    let mut names = bodies(&left);
    names.sort_unstable();
    assert_eq!(names, ["1", "3", "4", "5"]);
    assert_eq!(attempts(&left), [1; 4], "no attempt was made");
}

#[test]
fn a_quiet_stream_says_that_it_is_alive() {
    let stack = Stack::start();
    let mut stream = stack.demo();
    let path = format!("{ACME}/groups/workers/topics/single/stream");
    assert_eq!(stream.open_stream(&path).status, 200);
    let piece = stack.while_time_passes(1000, move || stream.piece());
    assert_eq!(piece.as_deref(), Some(&b": keep-alive\n\n"[..]));
}
