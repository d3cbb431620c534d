//! Parameters, for the API's description.

use utoipa::IntoParams;

macro_rules! parameters {
    ($place:ident $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty),+ $(,)? }) => {
        #[derive(IntoParams)]
        #[into_params(parameter_in = $place, rename_all = "camelCase")]
        #[expect(dead_code, reason = "describes parameters; never built")]
        pub(in crate::management) struct $name {
            $($(#[$doc])* $field: $kind,)+
        }
    };
}

parameters!(Query Auth {
    /// Number of the tenant.
    tenant_id: String,
    /// Name of the instance.
    cluster_name: String,
    /// Without an `Authorization` header: name of the application user.
    access_key: Option<String>,
    /// Without an `Authorization` header: its secret.
    secret_key: Option<String>,
});
parameters!(Query AuthQuery {
    /// Number of the tenant.
    tenant_id: String,
    /// As in the path, if it is given.
    cluster_name: Option<String>,
    /// Without an `Authorization` header: name of the application user.
    access_key: Option<String>,
    /// Without an `Authorization` header: its secret.
    secret_key: Option<String>,
});
parameters!(Query Page {
    /// From 1; default 1.
    page_number: Option<u64>,
    /// Default 5, at most 1000.
    page_size: Option<u64>,
});
parameters!(Path ClusterPath {
    /// Name of the instance.
    cluster_name: String,
});
parameters!(Path TopicPath {
    /// Name of the instance.
    cluster_name: String,
    /// Name of the topic.
    topic_name: String,
});
parameters!(Path GroupPath {
    /// Name of the instance.
    cluster_name: String,
    /// Name of the group.
    group_name: String,
});
parameters!(Path MessagePath {
    /// 32, 34 or 56 hex digits.
    msg_id: String,
});
