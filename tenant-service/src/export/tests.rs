use std::sync::Arc;

use firn_protocol::api::billing::Price;
use firn_protocol::catalogue::{
    Broker, ConsoleRole, DiskPolicy, Durability, InstanceStatus, OnPoison, Permission,
    PullMechanism, Rates, StartPosition, TokenScope, TopicType,
};
use firn_protocol::{BrokerId, GroupId, InstanceId, TopicId};
use proptest::prelude::*;

use super::codec::{BODY_BYTES_MAX, VERSION};
use super::*;
use crate::Secret;

/// Version 1, as it was first written. Never edited; only added to.
const GOLDEN_V1: &str = include_str!("export-v1.hex");
/// The same of version 2.
const GOLDEN_V2: &str = include_str!("export-v2.hex");
/// Every kind of row that version 3 knows.
const GOLDEN_V3: &str = include_str!("export-v3.hex");
const CATALOGUE: u128 = 0x00AA_BBCC;
const STAMP: Stamp = Stamp { owner: 7, nonce: 9 };

fn keys() -> Keys {
    Keys::derive(&[1; 32])
}

fn person(tenant: Option<TenantId>, username: &str, role: ConsoleRole) -> ConsoleRow {
    ConsoleRow {
        user: ConsoleUser {
            tenant,
            username: username.to_owned(),
            role,
            password_mark: 0,
        },
        password_hash: "$argon2id$the-hash-of-a-password".into(),
    }
}

fn instance(id: u64, tenant: u64, plan: &str) -> Instance {
    Instance {
        id: InstanceId(id),
        uid: format!("{id:032x}"),
        tenant: TenantId(tenant),
        name: "demo".to_owned(),
        plan: plan.to_owned(),
        brokers: vec![Broker {
            id: BrokerId(id as u32),
            name: "a".to_owned(),
        }],
        durability: Durability::Object,
        retention_hours: 72,
        disk_policy: DiskPolicy::ServiceFirst,
        remark: "r".to_owned(),
        status: InstanceStatus::Frozen,
        created_at: Timestamp(5),
        expires_at: Some(Timestamp(6)),
        time_zone: "UTC".to_owned(),
        message_bytes: 77,
        rates: Rates::default(),
    }
}

fn topic() -> Topic {
    Topic {
        id: TopicId(8),
        instance: InstanceId(3),
        name: "orders".to_owned(),
        topic_type: TopicType::Fifo,
        queues: 4,
        permission: Permission::Read,
        ordered: true,
        remark: String::new(),
        brokers: vec![BrokerId(3)],
        retention_hours: Some(1),
        tps: None,
        allowed_groups: vec!["workers".to_owned()],
        created_at: Timestamp(5),
        version: 0,
    }
}

fn group() -> Group {
    Group {
        id: GroupId(9),
        instance: InstanceId(3),
        name: "workers".to_owned(),
        ordered: false,
        on_poison: OnPoison::Park,
        max_retries: 16,
        enabled: true,
        start: StartPosition::Time(Timestamp(4)),
        is_start_by_client: false,
        pull_mechanism: PullMechanism::Server,
        subscriptions: vec![("orders".to_owned(), 2)],
        remark: String::new(),
        created_at: Timestamp(5),
        version: 10,
    }
}

fn user() -> AppUser {
    AppUser {
        access_key: "ak".to_owned(),
        tenant: TenantId(2),
        instance: InstanceId(3),
        topics: vec!["orders".to_owned()],
        description: "d".to_owned(),
        ip_allow: vec!["::1".to_owned()],
        created_at: Timestamp(5),
        previous_valid_until: None,
    }
}

