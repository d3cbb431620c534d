//! What a program does that uses the crate `rocketmq`. Started by run.py.

mod delivery;
mod load;
mod messages;
mod refusals;
mod support;

use std::time::Duration;

use anyhow::{Result, bail};

use support::Place;

const FEATURE_SECONDS: u64 = 25;

#[tokio::main]
async fn main() {
    let features = std::env::var("FIRN_FEATURES").expect("started by run.py");
    for feature in features.split(' ').map(str::to_owned) {
        if let Some(lacks) = unsupported(&feature) {
            println!("unsupported {feature} {lacks}");
            continue;
        }
        let name = feature.clone();
        // A task of its own, since the library panics at what it does not expect.
        let work = tokio::spawn(async move { run(&feature).await });
        let limit = Duration::from_secs(FEATURE_SECONDS);
        let failure = match tokio::time::timeout(limit, work).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(format!("{error:#}")),
            Ok(Err(panic)) => Some(panic.to_string()),
            Err(_) => Some(format!("not done within {FEATURE_SECONDS} s")),
        };
        match failure {
            None => println!("ok {name}"),
            Some(why) => println!("failed {name} {}", why.replace('\n', " ")),
        }
    }
}

/// What the library lacks.
fn unsupported(feature: &str) -> Option<&'static str> {
    match feature {
        "recall" => Some("the library has no recall, and a receipt shows no recall handle"),
        "change_invisible" => Some("the library has no call to change the invisible time"),
        "push_consumer" => Some("the library has a simple consumer only"),
        _ => None,
    }
}

async fn run(feature: &str) -> Result<()> {
    let place = Place::of(feature);
    match feature {
        "normal" => messages::normal(place).await,
        "properties" => messages::properties(place).await,
        "bodies" => messages::bodies(place).await,
        "tags" => messages::tags(place).await,
        "sql92" => messages::sql92(place).await,
        "batch_receive" => messages::batch_receive(place).await,
        "fifo" => delivery::fifo(place).await,
        "delay" => delivery::delay(place).await,
        "transaction_commit" => delivery::transaction_commit(place).await,
        "transaction_rollback" => delivery::transaction_rollback(place).await,
        "transaction_check" => delivery::transaction_check(place).await,
        "redelivery" => delivery::redelivery(place).await,
        "dead_letter" => delivery::dead_letter(place).await,
        "wrong_secret" => refusals::wrong_secret(place).await,
        "unknown_topic" => refusals::unknown_topic(place).await,
        "topic_without_right" => refusals::topic_without_right(place).await,
        "wrong_type" => refusals::wrong_type(place).await,
        "concurrent" => load::concurrent(place).await,
        "server_restart" => load::server_restart(place).await,
        _ => bail!("not known here"),
    }
}
