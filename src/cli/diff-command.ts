import { diff, type DiffOptions, type DiffResult } from '../diff.js';
import type { DifferingKey } from '../diff/compared-run.js';
import type { Difference } from '../diff/compare.js';
import { EXIT_CODES, printable } from '../core/errors.js';
import { count, decimals, shareLine, signed, table } from './format.js';
import { createOutput } from './output.js';
import type { Terminal } from './terminal.js';
import { runUntilSignal } from './signals.js';

/** The arguments of `mtl diff`. */
export interface DiffArguments extends Pick<
  DiffOptions,
  'paths' | 'data' | 'limit' | 'isRecorded' | 'verifyData' | 'device' | 'threads'
> {
  readonly json: boolean;
}

/** `mtl diff`: compares, prints what differs, and gives the exit code. */
export async function runDiff({ json, ...options }: DiffArguments): Promise<number> {
  const { screen, notice, result } = createOutput(json);
  return runUntilSignal(
    (signal) => notice(`${signal}: stopping`),
    async (stop) => {
      const found = await diff({
        ...options,
        onWarning: notice,
        onProgress: ({ what, share }) => screen.live(() => shareLine(what, share)),
        signal: stop.signal,
      });
      screen.print(sections(found, screen).join('\n\n'));
      result(found);
      return EXIT_CODES.done;
    },
  );
}

function sections(found: DiffResult, screen: Terminal): readonly string[] {
  const { a, b, config, code, metrics } = found;
  return [
    table(
      ['', 'run', 'model', 'seed', 'steps'],
      [
        ['a', a],
        ['b', b],
      ].map(([side, of]) => [side as string, ...describe(of as DiffResult['a'])]),
      screen,
    ),
    changeTable('config', config, screen),
    changeTable('code', code, screen),
    `${screen.bold('data')}  ${dataLine(found.data)}`,
    `${rowsLine(found, screen)}\n${metricTable(found.split, metrics, screen)}`,
  ];
}

function describe({ run, model, seed, step }: DiffResult['a']): readonly string[] {
  return [run, model, String(seed), count(step)];
}

/** Characters of a value that are shown. */
const SHOWN = 40;

function changeTable(what: string, changes: readonly DifferingKey[], screen: Terminal): string {
  if (changes.length === 0) return `${screen.bold(what)}  the same`;
  const shown = (value: unknown): string =>
    value === null ? '-' : printable(typeof value === 'string' ? value : JSON.stringify(value), SHOWN);
  return table(
    [what, 'a', 'b'],
    changes.map(({ key, a, b }) => [key, shown(a), shown(b)]),
    screen,
  );
}

function dataLine(data: DiffResult['data']): string {
  const words = Object.entries(data).map(
    ([split, isSame]) => `${split} ${isSame === null ? 'not known' : isSame ? 'the same' : 'other rows'}`,
  );
  return words.join(', ');
}

function rowsLine({ split, rows, predictedRows, unpaired }: DiffResult, screen: Terminal): string {
  const title = screen.bold(split);
  if (rows === null || predictedRows === null) return `${title}  as the runs measured it`;
  const drawn = predictedRows < rows ? `${count(predictedRows)} of ${count(rows)} rows, drawn` : `${count(rows)} rows`;
  return `${title}  ${drawn}, predicted by both${unpaired === null ? ' and paired' : `; not paired: ${unpaired}`}`;
}

function metricTable(split: string, metrics: readonly Difference[], screen: Terminal): string {
  const rows = metrics.map((each) => [
    `${each.output}.${each.metric}`,
    decimals(each.a),
    decimals(each.b),
    signed(each.difference),
    each.low === null ? '-' : `${signed(each.low)} … ${signed(each.high)}`,
    verdictOf(each),
  ]);
  return table([split, 'a', 'b', 'b − a', '95% interval', ''], rows, screen);
}

/** Which one is better, where the interval leaves no doubt. */
function verdictOf({ goal, low, high }: Difference): string {
  if (low === null || high === null || (low <= 0 && high >= 0)) return '';
  if (goal === 'none') return 'differs';
  return low > 0 === (goal === 'higher') ? 'b is better' : 'a is better';
}
