/** @module-tag long */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects, parquetMetadataAsync, parquetSchema } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { predict, type PredictOptions } from '../../src/predict.js';
import { BIN } from '../support/mtl.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { smallWorld, trainSmall } from '../support/small-run.js';

let world: string;
let run: string;
beforeAll(async () => {
  world = mkdtempSync(join(tmpdir(), 'mtl-kept-'));
  run = join(world, 'run');
  await smallWorld(world);
  await trainSmall(join(world, 'esmm.yaml'), {
    runDir: run,
    set: ['training.epochs=1', 'data.nullValues=[NA]'],
  });
});
afterAll(() => rmSync(world, { recursive: true, force: true }));

const predictInto = (out: string, data: PredictOptions['data'], options: Partial<PredictOptions> = {}) =>
  predict({
    path: run,
    data,
    keep: ['all'],
    prefix: 'p_',
    device: 'cpu',
    onWarning: () => undefined,
    signal: new AbortController().signal,
    ...options,
    out,
  });

const readRows = (path: string): Promise<readonly Readonly<Record<string, unknown>>[]> =>
  parquetReadObjects({ file: Uint8Array.from(readFileSync(path)).buffer });

/** Types of the columns of a Parquet file. */
async function typesOf(path: string): Promise<Readonly<Record<string, string>>> {
  const { children } = parquetSchema(await parquetMetadataAsync(Uint8Array.from(readFileSync(path)).buffer));
  return Object.fromEntries(
    children.map(({ element: { name, type, converted_type: converted } }) => [name, converted ?? type ?? '']),
  );
}

/** Rows with the columns that the model reads, and others. */
const FIELDS = { '101': '7', '121': '1', '122': '2', '205': '9', '206': '3' };
const jsonLines = (rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify({ ...FIELDS, ...row })}\n`).join('');

const WRITE_SOURCE = `
import sys, datetime as d, decimal, uuid
import pyarrow as pa, pyarrow.csv, pyarrow.parquet as pq
table = pyarrow.csv.read_csv('test.csv')
n = len(table)
def add(name, type, values):
    global table
    table = table.append_column(name, pa.array([values[i % len(values)] for i in range(n)], type))
D = decimal.Decimal
times = [0, 1, None, -1, 1_700_000_000_123_456_789 // 1, 981173106]
add('b', pa.bool_(), [True, False, None])
for bits in (8, 16, 32, 64):
    add(f'i{bits}', getattr(pa, f'int{bits}')(), [0, -1, None, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))])
    add(f'u{bits}', getattr(pa, f'uint{bits}')(), [0, 1, None, 2 ** bits - 1])
