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

// `accessKey` and `secretKey` are among the ways to send credentials, see `native::docs`.
parameters!(Query Auth {
    /// Number of the tenant.
    tenant_id: String,
    /// Name of the instance.
    cluster_name: String,
});
parameters!(Query AuthQuery {
    /// Number of the tenant.
    tenant_id: String,
    /// As in the path, if it is given.
    cluster_name: Option<String>,
});
parameters!(Query Named {
    /// Number of the tenant.
    tenant_id: String,
    /// Name of the instance.
    cluster_name: String,
    /// Name of the application user.
    access_key: String,
    /// Its secret, which is then shown.
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
