"""What cannot be read, what must be there, and what is made to cost much."""

import time

from asking import N, call, expect


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
