import type { Report } from '../../src/evaluation/evaluation.js';
import { count } from '../results.js';
import type { Trained } from './measure.js';
import type { LogName, PlantedLog } from './planted.js';

/** A column of scores: the AUC of a space on one of the files. */
interface Column {
  readonly title: string;
  readonly space: string;
  readonly oracleFile: 'test' | 'test-clicked';
  of(trained: Trained): Report;
}

const onTest = (space: string, title = space): Column => ({ title, space, oracleFile: 'test', of: ({ test }) => test });
const COLUMNS: Readonly<Record<LogName, readonly Column[]>> = {
  plain: [onTest('ctr'), onTest('cvr', 'cvr, where clicked'), onTest('ctcvr')],
  biased: [onTest('ctr'), onTest('cvr', 'cvr, where clicked'), { title: 'cvr, were all clicked', space: 'cvr', oracleFile: 'test-clicked', of: ({ clicked }) => clicked }, onTest('ctcvr')],
};

const TEN_THOUSAND = 10_000;
const aucOf = (report: Report | undefined, space: string): number | undefined => {
  const value = report?.[space]?.['auc'];
  return typeof value === 'number' ? value : undefined;
};

/**
 * What models scored on a log beside the truth, in Markdown: a line a config in the given order, its trainings averaged. Behind an
 * AUC stands how far it is from that of the true probabilities and, of several seeds, their standard deviation, in ten-thousandths.
 */
export function modelsTable(log: LogName, { oracle }: PlantedLog, trainings: readonly (readonly Trained[])[]): string {
  const columns = COLUMNS[log];
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const truth = columns.map(({ space, oracleFile }) => aucOf(oracle[oracleFile], space)?.toFixed(4) ?? '–');
  const rows = trainings.map((runs) => {
    const [first] = runs;
    const scores = columns.map(({ space, oracleFile, of }) => score(runs.map((run) => aucOf(of(run), space)), aucOf(oracle[oracleFile], space)));
    return line([first!.config, ...scores, count(first!.numWeights), `${mean(runs.map((run) => run.bestEpoch)).toFixed(1)} of ${mean(runs.map((run) => run.epochs)).toFixed(1)}`, count(mean(runs.map((run) => run.rowsPerSecond)) / 1000) + ',000', mean(runs.map((run) => run.seconds)).toFixed(0)]);
  });
  return [
    line(['', ...columns.map(({ title }) => title), 'parameters', 'epochs', 'rows/s', 'seconds']),
    line(['---', ...columns.map(() => '---'), '---:', '---:', '---:', '---:']),
    line(['the true probabilities', ...truth, '', '', '', '']),
    ...rows,
  ].join('\n');
}

function score(values: readonly (number | undefined)[], truth: number | undefined): string {
  const known = values.filter((value) => value !== undefined);
  if (known.length === 0 || truth === undefined) return '–';
  const average = mean(known);
  const deviation = Math.sqrt(known.reduce((sum, value) => sum + (value - average) ** 2, 0) / Math.max(1, known.length - 1));
  const from = Math.round((average - truth) * TEN_THOUSAND);
  return `${average.toFixed(4)} (${from < 0 ? '−' : '+'}${Math.abs(from)}${known.length > 1 ? ` ± ${(deviation * TEN_THOUSAND).toFixed(0)}` : ''})`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Puts a text between the marks of a page, `<!-- NAME -->` and `<!-- /NAME -->`, in place of what stood there.
 * @throws Error where the page has no such marks
 */
export function withSection(page: string, name: string, text: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`the page has no lines ${begin} and ${end}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
}
