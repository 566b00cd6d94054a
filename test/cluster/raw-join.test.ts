/** @module-tag long */
import { appendFileSync, cpSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { beforeAll, describe, expect, it } from 'vitest';
import { prepare } from '../../src/prepare.js';
import { BAG_FIELDS, FIELDS } from '../../src/prepare/fields.js';
import { readSafetensors } from '../../src/io/safetensors.js';
import { synth } from '../../src/synth.js';
import { mpirun, needsMpi, OPEN_MPI } from '../support/mpi.js';
import { BIN } from '../support/mtl.js';
import { readShardRows, type PreparedRow } from '../support/prepared.js';
import { needsPython, python } from '../support/python.js';
import { scratchFolder } from '../support/scratch.js';
import { needsSpark, spark } from '../support/spark.js';

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'how-to', 'join-logs-with-spark.md'), 'utf8');
/** The code of the page under a name, as in `sql duckdb writes`. */
function codeOf(name: string): string {
  const [, code] = new RegExp(`\`\`\`${name}\\n([^]*?)\`\`\``).exec(PAGE) ?? [];
  if (code === undefined) throw new Error(`docs/how-to/join-logs-with-spark.md has no ${name}`);
  return code;
}

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mtl-raw-join-'));
  await synth({
    folder,
    seed: 9,
    users: 150,
    items: 300,
    rates: { click: 0.25, purchase: 0.2 },
    rows: { train: 3000, test: 1000 },
    format: 'raw',
    bagMean: 12,
  });
});

const NUMBERS = ['508', '509', '702'];
type Item = readonly [id: string, weight: number];
/** The heaviest first, and of equal ones the one with the smaller id. */
const inOrder = (items: readonly Item[]): readonly Item[] =>
  [...items].sort(([a, x], [b, y]) => y - x || Number(a) - Number(b));
/** A row as a text: labels, an id or the items of every field, and the weights of some. */
const rowText = (
  click: unknown,
  purchase: unknown,
  valueOf: (field: string) => string | readonly Item[],
  weightOf: (field: string) => number,
): string => JSON.stringify([Number(click), Number(purchase), ...FIELDS.map(valueOf), ...NUMBERS.map(weightOf)]);

/** A folder of its own with the raw files alone. */
function rawFiles(): string {
  const cwd = scratchFolder();
  cpSync(folder, cwd, { recursive: true, filter: (path) => !path.includes('joined') && !path.includes('prepared') });
  return cwd;
}

/** All rows of a split, in any order, as `mtl prepare` leaves them where it keeps every id and every value. */
async function preparedRows(split: string): Promise<readonly string[]> {
  const tensors = await readSafetensors(join(folder, 'prepared/vocabulary.safetensors'));
  const rawId = (field: string, id: number): string => (id === 0 ? '' : String(tensors.get(field)!.data[id]));
  const number = (row: PreparedRow, name: string): number => row[name] as number;
  return (await readShardRows(join(folder, 'prepared', split)))
    .map((row) =>
      rowText(
        row['click'],
        row['purchase'],
        (field) =>
          BAG_FIELDS.has(field)
            ? inOrder(
                (row[field] as readonly (readonly [number, number])[]).map(([id, weight]) => [
                  rawId(field, id),
                  weight,
                ]),
              )
            : rawId(field, number(row, field)),
        (field) => number(row, `D${field}`),
      ),
    )
    .sort();
}

/** The same, as the files of a split have them. */
async function joinedRows(within: string, split: string): Promise<readonly string[]> {
  const partition = join(within, 'joined', `split=${split}`);
  const rows: string[] = [];
  for (const name of readdirSync(partition, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.parquet'),
  )) {
    for (const row of (await parquetReadObjects({
      file: Uint8Array.from(readFileSync(join(partition, name))).buffer,
    })) as Record<string, string>[]) {
      const itemsOf = (text: string): Item[] =>
        text
          .split('|')
          .filter((item) => item !== '')
          .map((item) => [item.split(':')[0]!, Math.fround(Number(item.split(':')[1]))]);
      rows.push(
        rowText(
          row['click'],
          row['purchase'],
          (field) => (BAG_FIELDS.has(field) ? inOrder(itemsOf(row[`f${field}`]!)) : row[`f${field}`]!),
          (field) => Math.fround(Number(row[`w${field}`])),
        ),
      );
    }
  }
  return rows.sort();
}

