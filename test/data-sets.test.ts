/** @module-tag long */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import { csvText } from '../src/text/csv-text.js';
import { trainSmall } from './support/small-run.js';
import { needsPython, python } from './support/python.js';
import { miniatures, type JoinedRow } from './support/public-data.js';
import { scratchFolder } from './support/scratch.js';
import { needsSpark, runOnSpark } from './support/spark.js';

const page = readFileSync('docs/how-to/use-public-data-sets.md', 'utf8');
const FOLDER = join('configs', 'data');
const SPLITS = ['train', 'valid', 'test'] as const;

/** The code of the page under a name, as in `sql kuairand joined`. */
function codeOf(name: string): string {
  const [, code] = new RegExp(`\`\`\`${name}\\n([^]*?)\`\`\``).exec(page) ?? [];
  if (code === undefined) throw new Error(`the page has no code '${name}'`);
  return code;
}

/** A config that trains an epoch, on files of a folder. */
const train = (name: string, folder: string, ending: string) =>
  trainSmall(join(FOLDER, `${name}.yaml`), {
    runDir: join(folder, 'run'),
    set: [
      'training.epochs=1',
      'training.batchSize=128',
      `data.cache=${join(folder, 'cache')}`,
      ...SPLITS.map((split) => `data.${split}=${join(folder, `${split}.${ending}`)}`),
    ],
  });

const rowsOf = (joined: readonly JoinedRow[], split: string) =>
  joined.filter((row) => row.split === split).map(({ cells }) => cells);
/** The rows of a Parquet file, or of a folder of its parts. */
const rowsIn = async (path: string): Promise<readonly Readonly<Record<string, string>>[]> => {
  const files = statSync(path).isDirectory()
    ? readdirSync(path)
        .filter((name) => name.endsWith('.parquet'))
        .map((name) => join(path, name))
    : [path];
  const rows = await Promise.all(
    files.map((file) => parquetReadObjects({ file: Uint8Array.from(readFileSync(file)).buffer })),
  );
  return rows.flat().map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, textOf(value)])));
};
/** Without an order. */
const sorted = (rows: readonly Readonly<Record<string, string>>[], columns: readonly string[]): string[] =>
  rows.map((row) => JSON.stringify(columns.map((name) => row[name]))).sort();
const textOf = (value: unknown): string =>
  value === null || value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value);

/** A miniature that Spark joined. */
interface JoinedBySpark {
  readonly folder: string;
  readonly joined: readonly JoinedRow[];
  readonly error: string | undefined;
}

let bySpark: ReadonlyMap<string, JoinedBySpark> | undefined;
afterAll(() => {
  for (const { folder } of bySpark?.values() ?? []) rmSync(folder, { recursive: true, force: true });
});

/** Joins every miniature in one Spark application, whose start takes longer than a join. */
function joinBySpark(): ReadonlyMap<string, JoinedBySpark> {
  const all = Object.entries(miniatures).map(([name, miniature]) => {
    const folder = mkdtempSync(join(tmpdir(), `mtl-spark-${name}-`));
    return { name, folder, joined: miniature(folder) };
  });
  const errors = runOnSpark(
    all.map(({ name, folder }) => ({
      cwd: folder,
      script: [codeOf(`python ${name} spark`), 'import sys', 'statements(sys.argv[1])', codeOf('python write')].join(
        '\n',
      ),
      args: [codeOf(`sql ${name} joined`)],
    })),
  );
  return new Map(all.map(({ name, ...each }, i) => [name, { ...each, error: errors[i] }]));
}

describe('a public data set', () => {
  it('has a config for each of its kind, and a miniature', () => {
    expect(Object.keys(miniatures).sort()).toEqual(
      readdirSync(FOLDER)
        .map((file) => file.replace('.yaml', ''))
        .sort(),
    );
  });

  for (const [name, miniature] of Object.entries(miniatures)) {
    it(`${name} trains, is measured, and makes its claims, on rows as the join gives them`, async () => {
      const folder = scratchFolder();
      const joined = miniature(folder);
      for (const split of SPLITS) {
        const rows = rowsOf(joined, split);
        expect(rows.length).toBeGreaterThan(10);
        writeFileSync(
          join(folder, `${split}.csv`),
          csvText([Object.keys(rows[0]!), ...rows.map((row) => Object.values(row))]),
        );
      }
      const { metrics } = await train(name, folder, 'csv');
      expect(Object.keys(metrics)).toEqual(['valid', 'test']);
      for (const report of Object.values(metrics))
        for (const output of Object.values(report)) expect(typeof output['logLoss']).toBe('number');
      const [header] = readFileSync(join(FOLDER, `${name}.yaml`), 'utf8').split('\n\n');
      for (const claim of ['paper', 'data', 'score', 'cost'])
        expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
      expect(header).toContain(`npx mtl train configs/data/${name}.yaml`);
    });

    const expectJoined = async (folder: string, joined: readonly JoinedRow[]): Promise<void> => {
      for (const split of SPLITS) {
        const found = await rowsIn(join(folder, `${split}.parquet`));
        const expected = rowsOf(joined, split);
        const columns = Object.keys(expected[0]!);
        expect(sorted(found, columns)).toEqual(sorted(expected, columns));
      }
      const { metrics } = await train(name, folder, 'parquet');
      for (const report of Object.values(metrics))
        for (const output of Object.values(report)) expect(typeof output['logLoss']).toBe('number');
    };

    it(`${name} is joined by the statements of the page to what trains`, async (context) => {
      needsPython(context, 'duckdb');
      const folder = scratchFolder();
      const joined = miniature(folder);
      writeFileSync(
        join(folder, 'join.sql'),
        [codeOf(`sql ${name} duckdb`), codeOf(`sql ${name} joined`), codeOf('sql write')].join('\n'),
      );
      python(folder, "import duckdb; duckdb.sql(open('join.sql').read())");
      await expectJoined(folder, joined);
    });

    it(`${name} is joined by those for Spark to the same`, { timeout: 300_000 }, async (context) => {
      needsSpark(context);
      const { folder, joined, error } = (bySpark ??= joinBySpark()).get(name)!;
      expect(error).toBeUndefined();
      await expectJoined(folder, joined);
    });

    it(`${name} has statements for Spark that are Python`, (context) => {
      needsPython(context, 'ast');
      for (const code of [codeOf(`python ${name} spark`), codeOf('python write')])
        python('.', 'import ast, sys; ast.parse(sys.argv[1])', [code]);
      // Names of views are the same there.
      const views = [...codeOf(`sql ${name} duckdb`).matchAll(/VIEW (\w+)/g)].map(([, view]) => view!);
      for (const view of views) expect(codeOf(`python ${name} spark`)).toContain(`'${view}'`);
    });
  }
});
