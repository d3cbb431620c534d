//! Parameters of paths, for the API's description.

use utoipa::IntoParams;

macro_rules! parameters {
    ($name:ident { $($(#[$doc:meta])* $field:ident),+ }) => {
        #[derive(IntoParams)]
        #[into_params(parameter_in = Path)]
        #[expect(dead_code, reason = "describes a path; never built")]
        pub(in crate::native) struct $name {
            $($(#[$doc])* $field: String,)+
        }
    };
}

parameters!(InstancePath {
    /// Name or id of the instance.
    instance
});
parameters!(TopicPath {
    /// Name or id of the instance.
    instance,
    /// Name of the topic; `%25DLQ%25G` for dead letters of group `G`.
    topic
});
parameters!(TransactionPath {
    /// Name or id of the instance.
    instance,
    /// Name of the topic.
    topic,
    /// `transactionId` as it was given.
    transaction
});
parameters!(GroupPath {
    /// Name or id of the instance.
    instance,
    /// Name of the group.
    group
});
parameters!(ConsumePath {
    /// Name or id of the instance.
    instance,
    /// Name of the group.
    group,
    /// Name of the topic; `%25DLQ%25G` for dead letters of group `G`.
    topic
});
parameters!(UserPath {
    /// Name or id of the instance.
    instance,
    /// Access key of the user.
    access_key
});
parameters!(TokenPath {
    /// Name or id of the instance.
    instance,
    /// Id of the token.
    token
});
parameters!(TenantPath {
    /// Number of the tenant.
    tenant
});
parameters!(TenantTokenPath {
    /// Number of the tenant.
    tenant,
    /// Id of the token.
    token
});
parameters!(PersonPath {
    /// Number of the tenant.
    tenant,
    /// Name of the console user.
    username
});
parameters!(BillPath {
    /// Number of the tenant.
    tenant,
    /// `YYYY-MM`, in UTC.
    month
});
parameters!(MessagePath {
    /// Name or id of the instance.
    instance,
    /// `messageId` or `offsetMessageId`.
    message_id
});