/// One row of everything that version 1 knows.
fn full() -> CatalogueExport {
    let plan = Plan {
        name: "mine".to_owned(),
        burst_seconds: 0.25,
        ..plans::built_in()[0].clone()
    };
    let tenant = Tenant {
        id: TenantId(2),
        name: "acme".to_owned(),
    };
    let numbers = Numbers {
        instance: 4,
        broker: 5,
        topic: 9,
        group: 10,
        revision: 11,
    };
    let rows = CatalogueExport {
        key_check: String::new(),
        numbers,
        tenants: vec![Row(tenant.into())],
        plans: vec![Row(plan.into())],
        instances: vec![Row(instance(3, 2, "mine").into())],
        topics: vec![Row(topic().into())],
        groups: vec![Row(group().into())],
        users: Vec::new(),
        people: Vec::new(),
        revoked: vec![("token".to_owned(), Timestamp(99))],
        later: Later::default(),
        extra: Extra {
            price_lists: vec![Row(Arc::new(PriceList {
                name: "own".to_owned(),
                version: 1,
                valid_from: Timestamp(3_600_000),
                currency: "EUR".to_owned(),
                prices: vec![Price {
                    item: "unitsIn".to_owned(),
                    micros: 7,
                    per: 1000,
                }],
            }))],
            ..Extra::default()
        },
    };
    let moment = Moment {
        numbers,
        rows,
        users: vec![UserRow {
            user: user().into(),
            secret: Arc::new(Secret::new("the-secret-of-ak")),
            previous: None,
        }],
        people: vec![
            person(None, "operator", ConsoleRole::Operator),
            person(Some(TenantId(2)), "ann", ConsoleRole::Viewer),
        ],
    };
    moment.seal(&keys())
}

fn stored(export: &CatalogueExport) -> Vec<u8> {
    export.pack(CATALOGUE).unwrap().stamped(STAMP)
}

