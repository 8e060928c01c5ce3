"""How a request is asked, and what its answer should be: bodies are signed and sent as they stand.

An answer is given as the message of a ValidationException, or as a pair of the exception's name and its message.
"""

import json
import os
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
SCALARS = "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: "
NO_SCHEMA = "The provided key element does not match the schema"
PATTERN = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
NOT_NULL = "Member must not be null"
STREAMS = ("ListStreams", "DescribeStream", "GetShardIterator", "GetRecords")


def call(operation, body):
    """Sends a body, of text or to be made text; gives the status and what came back."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    service = "DynamoDBStreams" if operation in STREAMS else "DynamoDB"
    headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"{service}_20120810.{operation}"}
    signed = AWSRequest("POST", ENDPOINT + "/", headers=headers, data=data)
    SigV4Auth(CREDENTIALS, "dynamodb", "eu-central-1").add_auth(signed)
    request = urllib.request.Request(ENDPOINT + "/", data, dict(signed.headers.items()))
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.loads(response.read() or b"{}")
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
