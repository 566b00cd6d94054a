"""Writes the Parquet files of this folder, and the text that DuckDB's CSV export gives for each of their cells.

    pip install duckdb==2.0.1 pyarrow==26.0.1 && python make.py

cells.json has by table and column the cells: text, or for a bag its items as [id, weight], both text. Every file of a table has
the same cells; its name says what differs: types-plain-v2.parquet.
"""
import csv
import decimal
import json
import os
import tempfile

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

SCRATCH = tempfile.mkdtemp()

os.chdir(os.path.dirname(os.path.abspath(__file__)))
db = duckdb.connect()
db.execute("set timezone = 'UTC'")
cells = {}


def ticks(values, type):
    return pa.array(values, pa.int64()).cast(type)


def with_nulls(name, array):
    """The same values with no null, with some, and with nothing else."""
    kept = [i not in (0, 1, 4, len(array) - 1) for i in range(len(array))]
    some = pa.array([i if keep else None for i, keep in enumerate(kept)], pa.int64())
    return {name: array, f"{name}_some": array.take(some), f"{name}_none": pa.nulls(len(array), array.type)}


def expect(table, path, items=()):
    """Notes the cells of a file, which all files of a table agree on."""
    db.execute(f"copy (select * from '{path}') to '{SCRATCH}/cells.csv' (header true)")
    with open(f"{SCRATCH}/cells.csv", newline="") as file:
        header, *rows = csv.reader(file)
    found = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    for name, kind in items:
        item = {"ids": "[cast(e as varchar)]", "pairs": "[cast(e.id as varchar), cast(e.weight as varchar)]", "map": "[cast(e.key as varchar), cast(e.value as varchar)]"}[kind]
        source = f"map_entries({name})" if kind == "map" else name
        rows = db.execute(f"select to_json(list_transform({source}, lambda e: {item})) from '{path}'").fetchall()
        found[name] = [[] if text is None else json.loads(text) for (text,) in rows]
    assert cells.setdefault(table, found) == found, path


SMALL = {"compression": "none", "write_statistics": False, "store_schema": False}


def write(table, name, data, items=(), read="", **options):
    """Writes a file; `read` is a copy for DuckDB where the file is beyond it."""
    path = f"{table}-{name}.parquet"
    pq.write_table(data, path, **{**SMALL, **options})
    if read != "":
        pq.write_table(data, read, **SMALL)
    expect(table, read or path, items)


