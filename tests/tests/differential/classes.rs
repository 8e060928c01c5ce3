//! In what SealDB and dynoxide differ, and why SealDB is right. The reference is AWS's documentation; what it leaves open stands in
//! DYNAMODB.md.

use serde_json::{Value, json};

use crate::compare::Difference;

/// A kind of difference.
pub struct Class {
    pub name: &'static str,
    pub is: fn(&Difference) -> bool,
}

/// All that are known; the first that fits counts.
pub const CLASSES: &[Class] = &[
    // Newer answers of the service put this before the messages of some operations. DYNAMODB.md, Messages: the older wording is kept.
    Class {
        name: "an envelope around the same message",
        is: |difference| {
            let (ours, theirs) = difference.messages();
            theirs != ours && without_envelope(theirs) == ours
        },
    },
    // The service model's constraints are told as the service tells them: all broken ones together, each with value, member and
    // constraint. dynoxide tells some in its JSON parser's words, some without the value, some one at a time.
    Class {
        name: "constraints in the service's words",
        is: |difference| {
            let (ours, _) = difference.messages();
            let counted = ours.split_once(" validation error");
            let number = counted.and_then(|(number, _)| number.parse::<u32>().ok());
            number.is_some() && ours.contains("detected: Value")
        },
    },
    // JSON of the wrong type is a request that cannot be read, whatever else is wrong with it: the service names the type. dynoxide
    // passes on what its JSON and Base64 decoders say, or passes over what it does not look at.
    Class {
        name: "what cannot be read",
        is: |difference| difference.ours.name() == "SerializationException",
    },
    // "If you attempt to … the operation is rejected with a ValidationException": expressions, placeholders, operands and values are checked
    // before tables are looked for and anything is evaluated, whatever the item holds. dynoxide meets some faults while it evaluates,
    // or not at all.
    Class {
        name: "checked before anything is looked at",
        is: |difference| {
            let looked_at = [
                "",
                "ConditionalCheckFailedException",
                "ResourceInUseException",
                "ResourceNotFoundException",
                "TransactionCanceledException",
            ];
            difference.ours.name() == "ValidationException"
                && looked_at.contains(&difference.theirs.name())
                && of_the_request(difference.messages().0)
        },
    },
    // A transaction is told the faults of all its actions before any condition is evaluated, as documented of a ValidationError;
    // DYNAMODB.md, Requests, has what comes first where two actions are on one item besides.
    Class {
        name: "checked before any action of a transaction",
        is: |difference| {
            let reasons = difference.ours.body["CancellationReasons"].as_array();
            let invalid = |reason: &Value| reason["Code"] == "ValidationError";
            let others = ["", "TransactionCanceledException", "ValidationException"];
            reasons.is_some_and(|reasons| reasons.iter().any(invalid))
                && others.contains(&difference.theirs.name())
        },
    },
    // The documentation of ADD and DELETE: types are named as in the model, and each clause has a set of its own.
    Class {
        name: "types of operands",
        is: |difference| {
            both(
                difference,
                "Incorrect operand type for operator or function",
            )
        },
    },
    // Operands may stand in parentheses, and words of clauses may be names until names are looked at: an error comes later in the text.
    Class {
        name: "where a syntax error is noticed",
        is: |difference| both(difference, "Syntax error; token"),
    },
    // The message says which expressions the values would have been for, all of them in one sentence.
    Class {
        name: "which expressions are missing",
        is: |difference| both(difference, "can only be specified when using expressions"),
    },
    // Of several faults of one kind the first is told; which one that is stands in DYNAMODB.md, Conditions and Updates.
    Class {
        name: "another fault of the same kind",
        is: |difference| {
            let kinds = [
                "Two document paths",
                "Primary key attribute: ",
                "Cannot update attribute",
                "ExpressionAttributeValues contains invalid value",
            ];
            kinds.iter().any(|kind| both(difference, kind))
        },
    },
    // A path is told as the list of its parts, here as where two paths overlap.
    Class {
        name: "how a path is shown",
        is: |difference| both(difference, "first operand: "),
    },
    // An empty text has nothing to show after a colon.
    Class {
        name: "an empty number",
        is: |difference| both(difference, "cannot be converted to a numeric value"),
    },
    // AttributeDefinitions are told in the order in which they came. dynoxide has them in that of a hash table.
    Class {
        name: "the order of attribute definitions",
        is: |difference| {
            both(
                difference,
                "Some index key attributes are not defined in AttributeDefinitions",
            )
        },
    },
    // ALL_OLD, UPDATED_OLD: "as they appeared before the UpdateItem operation"; if_not_exists, `+`, `-`: of what "the item does contain".
    // An item that was not there appeared in no way, and contains nothing. dynoxide begins with an item of the key.
    Class {
        name: "an item that was not there has no attributes",
        is: |difference| {
            let (ours, theirs) = (&difference.ours, &difference.theirs);
            let no_old =
                ours.body.get("Attributes").is_none() && theirs.body.get("Attributes").is_some();
            let finds_none = ours
                .message()
                .ends_with("refers to an attribute that does not exist in the item");
            let finds_key = theirs.body["CancellationReasons"]
                .to_string()
                .contains("Type mismatch for Index Key");
            difference.operation == "UpdateItem"
                && theirs.status == 200
                && (no_old && ours.status == 200 || finds_none)
                || difference.operation == "TransactWriteItems" && finds_key
        },
    },
    // "If you query a local secondary index and ask for attributes that are not projected", they are fetched, and "the latency and the
    // provisioned throughput" of that count; ConsumedCapacity tells the index's units beside the table's.
    Class {
        name: "the units of a local index",
        is: |difference| {
            let without_units = |body: &Value| {
                let mut body = body.clone();
                body.as_object_mut()
                    .and_then(|members| members.remove("ConsumedCapacity"));
                body
            };
            difference.request["IndexName"] == "local"
                && difference.ours.status == 200
                && without_units(&difference.ours.body) == without_units(&difference.theirs.body)
        },
    },
    // Java prints a list without quotation marks; of numbers, which are equal by value, none is shown.
    Class {
        name: "how a set with duplicates is shown",
        is: |difference| both(difference, "Input collection"),
    },
    // "ExpressionAttributeValues contains invalid value: …": the message says which placeholder stands for it.
    Class {
        name: "which placeholder stands for a wrong value",
        is: |difference| {
            let (ours, theirs) = difference.messages();
            let ours = ours.strip_prefix("ExpressionAttributeValues contains invalid value: ");
            ours.is_some_and(|ours| ours.starts_with(without_envelope(theirs)))
        },
    },
    // "Invalid …Expression: …": the message says which expression it is about, in the words of one parser for all.
    Class {
        name: "which expression is wrong",
        is: |difference| {
            let (ours, theirs) = difference.messages();
            let undefined = "is not defined; attribute ";
            let own_parser = ["Expected attribute name", "Unexpected token in"];
            ours.contains(undefined) && theirs.contains(undefined)
                || ours.contains("Syntax error; token")
                    && own_parser.iter().any(|words| theirs.contains(words))
        },
    },
    // Operations on tables check the length of a name before the constraints, in a sentence of its own.
    Class {
        name: "the length of a table's name",
        is: |difference| {
            let (ours, _) = difference.messages();
            ours.ends_with("must be at least 3 characters long and at most 255 characters long")
        },
    },
    // The documentation of TransactionCanceledException lists "The update expression attempted to update the secondary index key to
    // unsupported type": what an update of an index's key is told if only the item tells the type.
    Class {
        name: "an update of an index's key",
        is: |difference| {
            let (ours, theirs) = difference.messages();
            ours.contains("secondary index key to unsupported type")
                && theirs.contains("Type mismatch for Index Key")
        },
    },
    // "You can query or scan only attributes that are projected": a global index has nothing to fetch others from.
    Class {
        name: "what a global index lacks",
        is: |difference| {
            let (ours, _) = difference.messages();
            ours.contains("Global secondary index") && ours.contains("does not project [")
        },
    },
    // ItemResponse: "if the requested item has no projected attributes", the map is empty; only an item that is not there has none. And
    // ProjectionExpression names "attributes to retrieve": the key is none of them, unless it is named.
    Class {
        name: "what is projected of an item",
        is: |difference| {
            let projected = |body: &Value| {
                let mut responses = body["Responses"].clone();
                for response in responses.as_array_mut().into_iter().flatten() {
                    match response["Item"].as_object_mut() {
                        Some(item) => item.retain(|name, _| name != "pk" && name != "sk"),
                        None => *response = json!({"Item": {}}),
                    }
                }
                responses
            };
            difference.operation == "TransactGetItems"
                && (difference.ours.status, difference.theirs.status) == (200, 200)
                && projected(&difference.ours.body) == projected(&difference.theirs.body)
        },
    },
    // Keys are compared as the table's schema has them, so the table is looked for first.
    Class {
        name: "tables of a batch",
        is: |difference| {
            difference.operation.starts_with("Batch")
                && difference.ours.name() == "ResourceNotFoundException"
                && difference.theirs.name() == "ValidationException"
        },
    },
    // A request with several faults is told one of them. Which one is documented nowhere; DYNAMODB.md has the order.
    Class {
        name: "another fault of the same request",
        is: |difference| {
            let (ours, theirs) = difference.messages();
            let both = [&difference.ours, &difference.theirs];
            both.iter()
                .all(|outcome| outcome.name() == "ValidationException")
                && kind(ours) != kind(without_envelope(theirs))
        },
    },
];

