//! What each command line asks of the server, by API.md.

use clap::Parser as _;
use serde_json::{Value, json};

use super::request::{Method, Request};
use super::*;
use crate::cli::{Cli, Command};

/// The one request that a command line makes in instance `demo`.
fn request(line: &[&str]) -> Result<Request, Failure> {
    let line = ["firn"].iter().chain(line);
    let Command::Client(verb) = Cli::try_parse_from(line).expect("parses").command else {
        panic!("a client verb");
    };
    Ok(match *verb {
        Verb::Send(verb) => verb.request("demo", &[verb.entry(b"body")]),
        Verb::Receive(verb) => verb.request("demo"),
        Verb::Topics(verb) => verb.request("demo")?.0,
        Verb::Groups(verb) => verb.request("demo")?.0,
        Verb::Users(verb) => verb.request("demo")?.0,
        Verb::Tokens(verb) => verb.request("demo").0,
        Verb::ConsoleUsers(verb) => verb.request()?.0,
        Verb::Instances(verb) => verb.request()?.0,
        Verb::Tenants(verb) => verb.request().0,
        Verb::Lag(verb) => verb.request("demo"),
        Verb::Seek(verb) => verb.request("demo"),
        Verb::Query(verb) => verb.request("demo")?,
        Verb::Redrive(verb) => verb.request("demo"),
        Verb::Usage(verb) => verb.request("demo"),
        Verb::Bills(verb) => verb.request(),
        Verb::Plans(verb) => verb.request().0,
        Verb::Audit(verb) => verb.request(),
    })
}

#[track_caller]
fn asks(line: &str, method: Method, target: &str, body: Value) {
    let words: Vec<_> = line.split(' ').collect();
    let request = request(&words).expect("a request");
    let expected = Some(body).filter(|body| !body.is_null());
    assert_eq!(
        (request.method, request.target.as_str()),
        (method, target),
        "{line}"
    );
    assert_eq!(request.body, expected, "{line}");
}

fn none() -> Value {
    Value::Null
}

#[test]
fn messages() {
    let target = "/v1/instances/demo/topics/orders/messages";
    let body = json!({"messages": [{"body": "body"}]});
    asks("send orders", Method::Post, target, body);
    asks(
        "send orders --tag t --key a --key b --property p=q=r --message-group g --deliver-at 1970-01-01T00:00:01Z --dedup-id d",
        Method::Post,
        target,
        json!({"messages": [{"body": "body", "tag": "t", "keys": ["a", "b"], "properties": {"p": "q=r"},
            "messageGroup": "g", "deliverAt": 1000, "dedupId": "d"}]}),
    );
    let body = json!({"messages": [{"body": "body", "delayLevel": 3}]});
    asks("send orders --delay-level 3", Method::Post, target, body);
}

#[test]
fn bodies_that_are_not_text_go_as_base64() {
    let line = ["firn", "send", "orders"];
    let Command::Client(verb) = Cli::try_parse_from(line).expect("parses").command else {
        panic!("a client verb");
    };
    let Verb::Send(send) = *verb else {
        panic!("send");
    };
    assert_eq!(send.entry("é".as_bytes()), json!({"body": "é"}));
    assert_eq!(send.entry(&[0xff, 0]), json!({"bodyBase64": "/wA="}));
    assert_eq!(send.entry(b""), json!({"body": ""}));
}

