"""PartiQL: statements alone, in batches and in transactions."""

from asking import EMPTY, INVALID, K, N, NOT_NULL, S, TWICE, broken, expect, longer, ok, one_of, shorter

UNFORMED = "Statement wasn't well formed, can't be processed: "
NO_KEY = "Where clause does not contain a mandatory equality on all key attributes"
PARAMETERS = "Number of parameters in request and statement don't match."
NOT_FOUND = ("ResourceNotFoundException", "Requested resource not found")
FAILED = ("ConditionalCheckFailedException", "The conditional request failed")
ONE = "SELECT * FROM hash WHERE a='x'"
PUT = "INSERT INTO hash VALUE {'a':'x'}"


def statements():
    def run(statement, *parameters, **more):
        return {"Statement": statement, **({"Parameters": list(parameters)} if parameters else {}), **more}

    ok("DeleteItem", {"TableName": "hash", "Key": K})
    assert ok("ExecuteStatement", run(PUT)) == {"Items": []}
    assert ok("ExecuteStatement", run("SELECT * FROM hash WHERE a=?", S("x"))) == {"Items": [K]}
    changed = "UPDATE hash SET n=1 WHERE a='x' RETURNING ALL NEW *"
    assert ok("ExecuteStatement", run(changed)) == {"Items": [{**K, "n": N("1")}]}
    enum = one_of("INDEXES", "TOTAL", "NONE")
    expect(
        "ExecuteStatement",
        [
            ({}, broken((None, "statement", NOT_NULL))),
            (run(""), broken(("", "statement", longer(1)))),
            (run("x" * 8193), broken(("x" * 300 + "...", "statement", shorter(8192)))),
            ({**run(ONE), "Parameters": []}, broken(("[]", "parameters", longer(1)))),
            (run(ONE, ReturnConsumedCapacity="x"), broken(("x", "returnConsumedCapacity", enum))),
            (run(ONE, NextToken=""), broken(("", "nextToken", longer(1)))),
            (run("SELECT * FROM hash WHERE a=?"), PARAMETERS),
            (run(ONE, S("x")), PARAMETERS),
            (run("SELECT * FROM hash WHERE a=?", {}), EMPTY),
            (run("SELECT * FROM hash WHERE a=?", {"S": "x", "N": "1"}), TWICE),
            (run("SELEC * FROM hash"), UNFORMED + "Expected data manipulation"),
            (run("SELECT FROM hash"), UNFORMED + "Unexpected keyword"),
            (run("SELECT * FROM hash WHERE"), UNFORMED + "Unexpected term"),
            (run(ONE + " LIMIT 1"), "Unsupported clause: LIMIT at 1:32:5"),
            (run("SELECT count(*) FROM hash"), "Unsupported function: count at 1:8:5"),
            (run("SELECT a AS b FROM hash"), "Aliasing is not supported"),
            (run("SELECT * FROM hash, nowhere"), "Only select from a single table or index is supported."),
            (run(ONE + "; " + ONE), UNFORMED + "Unexpected token after semicolon. (Only one query is allowed.)"),
            (run("SELECT * FROM nowhere"), NOT_FOUND),
            (run("SELECT * FROM hash WHERE a=1"), INVALID + "Condition parameter type does not match schema type"),
            (run('SELECT * FROM "range"."gone"'), "The table does not have the specified index: gone"),
            (
                run('SELECT * FROM "range"."global" WHERE c=\'x\'', ConsistentRead=True),
                "Consistent reads are not supported on global secondary indexes",
            ),
            (run('SELECT * FROM "range" ORDER BY a'), "Must have WHERE clause in the statement when using ORDER BY clause."),
            (
                run('SELECT * FROM "range" WHERE a=\'x\' ORDER BY c'),
                "Variable reference c in ORDER BY clause must be part of the primary key",
            ),
            (run("SELECT * FROM hash", NextToken="abc"), "Invalid NextToken"),
            (run(PUT), ("DuplicateItemException", "Duplicate primary key exists in table")),
            (run("INSERT INTO hash VALUE {'b':1}"), INVALID + "Missing the key a in the item"),
            (run("INSERT INTO hash VALUE {'a':1}"), INVALID + "Type mismatch for key a expected: S actual: N"),
            (run("INSERT INTO nowhere VALUE {'a':'x'}"), NOT_FOUND),
            (run("UPDATE hash SET b=1"), NO_KEY),
            (run("UPDATE hash SET b=1 WHERE b=1"), NO_KEY),
            (run("UPDATE hash SET b=1 WHERE a='x' AND n=2"), FAILED),
            (run("UPDATE hash SET b=1 WHERE a='nowhere'"), FAILED),
            (run("UPDATE hash SET a='q' WHERE a='x'"), INVALID + "Cannot update attribute a. This attribute is part of the key"),
            (
                run("DELETE FROM hash WHERE a='x' RETURNING MODIFIED NEW *"),
                "Invalid returning clause: RETURNING MODIFIED NEW *. Only RETURNING ALL OLD * is allowed in DELETE statements.",
            ),
            (run("EXISTS(" + ONE + ")"), "EXISTS can only be used in ExecuteTransaction write requests."),
            (run("DELETE FROM hash"), NO_KEY),
            (run('DELETE FROM "range" WHERE a=\'x\''), NO_KEY),
            (run("DELETE FROM hash WHERE a='x' AND n=2"), FAILED),
        ],
    )
    assert ok("ExecuteStatement", run("DELETE FROM hash WHERE a='nowhere'")) == {"Items": []}
    assert ok("ExecuteStatement", run("DELETE FROM hash WHERE a='x' RETURNING ALL OLD *")) == {"Items": [{**K, "n": N("1")}]}


