//! Time to live: items whose attribute of this name is a time in the past are deleted by themselves. UpdateTimeToLive and
//! DescribeTimeToLive.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::map::Item;
use crate::names::{AttributeName, MAX_KEY_NAME, TableName, shortened};
use crate::ops::wire_enum;
use crate::value::AttributeValue;

/// A time further in the past than this, in seconds, is taken for a mistake: five years.
pub const OLDEST_EXPIRY: u64 = 5 * 365 * 24 * 3600;

wire_enum! {
    /// The state of a table's time to live.
    TimeToLiveStatus {
        /// Items are being looked through.
        Enabling = "ENABLING",
        /// Being switched off.
        Disabling = "DISABLING",
        /// Items expire.
        Enabled = "ENABLED",
        /// None expires.
        Disabled = "DISABLED",
    }
}

/// What is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct TimeToLiveSpecification {
    /// Whether items expire.
    pub enabled: bool,
    /// The attribute that holds the time, in seconds since 1970.
    pub attribute_name: String,
}

/// Whether it is on; names of attributes stay out of logs.
impl fmt::Debug for TimeToLiveSpecification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeToLiveSpecification({})", self.enabled)
    }
}

/// What UpdateTimeToLive takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTimeToLiveInput {
    /// The table.
    pub table_name: String,
    /// What is asked for.
    pub time_to_live_specification: TimeToLiveSpecification,
}

impl UpdateTimeToLiveInput {
    /// Switches time to live on or off.
    pub fn new(
        table_name: impl Into<String>,
        attribute_name: impl Into<String>,
        enabled: bool,
    ) -> Self {
        Self {
            table_name: table_name.into(),
            time_to_live_specification: TimeToLiveSpecification {
                enabled,
                attribute_name: attribute_name.into(),
            },
        }
    }

    /// Checks all that can be known without the table.
    ///
    /// # Errors
    /// A bad name of the table or the attribute.
    pub fn validate(self) -> Result<UpdateTimeToLive, ValidationError> {
        let TimeToLiveSpecification {
            enabled,
            attribute_name: name,
        } = self.time_to_live_specification;
        let mut constraints = Constraints::default();
        let at = "timeToLiveSpecification.attributeName";
        constraints.length(name.len(), 1, MAX_KEY_NAME, shortened(&name), at);
        constraints.finish()?;
        Ok(UpdateTimeToLive {
            table: TableName::of_request(self.table_name)?,
            attribute: AttributeName::new(name)?,
            enabled,
        })
    }
}

/// An UpdateTimeToLive that follows the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTimeToLive {
    /// The table.
    pub table: TableName,
    /// The attribute.
    pub attribute: AttributeName,
    /// Whether items expire from now on.
    pub enabled: bool,
}

impl UpdateTimeToLive {
    /// Whether it fits what the table has now.
    ///
    /// # Errors
    /// AWS's messages for what is already so, and for another attribute.
    pub fn fits(&self, now: Option<&AttributeName>) -> Result<(), ValidationError> {
        match (now, self.enabled) {
            (Some(now), _) if *now != self.attribute => Err(ValidationError::new(format!(
                "TimeToLive is active on a different AttributeName: current AttributeName is {now}"
            ))),
            (Some(_), true) => Err(ValidationError::new("TimeToLive is already enabled")),
            (None, false) => Err(ValidationError::new("TimeToLive is already disabled")),
            _ => Ok(()),
        }
    }
}

/// What UpdateTimeToLive gives back: what was asked for.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateTimeToLiveOutput {
    /// What was asked for.
    pub time_to_live_specification: TimeToLiveSpecification,
}

impl UpdateTimeToLiveOutput {
    /// An output.
    pub fn new(time_to_live_specification: TimeToLiveSpecification) -> Self {
        Self {
            time_to_live_specification,
        }
    }
}

/// What DescribeTimeToLive takes.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DescribeTimeToLiveInput {
    /// The table.
    pub table_name: String,
}

impl DescribeTimeToLiveInput {
    /// That of this table.
    pub fn new(table_name: impl Into<String>) -> Self {
        Self {
            table_name: table_name.into(),
        }
    }

    /// The table.
    ///
    /// # Errors
    /// A bad name.
    pub fn validate(self) -> Result<TableName, ValidationError> {
        TableName::of_request(self.table_name)
    }
}

/// What DescribeTimeToLive gives back.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct DescribeTimeToLiveOutput {
    /// Its state.
    pub time_to_live_status: TimeToLiveStatus,
    /// The attribute, unless it is off.
    pub attribute_name: Option<String>,
}

/// The state; names of attributes stay out of logs.
impl fmt::Debug for DescribeTimeToLiveOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DescribeTimeToLiveOutput({})", self.time_to_live_status)
    }
}

impl DescribeTimeToLiveOutput {
    /// An output.
    pub fn new(time_to_live_status: TimeToLiveStatus, attribute_name: Option<String>) -> Self {
        Self {
            time_to_live_status,
            attribute_name,
        }
    }
}

/// When the item expires by this attribute, in seconds since 1970. `None`: never.
pub fn expiry(item: &Item, attribute: &AttributeName) -> Option<u64> {
    match item.get(attribute.as_str())? {
        // Whole seconds count; what stands behind the point makes it expire no earlier.
        AttributeValue::N(number) => whole(number.to_string().split('.').next()?),
        _ => None,
    }
}

fn whole(digits: &str) -> Option<u64> {
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_number_of_seconds_is_a_time() {
        let attribute = AttributeName::new("until").unwrap();
        let of = |value: AttributeValue| expiry(&Item::from([("until", value)]), &attribute);
        let number = |text: &str| AttributeValue::N(text.parse().unwrap());
        assert_eq!(of(number("1700000000")), Some(1_700_000_000));
        assert_eq!(of(number("12.9")), Some(12));
        assert_eq!(of(number("-1")), None);
        assert_eq!(of(number("1e30")), None);
        assert_eq!(of("1700000000".into()), None);
        assert_eq!(expiry(&Item::new(), &attribute), None);
    }

    #[test]
    fn what_is_so_already_is_refused_as_aws_does() {
        let update = |enabled| {
            UpdateTimeToLiveInput::new("films", "until", enabled)
                .validate()
                .unwrap()
        };
        let until = AttributeName::new("until").unwrap();
        let other = AttributeName::new("other").unwrap();
        let message = |enabled, now| update(enabled).fits(now).unwrap_err().to_string();
        assert_eq!(message(true, Some(&until)), "TimeToLive is already enabled");
        assert_eq!(message(false, None), "TimeToLive is already disabled");
        assert_eq!(
            message(true, Some(&other)),
            "TimeToLive is active on a different AttributeName: current AttributeName is other"
        );
        assert!(update(true).fits(None).is_ok() && update(false).fits(Some(&until)).is_ok());
    }
}
