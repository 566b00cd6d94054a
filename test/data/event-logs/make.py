"""Writes an event log, the same events as lists per user, and rows; DuckDB joins each row with the events before it.

Run it in its directory: python make.py
"""

import json

import duckdb

db = duckdb.connect()
db.execute("""
create table events as
select i, 'u' || (i * 7919 % 23) as "user",
  timestamp '2026-11-01' + to_seconds(i * 104729 % 5003 * 60) as t,
  case when i % 11 = 3 then null else 'item ' || (i * 31 % 17) end as item,
  (i * 13 % 40) / 4 as price
from range(600) r(i);
create table requests as
select i, i % 2 as click, 'u' || (i * 17 % 26) as "user",
  timestamp '2026-11-01' + to_seconds(i * 7907 % 5003 * 60) as request_time
from range(150) r(i);
""")
db.execute("""copy (select "user", t, item, price from events order by i)
to 'events.parquet' (compression zstd, row_group_size 2048)""")
db.execute("""copy (
  select "user", list(t order by i) as t, list(item order by i) as item, list(price order by i) as price
  from events group by "user" order by min(i)) to 'users.parquet' (compression zstd)""")
db.execute("""copy (select click, "user", request_time from requests order by i) to 'rows.csv' (header)""")
joined = db.execute("""
select coalesce(list(coalesce(item, '') order by t, e.i) filter (t < request_time), []),
  coalesce(list(price order by t, e.i) filter (t < request_time), []),
  coalesce(list(epoch(request_time) - epoch(t) order by t, e.i) filter (t < request_time), [])
from requests r left join events e using ("user") group by r.i order by r.i""").fetchall()
json.dump([{"item": item, "price": price, "age": age} for item, price, age in joined], open("joined.json", "w"))