# Every type.
D = decimal.Decimal
columns = {
    "bool": pa.array([True, False, True, True, False, True, False, False]),
    "int8": pa.array([-128, 127, 0, 1, -1, 2, 3, 4], pa.int8()),
    "uint8": pa.array([255, 127, 0, 1, 2, 3, 4, 5], pa.uint8()),
    "int16": pa.array([-(2**15), 2**15 - 1, 0, 1, -1, 2, 3, 4], pa.int16()),
    "uint16": pa.array([2**16 - 1, 127, 0, 1, 2, 3, 4, 5], pa.uint16()),
    "int32": pa.array([-(2**31), 2**31 - 1, 0, 1, -1, 2, 3, 4], pa.int32()),
    "uint32": pa.array([2**32 - 1, 2**31, 0, 1, 2, 3, 4, 5], pa.uint32()),
    "int64": pa.array([-(2**63), 2**63 - 1, 2**53, 2**53 + 1, -(2**53) - 1, 2**32, -1, 0], pa.int64()),
    "uint64": pa.array([2**64 - 1, 2**63, 2**53 + 1, 1, 2**32, 2**31, 3, 0], pa.uint64()),
    "half": pa.array([0.1, 1, 65504, float("nan"), -0.0, 6e-8, float("-inf"), -2.5], pa.float32()).cast(pa.float16()),
    "float": pa.array([0.1, 16777216, 3.4028235e38, float("nan"), float("inf"), 1e-45, -0.0, 123456789.0], pa.float32()),
    "float2": pa.array([0.3, 1e-5, 1e16, 9999999.0, 1.17549435e-38, 33554434.0, 2.5e-3, 99999.99], pa.float32()),
    "double": pa.array([0.1, 1e15, 1.7976931348623157e308, float("nan"), float("-inf"), 5e-324, -0.0, 1 / 3], pa.float64()),
    "double2": pa.array([1e16, 123456789012345678.0, 1e-4, 9.9e-5, 1e21, 1e-7, 1e100, -1.15], pa.float64()),
    "decimal9": pa.array([D("-1.15"), D("0.05"), D("-0.05"), D(0), D("99999.99"), D(1), D(-1), D("0.1")], pa.decimal128(7, 2)),
    "decimal18": pa.array([D("12345678901234.5678"), D("-0.0001"), D(0), D(1), D(-1), D("0.5"), D(7), D("1.1")], pa.decimal128(18, 4)),
    "decimal38": pa.array([D("12345678901234567890.123456789012345678"), D("-1.15"), D(0), D("0.000000000000000001"), D(-1), D(1), D(2), D(3)], pa.decimal128(38, 18)),
    "decimal_small": pa.array([D("0.123"), D("-0.5"), D(0), D("0.001"), D("-0.999"), D("0.1"), D("0.2"), D("0.3")], pa.decimal128(3, 3)),
    "decimal_whole": pa.array([D(123), D(-5), D(0), D(1), D(2), D(3), D(4), D(99999)], pa.decimal128(5, 0)),
    "date": ticks([0, -1, 18263, -719528, 2932896, 11016, -719163, 2932897], pa.int32()).cast(pa.date32()),
    "time_ms": ticks([0, 1, 86399999, 3600000, 500, 60000, 7, 10], pa.int32()).cast(pa.time32("ms")),
    "time_us": ticks([0, 1, 86399999999, 3600000000, 500, 60000000, 7, 10], pa.time64("us")),
    "time_ns": ticks([0, 1, 86399999999999, 3600000000000, 500, 60000000000, 7, 10], pa.time64("ns")),
    "string": pa.array(["a", "", "\u6771\u4eac \U0001f600", 'a,b"c\n', " x ", "a|b:2", "__proto__", "a\u001fb"]),
    "large_string": pa.array(["x" * 300, "", "b", "c", "d", "e", "f", "g"], pa.large_string()),
    "binary": pa.array([b"ab", b"\xff\x00", b"\"q'\\ ~\x7f", b"", b"\n", b"[]", b"a|b", b" "], pa.binary()),
    "fixed": pa.array([b"abcd", b"\xff\x00\x01\x02", b"1234", b"'''\"", b"    ", b"a\\bc", b"\n\n\n\n", b"zzzz"], pa.binary(4)),
    "null": pa.nulls(8),
}
for unit, per_second in [("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9)]:
    for zone in [None, "Europe/Paris"]:
        seconds = [0, -1, 1234567890, 981173106, -62135596800 if unit != "ns" else -9e9, 253402300799 if unit != "ns" else 9e9, 951782400, 86400]
        values = [int(s) * per_second + (i * 1234567891 % per_second) for i, s in enumerate(seconds)]
        columns[f"timestamp_{unit}{'_tz' if zone else ''}"] = ticks(values, pa.timestamp(unit, zone))
types = pa.table({key: column for name, array in columns.items() for key, column in (with_nulls(name, array) if name != "null" else {name: array}).items()})
for version in ["1.0", "2.0"]:
    for dictionary in [True, False]:
        write("types", f"{'dictionary' if dictionary else 'plain'}-v{version[0]}", types, use_dictionary=dictionary, data_page_version=version)

# INT96, as Spark, Hive and Impala write timestamps.
micros = {name: types.column(name) for name in types.column_names if name.startswith("timestamp_us") and "_tz" not in name}
write("int96", "plain", pa.table(micros), use_deprecated_int96_timestamps=True, use_dictionary=False)
write("int96", "dictionary", pa.table(micros), use_deprecated_int96_timestamps=True)

# Every codec, over several pages and row groups.
numbers = list(range(40))
small = pa.table({
    **with_nulls("id", pa.array([i * 7 for i in numbers], pa.int64())),
    **with_nulls("word", pa.array([f"word {i % 5}" for i in numbers])),
    **with_nulls("price", pa.array([i / 8 for i in numbers], pa.float64())),
    **with_nulls("seen", pa.array([[str(j) for j in range(i % 4)] for i in numbers], pa.list_(pa.string()))),
})
seen = [("seen", "ids"), ("seen_some", "ids"), ("seen_none", "ids")]
for codec in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]:
    for version in ["1.0", "2.0"]:
        write("codecs", f"{codec}-v{version[0]}", small, seen, compression=codec, data_page_version=version, data_page_size=64, write_batch_size=8, row_group_size=25, use_dictionary=["word"])

# Every encoding.
encoded = {}
for encoding, names in {
    "DELTA_BINARY_PACKED": ["int32", "int64", "uint32", "timestamp_us"],
    "DELTA_LENGTH_BYTE_ARRAY": ["string", "binary"],
    "DELTA_BYTE_ARRAY": ["string", "binary", "fixed", "decimal38"],
    "BYTE_STREAM_SPLIT": ["float", "double", "int32", "int64", "fixed", "decimal38"],
    "RLE": ["bool"],
}.items():
    for name in names:
        for pattern, array in with_nulls(f"{name}_{encoding.lower()}", columns[name]).items():
            encoded[pattern] = (array, encoding)
encodings = pa.table({name: array for name, (array, _) in encoded.items()})
for version in ["1.0", "2.0"]:
    # DuckDB does not split the streams of values of fixed length.
    write("encodings", f"v{version[0]}", encodings, read=f"{SCRATCH}/plain.parquet", use_dictionary=False, column_encoding={name: encoding for name, (_, encoding) in encoded.items()}, data_page_version=version)
long = pa.table({
    "int32": pa.array([(i * 7919) % 1000 - 500 for i in range(700)], pa.int32()),
    "int64": pa.array([i * i * 2**40 * (-1) ** i for i in range(700)], pa.int64()),
    "string": pa.array([f"prefix {i // 10} {i}" for i in range(700)]),
    "bool": pa.array([i % 7 < 3 for i in range(700)]),
})
write("long", "delta", long, use_dictionary=False, column_encoding={"int32": "DELTA_BINARY_PACKED", "int64": "DELTA_BINARY_PACKED", "string": "DELTA_BYTE_ARRAY", "bool": "RLE"}, compression="zstd")
write("long", "dictionary", long, compression="zstd", data_page_size=200, write_batch_size=50)

# Bags.
pair = pa.struct([("id", pa.int64()), ("weight", pa.float32())])
turned = pa.struct([("weight", pa.float64()), ("id", pa.string())])
lists = pa.table({
    "click": pa.array([1, 0, 1, 0, 1, 0], pa.int8()),
    "ids": pa.array([[1, 2, 3], [], None, [2**53 + 1], [5, 5], [7]], pa.list_(pa.int64())),
    "words": pa.array([["a|b", "c:2"], ["__proto__", "x,y"], [], ["[a]"], None, ["\u6771"]], pa.list_(pa.string())),
    "fixed": pa.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 0], [1, 1]], pa.list_(pa.int32(), 2)),
    "pairs": pa.array([[{"id": 1, "weight": 0.1}, {"id": 2, "weight": 2}], [], None, [{"id": 3, "weight": 0.5}], [{"id": 3, "weight": 1}] * 2, []], pa.list_(pair)),
    "turned": pa.array([[{"weight": 0.25, "id": "a:b"}], [{"weight": 3, "id": "x"}, {"weight": 4, "id": "y|z"}], None, [], [], []], pa.list_(turned)),
    "map": pa.array([[("__proto__", 1.5), ("b", 2)], [("b", 1), ("a", 2), ("b", 3)], [], None, [("constructor", 1)], []], pa.map_(pa.string(), pa.float64())),
    "map_of_decimals": pa.array([[(1, D("1.15"))], [], None, [(3, D("0.05")), (2, D(7))], [], []], pa.map_(pa.int64(), pa.decimal128(9, 2))),
})
kinds = [("ids", "ids"), ("words", "ids"), ("fixed", "ids"), ("pairs", "pairs"), ("turned", "pairs"), ("map", "map"), ("map_of_decimals", "map")]
for version in ["1.0", "2.0"]:
    write("lists", f"v{version[0]}", lists, kinds, data_page_version=version)
    write("lists", f"plain-v{version[0]}", lists, kinds, data_page_version=version, use_dictionary=False, data_page_size=1, write_batch_size=1)

