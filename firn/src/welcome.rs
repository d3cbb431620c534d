//! What a start says on standard output: where things are, and lines that work
//! when pasted.

use std::net::SocketAddr;

use firn_protocol::api::tenant::TenantApi;
use firn_runtime::config::Secret;

use crate::settings::Settings;

/// The demo tenant of `infra/demo.toml`, which the curl lines use.
const DEMO: [&str; 5] = ["demo", "demo", "demo-secret", "orders", "workers"];

/// Facts of a start.
pub(crate) struct Welcome {
    pub(crate) http: SocketAddr,
    pub(crate) grpc: SocketAddr,
    pub(crate) ops: SocketAddr,
    /// Only at the first start, and only here.
    pub(crate) operator_password: Option<Secret>,
}

impl Welcome {
    pub(crate) fn print(&self, settings: &Settings, tenants: &dyn TenantApi) {
        // Whoever reads us may have gone; serving goes on.
        let _ = std::io::Write::write_all(
            &mut std::io::stdout(),
            self.text(settings, tenants).as_bytes(),
        );
    }

    fn text(&self, settings: &Settings, tenants: &dyn TenantApi) -> String {
        let (http, grpc, ops) = (self.http, self.grpc, self.ops);
        let scheme = match settings.tls {
            Some(_) => "https",
            None => "http",
        };
        let mut text = format!(
            "\nFirn {version} is ready.\n\n  HTTP API   {scheme}://{http}   (documentation: /docs)\n  \
             gRPC       {grpc}   (RocketMQ 5 clients)\n  \
             metrics    http://{ops}/metrics   (also /livez, /readyz)\n  data       {data}\n",
            version = env!("CARGO_PKG_VERSION"),
            data = settings.data_dir.display(),
        );
        if let Some(password) = &self.operator_password {
            text.push_str(&format!(
                "\n  operator   user 'operator', password '{}' (shown only this once)\n",
                password.expose()
            ));
        }
        if has_demo(tenants) {
            text.push_str(&demo_lines(scheme, http));
        }
        text.push('\n');
        text
    }
}

/// Whether the demo credentials work, so that no line is printed that does not.
fn has_demo(tenants: &dyn TenantApi) -> bool {
    let [instance, access_key, secret_key, topic, group] = DEMO;
    tenants
        .authenticate(access_key, secret_key)
        .is_some_and(|user| {
            tenants
                .find_instance(Some(user.tenant), instance)
                .is_ok_and(|found| {
                    found.id == user.instance
                        && tenants.topic(found.id, topic).is_some()
                        && tenants.group(found.id, group).is_some()
                })
        })
}

fn demo_lines(scheme: &str, http: SocketAddr) -> String {
    let [instance, access_key, secret_key, topic, group] = DEMO;
    let base = format!("{scheme}://{http}/v1/instances/{instance}");
    format!(
        "  demo       access key '{access_key}', secret key '{secret_key}'\n\n\
         Send a message:\n\n  \
         curl -u {access_key}:{secret_key} {base}/topics/{topic}/messages \\\n       \
         -H 'content-type: application/json' -d '{{\"messages\":[{{\"body\":\"hello\"}}]}}'\n\n\
         Receive it:\n\n  \
         curl -u {access_key}:{secret_key} {base}/groups/{group}/topics/{topic}/receive \\\n       \
         -H 'content-type: application/json' -d '{{\"waitSeconds\":5}}'\n"
    )
}