/// The same object with other bytes at a place, and the checksum that fits.
fn altered(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes[..bytes.len() - 4].to_vec();
    change(&mut bytes);
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

#[test]
fn an_export_reads_back_as_it_was() {
    let export = full();
    let packed = export.pack(CATALOGUE).unwrap();
    let found = CatalogueExport::unpack(&packed.stamped(STAMP)).unwrap();
    assert!(found.export == export);
    assert_eq!(found.digest, packed.digest);
    let head = ExportHead {
        version: VERSION,
        catalogue: CATALOGUE,
        stamp: STAMP,
    };
    assert_eq!(found.head, head);
    let user = &found.export.users[0];
    assert_eq!(user.open(&keys()).unwrap(), Secret::new("the-secret-of-ak"));
    assert!(user.open(&Keys::derive(&[2; 32])).is_err());
    assert!(found.export.is_sealed_with(&keys()));
}

#[test]
fn equal_catalogues_have_equal_digests() {
    let digest = |export: CatalogueExport| export.pack(CATALOGUE).unwrap().digest;
    assert_eq!(digest(full()), digest(full()));
    let mut other = full();
    other.numbers.topic += 1;
    assert_ne!(digest(full()), digest(other));
}

fn golden(text: &str) -> Unpacked {
    let bytes = hex::decode(text.split_whitespace().collect::<String>()).unwrap();
    let found = CatalogueExport::unpack(&bytes).unwrap();
    assert_eq!((found.head.catalogue, found.head.stamp), (CATALOGUE, STAMP));
    found
}

#[test]
fn golden_bytes_of_version_1_are_read() {
    let found = golden(GOLDEN_V1);
    let mut expected = full();
    expected.extra.price_lists.clear();
    assert!(found.export == expected, "{:?}", found.export);
}

#[test]
fn golden_bytes_of_version_2_are_read() {
    let found = golden(GOLDEN_V2);
    assert!(found.export == golden_rows(), "{:?}", found.export);
}

#[test]
fn golden_bytes_of_version_3_are_read() {
    let found = golden(GOLDEN_V3);
    assert!(found.export == later(), "{:?}", found.export);
    // What is written today has the same body; how tightly it is packed may differ.
    assert_eq!(found.digest, later().pack(CATALOGUE).unwrap().digest);
}

/// With what version 3 added.
fn later() -> CatalogueExport {
    let mut export = golden_rows();
    let token = ApiToken {
        id: "8899aabbccddeeff".to_owned(),
        instance: None,
        scopes: vec![TokenScope::Manage],
        topics: Vec::new(),
        ..export.extra.tokens[0].token.clone()
    };
    let hash = [8; 32];
    export.later.tenant_tokens.push(TenantToken { token, hash });
    export.later.erasures.push(Row(Arc::new(Erasure {
        instance: InstanceId(1),
        tenant: TenantId(2),
        uid: "0123456789abcdef0123456789abcdef".to_owned(),
        name: "gone".to_owned(),
        brokers: vec![BrokerId(1), BrokerId(2)],
        since: Timestamp(8),
    })));
    export.later.terms.push(StoredTerm {
        instance: InstanceId(1),
        tenant: TenantId(2),
        uid: "0123456789abcdef0123456789abcdef".to_owned(),
        name: "gone".to_owned(),
        plan: "basic".to_owned(),
        since: Timestamp(4),
        ended: Some(Timestamp(8)),
        expires: Some(Timestamp(9)),
    });
    export
}

#[test]
fn tokens_of_tenants_and_erasures_make_it_version_3() {
    let export = later();
    let found = CatalogueExport::unpack(&stored(&export)).unwrap();
    assert_eq!((found.head.version, VERSION), (3, 3));
    assert!(found.export == export);
    assert_eq!(found.export.tokens().count(), 2);
    let lie = altered(&stored(&export), |bytes| bytes[4] = 2);
    assert_eq!(
        CatalogueExport::unpack(&lie).unwrap_err(),
        ExportError::Damaged("bytes follow its body")
    );
    let mut stray = later();
    stray.later.tenant_tokens[0].token.tenant = TenantId(3);
    assert!(stray.pack(CATALOGUE).is_err());
    let mut alive = later();
    Arc::make_mut(&mut alive.later.erasures[0].0).instance = InstanceId(3);
    assert!(
        alive.pack(CATALOGUE).is_err(),
        "what is there is not erased"
    );
    let mut beyond = later();
    Arc::make_mut(&mut beyond.later.erasures[0].0).brokers = vec![BrokerId(99)];
    assert!(beyond.pack(CATALOGUE).is_err());
}

#[test]
fn what_is_said_of_groups_reads_back() {
    let mut export = full();
    let mut told = group();
    told.is_start_by_client = true;
    told.pull_mechanism = PullMechanism::Client;
    export.groups = vec![Row(Arc::new(told))];
    export.extra.group_notes = notes_of(&export.groups);
    assert_eq!(export.extra.group_notes.len(), 1);
    let found = CatalogueExport::unpack(&stored(&export)).unwrap();
    assert!(found.export == export);
}

/// With a secret of before, whose user was rotated.
fn rotated() -> CatalogueExport {
    let mut export = full();
    let sealed = keys().seal_for_export("previous ak", "the-old-secret-of-ak");
    export.extra.previous.push(SealedPrevious {
        access_key: "ak".to_owned(),
        valid_until: Timestamp(77),
        secret: sealed,
    });
    let token = ApiToken {
        id: "0011223344556677".to_owned(),
        tenant: TenantId(2),
        instance: Some(InstanceId(3)),
        name: "robot".to_owned(),
        scopes: vec![TokenScope::Read, TokenScope::Consume],
        topics: vec!["orders".to_owned()],
        groups: Vec::new(),
        created_at: Timestamp(5),
        expires_at: Timestamp(6),
    };
    let hash = [9; 32];
    export.extra.tokens.push(InstanceToken { token, hash });
    export
}

/// With every kind of row that version 2 knows.
fn golden_rows() -> CatalogueExport {
    let mut export = rotated();
    let mut told = group();
    told.is_start_by_client = true;
    export.groups = vec![Row(Arc::new(told))];
    export.extra.group_notes = notes_of(&export.groups);
    export
}

#[test]
fn a_secret_of_before_makes_it_version_2() {
    let export = rotated();
    let found = CatalogueExport::unpack(&stored(&export)).unwrap();
    assert!(found.head.version >= 2);
    assert!(found.export == export);
    let previous = found.export.previous(&user(), &keys()).unwrap().unwrap();
    let expected = (Timestamp(77), Secret::new("the-old-secret-of-ak"));
    assert_eq!(previous, expected);
    let others = Keys::derive(&[2; 32]);
    assert!(found.export.previous(&user(), &others).is_err());
    let nobody = AppUser {
        access_key: "al".to_owned(),
        ..user()
    };
    assert!(found.export.previous(&nobody, &keys()).unwrap().is_none());
    // What a version 1 does not know is not taken for a part of it.
    let lie = altered(&stored(&export), |bytes| bytes[4] = 1);
    assert_eq!(
        CatalogueExport::unpack(&lie).unwrap_err(),
        ExportError::Damaged("bytes follow its body")
    );
    let mut stray = rotated();
    stray.extra.tokens[0].token.instance = Some(InstanceId(4));
    assert!(stray.pack(CATALOGUE).is_err());
    let mut twice = export;
    let again = twice.extra.previous[0].clone();
    twice.extra.previous.push(again);
    assert!(twice.pack(CATALOGUE).is_err());
}

#[test]
fn no_secret_is_in_the_clear() {
    let bytes = postcard::to_stdvec(&full()).unwrap();
    let holds = |text: &str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
    assert!(holds("orders") && holds("ann"), "the search works");
    assert!(!holds("the-secret-of-ak"));
    assert!(!holds("$argon2id") && !holds("the-hash-of-a-password"));
}

#[test]
fn a_newer_version_is_told_from_damage() {
    let bytes = stored(&full());
    let newer = altered(&bytes, |bytes| bytes[4] = 4);
    let error = CatalogueExport::unpack(&newer).unwrap_err();
    assert_eq!(error, ExportError::Newer { found: 4, known: 3 });
    assert!(error.to_string().contains("newer version"));
    assert_eq!(ExportHead::read(&newer).unwrap().catalogue, CATALOGUE);
    let mut flipped = bytes.clone();
    flipped[4] = 4;
    assert!(matches!(
        CatalogueExport::unpack(&flipped),
        Err(ExportError::Damaged(_))
    ));
}

#[test]
fn every_flipped_byte_and_every_cut_is_found() {
    let bytes = stored(&full());
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert!(CatalogueExport::unpack(&flipped).is_err(), "byte {at}");
        assert!(CatalogueExport::unpack(&bytes[..at]).is_err(), "cut {at}");
    }
}