#[test]
fn consumption() {
    let target = "/v1/instances/demo/groups/workers/topics/orders/receive";
    asks("receive workers orders", Method::Post, target, json!({}));
    asks(
        "receive workers orders --max 5 --wait 3 --invisible 9 --filter a||b --consumer-id me",
        Method::Post,
        target,
        json!({"max": 5, "waitSeconds": 3, "invisibleSeconds": 9, "consumerId": "me",
            "filter": {"type": "TAG", "expression": "a||b"}}),
    );
    asks(
        "receive workers orders --filter a>1 --filter-type SQL92",
        Method::Post,
        target,
        json!({"filter": {"type": "SQL92", "expression": "a>1"}}),
    );
    asks(
        "receive workers orders --follow",
        Method::Post,
        target,
        json!({"waitSeconds": 20}),
    );
    asks(
        "lag workers",
        Method::Get,
        "/v1/instances/demo/groups/workers/lag",
        none(),
    );
    let target = "/v1/instances/demo/groups/workers/topics/orders/seek";
    asks(
        "seek workers orders --to latest",
        Method::Post,
        target,
        json!({"to": "latest"}),
    );
    let body = json!({"to": 1000, "dryRun": true});
    asks(
        "seek workers orders --to 1970-01-01T00:00:01Z --dry-run",
        Method::Post,
        target,
        body,
    );
    let target = "/v1/instances/demo/groups/workers/dead-letters/redrive";
    asks("redrive workers", Method::Post, target, json!({}));
    asks(
        "redrive workers --topic orders --message-id A --message-id B --max 7 --rate 2 --to-topic",
        Method::Post,
        target,
        json!({"topic": "orders", "messageIds": ["A", "B"], "max": 7, "ratePerSecond": 2, "toTopic": true}),
    );
}

#[test]
fn queries() {
    let target = "/v1/instances/demo/messages/ABC?group=workers";
    asks(
        "query --id ABC --group workers",
        Method::Get,
        target,
        none(),
    );
    let base = "/v1/instances/demo/topics/orders/messages";
    asks(
        "query --topic orders --key k",
        Method::Get,
        &format!("{base}?key=k"),
        none(),
    );
    let target = format!("{base}?broker=a&queueId=0&offset=9");
    asks(
        "query --topic orders --broker a --queue 0 --offset 9",
        Method::Get,
        &target,
        none(),
    );
    let target = format!("{base}?from=1&to=2000&group=g");
    let line = "query --topic orders --from 1 --to 1970-01-01T00:00:02Z --group g";
    asks(line, Method::Get, &target, none());
    let target = "/v1/instances/demo/topics/%25DLQ%25workers/messages?key=k";
    asks(
        "query --topic %DLQ%workers --key k",
        Method::Get,
        target,
        none(),
    );
}

#[test]
fn a_query_goes_exactly_one_way() {
    for line in [
        "query",
        "query --topic t",
        "query --topic t --broker a --queue 0",
        "query --topic t --from 1",
        "query --topic t --key k --from 1 --to 2",
        "query --topic t --key k --offset 1",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let failure = request(&words).expect_err(line);
        assert_eq!(failure.exit_code(), 2, "{line}");
    }
    let both = ["firn", "query", "--id", "x", "--topic", "t"];
    assert!(Cli::try_parse_from(both).is_err());
}

#[test]
fn topics_and_groups() {
    let all = "/v1/instances/demo/topics";
    asks("topics list", Method::Get, all, none());
    asks("topics create t", Method::Post, all, json!({"name": "t"}));
    asks(
        "topics create t --type fifo --queues 8 --permission read --ordered --remark r --broker a --retention-hours 3 --tps 9 --allowed-group g",
        Method::Post,
        all,
        json!({"name": "t", "type": "fifo", "queues": 8, "permission": "read", "ordered": true, "remark": "r",
            "brokers": ["a"], "retentionHours": 3, "tps": 9, "allowedGroups": ["g"]}),
    );
    let one = "/v1/instances/demo/topics/t";
    asks("topics show t", Method::Get, one, none());
    asks(
        "topics update t --queues 9",
        Method::Patch,
        one,
        json!({"queues": 9}),
    );
    asks("topics delete t", Method::Delete, one, none());

    let all = "/v1/instances/demo/groups";
    asks("groups list", Method::Get, all, none());
    asks(
        "groups create g --ordered --on-poison park --max-retries 3 --start 5 --subscription t --subscription u=7 --remark r",
        Method::Post,
        all,
        json!({"name": "g", "ordered": true, "onPoison": "park", "maxRetries": 3, "start": 5,
            "subscriptions": {"t": {"tps": 0}, "u": {"tps": 7}}, "remark": "r"}),
    );
    let one = "/v1/instances/demo/groups/g";
    asks("groups show g", Method::Get, one, none());
    let body = json!({"enabled": false, "start": "latest"});
    asks(
        "groups update g --enabled=false --start latest",
        Method::Patch,
        one,
        body,
    );
    asks("groups delete g", Method::Delete, one, none());
}

