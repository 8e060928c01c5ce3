"""What the scripts for boto3 have in common."""

import boto3
from botocore.exceptions import ClientError

client = boto3.client("dynamodb")
resource = boto3.resource("dynamodb")


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except ClientError as error:
        found = error.response["Error"]
        assert found["Code"] == code, found
        assert len(error.response["ResponseMetadata"]["RequestId"]) == 52
        return found["Message"]
    raise AssertionError(f"{code} was expected")


def make(name, more_definitions=(), **more):
    more.setdefault("BillingMode", "PAY_PER_REQUEST")
    table = resource.create_table(
        TableName=name,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
            *more_definitions,
        ],
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        **more,
    )
    table.wait_until_exists()
    return table
