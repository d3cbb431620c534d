//! Names: exact text, exact way back, nothing else taken.

use firn_protocol::ids::{BrokerId, Generation, InstanceId, TenantId};
use proptest::prelude::*;

use crate::cold::paths::{NodeId, Nonce, ObjectName, Prefix, SegmentName, StateName};
use crate::hot::BrokerKey;

fn broker() -> impl Strategy<Value = BrokerKey> {
    any::<(u64, u64, u32)>().prop_map(|(tenant, instance, broker)| BrokerKey {
        tenant: TenantId(tenant),
        instance: InstanceId(instance),
        broker: BrokerId(broker),
    })
}

pub(super) fn name() -> impl Strategy<Value = ObjectName> {
    prop_oneof![
        (broker(), any::<(u32, u64, u128)>()).prop_map(|(broker, (generation, first, nonce))| {
            let name = SegmentName {
                generation: Generation(generation),
                first_sequence: first,
                nonce: Nonce(nonce),
            };
            ObjectName::Segment(broker, name)
        }),
        (broker(), any::<u64>()).prop_map(|(broker, number)| ObjectName::Manifest(broker, number)),
        (broker(), any::<(u64, u128)>()).prop_map(|(broker, (sequence, nonce))| {
            let nonce = Nonce(nonce);
            ObjectName::State(broker, StateName { sequence, nonce })
        }),
        any::<(u128, u64, u64)>().prop_map(|(node, incarnation, sequence)| ObjectName::Wal {
            node: NodeId(node),
            incarnation,
            sequence,
        }),
        any::<u64>().prop_map(ObjectName::Catalogue),
        any::<u128>().prop_map(|nonce| ObjectName::Probe(Nonce(nonce))),
    ]
}

proptest! {
    #[test]
    fn names_round_trip_and_no_two_are_the_same(one in name(), two in name()) {
        let (text, other) = (one.to_string(), two.to_string());
        prop_assert_eq!(ObjectName::parse(&text), Some(one));
        prop_assert_eq!(one == two, text == other);
        // What a directory store cannot take: staging files, odd characters.
        prop_assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-.".contains(&b)));
    }

    #[test]
    fn the_order_of_text_is_the_order_of_numbers(one in any::<(u32, u64)>(), two in any::<(u32, u64)>()) {
        let name = |(generation, first_sequence): (u32, u64)| {
            let name = SegmentName { generation: Generation(generation), first_sequence, nonce: Nonce(0) };
            ObjectName::Segment(super::BROKER, name).to_string()
        };
        prop_assert_eq!(one.cmp(&two), name(one).cmp(&name(two)));
        let manifest = |number| ObjectName::Manifest(super::BROKER, number).to_string();
        prop_assert_eq!(one.1.cmp(&two.1), manifest(one.1).cmp(&manifest(two.1)));
    }

    #[test]
    fn a_changed_name_is_another_name_or_none(name in name(), at in any::<prop::sample::Index>(), to in "[ -~]") {
        let mut text = name.to_string();
        let at = at.index(text.len());
        text.replace_range(at..=at, &to);
        if let Some(read) = ObjectName::parse(&text) {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn rubbish_is_no_name(text in ".*") {
        prop_assert_eq!(ObjectName::parse(&text), None);
    }
}

#[test]
fn names_look_like_this() {
    let broker = super::BROKER;
    let nonce = Nonce(0xab);
    let segment = SegmentName {
        generation: Generation(3),
        first_sequence: 41,
        nonce,
    };
    let state = StateName {
        sequence: 42,
        nonce,
    };
    let folder = "t00000000000000000002/i00000000000000000007/b0000000009";
    let hex = "000000000000000000000000000000ab";
    let wal = ObjectName::Wal {
        node: NodeId(0xab),
        incarnation: 4,
        sequence: 5,
    };
    for (name, text) in [
        (
            ObjectName::Segment(broker, segment),
            format!("{folder}/segment/0000000003-00000000000000000041-{hex}.seg"),
        ),
        (
            ObjectName::Manifest(broker, 42),
            format!("{folder}/manifest/00000000000000000042"),
        ),
        (
            ObjectName::State(broker, state),
            format!("{folder}/state/00000000000000000042-{hex}"),
        ),
        (
            wal,
            format!("wal/{hex}/00000000000000000004/00000000000000000005"),
        ),
        (
            ObjectName::Catalogue(6),
            "catalogue/00000000000000000006".to_owned(),
        ),
        (
            ObjectName::Books(7),
            "books/00000000000000000007".to_owned(),
        ),
        (ObjectName::Probe(nonce), format!("probe/{hex}")),
    ] {
        assert_eq!(name.to_string(), text);
    }
    assert_eq!(NodeId::parse(hex), Some(NodeId(0xab)));
    assert_eq!(NodeId::parse(&hex.to_uppercase()), None);
}

#[test]
fn almost_names_are_refused() {
    let good = ObjectName::Manifest(super::BROKER, 42).to_string();
    let long = "99999999999999999999";
    for bad in [
        String::new(),
        format!("/{good}"),
        format!("{good}/"),
        format!("{good}/x"),
        format!("{good}#1"),
        good.replace("t0", "T0"),
        good.replace("t000", "t+00"),
        good.replace("00000000000000000042", "42"),
        good.replace("00000000000000000042", long),
        good.replace("b0000000009", "b4294967296"),
        good.replace("/manifest/", "/manifests/"),
        good.replace('/', "//"),
        "probe/000000000000000000000000000000AB".to_owned(),
        "catalogue/0000000000000000000６".to_owned(),
    ] {
        assert_eq!(ObjectName::parse(&bad), None, "{bad}");
    }
}

#[test]
fn what_belongs_to_a_tenant_is_below_its_prefix() {
    let broker = super::BROKER;
    for name in [
        super::segment(1),
        ObjectName::Manifest(broker, 1),
        ObjectName::State(
            broker,
            StateName {
                sequence: 1,
                nonce: Nonce(1),
            },
        ),
    ] {
        let text = name.to_string();
        for prefix in [
            Prefix::Tenant(broker.tenant),
            Prefix::Instance(broker.tenant, broker.instance),
            Prefix::Broker(broker),
        ] {
            assert!(text.starts_with(&format!("{prefix}/")), "{text}");
        }
        assert_eq!(name.broker(), Some(broker));
    }
}