# Items that are no ids, and weights that are no numbers.
holes = pa.table({
    "click": pa.array([True, False, True, False, True]),
    "words": pa.array([["a"], [""], [None], ["b", None], []]),
    "pairs": pa.array([[{"id": 1, "weight": 1}], [], [], [{"id": 2, "weight": None}], [{"id": 3, "weight": float("nan")}]], pa.list_(pair)),
})
pq.write_table(holes, "holes.parquet", **SMALL)

# A page of nothing but nulls, for whose values Spark writes no byte, compressed or not.
pq.write_table(pa.table({"x": pa.nulls(5, pa.int64())}), f"{SCRATCH}/nulls.parquet", **{**SMALL, "compression": "snappy"}, data_page_version="2.0", use_dictionary=False)
with open(f"{SCRATCH}/nulls.parquet", "rb") as file:
    data = bytearray(file.read())
header = data.index(bytes([0x15, 0x04, 0x15, 0x00, 0x12]))
data[header + 4] = 0x11  # The values are compressed, says Spark.
with open("empty-snappy.parquet", "wb") as file:
    file.write(data)
cells["empty"] = {"x": [""] * 5}

# DuckDB's own types, and its infinities.
values = """select * from (values
    ('infinity'::date, '-infinity'::timestamp, 'infinity'::timestamptz, 'infinity'::timestamp_ns, timetz '03:04:05+02', 'a'::enum('a', 'b'), '{"a": 1}'::json, uuid '00112233-4455-6677-8899-aabbccddeeff', 1::hugeint, time_ns '01:02:03.123456789', time '24:00:00'),
    ('-infinity'::date, 'infinity'::timestamp, '-infinity'::timestamptz, '-infinity'::timestamp_ns, timetz '00:00:00.5', 'b', '[1, 2]', uuid 'ffffffff-4455-6677-8899-aabbccddeeff', 2, time_ns '00:00:00', time '00:00:00.25'),
    (date '0044-03-15 (BC)', timestamp '0044-03-15 (BC) 00:00:01', null, null, null, null, null, null, null, null, null)
) t(d, ts, tstz, ts_ns, ttz, en, js, uu, huge, tn, ti)"""
for version in ["V1", "V2"]:
    db.execute(f"copy ({values}) to 'duckdb-{version.lower()}.parquet' (parquet_version {version})")
    expect("duckdb", f"duckdb-{version.lower()}.parquet")

