//! Parameters and answers that several operations share.

#![deny(clippy::indexing_slicing)]

use sealdb_model::ops::{self, CapacityUnits};

use crate::convert::WireError;
use crate::convert::field::{Field, Message, enums, same_fields};
use crate::v1;

enums!(
    ops::ReturnValue,
    v1::ReturnValue = default {
        None,
        AllOld,
        UpdatedOld,
        AllNew,
        UpdatedNew
    }
);
enums!(
    ops::ReturnValuesOnConditionCheckFailure,
    v1::ReturnValuesOnConditionCheckFailure = default { None, AllOld }
);
enums!(
    ops::ReturnConsumedCapacity,
    v1::ReturnConsumedCapacity = default {
        Indexes,
        Total,
        None
    }
);
enums!(
    ops::ReturnItemCollectionMetrics,
    v1::ReturnItemCollectionMetrics = default { Size, None }
);
enums!(
    ops::Select,
    v1::Select {
        AllAttributes,
        AllProjectedAttributes,
        SpecificAttributes,
        Count
    }
);
enums!(
    ops::ComparisonOperator,
    v1::ComparisonOperator {
        Eq,
        Ne,
        In,
        Le,
        Lt,
        Ge,
        Gt,
        Between,
        NotNull,
        Null,
        Contains,
        NotContains,
        BeginsWith
    }
);
enums!(
    ops::ConditionalOperator,
    v1::ConditionalOperator = default { And, Or }
);
enums!(
    ops::AttributeAction,
    v1::AttributeAction = default { Add, Put, Delete }
);

same_fields!(
    ops::Condition, v1::Condition,
    new(comparison_operator: ops::ComparisonOperator), attribute_value_list
);
same_fields!(
    ops::ExpectedAttributeValue,
    v1::ExpectedAttributeValue,
    new(),
    value,
    exists,
    comparison_operator,
    attribute_value_list
);
same_fields!(
    ops::AttributeValueUpdate,
    v1::AttributeValueUpdate,
    new(),
    value,
    action
);

/// 2^53: below it a double holds every count of halves exactly.
const MAX_HALVES: f64 = 9_007_199_254_740_992.0;

impl Field<f64> for CapacityUnits {
    fn to_wire(self) -> f64 {
        self.as_f64()
    }

    fn from_wire(units: f64, name: &str) -> Result<Self, WireError> {
        let halves = units * 2.0;
        if (0.0..MAX_HALVES).contains(&halves) && halves.fract() == 0.0 {
            Ok(CapacityUnits::from_halves(halves as u64))
        } else {
            let problem = format!("{units} is no count of capacity units");
            Err(WireError::new(name, problem))
        }
    }
}

impl Field<Option<f64>> for Option<CapacityUnits> {
    fn to_wire(self) -> Option<f64> {
        self.map(Field::to_wire)
    }

    fn from_wire(units: Option<f64>, name: &str) -> Result<Self, WireError> {
        units.map(|units| Field::from_wire(units, name)).transpose()
    }
}

same_fields!(
    ops::Capacity, v1::Capacity,
    new(capacity_units: CapacityUnits), read_capacity_units, write_capacity_units
);
same_fields!(
    ops::ConsumedCapacity, v1::ConsumedCapacity,
    new(table_name: String, total: ops::Capacity),
    table, local_secondary_indexes, global_secondary_indexes
);

impl Message for ops::ItemCollectionMetrics {
    type Wire = v1::ItemCollectionMetrics;
}

impl From<ops::ItemCollectionMetrics> for v1::ItemCollectionMetrics {
    fn from(metrics: ops::ItemCollectionMetrics) -> Self {
        let [lower, upper] = metrics.size_estimate_range_gb;
        Self {
            item_collection_key: metrics.item_collection_key.to_wire(),
            size_estimate_lower_gb: lower,
            size_estimate_upper_gb: upper,
        }
    }
}

impl TryFrom<v1::ItemCollectionMetrics> for ops::ItemCollectionMetrics {
    type Error = WireError;

    fn try_from(wire: v1::ItemCollectionMetrics) -> Result<Self, WireError> {
        Ok(Self::new(
            Field::from_wire(wire.item_collection_key, "item_collection_key")?,
            [wire.size_estimate_lower_gb, wire.size_estimate_upper_gb],
        ))
    }
}

impl Message for Vec<ops::ItemCollectionMetrics> {
    type Wire = v1::ItemCollectionMetricsList;
}

impl From<Vec<ops::ItemCollectionMetrics>> for v1::ItemCollectionMetricsList {
    fn from(metrics: Vec<ops::ItemCollectionMetrics>) -> Self {
        Self {
            metrics: metrics.to_wire(),
        }
    }
}

impl TryFrom<v1::ItemCollectionMetricsList> for Vec<ops::ItemCollectionMetrics> {
    type Error = WireError;

    fn try_from(wire: v1::ItemCollectionMetricsList) -> Result<Self, WireError> {
        Field::from_wire(wire.metrics, "metrics")
    }
}
