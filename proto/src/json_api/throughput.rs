//! What tables and indexes are to be able to take, in requests and descriptions.

use sealdb_model::ops::{OnDemandThroughput, ProvisionedThroughput, WarmThroughput};

use super::fields::Fields;
use super::shape::{LONG, Member, POSITIVE_LONG, Shape, Structure, optional, required};
use super::write::Object;

static PROVISIONED: Shape = Shape::Structure(&Structure {
    name: "ProvisionedThroughput",
    members: &[
        required("WriteCapacityUnits", &POSITIVE_LONG),
        required("ReadCapacityUnits", &POSITIVE_LONG),
    ],
});
static ON_DEMAND: Shape = Shape::Structure(&Structure {
    name: "OnDemandThroughput",
    members: &[
        optional("MaxReadRequestUnits", &LONG),
        optional("MaxWriteRequestUnits", &LONG),
    ],
});
static WARM: Shape = Shape::Structure(&Structure {
    name: "WarmThroughput",
    members: &[
        optional("ReadUnitsPerSecond", &LONG),
        optional("WriteUnitsPerSecond", &LONG),
    ],
});

pub(super) const PROVISIONED_THROUGHPUT: Member = optional("ProvisionedThroughput", &PROVISIONED);
pub(super) const ON_DEMAND_THROUGHPUT: Member = optional("OnDemandThroughput", &ON_DEMAND);
pub(super) const WARM_THROUGHPUT: Member = optional("WarmThroughput", &WARM);

/// How the members above become fields of inputs.
impl Fields {
    pub(super) fn provisioned_throughput(&mut self) -> Option<ProvisionedThroughput> {
        let mut units = self.structure("ProvisionedThroughput")?;
        Some(ProvisionedThroughput {
            read_capacity_units: units.long("ReadCapacityUnits")?,
            write_capacity_units: units.long("WriteCapacityUnits")?,
        })
    }

    pub(super) fn on_demand_throughput(&mut self) -> Option<OnDemandThroughput> {
        let mut units = self.structure("OnDemandThroughput")?;
        Some(OnDemandThroughput {
            max_read_request_units: units.long("MaxReadRequestUnits"),
            max_write_request_units: units.long("MaxWriteRequestUnits"),
        })
    }

    pub(super) fn warm_throughput(&mut self) -> Option<WarmThroughput> {
        let mut units = self.structure("WarmThroughput")?;
        Some(WarmThroughput {
            read_units_per_second: units.long("ReadUnitsPerSecond"),
            write_units_per_second: units.long("WriteUnitsPerSecond"),
        })
    }
}

pub(super) fn write_provisioned(out: &mut Object<'_>, units: &ProvisionedThroughput) {
    out.object("ProvisionedThroughput", |out| {
        out.number("NumberOfDecreasesToday", 0);
        out.number("ReadCapacityUnits", units.read_capacity_units);
        out.number("WriteCapacityUnits", units.write_capacity_units);
    });
}

/// A limit that there is none of is not told.
pub(super) fn write_on_demand(out: &mut Object<'_>, units: Option<&OnDemandThroughput>) {
    if let Some(units) = units {
        out.object("OnDemandThroughput", |out| {
            for (name, limit) in [
                ("MaxReadRequestUnits", units.max_read_request_units),
                ("MaxWriteRequestUnits", units.max_write_request_units),
            ] {
                if let Some(limit) = limit {
                    out.number(name, limit);
                }
            }
        });
    }
}

/// `status` is that of the table or index.
pub(super) fn write_warm(out: &mut Object<'_>, units: Option<&WarmThroughput>, status: &str) {
    if let Some(units) = units {
        out.object("WarmThroughput", |out| {
            for (name, ready) in [
                ("ReadUnitsPerSecond", units.read_units_per_second),
                ("WriteUnitsPerSecond", units.write_units_per_second),
            ] {
                if let Some(ready) = ready {
                    out.number(name, ready);
                }
            }
            out.text("Status", status);
        });
    }
}