describe('the join of the raw files of Ali-CCP', { timeout: 120_000 }, () => {
  it('gives, by the statements for DuckDB, the rows of mtl prepare, and several processes train on them', async (context) => {
    needsPython(context, 'duckdb');
    writeFileSync(
      join(folder, 'join.sql'),
      [codeOf('sql duckdb'), codeOf('sql joined'), codeOf('sql duckdb writes')].join('\n'),
    );
    python(folder, "import duckdb; duckdb.sql(open('join.sql').read())");
    await prepare(
      {
        raw: folder,
        out: join(folder, 'prepared'),
        seed: 3,
        validShare: 0,
        minCounts: { rest: 1, byField: {} },
        caps: { rest: 1000, byField: {} },
        maxBadRows: 0,
        threads: 1,
        signal: new AbortController().signal,
      },
      () => undefined,
    );
    const train = [...(await joinedRows(folder, 'train')), ...(await joinedRows(folder, 'valid'))].sort();
    expect(train.length).toBeGreaterThan(2500);
    expect(train).toEqual(await preparedRows('train'));
    // Ids that train does not have are unknown to prepared rows.
    expect(await joinedRows(folder, 'test')).toHaveLength((await preparedRows('test')).length);

    needsMpi(context, OPEN_MPI);
    writeFileSync(join(folder, 'joined.yaml'), codeOf('yaml joined'));
    const { code, stdout } = await mpirun(OPEN_MPI, 2, folder, [
      BIN,
      'train',
      'joined.yaml',
      '--set',
      'training.batchSize=256',
      '--no-report',
      '--json',
    ]);
    expect({ code, metrics: Object.keys((JSON.parse(stdout) as { metrics: object }).metrics) }).toEqual({
      code: 0,
      metrics: ['valid', 'test'],
    });
  });

  it('is, in the words of Spark, the same to who translates them', (context) => {
    needsPython(context, 'duckdb', 'sqlglot');
    const cwd = rawFiles();
    // What is null there is not always null here.
    appendFileSync(join(cwd, 'sample_skeleton_test.csv'), '9999,0,0,nobody,1,205\x02583\x031.0\n');
    // Neither Spark nor Java is needed for it: its statements are read by the rules of Spark's SQL, and the join is run
    // in DuckDB.
    const script = `
import duckdb, sqlglot, sys
reads, joined, duckdb_reads = sys.argv[1:]
for text in (reads, joined):
    for statement in sqlglot.parse(text, read='spark', error_level=sqlglot.ErrorLevel.RAISE):
        assert not isinstance(statement, sqlglot.exp.Command), statement.sql('spark')
query = sqlglot.parse_one(joined, read='spark').expression
connection = duckdb.connect()
connection.sql(duckdb_reads)
translated = query.sql('duckdb')
connection.sql(joined)
sizes = [connection.sql(f'SELECT count(*) FROM ({one} EXCEPT ALL {other}) AS difference').fetchall()[0][0] for one, other in ((translated, 'FROM joined'), ('FROM joined', translated))]
known = connection.sql(f"SELECT count(*) FROM ({translated}) AS rows WHERE f205 <> ''").fetchall()[0][0]
print('found', connection.sql('SELECT count(*) FROM joined').fetchall()[0][0], known, *sizes)
`;
    const found = python(cwd, script, [codeOf('sql spark'), codeOf('sql joined'), codeOf('sql duckdb')]);
    expect(found).toContain('found 4001 4001 0 0');
  });

  it('gives the same by Spark itself', { timeout: 300_000 }, async (context) => {
    needsPython(context, 'duckdb');
    needsSpark(context);
    const byDuckdb = rawFiles();
    writeFileSync(
      join(byDuckdb, 'join.sql'),
      [codeOf('sql duckdb'), codeOf('sql joined'), codeOf('sql duckdb writes')].join('\n'),
    );
    python(byDuckdb, "import duckdb; duckdb.sql(open('join.sql').read())");
    const bySpark = rawFiles();
    spark(bySpark, `import sys\nfor text in sys.argv[1:]: statements(text)\n${codeOf('python spark writes')}`, [
      codeOf('sql spark'),
      codeOf('sql joined'),
    ]);
    for (const split of ['train', 'valid', 'test']) {
      const expected = await joinedRows(byDuckdb, split);
      expect(expected.length).toBeGreaterThan(100);
      expect(await joinedRows(bySpark, split)).toEqual(expected);
    }
  });
});
