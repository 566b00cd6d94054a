/** @module-tag long */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import { randomStream } from '../src/core/random.js';
import { predict } from '../src/predict.js';
import { needsPython, python } from './support/python.js';
import { scratchFolder } from './support/scratch.js';
import { trainSmall } from './support/small-run.js';

const FOLDER = join('configs', 'delays');
const PAGE = readFileSync('docs/benchmarks/delayed-conversions.md', 'utf8');
const DAY_S = 86_400;
const NUMBER_BINS = [64, 16, 128, 64, 128, 64, 512, 512];
const SETS = ['correction', 'train', 'valid', 'test'] as const;
type SetName = (typeof SETS)[number];

/** A line of the log; a missing value is an empty string. */
interface Click {
  readonly click: number;
  readonly conversion: number | undefined;
  readonly numbers: readonly string[];
  readonly ids: readonly string[];
}

/** A log of the public shape: the first id decides the conversion, half of which come within 4 days. */
function createLog(numClicks: number): readonly Click[] {
  const random = randomStream(1, 'criteo-conversions');
  return Array.from({ length: numClicks }, () => {
    // Most clicks are after day 37, which all sets begin at.
    const click = Math.floor(DAY_S * (random.below(10) === 0 ? 37 * random.uniform() : 37 + 23 * random.uniform()));
    const first = random.below(8);
    const converts = random.uniform() < (first % 2 === 0 ? 0.6 : 0.2);
    const delay = Math.floor((-Math.log(1 - random.uniform()) * 4 * DAY_S) / Math.LN2);
    return {
      click,
      conversion: converts ? click + delay : undefined,
      numbers: NUMBER_BINS.map(() => (random.below(5) === 0 ? '' : String(random.below(1000)))),
      ids: Array.from({ length: 9 }, (_, i) =>
        i === 0 ? `A${first}` : random.below(6) === 0 ? '' : random.below(1e6).toString(16).slice(0, 2),
      ),
    };
  });
}

const formatLog = (log: readonly Click[]): string =>
  log
    .map(({ click, conversion, numbers, ids }) => [click, conversion ?? '', ...numbers, ...ids].join('\t') + '\n')
    .join('');

/** Rows of a set as ULC's `data.py` derives them, as text, in the order of the log. */
function listExpected(log: readonly Click[], set: SetName): readonly string[] {
  const [from, to, observedUntil] = {
    correction: [37, 51, 58],
    train: [37, 58, 58],
    valid: [58, 59, 59],
    test: [59, 60, Infinity],
  }[set] as [number, number, number];
  const deadline = set === 'correction' ? 51 : 58;
  const isCounted = ({ conversion }: Click): boolean =>
    set !== 'correction' || conversion === undefined || conversion >= deadline * DAY_S;
  const number = (text: string): number => (text === '' ? -1 : Number(text));
  const bounds = NUMBER_BINS.map((_, i) => {
    const values = log.map(({ numbers }) => number(numbers[i]!));
    return { low: Math.min(...values), high: Math.max(...values) };
  });
  return log
    .filter((each) => each.click >= from * DAY_S && each.click < to * DAY_S && isCounted(each))
    .map(({ click, conversion, numbers, ids }) => {
      const bins = numbers.map((text, i) => {
        const { low, high } = bounds[i]!;
        return Math.floor(((number(text) - low) / (high - low)) * (NUMBER_BINS[i]! - 0.00001));
      });
      const converted = Number(conversion !== undefined && conversion <= observedUntil * DAY_S);
      const elapsed = set === 'test' ? '' : ((deadline * DAY_S - click) / (5 * DAY_S)).toFixed(9);
      return [click, ...bins, ...ids, elapsed, converted].join(' ');
    });
}

async function readRows(path: string): Promise<readonly Readonly<Record<string, unknown>>[]> {
  return parquetReadObjects({ file: Uint8Array.from(readFileSync(path)).buffer });
}

function formatRow(row: Readonly<Record<string, unknown>>): string {
  const text = (name: string): string => `${(row[name] ?? '') as string | number | bigint}`;
  const elapsed = row['elapsed'] === undefined ? '' : Number(row['elapsed']).toFixed(9);
  const names = [...NUMBER_BINS.map((_, i) => `n${i + 1}`), ...Array.from({ length: 9 }, (_, i) => `c${i + 1}`)];
  return [text('click'), ...names.map(text), elapsed, text('converted')].join(' ');
}

