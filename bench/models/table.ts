import { basename } from 'node:path';
import type { Report } from '../../src/evaluation/evaluation.js';
import { count } from '../results.js';
import type { Trained } from './measure.js';
import type { LogName, PlantedLog } from './planted.js';

const NOT_MEASURED = '–';

/** A column of scores: the AUC of an output on one file. */
interface Column {
  readonly title: string;
  readonly output: string;
  readonly oracleFile: 'test' | 'test-clicked';
  of(trained: Trained): Report;
}

const onTest = (output: string, title = output): Column => ({
  title,
  output,
  oracleFile: 'test',
  of: ({ test }) => test,
});
const COLUMNS: Readonly<Record<LogName, readonly Column[]>> = {
  plain: [onTest('ctr'), onTest('cvr', 'cvr, where clicked'), onTest('ctcvr')],
  biased: [
    onTest('cvr', 'cvr, where clicked'),
    { title: 'cvr, were all clicked', output: 'cvr', oracleFile: 'test-clicked', of: ({ clicked }) => clicked },
  ],
};

/** A column after the scores, right-aligned. */
interface SizeColumn {
  readonly title: string;
  of(line: Line): string;
}

const SEEDS: SizeColumn = { title: 'seeds', of: ({ runs }) => String(runs.length) };
const SIZES: Readonly<Record<LogName, readonly SizeColumn[]>> = {
  plain: [
    SEEDS,
    { title: 'parameters', of: ({ runs }) => (runs.length === 0 ? NOT_MEASURED : count(runs[0]!.numWeights)) },
    {
      title: 'rows/s',
      of: ({ rowsPerSecond }) => (rowsPerSecond === undefined ? NOT_MEASURED : `${count(rowsPerSecond / 1000)},000`),
    },
  ],
  biased: [SEEDS],
};

/** Measurements of a config. */
export interface Line {
  /** File name. */
  readonly config: string;
  /** One per seed; may be empty. */
  readonly runs: readonly Trained[];
  readonly rowsPerSecond: number | undefined;
}

const isClicked = ({ oracleFile }: Column): boolean => oracleFile === 'test-clicked';

const TEN_THOUSAND = 10_000;
const numberOf = (report: Report | undefined, output: string, name: string): number | undefined => {
  const value = report?.[output]?.[name];
  return typeof value === 'number' ? value : undefined;
};

/**
 * Renders, in Markdown, the scores of models compared with the true probabilities: one line per config, averaged over
 * seeds. Each AUC has its distance from the true probabilities in units of 1e-4 and the standard deviation over seeds.
 */
export function modelsTable(log: LogName, { oracle, seen }: PlantedLog, lines: readonly Line[]): string {
  const [columns, sizes] = [COLUMNS[log], SIZES[log]];
  const empty = sizes.map(() => '');
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const truthOf = ({ oracleFile, output }: Column): number | undefined => numberOf(oracle[oracleFile], output, 'auc');
  return [
    row(['', ...columns.map(({ title }) => title), ...sizes.map(({ title }) => title)]),
    row(['---', ...columns.map(() => '---'), ...sizes.map(() => '---:')]),
    row(['the true probabilities', ...columns.map((column) => truthOf(column)?.toFixed(4) ?? NOT_MEASURED), ...empty]),
    ...(columns.some(isClicked)
      ? [
          row([
            'true P(purchase after a click) as a predictor',
            ...columns.map((column) => (isClicked(column) ? score([seen], column.output, truthOf(column)) : '')),
            ...empty,
          ]),
        ]
      : []),
    ...lines.map((line) =>
      row([
        basename(line.config, '.yaml'),
        ...columns.map((column) => score(line.runs.map(column.of), column.output, truthOf(column))),
        ...sizes.map(({ of }) => of(line)),
      ]),
    ),
  ].join('\n');
}

function score(reports: readonly Report[], output: string, truth: number | undefined): string {
  const values = reports.flatMap((report) => numberOf(report, output, 'auc') ?? []);
  if (values.length === 0 || truth === undefined) return NOT_MEASURED;
  const average = mean(values);
  const deviation = Math.sqrt(
    values.reduce((sum, value) => sum + (value - average) ** 2, 0) / Math.max(1, values.length - 1),
  );
  const from = Math.round((average - truth) * TEN_THOUSAND);
  const spread = values.length > 1 ? ` ± ${(deviation * TEN_THOUSAND).toFixed(0)}` : '';
  return `${average.toFixed(4)} (${from < 0 ? '−' : '+'}${Math.abs(from)}${spread})`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Replaces the text between the marks `<!-- NAME -->` and `<!-- /NAME -->` of a page.
 * @throws Error if the page has no such marks
 */
export function withSection(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no lines ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
}