# Columns that have no reading as a cell or a bag; and one beside them that has.
refused = pa.table({
    "good": pa.array([1]),
    "nested": pa.array([[[1, 2, 3]]], pa.list_(pa.list_(pa.int64()))),
    "struct": pa.array([{"a": 1, "b": "x"}]),
    "pairs_of_others": pa.array([[{"item": 1, "score": 2.0}]]),
    "triples": pa.array([[{"id": 1, "weight": 2.0, "time": 3}]]),
    "text_weights": pa.array([[("a", "b")]], pa.map_(pa.string(), pa.string())),
    "deep_map": pa.array([[("a", [1])]], pa.map_(pa.string(), pa.list_(pa.int64()))),
})
pq.write_table(refused, "refused.parquet", **SMALL)
pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["twice", "twice"]), "twice.parquet", **SMALL)
db.execute("copy (select interval '1' month as span) to 'interval.parquet'")



# One column encrypted, another not, and the footer as it is.
class Kms(pe.KmsClient):
    def wrap_key(self, key_bytes, _):
        return key_bytes.hex()

    def unwrap_key(self, wrapped_key, _):
        return bytes.fromhex(wrapped_key)


factory = pe.CryptoFactory(lambda _: Kms())
keys = pe.EncryptionConfiguration(footer_key="footer", column_keys={"own": ["secret"]}, plaintext_footer=True)
properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), keys)
secrets = pa.table({"open": pa.array([1, 2, 3]), "secret": pa.array([4, 5, 6])})
with pq.ParquetWriter("encrypted.parquet", secrets.schema, encryption_properties=properties, **SMALL) as writer:
    writer.write_table(secrets)

with open("cells.json", "w") as file:
    json.dump(cells, file, separators=(",", ":"))
    file.write("\n")