def batches():
    def batch(*statements):
        return {"Statements": [{"Statement": statement} for statement in statements]}

    def answers(*statements):
        return [
            (response["Error"]["Code"], response["Error"]["Message"]) if "Error" in response else response.get("Item")
            for response in ok("BatchExecuteStatement", batch(*statements))["Responses"]
        ]

    expect(
        "BatchExecuteStatement",
        [
            ({}, broken((None, "statements", NOT_NULL))),
            (batch(), broken(("[]", "statements", longer(1)))),
            ({"Statements": [{}]}, broken((None, "statements.1.member.statement", NOT_NULL))),
            (batch(""), broken(("", "statements.1.member.statement", longer(1)))),
            ({"Statements": [{"Statement": ONE, "Parameters": []}]}, broken(("[]", "statements.1.member.parameters", longer(1)))),
            (batch(ONE, PUT), "Read and write requests together in the same batch is not supported."),
            (batch(PUT, "DELETE FROM hash WHERE a='x'"), "Provided list of item keys contains duplicates"),
            (batch(ONE, ONE), "Provided list of item keys contains duplicates"),
        ],
    )
    invalid = lambda message: ("ValidationError", message)  # noqa: E731
    duplicate = ("DuplicateItem", "Duplicate primary key exists in table")
    failed = ("ConditionalCheckFailed", FAILED[1])
    ok("PutItem", {"TableName": "hash", "Item": K})
    assert answers(PUT, "UPDATE hash SET b=1 WHERE a='y'", "DELETE FROM hash WHERE a='z' AND b=2", "INSERT INTO hash VALUE {}") == [
        duplicate,
        failed,
        None,
        invalid(INVALID + "Missing the key a in the item"),
    ]
    keyless = invalid("Select statements within BatchExecuteStatement must specify the primary key in the where clause.")
    assert answers(ONE, "SELECT * FROM hash", "SELECT * FROM hash WHERE a=?", "x") == [
        K,
        keyless,
        invalid(PARAMETERS),
        invalid(UNFORMED + "Expected data manipulation"),
    ]
    ok("DeleteItem", {"TableName": "hash", "Key": K})


def transactions():
    def transaction(*statements, **more):
        return {"TransactStatements": [{"Statement": statement} for statement in statements], **more}

    def canceled(*codes):
        return (
            "TransactionCanceledException",
            f"Transaction cancelled, please refer cancellation reasons for specific reasons [{', '.join(codes)}]",
        )

    within = lambda number, message: f"Validation failed in TransactStatements[{number}]: {message}"  # noqa: E731
    check = "EXISTS(SELECT * FROM hash WHERE a='y' AND b=1)"
    expect(
        "ExecuteTransaction",
        [
            ({}, broken((None, "transactStatements", NOT_NULL))),
            (transaction(), broken(("[]", "transactStatements", longer(1)))),
            ({"TransactStatements": [{}]}, broken((None, "transactStatements.1.member.statement", NOT_NULL))),
            (transaction(ONE, ClientRequestToken=""), broken(("", "clientRequestToken", longer(1)))),
            (transaction(ONE, ClientRequestToken="x" * 37), broken(("x" * 37, "clientRequestToken", shorter(36)))),
            (
                transaction(ONE, PUT),
                "ExecuteTransaction API does not support both read and write operations in the same request.",
            ),
            (
                transaction("SELECT * FROM hash"),
                within(0, "Select statements within ExecuteTransaction must specify the primary key in the where clause."),
            ),
            (transaction(PUT, "x"), within(1, UNFORMED + "Expected data manipulation")),
            (
                transaction("DELETE FROM hash WHERE a='x' RETURNING ALL OLD *"),
                within(0, "RETURNING clause is not supported in ExecuteTransaction."),
            ),
            (
                transaction('SELECT * FROM "range"."local" WHERE a=\'x\''),
                within(0, "Reads on indices are not supported within transactions."),
            ),
            (
                transaction(PUT, "UPDATE hash SET b=1 WHERE a='x'"),
                "Transaction request cannot include multiple operations on one item",
            ),
            (transaction("INSERT INTO nowhere VALUE {'a':'x'}"), NOT_FOUND),
            (transaction(check, PUT), canceled("ConditionalCheckFailed", "None")),
        ],
    )
    once = transaction(PUT, ClientRequestToken="a token of a transaction")
    assert ok("ExecuteTransaction", once) == {"Responses": [{}]}
    assert ok("ExecuteTransaction", once) == {"Responses": [{}]}
    assert ok("ExecuteTransaction", transaction(ONE)) == {"Responses": [{"Item": K}]}
    expect(
        "ExecuteTransaction",
        [
            (transaction(PUT), canceled("DuplicateItem")),
            (
                {**once, **transaction("DELETE FROM hash WHERE a='x'")},
                (
                    "IdempotentParameterMismatchException",
                    "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent token "
                    "that was already used.",
                ),
            ),
        ],
    )
    ok("DeleteItem", {"TableName": "hash", "Key": K})