add('f16', pa.float16(), [0.5, None, -2.25])
add('f32', pa.float32(), [0.1, None, -0.0, float('nan'), float('inf'), 3.4e38])
add('f64', pa.float64(), [0.1, None, -0.0, float('nan'), float('-inf'), 5e-324])
add('day', pa.date32(), [d.date(2026, 11, 1), None, d.date(1, 1, 1)])
for unit, ticks in (('ms', 10 ** 6), ('us', 10 ** 3), ('ns', 1)):
    values = [None if t is None else t // ticks for t in times]
    add(f'local_{unit}', pa.timestamp(unit), values)
    add(f'utc_{unit}', pa.timestamp(unit, 'UTC'), values)
add('clock', pa.time64('us'), [0, None, 86_399_999_999])
add('clock_ms', pa.time32('ms'), [0, None, 86_399_999])
add('d9', pa.decimal128(9, 2), [D('1.50'), None, D('-1234567.89')])
add('d18', pa.decimal128(18, 4), [D('1.5'), None, D('-12345678901234.5678')])
add('d38', pa.decimal128(38, 10), [D('0'), None, D('-1234567890123456789012345678.0123456789')])
add('s', pa.string(), ['', None, 'NA', 'ä"\\n,', ' x '])
add('category', pa.dictionary(pa.int32(), pa.string()), ['a', None, 'b'])
add('raw', pa.binary(), [b'', None, b'\\x00\\xff'])
add('raw4', pa.binary(4), [b'abcd', None])
add('ints', pa.list_(pa.int32()), [[1, 2], None, [], [None, 3]])
add('texts', pa.list_(pa.string()), [['a', ''], None, [], [None]])
add('floats', pa.list_(pa.float32()), [[0.5], None, [], [None, 0.1]])
add('empty', pa.string(), [None])
add('nothing', pa.null(), [None])
required = pa.schema([f.with_nullable(False) if f.name == '101' else f for f in table.schema])
options = dict(row_group_size=100, store_schema=False, store_decimal_as_integer=sys.argv[1] == 'True')
pq.write_table(table.cast(required), 'source.parquet', **options)
pq.write_table(table.slice(0, 0), 'empty.parquet', **options)
`;

/** Compares the columns of the source with those of the output, in three engines. */
const COMPARE = `
import sys, duckdb, pandas as pd, polars as pl, pyarrow.parquet as pq
source, output = sys.argv[1:3]
s, o = pq.read_table(source), pq.read_table(output)
names = s.column_names
assert o.column_names[:len(names)] == names, o.column_names
assert len(o.column_names) > len(names)
different = [(n, str(s.schema.field(n).type), str(o.schema.field(n).type)) for n in names
    if s.schema.field(n).type != o.schema.field(n).type]
assert not different, different
columns = ', '.join(f'"{n}"' for n in names)
describe = lambda path: [row[:2] for row in duckdb.sql(f"describe select {columns} from '{path}'").fetchall()]
assert describe(source) == describe(output), (describe(source), describe(output))
for a, b in ((source, output), (output, source)):
    rest = duckdb.sql(f"select {columns} from '{a}' except all select {columns} from '{b}'").fetchall()
    assert rest == [], rest[:2]
assert pd.read_parquet(source).dtypes.equals(pd.read_parquet(output)[names].dtypes)
pd.testing.assert_frame_equal(pd.read_parquet(source), pd.read_parquet(output)[names])
assert pl.read_parquet(source).schema == pl.read_parquet(output).select(names).schema
assert pl.read_parquet(source).equals(pl.read_parquet(output).select(names))
# Filters read the statistics of row groups.
for name in names:
    column = f'"{name}"'
    some = f"select distinct {column} from '{source}' where {column} is not null limit 9"
    for (value,) in duckdb.sql(some).fetchall():
        if isinstance(value, list): continue
        found = [duckdb.execute(f"select count(*) from '{path}' where {column} = ?", [value]).fetchall()
            for path in (source, output)]
        assert found[0] == found[1], (name, value, found)
print(len(names), len(s))
`;

/** Columns of types that only DuckDB writes. */
const WRITE_DUCKDB = `
import duckdb
rows = "from (select *, row_number() over () as i from 'test.csv')"
some = lambda name, value: f"case when i % 3 > 0 then {value} end as {name}, "
columns = (some('id', 'uuid()') +
    some('size', "['small', 'large'][1 + i % 2]::enum('small', 'large')") +
    some('zoned', 'make_timestamptz(2026, 11, 1, 12, 0, i % 60)') +
    some('prices', '[i::decimal(10, 3), null]') + some('dates', "[date '2026-11-01' + i::int]"))
duckdb.sql(f"copy (select *, {columns} {rows}) to 'source.parquet' (format parquet, row_group_size 2048)")
`;

/** Columns whose types are partly in metadata that only Arrow and pandas read, and timestamps of an old type. */
const WRITE_PANDAS = `
import pandas as pd, pyarrow as pa, pyarrow.parquet as pq
frame = pd.read_csv('test.csv').head(3)
old = frame.assign(at=pd.to_datetime(['2026-11-01 12:00:00.000001', None, '1969-12-31 23:59:59.999999']))
pq.write_table(pa.Table.from_pandas(old), 'old.parquet', use_deprecated_int96_timestamps=True)
frame['at'] = pd.to_datetime(['2026-10-25 00:30', None, '2026-10-25 01:30'], utc=True).tz_convert('Europe/Berlin')
frame['n'] = pd.array([1, None, 2 ** 60 + 1], 'Int64')
frame['kind'] = pd.Categorical(['a', None, 'b'])
frame.to_parquet('pandas.parquet')
`;
const COMPARE_PANDAS = `
import duckdb, pandas as pd, polars as pl
types = []
for name in ('pandas', 'old'):
    paths = [f'{name}.parquet', f'{name}-out.parquet']
    s, o = [pd.read_parquet(path) for path in paths]
    assert (s['at'].isna() == o['at'].isna()).all() and (s['at'] == o['at']).sum() == 2, (s['at'], o['at'])
    s, o = [pl.read_parquet(path) for path in paths]
    assert s['at'].dt.timestamp('us').equals(o['at'].dt.timestamp('us')), (s['at'], o['at'])
    s, o = [duckdb.read_parquet(path).project('"at"').fetchall() for path in paths]
    assert s == o, (s, o)
    types.append(str(pd.read_parquet(paths[1])['at'].dtype))
s, o = pl.read_parquet('pandas.parquet'), pl.read_parquet('pandas-out.parquet')
assert o['n'].dtype == pl.Int64 and o['n'].equals(s['n'])
assert o['kind'].equals(s['kind'].cast(pl.String))
print(', '.join(types))
`;

/** Columns that are kept as texts. */
const WRITE_OTHERS = `
import duckdb
duckdb.sql('''copy (select *, case when i > 1 then '{"n":  1}'::json end as document,
    case when i > 1 then map {'a': 0.5} end as weights, case when i > 1 then [[1], []] end as nested
    from (select *, row_number() over () as i from 'test.csv')) to 'others.parquet' (format parquet)''')
`;

describe('mtl predict --out x.parquet', () => {
  it.for<[string, string, string, number]>([
    ['PyArrow, decimals as integers', WRITE_SOURCE, 'True', 30],
    ['PyArrow, decimals as bytes', WRITE_SOURCE, 'False', 30],
    ['DuckDB', WRITE_DUCKDB, '', 12],
  ])(
    'keeps types, nulls and timestamps of Parquet from %s',
    { timeout: 60_000 },
    async ([, script, argument, minColumns], context) => {
      needsPython(context, 'duckdb', 'pandas', 'polars', 'pyarrow');
      python(world, script, [argument]);
      await predictInto(join(world, 'out.parquet'), join(world, 'source.parquet'));
      const [numColumns, rows] = python(world, COMPARE, ['source.parquet', 'out.parquet']).trim().split(' ');
      expect(Number(numColumns)).toBeGreaterThan(minColumns);
      expect(rows).toBe('300');
    },
  );

  it('keeps types of Parquet without rows', async (context) => {
    needsPython(context, 'duckdb', 'pandas', 'polars', 'pyarrow');
    python(world, WRITE_SOURCE, ['False']);
    await predictInto(join(world, 'out.parquet'), join(world, 'empty.parquet'));
    expect(python(world, COMPARE, ['empty.parquet', 'out.parquet'])).toMatch(/^66 0$/m);
  });

  it('keeps instants of time zones and INT96, and values of pandas types', async (context) => {
    needsPython(context, 'duckdb', 'pandas', 'polars', 'pyarrow');
    python(world, WRITE_PANDAS);
    for (const name of ['pandas', 'old'])
      await predictInto(join(world, `${name}-out.parquet`), join(world, `${name}.parquet`));
    expect(python(world, COMPARE_PANDAS).trim()).toBe('datetime64[us, UTC], datetime64[us]');
  });

  it('keeps JSON, maps and nested lists of Parquet as texts', async (context) => {
    needsPython(context, 'duckdb');
    python(world, WRITE_OTHERS);
    const out = join(world, 'texts.parquet');
    const keep = ['document', 'weights', 'nested'];
    await predictInto(out, join(world, 'others.parquet'), { keep });
    expect(await typesOf(out)).toMatchObject({ document: 'UTF8', weights: 'UTF8', nested: 'UTF8' });
    const rows = (await readRows(out)).map((row) => keep.map((name) => row[name]));
    expect(rows.slice(0, 2)).toEqual([
      [null, null, null],
      ['{"n":  1}', '[["a",0.5]]', '[["1"],[]]'],
    ]);
  });

  it('keeps numbers, Booleans and null of JSON Lines', async () => {
    const folder = scratchFolder();
    writeFileSync(
      join(folder, 'in.jsonl'),
      jsonLines([
        { big: 0, whole: 1, price: 1, isNew: true, text: '5', mixed: 1.5, list: [1, 2], none: null, late: '' },
        { big: 1, whole: null, price: 66.63, isNew: null, text: null, mixed: 'x', list: null, none: null },
        { big: null, whole: -3, price: null, isNew: false, text: '', mixed: null, list: [], none: null, late: 'y' },
      ]).replace('"big":1', '"big":9007199254740993,"huge":18446744073709551616'),
    );
    const out = join(folder, 'out.parquet');
    await predictInto(out, join(folder, 'in.jsonl'));
    const found = await readRows(out);
    expect(found.map(({ big }) => big)).toEqual([0n, 9007199254740993n, null]);
    const rows = found.map(({ whole, price, isNew, text, mixed, list, none, late }) => [
      ...[whole, price, isNew, text],
      ...[mixed, list, none, late],
    ]);
    expect(rows).toEqual([
      [1n, 1, true, '5', '1.5', '[1,2]', null, ''],
      [null, 66.63, null, null, 'x', null, null, null],
      [-3n, null, false, '', null, '[]', null, 'y'],
    ]);
    expect(await typesOf(out)).toMatchObject({ whole: 'INT64', price: 'DOUBLE', isNew: 'BOOLEAN', '101': 'UTF8' });
  });

  it('keeps integers of more than 64 bits, and numbers that no type has exactly, as texts', async () => {
    const folder = scratchFolder();
    const numbers = {
      huge: ['1', '18446744073709551616'],
      mixed: ['9007199254740993', '0.5'],
      overflow: ['1', '1e400'],
    };
    const lines = [0, 1].map((row) => {
      const own = Object.entries(numbers).map(([name, values]) => `"${name}":${values[row]!}`);
      return `${JSON.stringify(FIELDS).slice(0, -1)},${own.join(',')}}\n`;
    });
    writeFileSync(join(folder, 'in.jsonl'), lines.join(''));
    const out = join(folder, 'out.parquet');
    await predictInto(out, join(folder, 'in.jsonl'), { keep: Object.keys(numbers) });
    const found = await readRows(out);
    expect(Object.keys(numbers).map((name) => found.map((row) => row[name]))).toEqual(Object.values(numbers));
  });

  it('keeps types of JSON Lines on standard input', async () => {
    const rows = [{ n: 1, price: 0.5 }, { n: null }, { n: 3, price: 2 }];
    const args = ['predict', 'run', '--data', '-', '--out', 'piped.parquet', '--keep', 'n', 'price'];
    const { status } = spawnSync(process.execPath, [BIN, ...args], { cwd: world, input: jsonLines(rows) });
    expect(status).toBe(0);
    expect((await readRows(join(world, 'piped.parquet'))).map(({ n, price }) => [n, price])).toEqual([
      [1n, 0.5],
      [null, null],
      [3n, 2],
    ]);
  });

  it('keeps numbers of shards as floats, and other values as texts', async () => {
    const folder = scratchFolder();
    // Training has cached the rows of test.csv as shards.
    const shards = readdirSync(join(world, '.mtl')).find((name) => name.startsWith('test.csv.rows'))!;
    await trainSmall(join(world, 'esmm.yaml'), {
      runDir: join(folder, 'run'),
      set: ['training.epochs=1', 'features.item.encoding={name: ids, sizes: {205: 1000, 206: 1000}}'],
    });
    const out = join(folder, 'out.parquet');
    const keep = ['click', '101'];
    await predictInto(out, join(world, '.mtl', shards), { path: join(folder, 'run'), keep });
    expect(await typesOf(out)).toMatchObject({ click: 'FLOAT', '101': 'UTF8' });
    const [header, ...lines] = readFileSync(join(world, 'test.csv'), 'utf8').trimEnd().split('\n');
    const columns = keep.map((name) => header!.split(',').indexOf(name));
    const cells = lines.map((line) => columns.map((c) => line.split(',')[c]!));
    expect((await readRows(out)).map((row) => [row['click'], row['101']])).toEqual(
      cells.map(([click, user]) => [Number(click), user]),
    );
  });

  it('keeps the texts of CSV, with null for missing values', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'in.csv'), '101,121,122,205,206,note\n7,1,2,9,3,1.50\n7,1,2,9,3, NA\n7,1,2,9,3,\n');
    const out = join(folder, 'out.parquet');
    await predictInto(out, join(folder, 'in.csv'));
    expect((await readRows(out)).map((row) => [row['101'], row['note']])).toEqual([
      ['7', '1.50'],
      ['7', ' NA'],
      ['7', null],
    ]);
  });

  it('keeps types of the rows of groups', async () => {
    const folder = scratchFolder();
    writeFileSync(join(folder, 'in.jsonl'), jsonLines([{ score: 1.5 }, { score: null }, { '101': '8', score: 2 }]));
    const out = join(folder, 'out.parquet');
    await predictInto(out, join(folder, 'in.jsonl'), { keep: ['score'], top: { count: 2, by: '101' } });
    const scores = (await readRows(out)).map((row) => `${String(row['101'])}: ${String(row['score'])}`);
    expect(scores.toSorted()).toEqual(['7: 1.5', '7: null', '8: 2']);
    await predictInto(out, join(folder, 'in.jsonl'), { keep: ['score'], groupBy: '101' });
    expect((await readRows(out)).map(({ score }) => score)).toEqual([1.5, null, 2]);
  });

  it('rejects a value that does not fit the type of the rows before it', async () => {
    const folder = scratchFolder();
    const many = 1 << 17;
    const rows = Array.from({ length: many }, () => `${JSON.stringify({ ...FIELDS, n: 1 })}\n`).join('');
    writeFileSync(join(folder, 'in.jsonl'), `${rows}${jsonLines([{ n: 'x' }])}`);
    const out = join(folder, 'out.parquet');
    await expect(predictInto(out, join(folder, 'in.jsonl'), { keep: ['n'] })).rejects.toThrow(
      'row 131073 of the output: column "n": expected INT64 or null, as in the rows before, found "x"; ' +
        'correct the row, or write .jsonl or .csv',
    );
  });

  describe('of several Parquet files', () => {
    const fields = Object.entries(FIELDS).map(([name, value]) => ({ name, data: [value], type: 'STRING' as const }));
    const write = (path: string, type: 'INT32' | 'DOUBLE'): void =>
      writeFileSync(
        path,
        new Uint8Array(parquetWriteBuffer({ columnData: [...fields, { name: 'n', data: [1], type }] })),
      );

    it('rejects a column whose type differs', async () => {
      const folder = scratchFolder();
      const [first, second, out] = ['a.parquet', 'b.parquet', 'out.parquet'].map((name) => join(folder, name));
      write(first!, 'INT32');
      write(second!, 'DOUBLE');
      const predicting = predictInto(out!, [first!, second!], { keep: ['n'] });
      await expect(predicting).rejects.toMatchObject({ kind: 'data' });
      await expect(predicting).rejects.toThrow(
        `${second!}: column "n": has type double, but in ${first!} it has type int32; ` +
          'cast it to the same type in all files, predict them one by one, or write .jsonl or .csv',
      );
      // Other columns and text formats have no such rule.
      await predictInto(out!, [first!, second!], { keep: ['101'] });
      await predictInto(join(folder, 'out.csv'), [first!, second!], { keep: ['n'] });
    });

    it('keeps one type, and names of directories as texts', async () => {
      const folder = scratchFolder();
      for (const day of ['01', '02']) {
        mkdirSync(join(folder, `ds=${day}`));
        write(join(folder, `ds=${day}`, 'a.parquet'), 'INT32');
      }
      const out = join(folder, 'out.parquet');
      await predictInto(out, join(folder, 'ds=*/*.parquet'), { keep: ['n', 'ds'] });
      expect((await readRows(out)).map(({ n, ds }) => [n, ds])).toEqual([
        [1, '01'],
        [1, '02'],
      ]);
      expect(await typesOf(out)).toMatchObject({ n: 'INT32', ds: 'UTF8' });
    });
  });
});
