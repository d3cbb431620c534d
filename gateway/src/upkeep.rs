//! What the gateway does from time to time: forgets clients that have gone and
//! limits that nobody meets, counts who is left, tells what was refused, looks whether
//! certificates have changed, and renews its shares of limits.

use std::sync::Arc;
use std::time::Duration;

use firn_runtime::{Stop, tasks};

use crate::ops::Services;
use crate::tls::Certificate;

const PERIOD: Duration = Duration::from_secs(5);

pub(crate) async fn run(services: Arc<Services>, certificates: Vec<Arc<Certificate>>, stop: Stop) {
    while !stop.is_cancelled() {
        tick(&services);
        reload(&certificates).await;
        flush(&services, false).await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = services.clock.sleep(PERIOD) => {}
        }
    }
    flush(&services, true).await;
}

/// Keeps this gateway's shares of limits, until `stop`.
pub(crate) async fn keep_shares(services: Arc<Services>, stop: Stop) {
    let admission = &services.admission;
    while !stop.is_cancelled() {
        let pause = admission.renew().await;
        tokio::select! {
            () = stop.cancelled() => {}
            () = services.clock.sleep(pause) => {}
            () = admission.hurried() => {}
        }
    }
}

/// Certificates are renewed while they are in use.
async fn reload(certificates: &[Arc<Certificate>]) {
    if certificates.is_empty() {
        return;
    }
    let certificates = certificates.to_vec();
    tasks::blocking(move || {
        for certificate in certificates {
            certificate.reload();
        }
    })
    .await;
}

async fn flush(services: &Services, at_once: bool) {
    let denied = &services.denied;
    denied
        .flush(&*services.tenants, services.now(), at_once)
        .await;
}

fn tick(services: &Services) {
    services.admission.tick();
    let census = services.sessions.tick();
    let metrics = &services.metrics;
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    metrics.consumers.set(number(census.consumers));
    metrics.producers.set(number(census.producers));
    let inconsistent = number(census.groups_inconsistent);
    metrics.groups_inconsistent.set(inconsistent);
    metrics
        .connections
        .set(number(services.connections.total()));
    let is_cut_off = services.admission.is_cut_off();
    metrics.limits_cut_off.set(i64::from(is_cut_off));
}
