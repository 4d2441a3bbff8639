//! Parsers of the values of `join` and `serve`: groups and ranges.

use gm_data::{DEFAULT_PRIORITY, GroupName, KeyRange};

/// A group to join at every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JoinSpec {
    pub(crate) group: GroupName,
    pub(crate) ranges: Vec<KeyRange>,
}

/// A range to serve at every start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServeSpec {
    pub(crate) group: GroupName,
    pub(crate) range: KeyRange,
    pub(crate) port: u16,
    pub(crate) priority: u16,
}

impl std::str::FromStr for JoinSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<JoinSpec, String> {
        let (group, ranges) =
            text.rsplit_once('=').map_or((text, None), |(group, ranges)| (group, Some(ranges)));
        let range = |text: &str| text.trim().parse::<KeyRange>().map_err(|error| format!("{text}: {error}"));
        let ranges = ranges.map(|ranges| ranges.split(',').map(range).collect()).transpose()?;
        Ok(JoinSpec { group: parse_group_name(group)?, ranges: ranges.unwrap_or_default() })
    }
}

impl std::str::FromStr for ServeSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<ServeSpec, String> {
        const FORM: &str = "it is not GROUP:START-END@PORT[/PRIORITY]";
        let (group, rest) = text.rsplit_once(':').ok_or(FORM)?;
        let (range, service) = rest.split_once('@').ok_or(FORM)?;
        let (port, priority) =
            service.split_once('/').map_or((service, None), |(port, priority)| (port, Some(priority)));
        let range = range.parse::<KeyRange>().map_err(|error| format!("{range}: {error}"))?;
        let number = |what: &str, text: &str| {
            let number = text.parse().ok().filter(|number| *number > 0);
            number.ok_or_else(|| format!("the {what} `{text}` is not 1 to 65535"))
        };
        let priority = priority.map(|priority| number("priority", priority)).transpose()?;
        let port = number("port", port)?;
        Ok(ServeSpec {
            group: parse_group_name(group)?,
            range,
            port,
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
        })
    }
}

fn parse_group_name(text: &str) -> Result<GroupName, String> {
    GroupName::new(text).map_err(|error| error.to_string())
}
