use super::*;

const RUN: u32 = 7;

fn body(run: u32, producer: u16, sequence: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let stamp = Stamp {
        run,
        producer,
        sequence,
        sent_ns: 5,
    };
    stamp.write(200, &mut out);
    out
}

/// Two producers with `sent` messages each; producer p's go to queue p.
fn delivered(sent: u64) -> (Ledger, Vec<(u32, u64, Vec<u8>)>) {
    let mut ledger = Ledger::new(RUN, 2);
    let mut deliveries = Vec::new();
    for producer in 0..2 {
        ledger.answered(producer, sent);
        for sequence in 0..sent {
            let queue = u32::from(producer);
            deliveries.push((queue, sequence, body(RUN, producer, sequence)));
        }
    }
    (ledger, deliveries)
}

fn close(mut ledger: Ledger, deliveries: &[(u32, u64, Vec<u8>)]) -> Verdict {
    for (queue, position, body) in deliveries {
        ledger.enter(&Delivery {
            queue: *queue,
            position: *position,
            body,
        });
    }
    ledger.verdict()
}

#[test]
fn a_faithful_delivery_is_clean() {
    for sent in [0, 1, 63, 64, 65, 200] {
        let (ledger, deliveries) = delivered(sent);
        let verdict = close(ledger, &deliveries);
        assert!(verdict.is_clean(), "{verdict}");
        assert_eq!((verdict.sent, verdict.received), (2 * sent, 2 * sent));
    }
}

#[test]
fn each_missing_message_is_counted() {
    for lost in [0, 63, 64, 99, 100, 199] {
        let (ledger, mut deliveries) = delivered(100);
        deliveries.remove(lost);
        let faults = close(ledger, &deliveries).faults;
        let expected = Faults {
            missing: 1,
            ..Faults::default()
        };
        assert_eq!(faults, expected, "message {lost}");
    }
}

#[test]
fn a_second_delivery_is_counted_and_hides_no_missing_one() {
    let (ledger, mut deliveries) = delivered(10);
    deliveries[3] = deliveries[2].clone();
    let verdict = close(ledger, &deliveries);
    let expected = Faults {
        missing: 1,
        duplicated: 1,
        ..Faults::default()
    };
    assert_eq!(verdict.faults, expected);
    assert_eq!(verdict.received, 19);
}

#[test]
fn an_altered_message_is_altered_and_missing() {
    let (ledger, mut deliveries) = delivered(10);
    deliveries[5].2[150] ^= 1;
    let expected = Faults {
        missing: 1,
        altered: 1,
        ..Faults::default()
    };
    assert_eq!(close(ledger, &deliveries).faults, expected);
}

#[test]
fn messages_of_others_and_never_answered_ones_are_unknown() {
    let (ledger, mut deliveries) = delivered(10);
    deliveries.push((0, 10, body(RUN + 1, 0, 10)));
    deliveries.push((0, 11, body(RUN, 2, 0)));
    deliveries.push((0, 12, body(RUN, 0, 10)));
    let verdict = close(ledger, &deliveries);
    let expected = Faults {
        unknown: 3,
        ..Faults::default()
    };
    assert_eq!(verdict.faults, expected);
    assert!(!verdict.is_clean());
}

#[test]
fn order_is_judged_within_a_queue() {
    let (ledger, mut deliveries) = delivered(10);
    deliveries.sort_by_key(|(queue, position, _)| (*position, *queue));
    assert!(close(ledger, &deliveries).is_clean(), "queues interleave");

    let (ledger, mut deliveries) = delivered(10);
    deliveries.swap(4, 5);
    let faults = close(ledger, &deliveries).faults;
    assert_eq!((faults.disordered, faults.missing), (1, 0));

    let (ledger, mut deliveries) = delivered(10);
    let moved = deliveries[4].2.clone();
    deliveries[4].2 = std::mem::replace(&mut deliveries[5].2, moved);
    let faults = close(ledger, &deliveries).faults;
    assert_eq!(faults.disordered, 1, "positions rise, sequences do not");

    for position in [3, 4] {
        let (ledger, mut deliveries) = delivered(10);
        deliveries[5].1 = position;
        let faults = close(ledger, &deliveries).faults;
        assert_eq!(faults.disordered, 1, "sequences rise, positions do not");
    }
}

#[test]
fn a_message_may_arrive_before_its_send_is_answered() {
    let mut ledger = Ledger::new(RUN, 1);
    let body = body(RUN, 0, 0);
    let delivery = Delivery {
        queue: 0,
        position: 0,
        body: &body,
    };
    assert!(ledger.enter(&delivery).is_some());
    assert_eq!(ledger.verdict().faults.unknown, 1);
    ledger.answered(0, 1);
    assert!(ledger.verdict().is_clean());
}

#[test]
fn an_absurd_sequence_costs_no_memory() {
    let mut ledger = Ledger::new(RUN, 1);
    let body = body(RUN, 0, u64::MAX);
    let delivery = Delivery {
        queue: 0,
        position: 0,
        body: &body,
    };
    assert!(ledger.enter(&delivery).is_none());
    assert_eq!(ledger.verdict().faults.unknown, 1);
}
