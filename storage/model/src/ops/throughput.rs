//! What a table or a global index is to be able to take. Kept, and told as it was asked for; it limits nothing here.

use std::fmt;

use crate::error::{Constraints, ValidationError};
use crate::names::IndexName;
use crate::ops::BillingMode;

/// Most capacity units.
const MAX_UNITS: i64 = 1_000_000_000_000;
/// Requests a second that AWS has ready for an on-demand table from its first day: reads, writes.
const WARM_ON_DEMAND: (i64, i64) = (12_000, 4_000);
/// In place of a limit: there is none.
const NO_LIMIT: i64 = -1;

/// Capacity units. Accepted and reported as they were asked for; they limit nothing here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ProvisionedThroughput {
    /// Units of reading per second.
    pub read_capacity_units: i64,
    /// Units of writing per second.
    pub write_capacity_units: i64,
}

/// The most that an on-demand table or index is to take in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OnDemandThroughput {
    /// Units of reading, at least 1; -1 takes the limit away.
    pub max_read_request_units: Option<i64>,
    /// Units of writing, likewise.
    pub max_write_request_units: Option<i64>,
}

/// What a table or index is to take from one second to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WarmThroughput {
    /// Units of reading, at least 1.
    pub read_units_per_second: Option<i64>,
    /// Units of writing, at least 1.
    pub write_units_per_second: Option<i64>,
}

/// All of it, of a table or an index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Throughput {
    /// Capacity units; zeros for PAY_PER_REQUEST.
    pub provisioned: ProvisionedThroughput,
    /// The most on demand.
    pub on_demand: OnDemandThroughput,
    /// What was asked to be ready.
    pub warm: WarmThroughput,
}

/// What a request says about throughput; what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) provisioned: Option<ProvisionedThroughput>,
    pub(super) on_demand: Option<OnDemandThroughput>,
    pub(super) warm: Option<WarmThroughput>,
}

/// What throughput belongs to, as messages name it.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    NewTable,
    Table,
    Index(&'a IndexName),
}

/// ` for index: …`, or nothing.
impl fmt::Display for Of<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Of::NewTable | Of::Table => Ok(()),
            Of::Index(name) => write!(f, " for index: {name}"),
        }
    }
}

impl Throughput {
    /// With what a request asks for, in this billing mode from now on.
    pub(super) fn with(self, asked: Asked, mode: BillingMode) -> Self {
        let limit = |asked: Option<i64>, now| match asked {
            None => now,
            Some(NO_LIMIT) => None,
            limit => limit,
        };
        let on_demand = asked.on_demand.unwrap_or_default();
        let warm = asked.warm.unwrap_or_default();
        let (provisioned, on_demand) = match mode {
            BillingMode::PayPerRequest => (
                ProvisionedThroughput::default(),
                OnDemandThroughput {
                    max_read_request_units: limit(
                        on_demand.max_read_request_units,
                        self.on_demand.max_read_request_units,
                    ),
                    max_write_request_units: limit(
                        on_demand.max_write_request_units,
                        self.on_demand.max_write_request_units,
                    ),
                },
            ),
            BillingMode::Provisioned => (
                asked.provisioned.unwrap_or(self.provisioned),
                OnDemandThroughput::default(),
            ),
        };
        Self {
            provisioned,
            on_demand,
            warm: WarmThroughput {
                read_units_per_second: warm
                    .read_units_per_second
                    .or(self.warm.read_units_per_second),
                write_units_per_second: warm
                    .write_units_per_second
                    .or(self.warm.write_units_per_second),
            },
        }
    }

    /// What DescribeTable tells of the most on demand: nothing where there is no limit.
    pub(super) fn told_on_demand(&self) -> Option<OnDemandThroughput> {
        (self.on_demand != OnDemandThroughput::default()).then_some(self.on_demand)
    }

    /// What DescribeTable tells to be ready: as much as AWS would have, or what was asked for, if that is more.
    pub fn told_warm(&self, mode: BillingMode) -> WarmThroughput {
        let (read, write) = match mode {
            BillingMode::PayPerRequest => WARM_ON_DEMAND,
            BillingMode::Provisioned => (
                self.provisioned.read_capacity_units,
                self.provisioned.write_capacity_units,
            ),
        };
        let more = |asked: Option<i64>, ready| Some(asked.unwrap_or(ready).max(ready));
        WarmThroughput {
            read_units_per_second: more(self.warm.read_units_per_second, read),
            write_units_per_second: more(self.warm.write_units_per_second, write),
        }
    }
}

