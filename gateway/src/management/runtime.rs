//! What a broker does, in the names and texts of SEED_SPEC 5.2. What Firn has no queue,
//! buffer or lock for is shown as empty.

use firn_protocol::api::admin::BrokerFacts;
use firn_protocol::catalogue::{Broker, Topic};
use firn_protocol::client::ClientKind;
use firn_protocol::zone::Zone;
use firn_protocol::{ApiResult, BrokerId, Timestamp};

use super::shapes::cluster::Runtime;
use crate::ops::curves::{self, Curve, Flow, Of, per_second};
use crate::ops::{Scope, Services};

/// Steps of two minutes in the ten that the longest rate is of.
const STEPS_LONG: u64 = 5;
/// Shown as they are, whatever the broker does.
const FIXED: [(&str, &str); 21] = [
    ("brokerId", "0"),
    ("dispatchBehindBytes", "0"),
    ("dispatchMaxBuffer", "0"),
    ("getMessageEntireTimeMax", "0"),
    ("getMissTps", "0.0 0.0 0.0"),
    ("pageCacheLockTimeMills", "0"),
    ("pullThreadPoolQueueCapacity", "100000"),
    ("pullThreadPoolQueueHeadWaitTimeMills", "0"),
    ("pullThreadPoolQueueSize", "0"),
    (
        "putMessageDistributeTime",
        "[<=0ms]:0 [0~10ms]:0 [10~50ms]:0 [50~100ms]:0 [100~200ms]:0 [200~500ms]:0 \
         [500ms~1s]:0 [1~2s]:0 [2~3s]:0 [3~4s]:0 [4~5s]:0 [5~10s]:0 [10s~]:0 ",
    ),
    ("putMessageEntireTimeMax", "0"),
    ("queryThreadPoolQueueCapacity", "20000"),
    ("queryThreadPoolQueueHeadWaitTimeMills", "0"),
    ("queryThreadPoolQueueSize", "0"),
    ("remainHowManyDataToFlush", "0 B"),
    ("remainTransientStoreBufferNumbs", "2147483647"),
    ("sendThreadPoolQueueCapacity", "10000"),
    ("sendThreadPoolQueueHeadWaitTimeMills", "0"),
    ("sendThreadPoolQueueSize", "0"),
    ("startAcceptSendRequestTimeStamp", "0"),
    (
        "brokerVersionDesc",
        concat!("V", env!("CARGO_PKG_VERSION"), "_FIRN"),
    ),
];

/// Traffic of an instance since yesterday's midnight, as far as it is kept.
pub(super) struct Traffic {
    curve: Option<Curve>,
    now: Timestamp,
    /// Of the instance's time zone.
    midnight: Timestamp,
    /// When the day before began.
    yesterday: Timestamp,
}

impl Traffic {
    pub(super) async fn read(services: &Services, scope: &Scope) -> ApiResult<Self> {
        let now = services.now();
        let zone = Zone::of(&scope.instance);
        let midnight = zone.midnight(now);
        let yesterday = zone.midnight(Timestamp(midnight.0.saturating_sub(1)));
        Ok(Self {
            curve: curves::since(services, scope, Of::default(), yesterday).await?,
            now,
            midnight,
            yesterday,
        })
    }

    fn flow(&self, broker: BrokerId, from: Timestamp, to: Timestamp) -> Flow {
        let curve = self.curve.as_ref();
        curve.map_or(Flow::default(), |it| it.flow(Some(broker), from, to))
    }

    fn today(&self, broker: BrokerId) -> Flow {
        self.flow(broker, self.midnight, self.now.plus_ms(1))
    }

    fn yesterday(&self, broker: BrokerId) -> Flow {
        self.flow(broker, self.yesterday, self.midnight)
    }

    /// Rates over the last step, twice, and over ten minutes: shorter times are not kept.
    fn rates(&self, broker: BrokerId, of: fn(Flow) -> u64) -> String {
        let rate = |steps| {
            let curve = self.curve.as_ref();
            let flow = curve.map_or(Flow::default(), |it| it.recent(Some(broker), steps));
            per_second(of(flow), steps)
        };
        format!("{:?} {:?} {:?}", rate(1), rate(1), rate(STEPS_LONG))
    }
}

