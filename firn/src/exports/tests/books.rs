//! The books go to the object store as parts.

use firn_protocol::Timestamp;
use firn_protocol::api::billing::{BillingApi as _, CallsEvent};
use firn_storage_node::cold::paths::ObjectName;
use firn_storage_node::cold::{Created, Operation};
use firn_tenant_service::BooksPart;

use super::World;
use crate::exports::{BooksExporter, newest_part, read_part};

impl World {
    fn books(&self) -> BooksExporter {
        BooksExporter::new(self.tenants.clone(), &self.store, self.clock.clone())
    }

    /// Something is counted, and told by one row of the next part.
    async fn count(&self, number: u64) {
        let event = CallsEvent {
            source: [7; 16],
            number,
            rows: vec![(self.demo.id, Timestamp(self.clock.now_ms()), 1)],
        };
        self.tenants.record_calls(&event).await.expect("kept");
    }

    /// Each part with the marks that it follows and reaches.
    async fn parts(&self) -> Vec<(Option<u64>, u64)> {
        let newest = newest_part(&self.store).await.expect("listed");
        let mut found = Vec::new();
        for number in 1..=newest {
            let bytes = read_part(&self.store, number).await.expect("readable");
            let part = BooksPart::unpack(&bytes.expect("there is one")).expect("sound");
            found.push((part.head.after, part.head.to));
        }
        found
    }
}

#[tokio::test]
async fn a_part_is_written_once_and_only_of_what_is_new() {
    let world = World::new().await;
    let mut books = world.books();
    books.step().await;
    assert!(world.parts().await.is_empty(), "nothing was counted");
    world.count(1).await;
    world.count(2).await;
    books.step().await;
    assert_eq!(world.parts().await, [(None, 2)]);
    let created = || world.store.metrics().requests(Operation::Create);
    let before = created();
    for _ in 0..3 {
        books.step().await;
    }
    assert_eq!(created(), before, "nothing new");
    world.count(3).await;
    books.step().await;
    assert_eq!(world.parts().await, [(None, 2), (Some(2), 3)]);
}

#[tokio::test]
async fn an_own_part_whose_answer_got_lost_is_followed_by_the_rest() {
    let world = World::new().await;
    let mut books = world.books();
    world.count(1).await;
    world.objects.lose_answer(1);
    books.step().await;
    // It is there, and what came meanwhile is not in it.
    world.count(2).await;
    books.step().await;
    assert_eq!(world.parts().await, [(None, 1), (Some(1), 2)]);
}

#[tokio::test]
async fn another_machines_part_stops_the_parts_and_is_left_alone() {
    let world = World::new().await;
    let mut books = world.books();
    world.count(1).await;
    books.step().await;
    // What was given up goes on writing: the same books, another line.
    let bytes = read_part(&world.store, 1).await.expect("readable");
    let mut part = BooksPart::unpack(&bytes.expect("there is one")).expect("sound");
    part.head.line ^= 1;
    part.head.after = Some(1);
    part.head.to = 9;
    let body = part.pack().expect("packs");
    let created = world.store.create(ObjectName::Books(2), body.into()).await;
    assert_eq!(created, Ok(Created::Won));
    world.count(2).await;
    books.step().await;
    assert_eq!(world.parts().await, [(None, 1), (Some(1), 9)]);
    let next = world.tenants.next_books_part().await.expect("available");
    assert_eq!(next.expect("still to be stored").0, 2);
}