#[test]
fn bytes_that_lie_about_their_size_are_refused() {
    let bytes = stored(&full());
    let with_length = |length: u32| {
        let lie = altered(&bytes, |it| {
            it[54..58].copy_from_slice(&length.to_le_bytes())
        });
        CatalogueExport::unpack(&lie).unwrap_err()
    };
    let of = |text| ExportError::Damaged(text);
    let other = of("its body has another length than it says");
    assert_eq!(with_length(1), other);
    assert_eq!(with_length(BODY_BYTES_MAX as u32), other);
    assert_eq!(with_length(u32::MAX), of("its body is too large"));
    // Much from little: no more is taken out than was announced.
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 3).unwrap();
    let bomb = altered(&bytes, |it| {
        it.truncate(58);
        it.extend_from_slice(&bomb);
    });
    assert_eq!(CatalogueExport::unpack(&bomb).unwrap_err(), other);
    // A list that says it is longer than all memory.
    let endless = [
        0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1,
    ];
    let endless = altered(&bytes, |it| {
        it.truncate(54);
        it.extend_from_slice(&(endless.len() as u32).to_le_bytes());
        it.extend_from_slice(&zstd::bulk::compress(&endless, 3).unwrap());
    });
    assert_eq!(
        CatalogueExport::unpack(&endless).unwrap_err(),
        of("its body is malformed")
    );
}

