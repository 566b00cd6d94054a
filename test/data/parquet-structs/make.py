"""Writes lists of structs with pyarrow and DuckDB, and the values of their members as DuckDB reads them.

Run it in its directory: python make.py
"""

import json
import random

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

random.seed(1)
click = pa.struct([
    ("item", pa.string()),
    ("cate", pa.int64()),
    ("price", pa.float64()),
    pa.field("at", pa.timestamp("ms"), nullable=False),
])


def clicks():
    if random.random() < 0.15:
        return None
    return [
        None if random.random() < 0.05 else {
            "item": random.choice(["a", "b|c", "", None, "東"]),
            "cate": random.choice([None, *range(9)]),
            "price": random.randrange(40) / 4,
            "at": 1_700_000_000_000 + random.randrange(10_000_000),
        }
        for _ in range(random.choice([0, 1, 2, 5, 30]))
    ]


rows = [clicks() for _ in range(60)]
table = pa.table({"click": pa.array([i % 2 for i in range(60)]), "clicks": pa.array(rows, pa.list_(click)), "other.x": pa.array(range(60))})
small = {"row_group_size": 25, "data_page_size": 40, "write_batch_size": 5}
for version in ["1.0", "2.0"]:
    for is_compliant in [True, False]:
        name = f"pyarrow-v{version[0]}-{'element' if is_compliant else 'item'}.parquet"
        pq.write_table(table, name, data_page_version=version, use_compliant_nested_type=is_compliant, use_dictionary=is_compliant, **small)

db = duckdb.connect()
db.execute("create table log as select * from 'pyarrow-v1-element.parquet'")
for version in ["V1", "V2"]:
    db.execute(f"copy log to 'duckdb-{version.lower()}.parquet' (parquet_version {version}, row_group_size 2048)")

members = {}
for name in ["item", "cate", "price", "at"]:
    query = f"select coalesce([coalesce(c.{name}::varchar, '') for c in clicks], []) from log"
    members[f"clicks.{name}"] = [row for (row,) in db.execute(query).fetchall()]
json.dump(members, open("members.json", "w"), ensure_ascii=False)