#[test]
fn usage_bills_plans_audit() {
    let usage = "/v1/instances/demo/usage";
    asks("usage", Method::Get, &format!("{usage}?by=hour"), none());
    asks(
        "usage --by topic --from 1970-01-01T00:00:01Z --to 2000",
        Method::Get,
        &format!("{usage}?from=1000&to=2000&by=topic"),
        none(),
    );
    asks("bills list 2", Method::Get, "/v1/tenants/2/bills", none());
    let bill = "/v1/tenants/2/bills/2026-01";
    asks("bills show 2 2026-01", Method::Get, bill, none());
    let csv = request(&["bills", "show", "2", "2026-01", "--csv"]).expect("a request");
    assert_eq!((csv.target.as_str(), csv.accept), (bill, Some("text/csv")));
    let verify = format!("{bill}/verify");
    asks("bills verify 2 2026-01", Method::Post, &verify, json!({}));
    asks("plans list", Method::Get, "/v1/plans", none());
    asks("plans prices", Method::Get, "/v1/price-lists", none());
    asks(
        "plans create wide --topics 5 --price-list own",
        Method::Post,
        "/v1/plans",
        json!({"name": "wide", "topics": 5, "priceList": "own"}),
    );
    asks(
        "audit --tenant-id 2",
        Method::Get,
        "/v1/audit?tenant=2&max=100",
        none(),
    );
}

#[test]
fn users_instances_tenants() {
    let all = "/v1/instances/demo/users";
    asks("users list", Method::Get, all, none());
    asks(
        "users create u --secret s --topic t --description d --ip-allow 10.0.0.0/8",
        Method::Post,
        all,
        json!({"accessKey": "u", "secretKey": "s", "topics": ["t"], "description": "d", "ipAllow": ["10.0.0.0/8"]}),
    );
    let one = "/v1/instances/demo/users/u";
    asks("users show u", Method::Get, one, none());
    asks(
        "users show u --reveal",
        Method::Get,
        &format!("{one}?reveal=true"),
        none(),
    );
    asks(
        "users update u --topic x",
        Method::Patch,
        one,
        json!({"topics": ["x"]}),
    );
    asks(
        "users rotate u",
        Method::Post,
        &format!("{one}/rotate"),
        json!({}),
    );
    asks(
        "users rotate u --grace-seconds 60",
        Method::Post,
        &format!("{one}/rotate"),
        json!({"graceSeconds": 60}),
    );
    asks("users delete u", Method::Delete, one, none());

    asks("instances list", Method::Get, "/v1/instances", none());
    asks(
        "instances create n --tenant-id 2 --plan basic --broker a --broker b --durability object --retention-hours 1 --disk-policy serviceFirst --remark r --time-zone UTC --expires-at 7",
        Method::Post,
        "/v1/instances",
        json!({"name": "n", "tenantId": 2, "plan": "basic", "brokers": ["a", "b"], "durability": "object",
            "retentionHours": 1, "diskPolicy": "serviceFirst", "remark": "r", "timeZone": "UTC", "expiresAt": 7}),
    );
    asks("instances show n", Method::Get, "/v1/instances/n", none());
    asks(
        "instances update n --plan x",
        Method::Patch,
        "/v1/instances/n",
        json!({"plan": "x"}),
    );
    asks(
        "instances delete n",
        Method::Delete,
        "/v1/instances/n",
        none(),
    );

    asks("tenants list", Method::Get, "/v1/tenants", none());
    let body = json!({"id": 7, "name": "Winter"});
    asks("tenants create 7 Winter", Method::Post, "/v1/tenants", body);
    asks("tenants show 7", Method::Get, "/v1/tenants/7", none());
    asks(
        "tenants update 7 --name x",
        Method::Patch,
        "/v1/tenants/7",
        json!({"name": "x"}),
    );
    asks("tenants delete 7", Method::Delete, "/v1/tenants/7", none());
}

