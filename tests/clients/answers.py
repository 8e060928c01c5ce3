"""What the service answers to requests that no SDK would send, word for word: run by tests/tests/clients, which sets the environment.

Bodies are signed and sent as they stand here. An answer is given as the message of a ValidationException, or as a pair of the
exception's name and its message.
"""

import json
import os
import sys
import time
import urllib.request

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.session import Session

ENDPOINT = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
CREDENTIALS = Session().get_credentials()
INVALID = "One or more parameter values were invalid: "
EMPTY = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
TWICE = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"
NO_SCHEMA = "The provided key element does not match the schema"
PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
NOT_NULL = "Member must not be null"


def call(operation, body):
    """Sends a body, of text or to be made text; gives the status and what came back."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}"}
    signed = AWSRequest("POST", ENDPOINT + "/", headers=headers, data=data)
    SigV4Auth(CREDENTIALS, "dynamodb", "eu-central-1").add_auth(signed)
    request = urllib.request.Request(ENDPOINT + "/", data, dict(signed.headers.items()))
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ok(operation, body):
    status, answer = call(operation, body)
    assert status == 200, (operation, body, answer)
    return answer


def broken(*constraints):
    """The message of constraints that are broken: (value or None, field, rule)."""
    shown = [
        f"Value {'null' if value is None else repr_of(value)} at '{at}' failed to satisfy constraint: {rule}"
        for value, at, rule in constraints
    ]
    return f"{len(shown)} validation error{'s' if len(shown) > 1 else ''} detected: {'; '.join(shown)}"


def repr_of(value):
    return f"'{value}'"


def one_of(*values):
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def least(value):
    return f"Member must have value greater than or equal to {value}"


def most(value):
    return f"Member must have value less than or equal to {value}"


def longer(length):
    return f"Member must have length greater than or equal to {length}"


def shorter(length):
    return f"Member must have length less than or equal to {length}"


FAILURES = []


def expect(operation, cases):
    """Sends each body and compares the answer; all that differ are told at the end."""
    for body, expected in cases:
        status, answer = call(operation, body)
        kind = answer.get("__type", "").split("#")[-1]
        message = answer.get("message", answer.get("Message"))
        wanted = expected if isinstance(expected, tuple) else ("ValidationException", expected)
        if status != 400 or (kind, message) != wanted:
            FAILURES.append(f"{operation} {json.dumps(body) if not isinstance(body, bytes) else body}\n  found  {kind}: {message}\n  wanted {wanted}")


def make_tables():
    string = lambda name: {"AttributeName": name, "AttributeType": "S"}  # noqa: E731
    key = lambda hash_, range_: [  # noqa: E731
        {"AttributeName": hash_, "KeyType": "HASH"},
        *([{"AttributeName": range_, "KeyType": "RANGE"}] if range_ else []),
    ]
    ok("CreateTable", {"TableName": "hash", "BillingMode": "PAY_PER_REQUEST", "KeySchema": key("a", None), "AttributeDefinitions": [string("a")]})
    ok(
        "CreateTable",
        {
            "TableName": "range",
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": key("a", "b"),
            "AttributeDefinitions": [string(name) for name in "abcd"],
            "LocalSecondaryIndexes": [
                {"IndexName": "local", "KeySchema": key("a", "c"), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            ],
            "GlobalSecondaryIndexes": [
                {"IndexName": "global", "KeySchema": key("c", "d"), "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["e"]}}
            ],
        },
    )
    for name in ("hash", "range"):
        while ok("DescribeTable", {"TableName": name})["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.05)


S = lambda text: {"S": text}  # noqa: E731
N = lambda text: {"N": text}  # noqa: E731
K = {"a": S("x")}
KR = {"a": S("x"), "b": S("y")}
MIXED = "Can not use both expression and non-expression parameters in the same request: "


def serialization():
    def refused(message):
        return ("SerializationException", message)

    expect(
        "PutItem",
        [
            (b"", refused(None)),
            (b"hello", refused(None)),
            (b"[]", refused(None)),
            ({"TableName": 23}, refused("NUMBER_VALUE cannot be converted to String")),
            ({"TableName": 2.5}, refused("DECIMAL_VALUE cannot be converted to String")),
            ({"TableName": True}, refused("TRUE_VALUE cannot be converted to String")),
            ({"TableName": ["x"]}, refused("Unrecognized collection type class java.lang.String")),
            ({"TableName": {"x": 1}}, refused("Start of structure or map found where not expected")),
            ({"Item": "x"}, refused("Unexpected field type")),
            ({"Item": {"a": "x"}}, refused("Unexpected value type in payload")),
            ({"Item": {"a": []}}, refused("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue")),
            ({"Item": {"a": {"S": 1}}}, refused("NUMBER_VALUE cannot be converted to String")),
            ({"Item": {"a": {"N": 1}}}, refused("NUMBER_VALUE cannot be converted to String")),
            ({"Item": {"a": {"B": True}}}, refused("only base-64-encoded strings are convertible to bytes")),
            ({"Item": {"a": {"B": ["x"]}}}, refused("Unrecognized collection type class java.nio.ByteBuffer")),
            (
                {"Item": {"a": {"B": "abcde"}}},
                refused("'abcde' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
            ),
            ({"Item": {"a": {"B": "ab;="}}}, refused("'ab;=' can not be converted to a Blob: Invalid Base64 character: ';'")),
            ({"Item": {"a": {"B": "ab=c"}}}, refused("'ab=c' can not be converted to a Blob: Invalid Base64 character: '='")),
            ({"Item": {"a": {"B": "aab="}}}, refused("'aab=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected")),
            ({"Item": {"a": {"BOOL": "yes"}}}, refused("Unexpected token received from parser")),
            ({"Item": {"a": {"BOOL": 1}}}, refused("NUMBER_VALUE cannot be converted to Boolean")),
            ({"Item": {"a": {"SS": "x"}}}, refused("Unexpected field type")),
            ({"Item": {"a": {"SS": {"x": 1}}}}, refused("Start of structure or map found where not expected")),
            ({"Item": {"a": {"M": []}}}, refused("Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>")),
            ({"Expected": {"a": []}}, refused("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.ExpectedAttributeValue")),
            ({"Expected": {"a": "x"}}, refused("Unexpected value type in payload")),
            ({"Expected": {"a": {"Value": "x"}}}, refused("Unexpected field type")),
            ({"ReturnValues": 1}, refused("NUMBER_VALUE cannot be converted to String")),
        ],
    )
    expect(
        "Query",
        [
            ({"Limit": "x"}, refused("STRING_VALUE cannot be converted to Integer")),
            ({"Limit": False}, refused("FALSE_VALUE cannot be converted to Integer")),
            ({"Limit": ["x"]}, refused("Unrecognized collection type class java.lang.Integer")),
            ({"ScanIndexForward": 2.5}, refused("DECIMAL_VALUE cannot be converted to Boolean")),
            ({"AttributesToGet": "x"}, refused("Unexpected field type")),
            ({"KeyConditions": {"a": {"AttributeValueList": "x"}}}, refused("Unexpected field type")),
        ],
    )


def values():
    def put(value):
        return {"TableName": "abc", "Item": {"a": value}}

    over = "Number overflow. Attempting to store a number with magnitude larger than supported range"
    under = "Number underflow. Attempting to store a number with magnitude smaller than supported range"
    digits = "Attempting to store more than 38 significant digits in a Number"
    expect(
        "PutItem",
        [
            (put({}), EMPTY),
            (put({"X": "x"}), EMPTY),
            (put({"S": "x", "N": "1"}), TWICE),
            (put({"M": {"b": {}}}), EMPTY),
            (put({"L": [{"S": ""}, {}]}), EMPTY),
            (put({"NULL": False}), INVALID + "Null attribute value types must have the value of true"),
            (put({"SS": []}), INVALID + "An string set  may not be empty"),
            (put({"NS": []}), INVALID + "An number set  may not be empty"),
            (put({"BS": []}), INVALID + "Binary sets should not be empty"),
            (put({"SS": ["a", "a"]}), INVALID + "Input collection [a, a] contains duplicates."),
            (put({"NS": ["1", "1.0"]}), "Input collection contains duplicates"),
            (put({"BS": ["Yg==", "Yg=="]}), INVALID + "Input collection [Yg==, Yg==]of type BS contains duplicates."),
            (put(N("")), "The parameter cannot be converted to a numeric value"),
            (put(N("b")), "The parameter cannot be converted to a numeric value: b"),
            (put({"NS": ["1", "x"]}), "The parameter cannot be converted to a numeric value: x"),
            (put(N("1e126")), over),
            (put(N("-1e126")), over),
            (put(N("1" + "0" * 126)), over),
            (put(N("1e-131")), under),
            (put(N("1" * 39)), digits),
            (put(N("1." + "1" * 38)), digits),
            ({"TableName": "abc", "Item": {}, "ReturnValues": "ALL_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
            (put(S("x" * 409600)), "Item size has exceeded the maximum allowed size"),
            ({**put(S("x" * 409600)), "ReturnValues": "UPDATED_NEW"}, "ReturnValues can only be ALL_OLD or NONE"),
        ],
    )


def puts():
    item = {"TableName": "abc", "Item": {}}
    expect(
        "PutItem",
        [
            ({}, broken((None, "tableName", NOT_NULL), (None, "item", NOT_NULL))),
            (
                {"TableName": ""},
                broken(("", "tableName", PATTERN), ("", "tableName", longer(3)), (None, "item", NOT_NULL)),
            ),
            ({"TableName": "a;", "Item": {}}, broken(("a;", "tableName", PATTERN), ("a;", "tableName", longer(3)))),
            ({"TableName": "a" * 256, "Item": {}}, broken(("a" * 256, "tableName", shorter(255)))),
            (
                {"TableName": "abc;", "ReturnConsumedCapacity": "hi", "ReturnItemCollectionMetrics": "hi", "ReturnValues": "hi"},
                broken(
                    ("hi", "returnConsumedCapacity", one_of("INDEXES", "TOTAL", "NONE")),
                    ("abc;", "tableName", PATTERN),
                    (None, "item", NOT_NULL),
                    ("hi", "returnItemCollectionMetrics", one_of("SIZE", "NONE")),
                    ("hi", "returnValues", one_of("ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW")),
                ),
            ),
            (
                {**item, "Expected": {"a": {}}, "ConditionExpression": "", "ExpressionAttributeNames": {}, "ExpressionAttributeValues": {}},
                MIXED + "Non-expression parameters: {Expected} Expression parameters: {ConditionExpression}",
            ),
            ({**item, "ExpressionAttributeNames": {}}, "ExpressionAttributeNames can only be specified when using expressions"),
            (
                {**item, "ExpressionAttributeValues": {}},
                "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null",
            ),
            ({**item, "ConditionExpression": "", "ExpressionAttributeNames": {}}, "ExpressionAttributeNames must not be empty"),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeNames": {"a": "a"}},
                'ExpressionAttributeNames contains invalid key: Syntax error; key: "a"',
            ),
            ({**item, "ConditionExpression": "", "ExpressionAttributeValues": {}}, "ExpressionAttributeValues must not be empty"),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeValues": {"b": S("a")}},
                'ExpressionAttributeValues contains invalid key: Syntax error; key: "b"',
            ),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeValues": {":b": {}}},
                f"ExpressionAttributeValues contains invalid value: {EMPTY} for key :b",
            ),
            (
                {**item, "ConditionExpression": "", "ExpressionAttributeValues": {":b": {"NS": []}}},
                f"ExpressionAttributeValues contains invalid value: {INVALID}An number set  may not be empty for key :b",
            ),
            ({**item, "ConditionExpression": ""}, "Invalid ConditionExpression: The expression can not be empty;"),
            ({**item, "Expected": {"a": {}}}, INVALID + "Value must be provided when Exists is null for Attribute: a"),
            ({**item, "Expected": {"a": {"Exists": True}}}, INVALID + "Value must be provided when Exists is true for Attribute: a"),
            (
                {**item, "Expected": {"a": {"Exists": False, "Value": S("x")}}},
                INVALID + "Value cannot be used when Exists is false for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"Value": S("a"), "AttributeValueList": []}}},
                INVALID + "Value and AttributeValueList cannot be used together for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"AttributeValueList": []}}},
                INVALID + "AttributeValueList can only be used with a ComparisonOperator for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "GT"}}},
                INVALID + "Value or AttributeValueList must be used with ComparisonOperator: GT for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "EQ", "Exists": False}}},
                INVALID + "Exists and ComparisonOperator cannot be used together for Attribute: a",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [S("a")]}}},
                INVALID + "Invalid number of argument(s) for the BETWEEN ComparisonOperator",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "NULL", "Value": S("a")}}},
                INVALID + "Invalid number of argument(s) for the NULL ComparisonOperator",
            ),
            (
                {**item, "Expected": {"a": {"ComparisonOperator": "BETWEEN", "AttributeValueList": [S("b"), S("a")]}}},
                "The BETWEEN condition was provided a range where the lower bound is greater than the upper bound",
            ),
            ({**item, "ConditionalOperator": "OR"}, INVALID + "ConditionalOperator cannot be used without Filter or Expected"),
            ({"TableName": "nowhere", "Item": K}, ("ResourceNotFoundException", "Requested resource not found")),
            ({"TableName": "hash", "Item": {}}, INVALID + "Missing the key a in the item"),
            ({"TableName": "hash", "Item": {"b": S("x")}}, INVALID + "Missing the key a in the item"),
            ({"TableName": "range", "Item": K}, INVALID + "Missing the key b in the item"),
            ({"TableName": "hash", "Item": {"a": N("1")}}, INVALID + "Type mismatch for key a expected: S actual: N"),
            (
                {"TableName": "hash", "Item": {"a": S("")}},
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string "
                "value. Key: a",
            ),
            (
                {"TableName": "hash", "Item": {"a": S("x" * 2049)}},
                INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
            ),
            (
                {"TableName": "range", "Item": {"a": S("x"), "b": S("x" * 1025)}},
                INVALID + "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            ),
            (
                {"TableName": "range", "Item": {**KR, "c": N("1")}},
                INVALID + "Type mismatch for Index Key c Expected: S Actual: N IndexName: local",
            ),
            ({"TableName": "range", "Item": {"a": S("x"), "c": N("1")}}, INVALID + "Missing the key b in the item"),
            (
                {"TableName": "range", "Item": {**KR, "d": S("")}},
                "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The "
                "AttributeValue for a key attribute cannot contain an empty string value. IndexName: global, IndexKey: d",
            ),
        ],
    )


def conditions():
    def put(expression, **values):
        body = {"TableName": "abc", "Item": {}, "ConditionExpression": expression}
        if values:
            body["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
        return body

    def near(token, text):
        return f'Syntax error; token: "{token}", near: "{text}"'

    operand = "Incorrect operand type for operator or function; operator or function: "
    between = "The BETWEEN operator requires "
    cases = [
        (put("whatever"), near("<EOF>", "whatever")),
        (put("things are not gonna be ok"), near("are", "things are not")),
        (put("a > 4"), near("4", "> 4")),
        (put("a IN ()"), near(")", "()")),
        (put("size(a)"), "The function is not allowed to be used this way in an expression; function: size"),
        (put("attribute_exists(a) = b"), "The function is not allowed to be used this way in an expression; function: attribute_exists"),
        (put("a = nope(b)"), "Invalid function name; function: nope"),
        (put("a = if_not_exists(b, c)"), "The function is not allowed in a condition expression; function: if_not_exists"),
        (put("abort = a"), "Attribute name is a reserved keyword; reserved keyword: abort"),
        (put("a.Size = b"), "Attribute name is a reserved keyword; reserved keyword: Size"),
        (put("((a = b))"), "The expression has redundant parentheses;"),
        (put("#a = b"), "An expression attribute name used in the document path is not defined; attribute name: #a"),
        (put("a = :a"), "An expression attribute value used in expression is not defined; attribute value: :a"),
        (put("a = a"), "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]"),
        (put("begins_with(a)"), "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"),
        (put("begins_with(a, :a)", a=N("1")), operand + "begins_with, operand type: N"),
        (put("attribute_exists(:a)", a=N("1")), "Operator or function requires a document path; operator or function: attribute_exists"),
        (put("attribute_type(a, b)"), operand + "attribute_type, operand type: {NS,SS,L,BS,N,M,B,BOOL,NULL,S}"),
        (put("attribute_type(a, :a)", a=S("X")), "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}"),
        (put("size(:a) = b", a=N("1")), operand + "size, operand type: N"),
        (put("a < :a", a={"BOOL": True}), operand + "<, operand type: BOOL"),
        (
            put("a BETWEEN :b AND :a", a=S("a"), b=S("b")),
            between + "upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {S:b}, upper bound "
            "operand: AttributeValue: {S:a}",
        ),
        (
            put("a BETWEEN :b AND :a", a=S("a"), b=N("1")),
            between + "same data type for lower and upper bounds; lower bound operand: AttributeValue: {N:1}, upper bound operand: "
            "AttributeValue: {S:a}",
        ),
        (put("a = :a" + " OR a = :a" * 150, a=N("1")), "The expression contains too many operators; operator count: 301"),
        (put("a" * 4096 + " = b"), "Expression size has exceeded the maximum allowed size; expression size: 4100"),
    ]
    expect("PutItem", [(body, "Invalid ConditionExpression: " + message) for body, message in cases])
    expect(
        "PutItem",
        [
            (put("a = b", a=N("1")), "Value provided in ExpressionAttributeValues unused in expressions: keys: {:a}"),
            (
                {**put("a = b"), "ExpressionAttributeNames": {"#a": "x"}},
                "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a}",
            ),
        ],
    )


def keys():
    for operation in ("GetItem", "DeleteItem", "UpdateItem"):
        expect(
            operation,
            [
                ({}, broken((None, "tableName", NOT_NULL), (None, "key", NOT_NULL))),
                ({"TableName": "abc", "Key": {"a": {}}}, EMPTY),
                ({"TableName": "nowhere", "Key": K}, ("ResourceNotFoundException", "Requested resource not found")),
                ({"TableName": "hash", "Key": {}}, NO_SCHEMA),
                ({"TableName": "hash", "Key": {"b": S("x")}}, NO_SCHEMA),
                ({"TableName": "hash", "Key": {"a": N("1")}}, NO_SCHEMA),
                ({"TableName": "hash", "Key": KR}, NO_SCHEMA),
                ({"TableName": "range", "Key": K}, NO_SCHEMA),
                (
                    {"TableName": "hash", "Key": {"a": S("x" * 2049)}},
                    INVALID + "Size of hashkey has exceeded the maximum size limit of2048 bytes",
                ),
            ],
        )
    expect(
        "GetItem",
        [
            ({"TableName": "abc", "Key": K, "AttributesToGet": []}, broken(("[]", "attributesToGet", longer(1)))),
            (
                {"TableName": "abc", "Key": K, "AttributesToGet": ["a", "a"]},
                INVALID + "Duplicate value in attribute name: a",
            ),
            (
                {"TableName": "abc", "Key": {"a": {}}, "AttributesToGet": ["a"], "ProjectionExpression": "a"},
                MIXED + "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}",
            ),
            (
                {"TableName": "abc", "Key": K, "ProjectionExpression": "a.b, a"},
                "Invalid ProjectionExpression: Two document paths overlap with each other; must remove or rewrite one of these paths; "
                "path one: [a, b], path two: [a]",
            ),
            (
                {"TableName": "abc", "Key": K, "ProjectionExpression": "a[1], b, a.c"},
                "Invalid ProjectionExpression: Two document paths conflict with each other; must remove or rewrite one of these paths; "
                "path one: [a, [1]], path two: [a, c]",
            ),
            ({"TableName": "abc", "Key": K, "ProjectionExpression": ""}, "Invalid ProjectionExpression: The expression can not be empty;"),
            (
                {"TableName": "hash", "Key": K, "ProjectionExpression": "a.b"},
                "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: a",
            ),
            ({"TableName": "hash", "Key": {}, "ProjectionExpression": "a.b"}, NO_SCHEMA),
        ],
    )


def updates():
    base = {"TableName": "hash", "Key": K}

    def update(expression, **values):
        body = {**base, "UpdateExpression": expression}
        if values:
            body["ExpressionAttributeValues"] = {f":{name}": value for name, value in values.items()}
        return body

    operand = "Incorrect operand type for operator or function; "
    cases = [
        (update(""), "The expression can not be empty;"),
        (update("whatever"), 'Syntax error; token: "whatever", near: "whatever"'),
        (update("set a = "), 'Syntax error; token: "<EOF>", near: "="'),
        (update("set a = :a set b = :b"), 'The "set" section can only be used once in an update expression;'.replace("set", "SET")),
        (update("set abort = :a"), "Attribute name is a reserved keyword; reserved keyword: abort"),
        (update("set b = size(c)"), "The function is not allowed in an update expression; function: size"),
        (update("set b = nope(c)"), "Invalid function name; function: nope"),
        (update("set #b = c"), "An expression attribute name used in the document path is not defined; attribute name: #b"),
        (update("set b = :a"), "An expression attribute value used in expression is not defined; attribute value: :a"),
        (update("add b :a", a=S("x")), operand + "operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (update("delete b :a", a=N("1")), operand + "operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND"),
        (update("add b :a", a={"L": []}), operand + "operator: ADD, operand type: LIST, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (update("add b :a", a={"M": {}}), operand + "operator: ADD, operand type: MAP, typeSet: ALLOWED_FOR_ADD_OPERAND"),
        (update("set b = c + :a", a=S("x")), operand + "operator or function: +, operand type: S"),
        (update("set b = list_append(c, :a)", a=S("x")), operand + "operator or function: list_append, operand type: S"),
        (update("set b = if_not_exists(:a, c)", a=S("x")), "Operator or function requires a document path; operator or function: if_not_exists"),
        (
            update("set b = c, b.c = d"),
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [b], path two: [b, c]",
        ),
    ]
    expect("UpdateItem", [(body, "Invalid UpdateExpression: " + message) for body, message in cases])
    path = "The document path provided in the update expression is invalid for update"
    kind = "An operand in the update expression has an incorrect data type"
    ok("PutItem", {"TableName": "hash", "Item": {**K, "s": S("x"), "n": N("1"), "l": {"L": []}}})
    expect(
        "UpdateItem",
        [
            (update("set a = c"), INVALID + "Cannot update attribute a. This attribute is part of the key"),
            (update("set b = c"), "The provided expression refers to an attribute that does not exist in the item"),
            (update("set b.c = :a", a=N("1")), path),
            (update("remove b.c"), path),
            (update("set s[0] = :a", a=N("1")), path),
            (update("set b = s + n"), kind),
            (update("add s :a", a=N("1")), kind),
            (update("add n :a", a={"NS": ["1"]}), kind),
            (update("delete l :a", a={"NS": ["1"]}), kind),
            (update("set b = :a", a=S("x" * 409600)), "Item size to update has exceeded the maximum allowed size"),
            (
                {**update("set c = :a", a=N("1")), "TableName": "range", "Key": KR},
                "The update expression attempted to update the secondary index key to unsupported type",
            ),
            (
                {**base, "AttributeUpdates": {"b": {}}},
                INVALID + "Only DELETE action is allowed when no attribute value is specified",
            ),
            (
                {**base, "AttributeUpdates": {"b": {"Action": "DELETE", "Value": S("x")}}},
                INVALID + "DELETE action with value is not supported for the type S",
            ),
            (
                {**base, "AttributeUpdates": {"b": {"Action": "ADD", "Value": {"BOOL": True}}}},
                INVALID + "ADD action is not supported for the type BOOL",
            ),
            ({**base, "AttributeUpdates": {"s": {"Action": "ADD", "Value": N("1")}}}, "Type mismatch for attribute to update"),
            (
                {**base, "UpdateExpression": "", "ConditionExpression": "", "AttributeUpdates": {}, "Expected": {}},
                MIXED + "Non-expression parameters: {AttributeUpdates, Expected} Expression parameters: {UpdateExpression, "
                "ConditionExpression}",
            ),
            (
                {**base, "ExpressionAttributeValues": {":a": S("x")}},
                "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are "
                "null",
            ),
            (
                {**update("set b = :a", a=N("1")), "ConditionExpression": "attribute_exists(gone)"},
                ("ConditionalCheckFailedException", "The conditional request failed"),
            ),
        ],
    )


def reads():
    def query(**more):
        return {"TableName": "range", **more}

    def condition(expression, **values):
        return query(
            KeyConditionExpression=expression,
            **({"ExpressionAttributeValues": {f":{name}": value for name, value in values.items()}} if values else {}),
        )

    x = S("x")
    invalid = "Invalid KeyConditionExpression: "
    start = "The provided starting key is invalid"
    expect(
        "Query",
        [
            ({}, broken((None, "tableName", NOT_NULL))),
            (
                {"TableName": "abc;", "ReturnConsumedCapacity": "hi", "IndexName": "", "Select": "hi", "Limit": -1},
                broken(
                    ("hi", "returnConsumedCapacity", one_of("INDEXES", "TOTAL", "NONE")),
                    ("hi", "select", one_of("SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES")),
                    ("", "indexName", PATTERN),
                    ("", "indexName", longer(3)),
                    ("abc;", "tableName", PATTERN),
                    ("-1", "limit", least(1)),
                ),
            ),
            (query(), "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request."),
            (query(KeyConditions={}), "Conditions can be of length 1 or 2 only"),
            (query(KeyConditions={"a": {"ComparisonOperator": "EQ"}}), INVALID + "Invalid number of argument(s) for the EQ ComparisonOperator"),
            (
                query(KeyConditions={"a": {"ComparisonOperator": "NULL"}}),
                "Attempted conditional constraint is not an indexable operation",
            ),
            (
                query(KeyConditions={name: {"ComparisonOperator": "EQ", "AttributeValueList": [x]} for name in "abc"}),
                "Conditions can be of length 1 or 2 only",
            ),
            (
                query(KeyConditions={"a": {"ComparisonOperator": "LT", "AttributeValueList": [{"BOOL": True}]}}),
                INVALID + "ComparisonOperator LT is not valid for BOOL AttributeValue type",
            ),
            (condition("a = :a AND a = :a", a=x), "KeyConditionExpressions must only contain one condition per key"),
            (condition("a = :a OR b = :a", a=x), "Invalid operator used in KeyConditionExpression: OR"),
            (condition("NOT a = :a", a=x), "Invalid operator used in KeyConditionExpression: NOT"),
            (condition("a <> :a", a=x), "Invalid operator used in KeyConditionExpression: <>"),
            (condition("a IN (:a)", a=x), "Invalid operator used in KeyConditionExpression: IN"),
            (condition("attribute_exists(a)"), "Invalid operator used in KeyConditionExpression: attribute_exists"),
            (condition("a.b = :a", a=x), "KeyConditionExpressions cannot have conditions on nested attributes"),
            (condition("size(a) = :a", a=x), "KeyConditionExpressions cannot contain nested operations"),
            (condition("a = b"), "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition"),
            (condition(":a = :a", a=x), "Invalid condition in KeyConditionExpression: No key attribute specified"),
            (
                condition("begins_with(:a, b)", a=x),
                "Invalid condition in KeyConditionExpression: begins_with operator must have the key attribute as its first operand",
            ),
            (condition(""), invalid + "The expression can not be empty;"),
            (condition("b = :a", a=x), "Query condition missed key schema element: a"),
            (condition("a = :a AND c = :a", a=x), "Query condition missed key schema element: b"),
            (condition("a < :a", a=x), "Query key condition not supported"),
            (condition("a = :a", a=N("1")), INVALID + "Condition parameter type does not match schema type"),
            (condition("a = :a AND b < :b", a=x, b=N("1")), INVALID + "Condition parameter type does not match schema type"),
            ({**condition("a = :a", a=x), "IndexName": "gone"}, "The table does not have the specified index: gone"),
            (
                {**condition("c = :a", a=x), "IndexName": "global", "ConsistentRead": True},
                "Consistent reads are not supported on global secondary indexes",
            ),
            (
                {**condition("c = :a", a=x), "IndexName": "global", "Select": "ALL_ATTRIBUTES"},
                INVALID + "Select type ALL_ATTRIBUTES is not supported for global secondary index global because its projection type is "
                "not ALL",
            ),
            (
                {**condition("a = :a", a=x), "Select": "ALL_PROJECTED_ATTRIBUTES"},
                "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            ),
            (
                {**condition("a = :a", a=x), "Select": "SPECIFIC_ATTRIBUTES"},
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            ),
            (
                {**condition("a = :a", a=x), "Select": "COUNT", "ProjectionExpression": "a"},
                "Cannot specify the ProjectionExpression when choosing to get only the Count",
            ),
            (
                {**condition("a = :a", a=x), "FilterExpression": "b = :a"},
                "Filter Expression can only contain non-primary key attributes: Primary key attribute: b",
            ),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": {"a": {}}}, f"{start}: {EMPTY}"),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": {}}, start),
            ({**condition("a = :a", a=x), "ExclusiveStartKey": K}, start),
            (
                {**condition("a = :a", a=S("z")), "ExclusiveStartKey": KR},
                "The provided starting key is outside query boundaries based on provided conditions",
            ),
            (
                {**condition("a = :a AND b > :b", a=x, b=S("z")), "ExclusiveStartKey": KR},
                "The provided starting key does not match the range key predicate",
            ),
            (
                query(
                    AttributesToGet=["a"],
                    QueryFilter={},
                    ConditionalOperator="OR",
                    KeyConditions={},
                    ProjectionExpression="a",
                    FilterExpression="a",
                    KeyConditionExpression="a",
                ),
                MIXED + "Non-expression parameters: {AttributesToGet, QueryFilter, ConditionalOperator, KeyConditions} Expression "
                "parameters: {ProjectionExpression, FilterExpression, KeyConditionExpression}",
            ),
        ],
    )
    expect(
        "Scan",
        [
            (
                {"TableName": "abc", "Segment": -1, "TotalSegments": 0, "Limit": 0},
                broken(("0", "totalSegments", least(1)), ("-1", "segment", least(0)), ("0", "limit", least(1))),
            ),
            (
                {"TableName": "abc", "Segment": 1000000, "TotalSegments": 1000001},
                broken(("1000001", "totalSegments", most(1000000)), ("1000000", "segment", most(999999))),
            ),
            (
                {"TableName": "abc", "Segment": 0},
                "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            ),
            (
                {"TableName": "abc", "TotalSegments": 1},
                "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            ),
            (
                {"TableName": "abc", "Segment": 2, "TotalSegments": 2},
                "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less than "
                "TotalSegments: 2",
            ),
            ({"TableName": "hash", "ExclusiveStartKey": {}}, f"{start}: {NO_SCHEMA}"),
            ({"TableName": "hash", "ExclusiveStartKey": {"a": N("1")}}, f"{start}: {NO_SCHEMA}"),
            ({"TableName": "hash", "ExclusiveStartKey": {"a": {"N": "x"}}}, f"{start}: The parameter cannot be converted to a numeric value: x"),
            (
                {"TableName": "hash", "ScanFilter": {"a": {"ComparisonOperator": "IN", "AttributeValueList": []}}},
                INVALID + "Invalid number of argument(s) for the IN ComparisonOperator",
            ),
            (
                {"TableName": "hash", "ScanFilter": {"a": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"SS": ["x"]}]}}},
                INVALID + "ComparisonOperator CONTAINS is not valid for SS AttributeValue type",
            ),
            (
                {"TableName": "hash", "ScanFilter": {"a": {"ComparisonOperator": "x"}}},
                broken(
                    (
                        "x",
                        "scanFilter.a.member.comparisonOperator",
                        one_of("IN", "NULL", "BETWEEN", "LT", "NOT_CONTAINS", "EQ", "GT", "NOT_NULL", "NE", "LE", "BEGINS_WITH", "CONTAINS", "GE"),
                    )
                ),
            ),
            (
                {"TableName": "range", "IndexName": "global", "ProjectionExpression": "a, f"},
                INVALID + "Global secondary index global does not project [f]",
            ),
        ],
    )


def batches():
    put = lambda item: {"PutRequest": {"Item": item}}  # noqa: E731
    writes = lambda *requests: {"RequestItems": {"hash": list(requests)}}  # noqa: E731
    gets = lambda keys, **more: {"RequestItems": {"hash": {"Keys": keys, **more}}}  # noqa: E731
    names = (
        "Map keys must satisfy constraint: [Member must have length less than or equal to 255, Member must have length greater than or "
        f"equal to 3, {PATTERN}]"
    )
    twice = "Provided list of item keys contains duplicates"
    expect(
        "BatchWriteItem",
        [
            ({}, broken((None, "requestItems", NOT_NULL))),
            ({"RequestItems": {}}, broken(("{}", "requestItems", longer(1)))),
            ({"RequestItems": {"a": []}}, broken(("{a=[]}", "requestItems", names))),
            ({"RequestItems": {"abc": []}}, "The batch write request list for a table cannot be null or empty: abc"),
            (writes({"PutRequest": {}}), broken((None, "requestItems.hash.member.1.member.putRequest.item", NOT_NULL))),
            (
                {"RequestItems": {"hash": [put({"a": S(str(n))}) for n in range(13)], "range": [put({"a": S(str(n))}) for n in range(13)]}},
                "Too many items requested for the BatchWriteItem call",
            ),
            (writes({"PutRequest": {"Item": K}, "DeleteRequest": {"Key": K}}), TWICE),
            (writes(put({"a": {}})), EMPTY),
            (writes(put({"a": S("x" * 409600)})), "Item size has exceeded the maximum allowed size"),
            (writes(put(K), {"DeleteRequest": {"Key": K}}), twice),
            (writes({"DeleteRequest": {"Key": KR}}), NO_SCHEMA),
            ({"RequestItems": {"nowhere": [put(K)]}}, ("ResourceNotFoundException", "Requested resource not found")),
        ],
    )
    expect(
        "BatchGetItem",
        [
            ({"RequestItems": {"abc": {}}}, broken((None, "requestItems.abc.member.keys", NOT_NULL))),
            (gets([]), broken(("[]", "requestItems.hash.member.keys", longer(1)))),
            (gets([K, K]), twice),
            (gets([{"a": S("x")}, {"a": N("1")}]), NO_SCHEMA),
            (gets([K], ProjectionExpression="a", AttributesToGet=["a"]), MIXED + "Non-expression parameters: {AttributesToGet} Expression parameters: {ProjectionExpression}"),
            (
                {
                    "RequestItems": {
                        name: {"Keys": [{"a": S(f"{name}{n}")} for n in range(51)]} for name in ("abc", "abd")
                    }
                },
                "Too many items requested for the BatchGetItem call",
            ),
        ],
    )


def transactions():
    def write(*actions):
        return {"TransactItems": list(actions)}

    put = lambda item: {"Put": {"TableName": "hash", "Item": item}}  # noqa: E731
    expect(
        "TransactWriteItems",
        [
            ({}, broken((None, "transactItems", NOT_NULL))),
            (write(), broken(("[]", "transactItems", longer(1)))),
            (write({}), "Invalid Request: TransactWriteRequest should contain Delete or Put or Update request"),
            (
                write({**put(K), "Delete": {"TableName": "hash", "Key": K}}),
                "TransactItems can only contain one of Check, Put, Update or Delete",
            ),
            (write(put(K), put(K)), "Transaction request cannot include multiple operations on one item"),
            (write(put({"a": {}})), EMPTY),
            ({**write(put(K)), "ClientRequestToken": "x" * 37}, broken(("x" * 37, "clientRequestToken", shorter(36)))),
            (
                write(put(K), {"ConditionCheck": {"TableName": "hash", "Key": {"a": S("y")}, "ConditionExpression": "attribute_exists(a)"}}),
                (
                    "TransactionCanceledException",
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed]",
                ),
            ),
        ],
    )
    expect(
        "TransactGetItems",
        [
            (write({}), broken((None, "transactItems.1.member.get", NOT_NULL))),
            (
                write({"Get": {"TableName": "hash", "Key": {"a": N("1")}}}),
                (
                    "TransactionCanceledException",
                    "Transaction cancelled, please refer cancellation reasons for specific reasons [ValidationError]",
                ),
            ),
        ],
    )


def tables():
    def table(**more):
        return {
            "TableName": "abc",
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in "ab"],
            "KeySchema": [{"AttributeName": "a", "KeyType": "HASH"}, {"AttributeName": "b", "KeyType": "RANGE"}],
            "BillingMode": "PAY_PER_REQUEST",
            **more,
        }

    def key(*elements):
        return [{"AttributeName": name, "KeyType": kind} for name, kind in elements]

    def local(**more):
        index = {"IndexName": "local", "KeySchema": key(("a", "HASH"), ("b", "RANGE")), "Projection": {"ProjectionType": "ALL"}}
        return table(LocalSecondaryIndexes=[{**index, **more}])

    short = "TableName must be at least 3 characters long and at most 255 characters long"
    required = "The parameter 'TableName' is required but was not present in the request"
    for operation in ("CreateTable", "DescribeTable", "DeleteTable"):
        expect(operation, [({}, required), ({"TableName": "ab"}, short), ({"TableName": "x" * 256}, short)])
    for operation in ("DescribeTable", "DeleteTable"):
        expect(
            operation,
            [
                ({"TableName": "abc;"}, broken(("abc;", "tableName", PATTERN))),
                ({"TableName": "nowhere"}, ("ResourceNotFoundException", "Requested resource not found: Table: nowhere not found")),
            ],
        )
    expect(
        "CreateTable",
        [
            (
                {"TableName": "abc;", "AttributeDefinitions": [{}], "KeySchema": [], "ProvisionedThroughput": {"ReadCapacityUnits": -1, "WriteCapacityUnits": 0}},
                broken(
                    (None, "attributeDefinitions.1.member.attributeName", NOT_NULL),
                    (None, "attributeDefinitions.1.member.attributeType", NOT_NULL),
                    ("abc;", "tableName", PATTERN),
                    ("0", "provisionedThroughput.writeCapacityUnits", least(1)),
                    ("-1", "provisionedThroughput.readCapacityUnits", least(1)),
                    ("[]", "keySchema", longer(1)),
                ),
            ),
            (
                table(LocalSecondaryIndexes=[{}]),
                broken(
                    (None, "localSecondaryIndexes.1.member.projection", NOT_NULL),
                    (None, "localSecondaryIndexes.1.member.indexName", NOT_NULL),
                    (None, "localSecondaryIndexes.1.member.keySchema", NOT_NULL),
                ),
            ),
            (
                table(BillingMode=None),
                INVALID + "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
            ),
            (
                table(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}),
                INVALID + "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
            ),
            (
                table(BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 1000000000001, "WriteCapacityUnits": 1}),
                "Given value 1000000000001 for ReadCapacityUnits is out of bounds",
            ),
            (table(AttributeDefinitions=[]), "Invalid KeySchema: Some index key attribute have no definition"),
            (
                table(KeySchema=key(("a", "HASH"), ("c", "RANGE"))),
                INVALID + "Some index key attributes are not defined in AttributeDefinitions. Keys: [a, c], AttributeDefinitions: [a, b]",
            ),
            (
                table(KeySchema=key(("a", "HASH"), ("a", "RANGE"))),
                "Both the Hash Key and the Range Key element in the KeySchema have the same name",
            ),
            (table(KeySchema=key(("a", "RANGE"))), "Invalid KeySchema: The first KeySchemaElement is not a HASH key type"),
            (table(KeySchema=key(("a", "HASH"), ("b", "HASH"))), "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type"),
            (
                table(KeySchema=key(("a", "HASH"))),
                INVALID + "Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions",
            ),
            (table(LocalSecondaryIndexes=[]), INVALID + "List of LocalSecondaryIndexes is empty"),
            (table(GlobalSecondaryIndexes=[]), INVALID + "List of GlobalSecondaryIndexes is empty"),
            (
                {**local(), "KeySchema": key(("a", "HASH"))},
                INVALID + "Table KeySchema does not have a range key, which is required when specifying a LocalSecondaryIndex",
            ),
            (local(KeySchema=key(("a", "HASH"))), INVALID + "Index KeySchema does not have a range key for index: local"),
            (
                local(KeySchema=key(("b", "HASH"), ("a", "RANGE"))),
                INVALID + "Index KeySchema does not have the same leading hash key as table KeySchema for index: local. index hash key: "
                "b, table hash key: a",
            ),
            (local(Projection={}), INVALID + "Unknown ProjectionType: null"),
            (
                local(Projection={"ProjectionType": "ALL", "NonKeyAttributes": ["a"]}),
                INVALID + "ProjectionType is ALL, but NonKeyAttributes is specified",
            ),
            (local(Projection={"ProjectionType": "INCLUDE"}), INVALID + "ProjectionType is INCLUDE, but NonKeyAttributes is not specified"),
            (table(TableName="hash"), ("ResourceInUseException", "Table already exists: hash")),
        ],
    )
    expect(
        "ListTables",
        [
            ({"ExclusiveStartTableName": ""}, "ExclusiveStart" + short),
            (
                {"ExclusiveStartTableName": "abc;", "Limit": 500},
                broken(("abc;", "exclusiveStartTableName", PATTERN), ("500", "limit", most(100))),
            ),
            ({"Limit": 0}, broken(("0", "limit", least(1)))),
        ],
    )


def hostile():
    """What is made to cost much costs little."""
    begun = time.monotonic()
    deep = b'{"TableName": "hash", "Item": {"a": ' + b'{"L": [' * 10_000 + b"]}" * 10_000 + b"}}"
    expect("PutItem", [(deep, ("SerializationException", None)), (b"[" * 1_000_000, ("SerializationException", None))])
    many = {"TableName": "abc", "Item": {"a": {"L": [{"NULL": True}] * 500_000}}}
    expect("PutItem", [(many, "Item size has exceeded the maximum allowed size")])
    nested = {"TableName": "abc", "Item": {}, "ConditionExpression": "(" * 2000 + "a = b" + ")" * 2000}
    status, answer = call("PutItem", nested)
    assert status == 400 and "ConditionExpression" in answer["message"], answer
    number = {"TableName": "abc", "Item": {"a": N("1e" + "9" * 1_000_000)}}
    status, answer = call("PutItem", number)
    assert status == 400 and answer["message"].startswith("Number overflow"), answer
    assert time.monotonic() - begun < 60, "refused at once"


make_tables()
for group in (serialization, values, puts, conditions, keys, updates, reads, batches, transactions, tables, hostile):
    group()
if FAILURES:
    sys.exit("\n".join(FAILURES))
print("all is well")
