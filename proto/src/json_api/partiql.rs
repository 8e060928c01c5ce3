//! ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

use sealdb_model::ops::{
    BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchStatementRequest,
    ExecuteStatementInput, ExecuteStatementOutput, ExecuteTransactionInput,
    ExecuteTransactionOutput, MAX_BATCH_STATEMENTS, MAX_NEXT_TOKEN, MAX_STATEMENT,
    MAX_TRANSACT_STATEMENTS, ParameterizedStatement,
};
use sealdb_model::{AttributeValue, ValidationError};

use super::capacity::{capacities, capacity};
use super::conditions::{CAPACITY, CONSISTENT, ON_FAILURE};
use super::fields::{Fields, Node};
use super::shape::{Member, POSITIVE, Shape, Structure, TOKEN, VALUE, optional, required};
use super::write::{Object, map, object};
use super::{Request, Response};

static STATEMENT_TEXT: Shape = Shape::text(1, MAX_STATEMENT);
static NEXT_TOKEN: Shape = Shape::text(1, MAX_NEXT_TOKEN);
static PARAMETER_LIST: Shape = Shape::List(&VALUE, 1, usize::MAX);
const STATEMENT: Member = required("Statement", &STATEMENT_TEXT);
const PARAMETERS: Member = optional("Parameters", &PARAMETER_LIST);

impl Fields {
    fn parameters(&mut self) -> Option<Vec<AttributeValue>> {
        let parameters = self.list("Parameters")?.into_iter();
        Some(parameters.filter_map(Node::into_value).collect())
    }
}

impl Request for ExecuteStatementInput {
    const SHAPE: &'static Structure = &Structure {
        name: "ExecuteStatementInput",
        members: &[
            STATEMENT,
            PARAMETERS,
            CONSISTENT,
            optional("NextToken", &NEXT_TOKEN),
            CAPACITY,
            optional("Limit", &POSITIVE),
            ON_FAILURE,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let mut input = ExecuteStatementInput::new(fields.required_text("Statement"));
        input.parameters = fields.parameters();
        input.consistent_read = fields.consistent_read();
        input.next_token = fields.text("NextToken");
        input.limit = fields.integer("Limit");
        input.return_values_on_condition_check_failure = fields.on_failure();
        input.return_consumed_capacity = fields.capacity();
        Ok(input)
    }
}

impl Response for ExecuteStatementOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.list("Items", &self.items, map);
        if let Some(key) = &self.last_evaluated_key {
            out.values("LastEvaluatedKey", key);
        }
        if let Some(token) = &self.next_token {
            out.text("NextToken", token);
        }
        capacity(out, self.consumed_capacity.as_ref());
    }
}

static BATCH_STATEMENT: Shape = Shape::Structure(&Structure {
    name: "BatchStatementRequest",
    members: &[STATEMENT, PARAMETERS, CONSISTENT, ON_FAILURE],
});
static BATCH: Shape = Shape::List(&BATCH_STATEMENT, 1, MAX_BATCH_STATEMENTS);

impl Request for BatchExecuteStatementInput {
    const SHAPE: &'static Structure = &Structure {
        name: "BatchExecuteStatementInput",
        members: &[required("Statements", &BATCH), CAPACITY],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let statements = fields.structures("Statements").unwrap_or_default();
        let statements = statements.into_iter().map(|mut fields| {
            let mut statement = BatchStatementRequest::new(fields.required_text("Statement"));
            statement.parameters = fields.parameters();
            statement.consistent_read = fields.consistent_read();
            statement.return_values_on_condition_check_failure = fields.on_failure();
            statement
        });
        let mut input = BatchExecuteStatementInput::new(statements.collect());
        input.return_consumed_capacity = fields.capacity();
        Ok(input)
    }
}

impl Response for BatchExecuteStatementOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.list("Responses", &self.responses, |out, response| {
            object(out, |out| {
                if let Some(error) = &response.error {
                    out.object("Error", |out| {
                        out.text("Code", error.code.name());
                        if let Some(item) = &error.item {
                            out.values("Item", item);
                        }
                        out.text("Message", &error.message);
                    });
                }
                if let Some(item) = &response.item {
                    out.values("Item", item);
                }
                if let Some(table) = &response.table_name {
                    out.text("TableName", table);
                }
            });
        });
        capacities(out, &self.consumed_capacity);
    }
}

static TRANSACT_STATEMENT: Shape = Shape::Structure(&Structure {
    name: "ParameterizedStatement",
    members: &[STATEMENT, PARAMETERS, ON_FAILURE],
});
static TRANSACTION: Shape = Shape::List(&TRANSACT_STATEMENT, 1, MAX_TRANSACT_STATEMENTS);

impl Request for ExecuteTransactionInput {
    const SHAPE: &'static Structure = &Structure {
        name: "ExecuteTransactionInput",
        members: &[
            required("TransactStatements", &TRANSACTION),
            optional("ClientRequestToken", &TOKEN),
            CAPACITY,
        ],
    };

    fn read(fields: &mut Fields) -> Result<Self, ValidationError> {
        let statements = fields.structures("TransactStatements").unwrap_or_default();
        let statements = statements.into_iter().map(|mut fields| {
            let mut statement = ParameterizedStatement::new(fields.required_text("Statement"));
            statement.parameters = fields.parameters();
            statement.return_values_on_condition_check_failure = fields.on_failure();
            statement
        });
        let mut input = ExecuteTransactionInput::new(statements.collect());
        input.client_request_token = fields.text("ClientRequestToken");
        input.return_consumed_capacity = fields.capacity();
        Ok(input)
    }
}

impl Response for ExecuteTransactionOutput {
    fn write(&self, out: &mut Object<'_>) {
        out.list("Responses", &self.responses, |out, item| {
            object(out, |out| {
                if let Some(item) = item {
                    out.values("Item", item);
                }
            });
        });
        capacities(out, &self.consumed_capacity);
    }
}
