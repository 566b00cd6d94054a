import type { PlanSize } from '../engines/plan-size.js';
import type { Report } from '../evaluation/evaluation.js';
import { bytes, count, duration, percent } from '../text/number-text.js';
import type { ValidationEvent, StepProgress } from '../training/loop.js';
import type { TrainStart } from '../training/observer.js';
import { fitting, type Terminal } from './terminal.js';

export { bytes, count, duration, percent } from '../text/number-text.js';

/** What a run is made of. */
export function startLines({ run, ...size }: TrainStart): string {
  return `run     ${run}\n${sizeLines(size)}`;
}

/** How large a model is, and where it is computed. */
export function sizeLines({ model, engine, ...size }: PlanSize & Pick<TrainStart, 'model' | 'engine'>): string {
  const tables = `${count(size.numTables)} embedding tables with ${count(size.numTableRows)} rows (${count(size.numTableWeights)} numbers)`;
  const vocabularies = size.vocabularyBytes > 0 ? `, vocabularies ${bytes(size.vocabularyBytes)}` : '';
  const memory = `tables and weights ${bytes(size.weightBytes)}, optimizer ${bytes(size.optimizerBytes)}, activations ${bytes(size.activationBytes)}${vocabularies}`;
  return [
    `model   ${model}: ${count(size.numWeights)} weights, ${tables}`,
    `memory  ${memory}`,
    `engine  ${engine}`,
  ].join('\n');
}

/** The live line of work of which a share is done: the share stands where it is never cut off. */
export function shareLine(what: string, share: number): string {
  return `${percent(share).padStart(6)}  ${what}`;
}

/** The live line of a step: as much of it as there is room for. */
export function stepLine(
  { epoch, rows, totalRows, elapsedMs, loss, lrFactors: rates }: StepProgress,
  { epochs, learningRate }: Pick<TrainStart, 'epochs' | 'learningRate'>,
  columns: number,
): string {
  const left = (elapsedMs / rows) * Math.max(0, totalRows - rows);
  const share = Math.floor((100 * rows) / Math.max(rows, totalRows));
  return fitting(
    [
      `epoch ${epoch}/${epochs}  ${share}%`,
      `${duration(left)} left`,
      `loss ${loss.toFixed(4)}`,
      `${count((rows / elapsedMs) * 1000)} rows/s`,
      `${count(rows)} of ${count(totalRows)} rows`,
      `learning rate ${Number((learningRate * rates.dense).toPrecision(3))}`,
    ],
    columns,
  );
}

/** An epoch that is behind, or part of it, with what was measured on valid and which value chose the best. */
export function milestoneLines(
  milestone: ValidationEvent,
  { epochs, monitor }: Pick<TrainStart, 'epochs' | 'monitor'>,
  screen: Terminal,
): string {
  const { epoch, isEpochEnd, step, rows, elapsedMs, loss, valid, isBest, best } = milestone;
  const speed = `${count(rows)} rows in ${duration(elapsedMs)} (${count((rows / elapsedMs) * 1000)} rows/s)`;
  const losses =
    valid === undefined
      ? `loss ${loss.total.toFixed(4)}`
      : `loss ${loss.total.toFixed(4)}, valid ${valid.loss.toFixed(4)}`;
  const title = `${screen.bold(`epoch ${epoch}/${epochs}${isEpochEnd ? '' : `, step ${count(step)}`}`)}  ${speed}  ${losses}`;
  if (valid === undefined) return title;
  const decimals = (value: number | null): string => value?.toFixed(4) ?? 'has no value';
  const choice = isBest
    ? screen.bold('the best so far')
    : best.value === null
      ? 'nor had any'
      : `best ${decimals(best.value)} of epoch ${best.epoch}`;
  return `${title}\n${reportTable('valid', valid.report, screen)}\n  ${monitor} ${decimals(valid.monitored)}, ${choice}`;
}

/** Metrics as a table, a line a task; what has no value is a dash, with the reason below. */
export function reportTable(split: string, report: Report, screen: Terminal): string {
  const names = [...new Set(Object.values(report).flatMap((space) => Object.keys(space)))].filter(
    (name) => !['reasons', 'bins', 'calibration'].includes(name),
  );
  const rows = Object.entries(report).map(([task, values]) => [task, ...names.map((name) => cell(name, values[name]))]);
  const reasons = Object.entries(report).flatMap(([task, { reasons: byMetric = {} }]) =>
    Object.entries(byMetric).map(([metric, reason]) => `  ${task}.${metric}: ${reason}`),
  );
  return [
    table([split, ...names], rows, screen),
    ...reasons.map((line) => screen.dim(line)),
    ...calibrationTable(report, screen),
  ].join('\n');
}

/** What calibration did, a line a space that has one; nothing where none has. */
function calibrationTable(report: Report, screen: Terminal): readonly string[] {
  const found = Object.entries(report).flatMap(([space, { calibration }]) =>
    calibration === undefined ? [] : [{ space, ...calibration }],
  );
  if (found.length === 0) return [];
  const names = Object.keys(found[0]!.before).filter(
    (name) => typeof found[0]!.before[name] !== 'object' && !COUNTS.test(name),
  );
  const rows = found.map(({ space, method, before, after }) => [
    space,
    method,
    ...names.map((name) => `${cell(name, before[name])} > ${cell(name, after[name])}`),
  ]);
  return [table(['calibrated', 'by', ...names], rows, screen)];
}

/** Rows below a header; the first column is text, the others are numbers. */
export function table(header: readonly string[], rows: readonly (readonly string[])[], screen: Terminal): string {
  const all = [header, ...rows];
  const widths = header.map((_, c) => Math.max(...all.map((row) => row[c]!.length)));
  const [first, ...lines] = all.map(
    (row) => `  ${row.map((text, c) => (c === 0 ? text.padEnd(widths[c]!) : text.padStart(widths[c]!))).join('  ')}`,
  );
  return [screen.dim(first!), ...lines].join('\n');
}

/** Names of the columns that count rows or groups; the others are metrics. */
const COUNTS = /(^|_)(rows|positives|[a-zA-Z]*[gG]roups)$/;

/** A metric's value. */
export function decimals(value: number | null): string {
  return value?.toFixed(4) ?? '-';
}

/** A difference of two values. */
export function signed(value: number | null): string {
  return value === null ? '-' : `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(4)}`;
}

function cell(name: string, value: unknown): string {
  if (typeof value !== 'number') return '-';
  return COUNTS.test(name) ? count(value) : value.toFixed(4);
}