impl Asked {
    /// What does not follow the shape, in the field that `under` leads to.
    pub(super) fn check_shape(&self, under: &str, constraints: &mut Constraints) {
        let Some(units) = self.provisioned else {
            return;
        };
        for (value, name) in [
            (units.write_capacity_units, "writeCapacityUnits"),
            (units.read_capacity_units, "readCapacityUnits"),
        ] {
            let field = format!("{under}provisionedThroughput.{name}");
            constraints.at_least(value, 1, &field);
        }
    }

    /// What does not fit the billing mode, or is out of bounds.
    pub(super) fn check(&self, of: Of<'_>, mode: BillingMode) -> Result<(), ValidationError> {
        match (mode, self.provisioned, self.on_demand) {
            (BillingMode::PayPerRequest, Some(_), _) => {
                return Err(ValidationError::invalid_parameter(format_args!(
                    "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified{of} when BillingMode is \
                     PAY_PER_REQUEST"
                )));
            }
            (BillingMode::Provisioned, _, Some(most)) => return Err(not_on_demand(of, most)),
            _ => {}
        }
        self.check_bounds(of)
    }

    fn check_bounds(&self, of: Of<'_>) -> Result<(), ValidationError> {
        let units = self.provisioned.unwrap_or_default();
        let on_demand = self.on_demand.unwrap_or_default();
        let warm = self.warm.unwrap_or_default();
        let limit = |limit: Option<i64>| limit.filter(|limit| *limit != NO_LIMIT).unwrap_or(1);
        for (value, least, name) in [
            (units.read_capacity_units, 0, "ReadCapacityUnits"),
            (units.write_capacity_units, 0, "WriteCapacityUnits"),
            (
                limit(on_demand.max_read_request_units),
                1,
                "MaxReadRequestUnits",
            ),
            (
                limit(on_demand.max_write_request_units),
                1,
                "MaxWriteRequestUnits",
            ),
            (
                warm.read_units_per_second.unwrap_or(1),
                1,
                "ReadUnitsPerSecond",
            ),
            (
                warm.write_units_per_second.unwrap_or(1),
                1,
                "WriteUnitsPerSecond",
            ),
        ] {
            if !(least..=MAX_UNITS).contains(&value) {
                let of = match of {
                    Of::NewTable | Of::Table => String::new(),
                    Of::Index(name) => format!(" for index {name}"),
                };
                return Err(ValidationError::new(format!(
                    "Given value {value} for {name} is out of bounds{of}"
                )));
            }
        }
        Ok(())
    }

