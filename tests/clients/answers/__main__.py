"""What the service answers to requests that no SDK would send, word for word: run by tests/tests/clients, which sets the environment."""

import sys

import bodies
import items
import reads
import settings
import statements
import streams
import tables
from asking import FAILURES, make_tables

make_tables()
for group in (
    bodies.serialization,
    items.values,
    items.puts,
    items.conditions,
    items.keys,
    items.updates,
    reads.shapes,
    reads.arns,
    reads.reads,
    reads.batches,
    reads.transactions,
    tables.tables,
    settings.time_to_live,
    settings.tags,
    settings.updates,
    streams.streams,
    statements.statements,
    statements.batches,
    statements.transactions,
    bodies.hostile,
):
    group()
if FAILURES:
    sys.exit("\n".join(FAILURES))
print("all is well")
