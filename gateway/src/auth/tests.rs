//! The table of rights, row by row.

use super::*;
use firn_protocol::InstanceId;
use firn_protocol::Timestamp;

fn person(tenant: Option<u64>, role: ConsoleRole) -> Identity {
    Identity::Console(Arc::new(ConsoleUser {
        tenant: tenant.map(TenantId),
        username: "p".into(),
        role,
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
        (Action::Use("orders"), [true, true, false, true, true]),
        (Action::Use("other"), [true, true, false, true, false]),
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
fn users_with_an_address_list_call_from_it_alone() {
    let ip = |text: &str| text.parse().ok();
    assert!(address_allowed(&user(&[]), ip("10.9.9.9")));
    assert!(!address_allowed(&user(&[]), ip("11.9.9.9")));
    assert!(!address_allowed(&user(&[]), None));
    assert!(address_allowed(&person(None, ConsoleRole::Operator), None));
}
