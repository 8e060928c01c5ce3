//! Logs: structured events on standard error, for people or as JSON.
//!
//! A log never holds a value, a key, an attribute name, a secret or a request's bytes: only what operators need
//! (table, operation, outcome, sizes, durations, request ids). Dependencies speak from `warn` on, unless the
//! filter names them.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::LogFormat;

/// Sends this process's events to standard error. A second call changes nothing and says so with `false`.
pub fn init(format: LogFormat, level: &str) -> bool {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(level))
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    match format {
        LogFormat::Text => builder
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init()
            .is_ok(),
        LogFormat::Json => builder
            .json()
            .flatten_event(true)
            .with_current_span(true)
            .try_init()
            .is_ok(),
    }
}

/// A bare level is ours; the HTTP/2 and TLS crates under us would drown it below `info`, and print frames.
fn filter(level: &str) -> EnvFilter {
    let text = match level.contains(['=', ',']) {
        true => level.to_owned(),
        false => format!(
            "{level},h2=warn,hyper=warn,hyper_util=warn,rustls=warn,tower=warn,tonic=warn,mio=warn"
        ),
    };
    EnvFilter::try_new(text).unwrap_or_else(|_| EnvFilter::new("info"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_level_keeps_the_transport_quiet() {
        assert!(filter("trace").to_string().contains("h2=warn"));
        assert!(!filter("info,h2=trace").to_string().contains("h2=warn"));
    }
}
