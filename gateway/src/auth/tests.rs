//! The table of rights, row by row.

use super::*;
use firn_protocol::InstanceId;
use firn_protocol::Timestamp;

fn person(tenant: Option<u64>, role: ConsoleRole) -> Identity {
    Identity::Console(Arc::new(ConsoleUser {
        tenant: tenant.map(TenantId),
        username: "p".into(),
        role,
        password_mark: 0,
    }))
}

fn user(topics: &[&str]) -> Identity {
    Identity::User(Arc::new(AppUser {
        access_key: "ak".into(),
        tenant: TenantId(2),
        instance: InstanceId(1),
        topics: topics.iter().map(|t| (*t).to_owned()).collect(),
        description: String::new(),
        ip_allow: vec!["10.0.0.0/8".into()],
        created_at: Timestamp(0),
        previous_valid_until: None,
    }))
}

#[test]
fn rights_by_role() {
    let callers = [
        person(None, ConsoleRole::Operator),
        person(Some(2), ConsoleRole::Admin),
        person(Some(2), ConsoleRole::Viewer),
        user(&[]),
        user(&["orders"]),
    ];
    let table = [
        (Action::Deployment, [true, false, false, false, false]),
        (Action::ReadTenants, [true, true, true, false, false]),
        (Action::ReadInstance, [true, true, true, true, true]),
        (Action::ManageUsers, [true, true, false, false, false]),
        (Action::ReadUsers, [true, true, true, false, false]),
        (Action::ReadAudit, [true, true, true, false, false]),
        (Action::Manage, [true, true, false, true, false]),
        (Action::Force, [true, true, false, false, false]),
        (Action::ReadManaged, [true, true, true, true, false]),
        (Action::Produce("orders"), [true, true, false, true, true]),
        (Action::Produce("other"), [true, true, false, true, false]),
        (consume("orders", "g"), [true, true, false, true, true]),
        (consume("other", "g"), [true, true, false, true, false]),
        (Action::Query("orders"), [true, true, true, true, true]),
        (Action::Query("other"), [true, true, true, true, false]),
    ];
    for (action, expected) in table {
        let found = callers.each_ref().map(|caller| caller.may(action));
        assert_eq!(found, expected, "{action:?}");
    }
    // A tenant's user that claims the operator's role has no right at all.
    assert!(!person(Some(2), ConsoleRole::Operator).may(Action::ReadInstance));
}

#[test]
fn nobody_grants_what_is_not_his_own() {
    use TokenScope::{Consume, Manage, Produce, Read};
    let granted =
        |caller: &Identity| [Read, Manage, Produce, Consume].map(|scope| caller.may_grant(scope));
    assert_eq!(granted(&person(Some(2), ConsoleRole::Admin)), [true; 4]);
    let viewer = person(Some(2), ConsoleRole::Viewer);
    assert_eq!(granted(&viewer), [true, false, false, false]);
    assert_eq!(granted(&user(&["orders"])), [false; 4]);
}

fn consume<'a>(topic: &'a str, group: &'a str) -> Action<'a> {
    Action::Consume { topic, group }
}

fn token(scope: TokenScope, topics: &[&str], groups: &[&str]) -> Identity {
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect();
    Identity::Token(Arc::new(ApiToken {
        id: "0011223344556677".into(),
        tenant: TenantId(2),
        instance: Some(InstanceId(1)),
        name: "robot".into(),
        scopes: vec![scope],
        topics: names(topics),
        groups: names(groups),
        created_at: Timestamp(0),
        expires_at: Timestamp(u64::MAX),
    }))
}

#[test]
fn rights_by_scope() {
    use TokenScope::{Consume, Manage, Produce, Read};
    let tokens = [
        token(Read, &[], &[]),
        token(Manage, &[], &[]),
        token(Produce, &[], &[]),
        token(Consume, &[], &[]),
        token(Read, &["orders"], &[]),
        token(Produce, &["orders"], &[]),
        token(Consume, &["orders"], &["g"]),
    ];
    // read, manage, produce, consume | the same but manage, limited to orders and g
    let table = [
        (Action::Deployment, [false; 7]),
        (Action::ReadTenants, [false; 7]),
        (Action::ManageUsers, [false; 7]),
        (Action::ReadUsers, [false; 7]),
        (Action::ReadAudit, [false; 7]),
        (Action::Force, [false; 7]),
        (Action::ReadInstance, [true; 7]),
        (
            Action::Manage,
            [false, true, false, false, false, false, false],
        ),
        (
            Action::ReadManaged,
            [true, true, false, false, false, false, false],
        ),
        (
            Action::Query("orders"),
            [true, false, false, false, true, false, false],
        ),
        (
            Action::Query("other"),
            [true, false, false, false, false, false, false],
        ),
        (
            Action::Produce("orders"),
            [false, false, true, false, false, true, false],
        ),
        (
            Action::Produce("other"),
            [false, false, true, false, false, false, false],
        ),
        (
            consume("orders", "g"),
            [false, false, false, true, false, false, true],
        ),
        (
            consume("orders", "h"),
            [false, false, false, true, false, false, false],
        ),
        (
            consume("other", "g"),
            [false, false, false, true, false, false, false],
        ),
    ];
    for (action, expected) in table {
        let found = tokens.each_ref().map(|caller| caller.may(action));
        assert_eq!(found, expected, "{action:?}");
    }
}

#[test]
fn users_with_an_address_list_call_from_it_alone() {
    let ip = |text: &str| text.parse().ok();
    assert!(address_allowed(&user(&[]), ip("10.9.9.9")));
    assert!(!address_allowed(&user(&[]), ip("11.9.9.9")));
    assert!(!address_allowed(&user(&[]), None));
    assert!(address_allowed(&person(None, ConsoleRole::Operator), None));
}
