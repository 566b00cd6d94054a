"""Writes lists of lists with pyarrow and DuckDB, and their values as DuckDB reads them.

Run it in its directory: python make.py
"""

import json
import random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

random.seed(2)
click = pa.struct([("item", pa.int64()), ("tags", pa.list_(pa.string()))])


def tags():
    if random.random() < 0.15:
        return None
    return [random.choice(["a", "b|c", "d;e", '"f', "東"]) for _ in range(random.choice([0, 1, 2, 3, 20]))]


def numbers():
    return None if random.random() < 0.1 else [random.randrange(2**40) for _ in range(random.randrange(4))]


def some(create):
    return None if random.random() < 0.1 else [create() for _ in range(random.choice([0, 1, 2, 5, 12]))]


def clicks():
    return None if random.random() < 0.05 else {"item": random.randrange(99), "tags": tags()}


rows = 60
table = pa.table({
    "click": pa.array([i % 2 for i in range(rows)]),
    "tags": pa.array([some(tags) for _ in range(rows)], pa.list_(pa.list_(pa.string()))),
    "ids": pa.array([some(numbers) for _ in range(rows)], pa.list_(pa.list_(pa.int64()))),
    "clicks": pa.array([some(clicks) for _ in range(rows)], pa.list_(click)),
    "deep": pa.array([[[["a"]]] for _ in range(rows)]),
})
small = {"row_group_size": 25, "data_page_size": 40, "write_batch_size": 5}
for version in ["1.0", "2.0"]:
    for is_compliant in [True, False]:
        name = f"pyarrow-v{version[0]}-{'element' if is_compliant else 'item'}.parquet"
        pq.write_table(table, name, data_page_version=version, use_compliant_nested_type=is_compliant, use_dictionary=is_compliant, **small)

db = duckdb.connect()
db.execute("create table log as select * from 'pyarrow-v1-element.parquet'")
for version in ["V1", "V2"]:
    db.execute(f"copy log to 'duckdb-{version.lower()}.parquet' (parquet_version {version}, row_group_size 2048)")

expected = {}
for name, items in {"tags": "tags", "ids": "ids", "clicks.tags": "[c.tags for c in clicks]"}.items():
    query = f"select coalesce([coalesce([v::varchar for v in t], []) for t in {items}], []) from log"
    expected[name] = [row for (row,) in db.execute(query).fetchall()]
json.dump(expected, open("values.json", "w"), ensure_ascii=False)