    /// Capacity units that are asked for must be other ones.
    pub(super) fn changes(
        &self,
        now: ProvisionedThroughput,
        of: Of<'_>,
    ) -> Result<(), ValidationError> {
        let Some(asked) = self.provisioned.filter(|asked| *asked == now) else {
            return Ok(());
        };
        let (whose, what) = match of {
            Of::NewTable | Of::Table => ("the table".to_owned(), "table"),
            Of::Index(name) => (format!("the index {name}"), "index"),
        };
        let (read, write) = (asked.read_capacity_units, asked.write_capacity_units);
        Err(ValidationError::new(format!(
            "The provisioned throughput for {whose} will not change. The requested value equals the current value. Current \
             ReadCapacityUnits provisioned for the {what}: {read}. Requested ReadCapacityUnits: {read}. Current \
             WriteCapacityUnits provisioned for the {what}: {write}. Requested WriteCapacityUnits: {write}. Refer to the \
             Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )))
    }
}

/// The most on demand, where capacity is provisioned. AWS's words differ from operation to operation.
fn not_on_demand(of: Of<'_>, most: OnDemandThroughput) -> ValidationError {
    let given = match most.max_read_request_units {
        Some(_) => "MaxReadRequestUnits",
        None => "MaxWriteRequestUnits",
    };
    let (of, whose, stop) = match of {
        Of::NewTable => (String::new(), "table", "."),
        Of::Table | Of::Index(_) => (of.to_string(), "the table", ""),
    };
    ValidationError::invalid_parameter(format_args!(
        "{given} for OnDemandThroughput cannot be specified{of} when {whose} BillingMode is PROVISIONED{stop}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: ProvisionedThroughput = ProvisionedThroughput {
        read_capacity_units: 5,
        write_capacity_units: 6,
    };

    #[test]
    fn what_is_absent_stays_and_minus_one_takes_a_limit_away() {
        let asked = Asked {
            on_demand: Some(OnDemandThroughput {
                max_read_request_units: Some(10),
                max_write_request_units: Some(20),
            }),
            ..Asked::default()
        };
        let limited = Throughput::default().with(asked, BillingMode::PayPerRequest);
        let asked = Asked {
            on_demand: Some(OnDemandThroughput {
                max_read_request_units: Some(-1),
                max_write_request_units: None,
            }),
            ..Asked::default()
        };
        let less = limited.with(asked, BillingMode::PayPerRequest);
        assert_eq!(
            less.told_on_demand(),
            Some(OnDemandThroughput {
                max_read_request_units: None,
                max_write_request_units: Some(20),
            })
        );
        let provisioned = Asked {
            provisioned: Some(UNITS),
            ..Asked::default()
        };
        let provisioned = less.with(provisioned, BillingMode::Provisioned);
        assert_eq!(provisioned.provisioned, UNITS);
        assert_eq!(provisioned.told_on_demand(), None);
    }

    #[test]
    fn what_is_ready_is_what_aws_has_or_more() {
        let ready = |throughput: Throughput, mode| {
            let told = throughput.told_warm(mode);
            (told.read_units_per_second, told.write_units_per_second)
        };
        let mut throughput = Throughput {
            provisioned: UNITS,
            ..Throughput::default()
        };
        assert_eq!(
            ready(throughput, BillingMode::PayPerRequest),
            (Some(12_000), Some(4_000))
        );
        assert_eq!(
            ready(throughput, BillingMode::Provisioned),
            (Some(5), Some(6))
        );
        throughput.warm.read_units_per_second = Some(15_000);
        assert_eq!(
            ready(throughput, BillingMode::PayPerRequest),
            (Some(15_000), Some(4_000))
        );
    }

    #[test]
    fn units_that_do_not_fit_are_refused_as_aws_does() {
        let index = IndexName::new("by-city").expect("a name");
        let message = |asked: Asked, of: Of<'_>, mode| match asked.check(of, mode) {
            Err(error) => error.to_string(),
            Ok(()) => String::new(),
        };
        let units = Asked {
            provisioned: Some(UNITS),
            ..Asked::default()
        };
        assert_eq!(
            message(units, Of::Index(&index), BillingMode::PayPerRequest),
            "One or more parameter values were invalid: Neither ReadCapacityUnits nor WriteCapacityUnits can be specified \
             for index: by-city when BillingMode is PAY_PER_REQUEST"
        );
        assert_eq!(message(units, Of::Table, BillingMode::Provisioned), "");
        let most = Asked {
            on_demand: Some(OnDemandThroughput {
                max_read_request_units: Some(5),
                max_write_request_units: None,
            }),
            ..Asked::default()
        };
        let refused = "One or more parameter values were invalid: MaxReadRequestUnits for OnDemandThroughput cannot be \
                       specified when ";
        assert_eq!(
            message(most, Of::NewTable, BillingMode::Provisioned),
            format!("{refused}table BillingMode is PROVISIONED.")
        );
        assert_eq!(
            message(most, Of::Table, BillingMode::Provisioned),
            format!("{refused}the table BillingMode is PROVISIONED")
        );
        let many = Asked {
            provisioned: Some(ProvisionedThroughput {
                write_capacity_units: MAX_UNITS + 1,
                ..UNITS
            }),
            ..Asked::default()
        };
        assert_eq!(
            message(many, Of::Index(&index), BillingMode::Provisioned),
            "Given value 1000000000001 for WriteCapacityUnits is out of bounds for index by-city"
        );
        let none = Asked {
            on_demand: Some(OnDemandThroughput {
                max_read_request_units: Some(0),
                max_write_request_units: Some(-1),
            }),
            ..Asked::default()
        };
        assert_eq!(
            message(none, Of::Table, BillingMode::PayPerRequest),
            "Given value 0 for MaxReadRequestUnits is out of bounds"
        );
    }

    #[test]
    fn the_same_units_again_are_refused_as_aws_does() {
        let asked = Asked {
            provisioned: Some(UNITS),
            ..Asked::default()
        };
        let refused = asked.changes(UNITS, Of::Table).map_err(|e| e.to_string());
        assert_eq!(
            refused,
            Err("The provisioned throughput for the table will not change. The requested value equals the current value. \
                 Current ReadCapacityUnits provisioned for the table: 5. Requested ReadCapacityUnits: 5. Current \
                 WriteCapacityUnits provisioned for the table: 6. Requested WriteCapacityUnits: 6. Refer to the Amazon \
                 DynamoDB Developer Guide for current limits and how to request higher limits."
                .to_owned())
        );
        let now = ProvisionedThroughput::default();
        assert!(asked.changes(now, Of::Table).is_ok());
    }
}