fn without_envelope(message: &str) -> &str {
    message
        .strip_prefix("1 validation error detected: ")
        .unwrap_or(message)
}

/// Whether both messages have these words.
fn both(difference: &Difference, words: &str) -> bool {
    let (ours, theirs) = difference.messages();
    ours.contains(words) && theirs.contains(words)
}

/// Whether a message is about the request alone.
fn of_the_request(message: &str) -> bool {
    const PARTS: [&str; 20] = [
        "Attribute name is a reserved keyword",
        "Cannot update attribute",
        "Incorrect operand type",
        "Invalid attribute type name",
        "The BETWEEN operator requires",
        "must be distinct",
        "Two document paths",
        "Key attributes must be scalars",
        "is not valid for",
        "contains invalid value",
        "is not defined",
        "unused in expressions",
        "can only be specified when using expressions",
        "cannot contain an empty",
        "secondary index key to unsupported type",
        "must both be specified when BillingMode is PROVISIONED",
        "Syntax error; token",
        "Incorrect number of operands",
        "Invalid function name",
        "is not allowed",
    ];
    PARTS.iter().any(|part| message.contains(part))
}

/// What messages of one kind have in common: their words up to the first detail.
fn kind(message: &str) -> &str {
    let message = message
        .strip_prefix("One or more parameter values were invalid: ")
        .unwrap_or(message);
    let expression = message
        .find("Expression: ")
        .map_or(0, |at| at + "Expression: ".len());
    let details = message[expression..].find([':', ';', '\'', '"']);
    details.map_or(message, |at| &message[..expression + at])
}
