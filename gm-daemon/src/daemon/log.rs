//! The log on standard error. Its level can be changed while the daemon runs.

use std::fmt;
use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, reload};

/// Level of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogLevel(LevelFilter);

impl Default for LogLevel {
    fn default() -> LogLevel {
        LogLevel(LevelFilter::INFO)
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<LogLevel, Self::Err> {
        Ok(LogLevel(match text {
            "off" => LevelFilter::OFF,
            "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            "trace" => LevelFilter::TRACE,
            _ => return Err("it is not one of off, error, warn, info, debug, trace"),
        }))
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<LogFormat, Self::Err> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("it is neither text nor json"),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        })
    }
}

/// Handle that changes the level.
#[derive(Clone, Debug)]
pub(crate) struct Log(reload::Handle<Targets, Registry>);

fn targets(LogLevel(level): LogLevel) -> Targets {
    // Libraries log at most warnings: their other messages are for their callers.
    let ours = ["gm_node", "gm_broadcast", "gm_codec", "gm_data"];
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours.map(|name| (name, level)))
}

impl Log {
    /// Starts the log. Only the first call in a process has an effect.
    pub(crate) fn start(level: LogLevel, format: LogFormat) -> Log {
        let (filter, handle) = reload::Layer::new(targets(level));
        let is_terminal = std::io::stderr().is_terminal();
        let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
        let registry = tracing_subscriber::registry().with(filter);
        let started = match format {
            LogFormat::Text => registry.with(lines.with_target(false).with_ansi(is_terminal)).try_init(),
            LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        };
        // This fails if there is a log already, which remains.
        drop(started);
        Log(handle)
    }

    /// Changes the level.
    pub(crate) fn set(&self, level: LogLevel) {
        // This fails only if there is no log.
        let _ = self.0.reload(targets(level));
    }
}
