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
import { needsSpark, runOnSpark } from '../support/spark.js';

const PAGE = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'how-to', 'join-logs-with-spark.md'), 'utf8');
/** Extracts the code of the page by its name, such as `sql duckdb writes`. */
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
/** Sorts by descending weight, then by id. */
const inOrder = (items: readonly Item[]): readonly Item[] =>
  [...items].sort(([a, x], [b, y]) => y - x || Number(a) - Number(b));
/** Formats a row: labels, the id or items of each field, and the weights of some fields. */
const rowText = (
  click: unknown,
  purchase: unknown,
  valueOf: (field: string) => string | readonly Item[],
  weightOf: (field: string) => number,
): string => JSON.stringify([Number(click), Number(purchase), ...FIELDS.map(valueOf), ...NUMBERS.map(weightOf)]);

/** Creates a directory with the raw files only. */
function rawFiles(): string {
  const cwd = scratchFolder();
  cpSync(folder, cwd, { recursive: true, filter: (path) => !path.includes('joined') && !path.includes('prepared') });
  return cwd;
}

/** Reads all rows of a split, in any order, from `mtl prepare` with all ids and values retained. */
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

/** Reads the same from the files of a split. */
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

describe('join of the Ali-CCP raw files', { timeout: 120_000 }, () => {
  it('equals mtl prepare with the DuckDB statements, and trains on several processes', async (context) => {
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
    // Prepared rows map ids outside the training set to the out-of-vocabulary id.
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

  it('equals the Spark statements translated to DuckDB', (context) => {
    needsPython(context, 'duckdb', 'sqlglot');
    const cwd = rawFiles();
    // A session without common features: a null of the join must become a missing value.
    appendFileSync(join(cwd, 'sample_skeleton_test.csv'), '9999,0,0,nobody,1,205\x02583\x031.0\n');
    // Requires neither Spark nor Java: sqlglot translates Spark's SQL, and DuckDB runs the join.
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
def difference(one, other):
    return connection.sql(f'SELECT count(*) FROM ({one} EXCEPT ALL {other}) AS difference').fetchall()[0][0]
sizes = [difference(translated, 'FROM joined'), difference('FROM joined', translated)]
known = connection.sql(f"SELECT count(*) FROM ({translated}) AS rows WHERE f205 <> ''").fetchall()[0][0]
print('found', connection.sql('SELECT count(*) FROM joined').fetchall()[0][0], known, *sizes)
`;
    const found = python(cwd, script, [codeOf('sql spark'), codeOf('sql joined'), codeOf('sql duckdb')]);
    expect(found).toContain('found 4001 4001 0 0');
  });

  it('equals the statements on Spark', { timeout: 300_000 }, async (context) => {
    needsPython(context, 'duckdb');
    needsSpark(context);
    const byDuckdb = rawFiles();
    writeFileSync(
      join(byDuckdb, 'join.sql'),
      [codeOf('sql duckdb'), codeOf('sql joined'), codeOf('sql duckdb writes')].join('\n'),
    );
    python(byDuckdb, "import duckdb; duckdb.sql(open('join.sql').read())");
    const bySpark = rawFiles();
    const script = `import sys\nfor text in sys.argv[1:]: statements(text)\n${codeOf('python spark writes')}`;
    const args = [codeOf('sql spark'), codeOf('sql joined')];
    expect(runOnSpark([{ cwd: bySpark, script, args }])).toEqual([undefined]);
    for (const split of ['train', 'valid', 'test']) {
      const expected = await joinedRows(byDuckdb, split);
      expect(expected.length).toBeGreaterThan(100);
      expect(await joinedRows(bySpark, split)).toEqual(expected);
    }
  });
});