/// Every value is a text.
pub(super) fn runtime(
    services: &Services,
    scope: &Scope,
    broker: &Broker,
    facts: &BrokerFacts,
    traffic: &Traffic,
) -> Runtime {
    let mut runtime = Runtime::new();
    for (name, text) in FIXED {
        runtime.insert(name, text.to_owned());
    }
    let mut set = |name, text: String| {
        runtime.insert(name, text);
    };
    let next = facts.next_position;
    let (oldest, oldest_at) = facts.oldest.unwrap_or((next, Timestamp(0)));
    set("brokerVersion", version_number().to_string());
    set("bootTimestamp", facts.started_at.to_string());
    set("brokerPid", std::process::id().to_string());
    set("brokerAddress", broker.id.store_host());
    set("commitLogMinOffset", oldest.to_string());
    set("commitLogMaxOffset", next.to_string());
    set("commitLogDiskRatio", format!("{:?}", facts.disk_used));
    set("consumeQueueDiskRatio", format!("{:?}", facts.disk_used));
    set("commitLogDirCapacity", capacity(facts));
    set("earliestMessageTimeStamp", oldest_at.to_string());
    set("runtime", lasted(services.now().since_ms(facts.started_at)));
    let topics = services.tenants.topics(scope.instance.id);
    let carried = topics.iter().filter(|topic| carries(topic, broker.id));
    set("topicNum", carried.count().to_string());
    let online = services.sessions.online(scope.instance.id, None);
    let clients = |kind| online.iter().filter(|it| it.kind() == kind).count();
    set(
        "producerConnectionsNum",
        clients(ClientKind::Producer).to_string(),
    );
    set(
        "consumerConnectionsNum",
        clients(ClientKind::Consumer).to_string(),
    );
    set_traffic(&mut runtime, broker.id, facts, traffic);
    runtime
}

fn set_traffic(runtime: &mut Runtime, broker: BrokerId, facts: &BrokerFacts, traffic: &Traffic) {
    let mut set = |name, text: String| {
        runtime.insert(name, text);
    };
    let (today, yesterday) = (traffic.today(broker), traffic.yesterday(broker));
    let sent = today.sent + yesterday.sent;
    let bytes = today.sent_bytes + yesterday.sent_bytes;
    set("putTps", traffic.rates(broker, |flow| flow.sent));
    for name in ["getTransferredTps", "getFoundTps", "getTotalTps"] {
        set(name, traffic.rates(broker, |flow| flow.delivered));
    }
    let average = bytes as f64 / sent.max(1) as f64;
    set("putMessageAverageSize", format!("{average:?}"));
    set("putMessageTimesTotal", facts.accepted.to_string());
    set("putMessageSizeTotal", facts.stored_bytes.to_string());
    // Counters as they stood at the last two midnights: their differences are the days.
    let put_now = facts.accepted.max(sent);
    for (name, count) in [
        ("msgPutTotalTodayNow", put_now),
        ("msgPutTotalTodayMorning", put_now - today.sent),
        ("msgPutTotalYesterdayMorning", put_now - sent),
        ("msgGetTotalTodayNow", yesterday.delivered + today.delivered),
        ("msgGetTotalTodayMorning", yesterday.delivered),
        ("msgGetTotalYesterdayMorning", 0),
    ] {
        set(name, count.to_string());
    }
}

fn carries(topic: &Topic, broker: BrokerId) -> bool {
    topic.brokers.is_empty() || topic.brokers.contains(&broker)
}

/// `1.2.3` as 10203.
fn version_number() -> u64 {
    let parts = env!("CARGO_PKG_VERSION").split('.');
    parts.fold(0, |number, part| {
        number * 100 + part.parse::<u64>().unwrap_or(0)
    })
}

fn capacity(facts: &BrokerFacts) -> String {
    let gib = |bytes: f64| bytes / (1_u64 << 30) as f64;
    let total = facts.disk_bytes as f64;
    let free = total * (1.0 - facts.disk_used);
    format!(
        "Total : {:.1} GiB, Free : {:.1} GiB.",
        gib(total),
        gib(free)
    )
}

fn lasted(ms: u64) -> String {
    let seconds = ms / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    format!(
        "[ {days} days, {} hours, {} minutes, {} seconds ]",
        hours % 24,
        minutes % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_the_forms_of_the_guide() {
        assert_eq!(
            lasted(((29 * 3600) + 3 * 60 + 12) * 1000 + 999),
            "[ 1 days, 5 hours, 3 minutes, 12 seconds ]"
        );
        let facts = BrokerFacts {
            disk_used: 0.25,
            disk_bytes: 4 << 30,
            ..BrokerFacts::default()
        };
        assert_eq!(capacity(&facts), "Total : 4.0 GiB, Free : 3.0 GiB.");
        assert!(FIXED[9].1.matches("]:0 ").count() == 13, "13 buckets");
    }
}