#[test]
fn people_and_tokens() {
    let all = "/v1/tenants/2/users";
    let one = "/v1/tenants/2/users/ann";
    asks("console-users list 2", Method::Get, all, none());
    asks(
        "console-users create 2 ann --role viewer --new-password secret-word",
        Method::Post,
        all,
        json!({"username": "ann", "password": "secret-word", "role": "viewer"}),
    );
    asks("console-users show 2 ann", Method::Get, one, none());
    asks(
        "console-users update 2 ann --role admin",
        Method::Patch,
        one,
        json!({"role": "admin"}),
    );
    asks(
        "console-users update 2 ann --new-password other-word",
        Method::Patch,
        one,
        json!({"password": "other-word"}),
    );
    asks("console-users delete 2 ann", Method::Delete, one, none());

    let of_instance = "/v1/instances/demo/tokens";
    let of_tenant = "/v1/tenants/2/tokens";
    asks("tokens list", Method::Get, of_instance, none());
    asks("tokens list --tenant-id 2", Method::Get, of_tenant, none());
    asks(
        "tokens create bot --scope read --scope produce --topic t --group g --expires-at 7",
        Method::Post,
        of_instance,
        json!({"name": "bot", "scopes": ["read", "produce"], "topics": ["t"], "groups": ["g"], "expiresAt": 7}),
    );
    asks(
        "tokens create bot --scope manage --tenant-id 2",
        Method::Post,
        of_tenant,
        json!({"name": "bot", "scopes": ["manage"]}),
    );
    asks(
        "tokens delete x --tenant-id 2",
        Method::Delete,
        "/v1/tenants/2/tokens/x",
        none(),
    );
}

#[test]
fn slips_are_caught_before_the_server_sees_them() {
    for line in [
        "topics update t",
        "groups update g",
        "users update u",
        "console-users update 2 ann",
        "instances update n",
    ] {
        let words: Vec<_> = line.split(' ').collect();
        let failure = request(&words).expect_err(line);
        assert_eq!(failure.exit_code(), 2, "{line}");
    }
    let twice = [
        "firn",
        "send",
        "t",
        "x",
        "--access-key",
        "a",
        "--username",
        "b",
    ];
    let empty = ["firn", "topics", "show", ""];
    for line in [&twice[..], &empty[..]] {
        assert!(Cli::try_parse_from(line).is_err(), "{line:?}");
    }
}

#[test]
fn files() {
    let path = |kind: &str| format!("/v1/instances/demo/{kind}/export?format=");
    let get = |line: &str, kind: &str, rest: &str| {
        asks(line, Method::Get, &format!("{}{rest}", path(kind)), none());
    };
    get("topics export", "topics", "csv");
    get("topics export a.xlsx", "topics", "xlsx");
    get("groups export a.csv --format xlsx", "groups", "xlsx");
    get(
        "topics export - --only a --only b --broker c --all-columns",
        "topics",
        "csv&names=a%2Cb&brokers=c&columns=all",
    );
    let dir = tempfile::tempdir().expect("temporary directory");
    for (bytes, content_type) in [
        (
            &b"PK\x03\x04..."[..],
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (b"Topic", "text/csv"),
    ] {
        let file = dir.path().join("list");
        std::fs::write(&file, bytes).expect("written");
        let file = file.to_str().expect("text");
        let request = request(&["groups", "import", file, "--dry-run"]).expect("a request");
        assert_eq!(
            request.target,
            "/v1/instances/demo/groups/import?dryRun=true"
        );
        let upload = request.upload.expect("the file");
        assert_eq!(
            (upload.content_type, &upload.bytes[..]),
            (content_type, bytes)
        );
    }
    let missing = request(&["topics", "import", "no/such/file"]).expect_err("not there");
    assert_eq!(missing.exit_code(), 2);
}
