//! Bodies of requests, for the API's description. They are read by `body::Fields`, which
//! takes more than is said here.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// A topic to make or to change.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::management) struct TopicBody {
    cluster_name_list: Option<Vec<String>>,
    /// Required to make one; empty or `全部` is all.
    broker_name_list: Option<Vec<String>>,
    /// Required to make one.
    topic_name: Option<String>,
    /// On each broker, 1 to 1024; default 4.
    write_queue_nums: Option<u16>,
    read_queue_nums: Option<u16>,
    /// 6 read and write, 4 read, 2 write; default 6.
    perm: Option<u8>,
    order: Option<bool>,
    remark: Option<String>,
    /// Groups that may consume it; empty is all.
    allowd_consumer_groups: Option<Vec<String>>,
}

/// A group to make or to change.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::management) struct GroupBody {
    /// Required to make one.
    subscription_group_config: Option<GroupConfigBody>,
    broker_name_list: Option<Vec<String>>,
    cluster_name_list: Option<Vec<String>>,
    remark: Option<String>,
}

#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::management) struct GroupConfigBody {
    /// Required to make one.
    group_name: Option<String>,
    consume_enable: Option<bool>,
    /// 1 client decides, 2 first stored message, 3 end.
    first_consume_mechanism: Option<String>,
    /// 1 or 2.
    pull_mechanism: Option<String>,
    /// Topics that the group may consume; `{}` is all.
    subscribe_map: Option<BTreeMap<String, TpsBody>>,
    retry_max_times: Option<u32>,
}

#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::management) struct TpsBody {
    /// 0 is unlimited.
    tps: Option<u64>,
}

/// Where groups go on in a topic.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::management) struct ResetBody {
    consumer_group_list: Vec<String>,
    topic_name: String,
    /// Ms since 1970, or `yyyy-MM-dd HH:mm:ss` in the instance's time zone; none is the
    /// first stored message.
    reset_time: Option<String>,
    /// Whether offsets may also go forward; default false.
    reset_forward: Option<bool>,
    /// Although consumers of mechanism 1 are online; default false.
    force: Option<bool>,
    page_number: Option<u64>,
    page_size: Option<u64>,
}
