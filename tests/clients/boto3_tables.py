"""Tables and what is told of them, through boto3 as it is: run by tests/tests/clients, which sets the environment."""

import time

from common import client, make, refused, resource

CITY = {"AttributeName": "city", "AttributeType": "S"}
YEAR = {"AttributeName": "year", "AttributeType": "N"}


def soon(what):
    for _ in range(600):
        found = what()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come true")


def describe(name):
    return client.describe_table(TableName=name)["Table"]


def settings():
    made = client.create_table(
        TableName="settings",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        ProvisionedThroughput={"ReadCapacityUnits": 3, "WriteCapacityUnits": 4},
        TableClass="STANDARD_INFREQUENT_ACCESS",
        DeletionProtectionEnabled=True,
        Tags=[{"Key": "owner", "Value": "me"}],
    )["TableDescription"]
    assert made["TableStatus"] == "CREATING", made
    client.get_waiter("table_exists").wait(TableName="settings")
    table = describe("settings")
    assert table["TableArn"].startswith("arn:aws:dynamodb:us-east-1:000000000000:table/"), table
    assert table["ProvisionedThroughput"]["WriteCapacityUnits"] == 4
    assert table["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS"
    assert "BillingModeSummary" not in table
    message = refused("ValidationException", client.delete_table, TableName="settings")
    assert message.startswith("Resource cannot be deleted as it is currently protected"), message
    client.update_table(TableName="settings", BillingMode="PAY_PER_REQUEST", DeletionProtectionEnabled=False)
    table = describe("settings")
    assert table["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert table["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"].year >= 2024
    assert not table["DeletionProtectionEnabled"]
    message = refused("ValidationException", client.update_table, TableName="settings")
    assert message.startswith("At least one of ProvisionedThroughput, BillingMode"), message
    client.delete_table(TableName="settings")


def indexes_online():
    table = make("online")
    for number in range(40):
        table.put_item(Item={"pk": "p", "sk": number, "city": "Ísafjörður" if number % 2 else "Vík"})
    client.update_table(
        TableName="online",
        AttributeDefinitions=[CITY],
        GlobalSecondaryIndexUpdates=[
            {
                "Create": {
                    "IndexName": "by-city",
                    "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
                    "Projection": {"ProjectionType": "KEYS_ONLY"},
                }
            }
        ],
    )
    soon(lambda: describe("online")["GlobalSecondaryIndexes"][0]["IndexStatus"] == "ACTIVE")
    found = client.query(
        TableName="online",
        IndexName="by-city",
        KeyConditionExpression="city = :c",
        ExpressionAttributeValues={":c": {"S": "Vík"}},
        Select="COUNT",
    )
    assert found["Count"] == 20, found
    client.update_table(TableName="online", GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-city"}}])
    soon(lambda: "GlobalSecondaryIndexes" not in describe("online"))
    table.delete()


def tags():
    arn = make("tagged").table_arn
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": f"key-{n}", "Value": str(n)} for n in range(12)])
    client.untag_resource(ResourceArn=arn, TagKeys=["key-3", "key-99"])
    pages = client.get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    found = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    assert len(found) == 11 and found["key-4"] == "4", found
    missing = arn.replace("tagged", "nowhere")
    message = refused("ResourceNotFoundException", client.list_tags_of_resource, ResourceArn=missing)
    assert message == f"Requested resource not found: ResourcArn: {missing} not found", message
    client.delete_table(TableName="tagged")


def time_to_live():
    table = make("expiring")
    assert client.describe_time_to_live(TableName="expiring")["TimeToLiveDescription"] == {"TimeToLiveStatus": "DISABLED"}
    specification = {"Enabled": True, "AttributeName": "until"}
    client.update_time_to_live(TableName="expiring", TimeToLiveSpecification=specification)
    message = refused(
        "ValidationException", client.update_time_to_live, TableName="expiring", TimeToLiveSpecification=specification
    )
    assert message == "TimeToLive is already enabled", message
    for number, until in enumerate([time.time() - 10, time.time() + 1000]):
        table.put_item(Item={"pk": "p", "sk": number, "until": int(until)})
    soon(lambda: table.scan(Select="COUNT")["Count"] == 1)
    described = client.describe_time_to_live(TableName="expiring")["TimeToLiveDescription"]
    assert described == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}, described
    table.delete()


def told():
    key = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "year", "KeyType": "RANGE"}]
    table = make(
        "told",
        more_definitions=[CITY, YEAR],
        LocalSecondaryIndexes=[
            {"IndexName": "by-year", "KeySchema": key, "Projection": {"ProjectionType": "ALL"}},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-city",
                "KeySchema": [{"AttributeName": "city", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
    )
    item = {"pk": "p", "sk": 1, "year": 1984, "city": "Vík", "plot": "x" * 2000}
    asked = {"ReturnConsumedCapacity": "INDEXES", "ReturnItemCollectionMetrics": "SIZE"}
    put = table.put_item(Item=item, **asked)
    units = {"CapacityUnits": 2.0}
    assert put["ConsumedCapacity"] == {
        "TableName": "told",
        "CapacityUnits": 5.0,
        "Table": units,
        "LocalSecondaryIndexes": {"by-year": units},
        "GlobalSecondaryIndexes": {"by-city": {"CapacityUnits": 1.0}},
    }, put
    metrics = put["ItemCollectionMetrics"]
    assert metrics == {"ItemCollectionKey": {"pk": "p"}, "SizeEstimateRangeGB": [0.0, 1.0]}, metrics
    batch = resource.batch_write_item(RequestItems={"told": [{"PutRequest": {"Item": {**item, "sk": 2}}}]}, **asked)
    assert batch["ConsumedCapacity"] == [put["ConsumedCapacity"]], batch
    assert batch["ItemCollectionMetrics"] == {"told": [metrics]}, batch
    action = {"Put": {"TableName": "told", "Item": {"pk": {"S": "p"}, "sk": {"N": "3"}}}}
    consumed = client.transact_write_items(TransactItems=[action], ReturnConsumedCapacity="TOTAL")["ConsumedCapacity"]
    assert consumed == [{"TableName": "told", "CapacityUnits": 2.0, "WriteCapacityUnits": 2.0}], consumed
    got = client.batch_get_item(
        RequestItems={"told": {"Keys": [{"pk": {"S": "p"}, "sk": {"N": "1"}}], "ConsistentRead": True}},
        ReturnConsumedCapacity="INDEXES",
    )
    assert got["ConsumedCapacity"] == [{"TableName": "told", "CapacityUnits": 1.0, "Table": {"CapacityUnits": 1.0}}]
    table.delete()


def account():
    assert client.describe_limits()["TableMaxWriteCapacityUnits"] == 40000
    address = client.describe_endpoints()["Endpoints"][0]["Address"]
    assert client.meta.endpoint_url.endswith(address), address
    assert client.list_backups()["BackupSummaries"] == []
    make("plain")
    backups = client.describe_continuous_backups(TableName="plain")["ContinuousBackupsDescription"]
    assert backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    refused("TableNotFoundException", client.describe_continuous_backups, TableName="nowhere")
    message = refused("UnknownOperationException", client.create_backup, TableName="plain", BackupName="one")
    assert message == "CreateBackup is not supported by this version of SealDB", message
    client.delete_table(TableName="plain")


settings()
indexes_online()
tags()
time_to_live()
told()
account()
print("all is well")
