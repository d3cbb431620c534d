//! Who counts as online, and what is forgotten.

use std::time::Duration;

use firn_protocol::TopicId;

use super::*;

const ACME: InstanceId = InstanceId(1);
const RIVAL: InstanceId = InstanceId(17); // in the same shard
const WORKERS: GroupId = GroupId(5);
const ORDERS: TopicKey = TopicKey::User(TopicId(1));
const BILLS: TopicKey = TopicKey::User(TopicId(2));

struct Place {
    clock: Clock,
    sessions: Sessions,
}

impl Place {
    fn new(instance_max: usize, total_max: usize) -> Self {
        let clock = Clock::manual(1_000_000);
        let sessions = Sessions::bounded(clock.clone(), instance_max, total_max);
        Self { clock, sessions }
    }

    fn pass(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    fn produce(&self, instance: InstanceId, name: &str) -> Online {
        let (client, part) = (client(name), Part::Produces);
        self.sessions.enter(instance, &client, ORDERS, part)
    }

    fn consume(&self, name: &str, topic: TopicKey, expression: &str) -> Online {
        let filter = Filter::parse_tags(expression).expect("a filter");
        let part = Part::Consumes {
            group: WORKERS,
            filter: &filter,
            consume_type: ConsumeType::Pull,
            model: MessageModel::Clustering,
        };
        self.sessions.enter(ACME, &client(name), topic, part)
    }

    fn names(&self, instance: InstanceId) -> Vec<String> {
        let online = self.sessions.online(instance, None);
        let mut names: Vec<_> = online.into_iter().map(|session| session.name).collect();
        names.sort();
        names
    }

    fn is_consistent(&self) -> bool {
        let consistent = self.sessions.is_consistent(ACME, WORKERS);
        let counted = self.sessions.tick().groups_inconsistent == 0;
        assert_eq!(consistent, counted);
        consistent
    }
}

fn client(name: &str) -> Client<'_> {
    Client {
        name,
        address: "10.0.0.1:99",
        agent: "lib/1.2 (linux)",
        protocol: ClientProtocol::Http,
    }
}

#[test]
fn a_client_is_online_until_half_a_minute_after_its_last_call_ended() {
    let place = Place::new(10, 10);
    let call = place.produce(ACME, "p");
    place.pass(100_000);
    assert_eq!(place.names(ACME), ["p"], "a call that lasts");
    let other = place.produce(ACME, "p");
    drop(call);
    place.pass(100_000);
    assert_eq!(place.names(ACME), ["p"], "one of two calls ended");
    drop(other);
    place.pass(29_999);
    assert_eq!(place.names(ACME), ["p"]);
    let session = &place.sessions.online(ACME, None)[0];
    assert_eq!(session.first_seen.0, 1_000_000);
    assert_eq!(session.last_seen.0, 1_200_000);
    place.pass(1);
    assert_eq!(place.names(ACME), [""; 0]);
    assert_eq!(place.sessions.count.load(Ordering::Relaxed), 1);
    assert_eq!(place.sessions.tick(), Census::default());
    assert_eq!(place.sessions.count.load(Ordering::Relaxed), 0, "forgotten");
}

#[test]
fn one_row_for_a_client_however_often_it_calls() {
    let place = Place::new(10, 10);
    drop(place.consume("c", BILLS, "*"));
    for _ in 0..5 {
        drop(place.consume("c", ORDERS, "b||a"));
    }
    drop(place.produce(ACME, "c"));
    let members = place.sessions.online(ACME, Some(WORKERS));
    assert_eq!(members.len(), 1);
    let wanted: Vec<_> = members[0]
        .topics
        .iter()
        .map(|(topic, filter)| (*topic, filter.as_ref().map(Filter::expression)))
        .collect();
    let (first, second) = ((ORDERS, Some("a || b".into())), (BILLS, Some("*".into())));
    assert_eq!(wanted, [first, second]);
    let census = place.sessions.tick();
    assert_eq!((census.consumers, census.producers), (1, 1));
    place.pass(20_000);
    drop(place.consume("c", ORDERS, "a||b"));
    place.pass(20_000);
    let members = place.sessions.online(ACME, Some(WORKERS));
    assert_eq!(members[0].topics.len(), 1, "bills are not wanted any more");
}

