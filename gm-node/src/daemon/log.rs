//! The log: one line for each thing that an operator should know, on standard error. Its level can
//! be changed while it runs. Knows nothing of what is logged.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// What is logged.
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
            _ => return Err("it is none of off, error, warn, info, debug, trace"),
        }))
    }
}

/// How it is logged.
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

/// By which the level is changed.
#[derive(Clone, Debug)]
pub(crate) struct Log(reload::Handle<Targets, Registry>);

fn targets(LogLevel(level): LogLevel) -> Targets {
    // Libraries below speak of what their callers should know, not an operator.
    let ours = ["gm_node", "gm_broadcast", "gm_codec", "gm_data"];
    Targets::new().with_default(level.min(LevelFilter::WARN)).with_targets(ours.map(|name| (name, level)))
}

impl Log {
    /// Begins to log. Only once in a process.
    pub(crate) fn start((level, format): (LogLevel, LogFormat)) -> Log {
        let (filter, handle) = reload::Layer::new(targets(level));
        let is_terminal = std::io::stderr().is_terminal();
        let lines = fmt::layer().with_writer(std::io::stderr);
        let registry = tracing_subscriber::registry().with(filter);
        let begun = match format {
            LogFormat::Text => registry.with(lines.with_target(false).with_ansi(is_terminal)).try_init(),
            LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
        };
        // There is a log already: then that one counts.
        drop(begun);
        Log(handle)
    }

    /// Logs at that level from now on.
    pub(crate) fn set(&self, level: LogLevel) {
        // It fails if there is no log, and then there is nobody to tell.
        let _ = self.0.reload(targets(level));
    }
}
