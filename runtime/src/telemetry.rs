//! Structured logs and the metrics registry.

use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The HTTP server logs an error for each request that is not HTTP. Anybody can send
/// such a thing, and it is answered; nobody has to look at it.
const NOT_OURS: &str = "actix_http::h1::dispatcher=off";

/// Starts logging to standard error; `filter` is a `tracing` directive list.
/// A second call in one process (tests) changes nothing.
pub fn start_logs(format: LogFormat, filter: &str) {
    let filter = parse(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

/// All metrics of the process in Prometheus' text format.
#[must_use]
pub fn metrics_text(registry: &prometheus::Registry) -> String {
    prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .unwrap_or_default()
}

/// Whether [`start_logs`] can use a directive list as it is.
///
/// # Errors
/// What is wrong with it, in words.
pub fn check_filter(filter: &str) -> Result<(), String> {
    parse(filter).map(|_| ())
}

/// The parser of directives panics on some texts outside ASCII, and none of
/// these means anything.
fn parse(filter: &str) -> Result<EnvFilter, String> {
    if !filter.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Err("expected levels and directives in plain ASCII".to_owned());
    }
    // A directive of the caller's for the same target counts, being the later one.
    let ours = if filter.is_empty() { "" } else { NOT_OURS };
    EnvFilter::try_new(format!("{ours},{filter}")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked() {
        for good in ["info", "warn,firn_gateway=debug", ""] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        // The second one makes the parser itself panic.
        for bad in ["firn=loud", "\u{e1}\n\u{aa};\u{a5}=", "a\nb"] {
            let error = check_filter(bad).expect_err(bad);
            assert!(!error.contains('\n'), "{error}");
        }
    }
}