/** Runs the statements of the page with a name in DuckDB. */
function runSql(folder: string, name: string): void {
  const [, code] = new RegExp(`\`\`\`sql criteo-conversions ${name}\\n([^]*?)\`\`\``).exec(PAGE)!;
  python(folder, 'import sys, duckdb; duckdb.connect().execute(sys.argv[1])', [code!]);
}

const SMALL = ['training.batchSize=128', 'training.epochs=4', 'features.ids.width=8', 'features.numbers.width=8'];
const FAST = ['training.optimizer.dense.learningRate=0.003', 'training.optimizer.embeddings.learningRate=0.003'];

describe('the public setting of ULC', () => {
  it('derives the files of the page from a log of the public shape', async (test) => {
    needsPython(test, 'duckdb');
    const folder = scratchFolder();
    const log = createLog(3000);
    writeFileSync(join(folder, 'data.txt'), formatLog(log));
    runSql(folder, 'prepare');
    for (const set of SETS) {
      const rows = await readRows(join(folder, `${set}.parquet`));
      expect(rows.length).toBeGreaterThan(50);
      expect(rows.map(formatRow).sort()).toEqual([...listExpected(log, set)].sort());
    }
    for (const { corrected } of await readRows(join(folder, 'test.parquet'))) expect(corrected ?? null).toBeNull();
  });

  it(
    'corrects the labels that were not known at the end of training, in two rounds',
    { timeout: 240_000 },
    async (test) => {
      needsPython(test, 'duckdb');
      const folder = scratchFolder();
      writeFileSync(join(folder, 'data.txt'), formatLog(createLog(6000)));
      runSql(folder, 'prepare');
      const file = (name: string): string => join(folder, `${name}.parquet`);
      const trainConfig = (name: string, run: string, set: readonly string[]) =>
        trainSmall(join(FOLDER, `${name}.yaml`), {
          runDir: join(folder, run),
          set: [...SMALL, `data.cache=${join(folder, 'cache')}`, ...set],
        });
      const train = (run: string, set: readonly string[] = []) =>
        trainConfig('criteo-ulc', run, [
          ...FAST,
          `data.train=${file('train-corrected')}`,
          `data.valid=${file('valid-corrected')}`,
          `data.test=${file('test')}`,
          ...set,
        ]);
      const correct = async (run: string, set: readonly string[] = []): Promise<void> => {
        await trainConfig('criteo-correction', run, [`data.train=${file('correction')}`, ...set]);
        for (const name of ['train', 'valid'])
          await predict({
            path: join(folder, run),
            data: [file(name)],
            out: file(`${name}-scored`),
            keep: ['all'],
            prefix: '',
            device: 'cpu',
            threads: 1,
            onWarning: () => undefined,
            signal: new AbortController().signal,
          });
        runSql(folder, 'correct');
      };

      await correct('correction-1');
      const corrected = await readRows(file('train-corrected'));
      for (const { converted, corrected: label } of corrected) {
        if (Number(converted) === 1) expect(Number(label)).toBe(1);
        else expect(Number(label)).toBeLessThan(1);
      }
      const first = await train('ulc-1');
      const vanilla = await train('vanilla', ['tasks.cvr.distill.weight=0']);
      await correct('correction-2', [
        `initFrom.checkpoint=${join(folder, 'ulc-1')}`,
        'initFrom.include=embeddings',
        'initFrom.optimizer=reset',
      ]);
      const second = await train('ulc-2');

      const pcoc = ({ metrics }: typeof first): number => metrics['test']!['cvr']!['pcoc'] as number;
      // Of the conversions of the last days before the deadline, most come after it.
      expect(pcoc(vanilla)).toBeLessThan(0.8);
      for (const result of [first, second]) {
        expect(Math.abs(pcoc(result) - 1)).toBeLessThan(Math.abs(pcoc(vanilla) - 1) - 0.05);
        // The first id decides conversions: its true probabilities have an AUC of about .70.
        expect(result.metrics['test']!['cvr']!.auc).toBeGreaterThan(0.6);
      }
    },
  );

  it('makes its claims in its headers', () => {
    for (const name of readdirSync(FOLDER)) {
      const [header] = readFileSync(join(FOLDER, name), 'utf8').split('\n\n');
      for (const claim of ['paper', 'data', 'score', 'cost'])
        expect(header).toMatch(new RegExp(`^# ${claim} +\\S`, 'm'));
      expect(header).toContain(`npx mtl train configs/delays/${name}`);
      expect(PAGE).toContain(`configs/delays/${name}`);
    }
  });
});
