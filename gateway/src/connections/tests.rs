//! Connections of instances, counted.

use super::*;

fn instance(id: u64) -> InstanceId {
    InstanceId(id)
}

fn place(connections: &Arc<Connections>, id: u64) -> Place {
    let mut counts = connections.0.lock();
    counts.entry(instance(id)).or_default().here += 1;
    Place {
        instance: instance(id),
        connections: connections.clone(),
    }
}

#[test]
fn a_connection_counts_until_it_closes() {
    let connections = Arc::new(Connections::default());
    let connection = Connection::default();
    connection.0.lock().push(place(&connections, 1));
    connection.0.lock().push(place(&connections, 2));
    let other = place(&connections, 1);
    let mut counts = connections.counts();
    counts.sort_unstable();
    assert_eq!(counts, [(instance(1), 2), (instance(2), 1)]);
    assert_eq!(connections.total(), 3);
    drop(connection);
    assert_eq!(connections.counts(), [(instance(1), 1)]);
    drop(other);
    assert_eq!(connections.counts(), []);
}