#[test]
fn members_that_want_different_things_are_found() {
    for (name, topic, expression, same) in [
        ("d", ORDERS, "a || b", true),
        ("d", ORDERS, "a", false),
        ("d", ORDERS, "*", false),
        ("d", BILLS, "a || b", false),
        ("c", ORDERS, "a", false),
        ("c", BILLS, "*", true),
        ("d", TopicKey::DeadLetter(WORKERS), "*", true),
    ] {
        let place = Place::new(10, 10);
        drop(place.consume("c", ORDERS, "b || a"));
        assert!(place.is_consistent());
        place.pass(10_000);
        drop(place.consume(name, topic, expression));
        assert_eq!(place.is_consistent(), same, "{name} {topic:?} {expression}");
        place.pass(20_000);
        assert!(place.is_consistent(), "the first one is gone");
    }
}

#[test]
fn a_full_instance_forgets_its_own_oldest_clients() {
    let place = Place::new(32, 1000);
    drop(place.produce(RIVAL, "rival"));
    let lasting = place.produce(ACME, "lasting");
    for n in 0..100 {
        place.pass(1);
        drop(place.produce(ACME, &format!("p{n:03}")));
        let names = place.names(ACME);
        assert!(names.len() <= 32, "{}", names.len());
        assert!(names.contains(&format!("p{n:03}")));
        assert!(n < 32 || names.len() >= 30, "no more than needed");
    }
    let names = place.names(ACME);
    assert!(names.contains(&"p080".into()) && !names.contains(&"p050".into()));
    assert!(names.contains(&"lasting".into()), "its call is open");
    drop(lasting);
    assert_eq!(place.names(RIVAL), ["rival"]);
}

#[test]
fn a_full_gateway_forgets_clients_of_the_largest_instance() {
    let place = Place::new(50, 60);
    drop(place.produce(RIVAL, "rival"));
    for n in 0..50 {
        drop(place.produce(ACME, &format!("p{n}")));
    }
    for n in 0..40 {
        drop(place.produce(InstanceId(100 + n), "small"));
        assert!(place.sessions.count.load(Ordering::Relaxed) <= 60);
    }
    assert_eq!(place.names(RIVAL), ["rival"]);
    let left = place.names(ACME).len();
    assert!((15..=19).contains(&left), "{left}");
}

#[test]
fn topics_of_one_client_are_bounded() {
    let place = Place::new(10, 10);
    for n in 0..200 {
        place.pass(1);
        drop(place.consume("c", TopicKey::User(TopicId(n)), "*"));
    }
    let topics = &place.sessions.online(ACME, Some(WORKERS))[0].topics;
    let newest: Vec<_> = (136..200).map(|n| TopicKey::User(TopicId(n))).collect();
    let found: Vec<_> = topics.iter().map(|(topic, _)| *topic).collect();
    assert_eq!(found, newest);
}

#[test]
fn a_client_that_comes_again_shows_what_it_is_now() {
    let place = Place::new(10, 10);
    drop(place.consume("c", ORDERS, "*"));
    let filter = Filter::All;
    let part = Part::Consumes {
        group: WORKERS,
        filter: &filter,
        consume_type: ConsumeType::Push,
        model: MessageModel::Broadcasting,
    };
    let agent = format!("new/2 {}", "é".repeat(200));
    let client = Client {
        address: "10.0.0.2:7",
        agent: &agent,
        ..client("c")
    };
    drop(place.sessions.enter(ACME, &client, ORDERS, part));
    let session = &place.sessions.online(ACME, None)[0];
    assert_eq!(session.address, "10.0.0.2:7");
    assert!(session.agent.starts_with("new/2 é") && session.agent.len() <= 128);
    let expected = Some((ConsumeType::Push, MessageModel::Broadcasting));
    assert_eq!(session.consumes, expected);
}

#[test]
fn libraries_by_what_they_say() {
    for (text, name, version) in [
        ("python-requests/2.31", "python-requests", "2.31"),
        ("curl/8.5.0 (x86_64) x/1", "curl", "8.5.0"),
        ("  Java/HttpClient/17 ", "Java", "HttpClient/17"),
        ("custom", "custom", ""),
        ("", "", ""),
    ] {
        assert_eq!(Agent::parse(text), Agent { name, version }, "{text}");
    }
}