#[test]
fn rows_that_do_not_fit_together_are_refused() {
    type Spoil = fn(&mut CatalogueExport);
    let cases: [(Spoil, &str); 7] = [
        (|it| it.tenants.clear(), "tenant is missing"),
        (|it| it.plans.clear(), "plan is missing"),
        (|it| it.instances.clear(), "instance is missing"),
        (|it| it.instances.push(it.instances[0].clone()), "twice"),
        (|it| it.numbers.instance = 3, "not given out"),
        (|it| it.numbers.broker = 3, "not given out"),
        (|it| it.numbers.topic = 8, "not given out"),
    ];
    for (spoil, part) in cases {
        let mut export = full();
        spoil(&mut export);
        let error = export.pack(CATALOGUE).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn numbers_in_use_are_never_given_out_again() {
    let export = full();
    let alone = export.numbers_after(IdsInUse::default());
    assert!(alone.instance > 4 && alone.broker > 5 && alone.topic > 9);
    let used = IdsInUse {
        instance: 1 << 40,
        broker: 70_000,
        topic: 1 << 41,
        group: 1 << 42,
    };
    let after = export.numbers_after(used);
    assert!(after.instance > used.instance && after.broker > used.broker);
    assert!(after.topic > used.topic && after.group > used.group);
    assert!(after.revision > 11);
    // Brokers have 32 bits, to be spent slowly.
    assert!(after.broker - used.broker < 1 << 16);
}

fn name() -> impl Strategy<Value = String> {
    "[a-z]{0,6}|\\PC{0,6}"
}

prop_compose! {
    fn topics()(
        name in name(), remark in name(), id in 0..9_u64, queues: u16, ordered: bool,
        kind in 0..5_usize, brokers in prop::collection::vec(any::<u32>(), 0..3),
        retention_hours: Option<u32>, tps: Option<u64>, created: u64,
    ) -> Row<Topic> {
        let kinds = [TopicType::Normal, TopicType::Fifo, TopicType::Delay,
                     TopicType::Transaction, TopicType::Mixed];
        Row(Arc::new(Topic {
            id: TopicId(id), instance: InstanceId(3), name, topic_type: kinds[kind], queues,
            permission: Permission::Write, ordered, remark: remark.clone(),
            brokers: brokers.into_iter().map(BrokerId).collect(),
            retention_hours, tps, allowed_groups: vec![remark], created_at: Timestamp(created),
            version: 0,
        }))
    }
}

prop_compose! {
    fn groups()(
        name in name(), id in 0..10_u64, start in 0..3_usize, time: u64, version: u64,
        enabled: bool, subscribed in prop::collection::vec((name(), any::<u64>()), 0..3),
    ) -> Row<Group> {
        let starts = [StartPosition::Earliest, StartPosition::Latest,
                      StartPosition::Time(Timestamp(time))];
        Row(Arc::new(Group {
            id: GroupId(id), instance: InstanceId(3), name: name.clone(), ordered: !enabled,
            on_poison: OnPoison::DeadLetter, max_retries: 3, enabled, start: starts[start],
            is_start_by_client: false, pull_mechanism: PullMechanism::Server,
            subscriptions: subscribed, remark: name, created_at: Timestamp(time), version,
        }))
    }
}

proptest! {
    #[test]
    fn any_rows_read_back(
        topics in prop::collection::vec(topics(), 0..20),
        groups in prop::collection::vec(groups(), 0..20),
        revoked in prop::collection::vec((name(), any::<u64>().prop_map(Timestamp)), 0..5),
        owner: u128, nonce: u128,
    ) {
        let export = CatalogueExport { topics, groups, revoked, ..full() };
        let bytes = export.pack(CATALOGUE).unwrap().stamped(Stamp { owner, nonce });
        let found = CatalogueExport::unpack(&bytes).unwrap();
        prop_assert!(found.export == export);
        prop_assert_eq!(found.head.stamp, Stamp { owner, nonce });
    }

    /// Whatever body stands behind a proper head: an answer, and no panic.
    #[test]
    fn any_body_has_an_answer(body in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index) {
        let bytes = stored(&full());
        let plain = postcard::to_stdvec(&full()).unwrap();
        let mut spoiled = plain.clone();
        let from = at.index(plain.len());
        for (place, byte) in spoiled[from..].iter_mut().zip(&body) {
            *place ^= byte;
        }
        for plain in [body, spoiled] {
            let object = altered(&bytes, |it| {
                it.truncate(54);
                it.extend_from_slice(&(plain.len() as u32).to_le_bytes());
                it.extend_from_slice(&zstd::bulk::compress(&plain, 3).unwrap());
            });
            let _ = CatalogueExport::unpack(&object);
        }
    }
}
