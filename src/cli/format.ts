import type { PlanSize } from '../engines/plan-size.js';
import type { Report } from '../evaluation/evaluation.js';
import { bytes, count, duration, percent } from '../text/number-text.js';
import type { ValidationEvent } from '../training/loop.js';
import type { StepProgress } from '../training/steps-in-flight.js';
import type { TokenCounts } from '../core/token-counts.js';
import type { StreamWindow, TrainStart } from '../training/observer.js';
import { joinFitting, type Terminal } from './terminal.js';

export { bytes, count, decimals, duration, percent, signed } from '../text/number-text.js';

/** Formats the start of a run: its directory, model size, memory and engine. */
export function startLines({ run, ...size }: TrainStart): string {
  return `run     ${run}\n${sizeLines(size)}`;
}

/** Formats the size of a model and the engine that computes it. */
export function sizeLines({ model, engine, ...size }: PlanSize & Pick<TrainStart, 'model' | 'engine'>): string {
  const tables =
    `${count(size.numTables)} embedding tables with ${count(size.numTableRows)} rows ` +
    `(${count(size.numTableWeights)} weights)`;
  const vocabularies = size.vocabularyBytes > 0 ? `, vocabularies ${bytes(size.vocabularyBytes)}` : '';
  const memory =
    `tables and weights ${bytes(size.weightBytes)}, optimizer ${bytes(size.optimizerBytes)}, activations ` +
    `${bytes(size.activationBytes)}${vocabularies}`;
  return [
    `model   ${model}: ${count(size.numWeights)} weights, ${tables}`,
    `memory  ${memory}`,
    `engine  ${engine}`,
  ].join('\n');
}

/** Formats a progress line. The share comes first, so that narrow terminals never truncate it. */
export function shareLine(what: string, share: number): string {
  return `${percent(share).padStart(6)}  ${what}`;
}

/** Formats the progress line of a training step, as much of it as fits into `columns`. */
export function stepLine(
  { epoch, rows, totalRows, elapsedMs, loss, lrFactors: rates }: StepProgress,
  { epochs, learningRate }: Pick<TrainStart, 'epochs' | 'learningRate'>,
  columns: number,
): string {
  const left = (elapsedMs / rows) * Math.max(0, totalRows - rows);
  const share = Math.floor((100 * rows) / Math.max(rows, totalRows));
  return joinFitting(
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

/** Formats the progress line of a training step on a stream, as much of it as fits into `columns`. */
export function streamLine(
  { rows, elapsedMs, loss, lrFactors }: StepProgress,
  { learningRate }: Pick<TrainStart, 'learningRate'>,
  columns: number,
): string {
  return joinFitting(
    [
      `${count(rows)} rows`,
      `loss ${loss.toFixed(4)}`,
      `${count((rows / elapsedMs) * 1000)} rows/s`,
      `learning rate ${Number((learningRate * lrFactors.dense).toPrecision(3))}`,
    ],
    columns,
  );
}

/** A population stability index below it is usual. */
const STABLE = 0.1;

/** Maximum characters of a line of a window. */
const WINDOW_COLUMNS = 120;

/** Formats a window of a stream: the metrics of predictions before training, per output. Long lines are wrapped. */
export function windowLine({
  window,
  rows,
  step,
  report,
  rejected,
  late,
  lag,
  drift,
  alarms,
  vocabularies = {},
}: StreamWindow): string {
  const outputs = Object.entries(report).map(([output, values]) => {
    const metrics = Object.entries(values).flatMap(([name, value]) =>
      typeof value === 'number' && !COUNTS.test(name) ? [`${name} ${value.toFixed(4)}`] : [],
    );
    return `${output} ${metrics.join(', ')}`;
  });
  return wrapParts([
    `window ${window}, step ${count(step)}  ${count(rows)} rows`,
    ...outputs,
    ...(rejected > 0 ? [`${count(rejected)} invalid${late > 0 ? ` (${count(late)} late)` : ''}`] : []),
    ...Object.entries(vocabularies).map(([field, tokens]) => tokenSummary(field, tokens)),
    ...Object.entries(drift).flatMap(([field, index]) =>
      index < STABLE ? [] : [`${field} drift ${index.toFixed(2)}`],
    ),
    ...(lag !== undefined && lag.amount > 0 ? [`lag ${count(lag.amount)} ${lag.unit}`] : []),
    ...(alarms.length > 0 ? [`${alarms.length} alarms`] : []),
  ]);
}

/** Joins parts by two spaces, and begins an indented line where the next value would not fit. */
function wrapParts(parts: readonly string[]): string {
  const lines: string[] = [];
  let line = '';
  for (const part of parts)
    for (const [i, value] of part.split(/(?<=,) /).entries()) {
      const longer = `${line}${i > 0 ? ' ' : line === '' ? '' : '  '}${value}`;
      if (line === '' || longer.length <= WINDOW_COLUMNS) line = longer;
      else {
        lines.push(line);
        line = `  ${value}`;
      }
    }
  return [...lines, line].join('\n');
}

/** Summarizes the tokens of a vocabulary that grows; changes of a window that did not occur are absent. */
function tokenSummary(
  field: string,
  { rows, admitted, expired, evicted, occurrences, outOfVocabulary }: TokenCounts,
): string {
  const changes = Object.entries({ admitted, expired, evicted })
    .filter(([, tokens]) => tokens > 0)
    .map(([change, tokens]) => `${count(tokens)} ${change}`);
  const share = occurrences === 0 ? [] : [`${((100 * outOfVocabulary) / occurrences).toFixed(1)}% out of vocabulary`];
  return [`${field} ${count(rows)} tokens`, ...changes, ...share].join(', ');
}

/** Formats a validation event: an epoch or a part of it, with validation metrics and the best value so far. */
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
  const title =
    `${screen.bold(`epoch ${epoch}/${epochs}${isEpochEnd ? '' : `, step ${count(step)}`}`)}  ${speed}  ` + losses;
  if (valid === undefined) return title;
  const decimals = (value: number | null): string => value?.toFixed(4) ?? 'undefined';
  const choice = isBest
    ? screen.bold('best so far')
    : best.value === null
      ? 'no best value so far'
      : `best ${decimals(best.value)} of epoch ${best.epoch}`;
  return (
    `${title}\n${reportTable('valid', valid.report, screen)}\n  ${monitor} ${decimals(valid.monitored)}, ` + choice
  );
}

/**
 * Formats metrics as a table with one row per output. An undefined value is a dash, with the reason below the table.
 */
export function reportTable(split: string, report: Report, screen: Terminal): string {
  const names = [...new Set(Object.values(report).flatMap((output) => Object.keys(output)))].filter(
    (name) => !['reasons', 'bins', 'calibration'].includes(name),
  );
  const rows = Object.entries(report).map(([task, values]) => [
    task,
    ...names.map((name) => formatValue(name, values[name])),
  ]);
  const reasons = Object.entries(report).flatMap(([task, { reasons: byMetric = {} }]) =>
    Object.entries(byMetric).map(([metric, reason]) => `  ${task}.${metric}: ${reason}`),
  );
  return [
    table([split, ...names], rows, screen),
    ...reasons.map((line) => screen.dim(line)),
    ...calibrationTable(report, screen),
  ].join('\n');
}

/** Formats metrics before and after calibration, one row per calibrated output; empty if none is. */
function calibrationTable(report: Report, screen: Terminal): readonly string[] {
  const found = Object.entries(report).flatMap(([output, { calibration }]) =>
    calibration === undefined ? [] : [{ output, ...calibration }],
  );
  if (found.length === 0) return [];
  const names = Object.keys(found[0]!.before).filter(
    (name) => typeof found[0]!.before[name] !== 'object' && !COUNTS.test(name),
  );
  const rows = found.map(({ output, method, before, after }) => [
    output,
    method,
    ...names.map((name) => `${formatValue(name, before[name])} > ${formatValue(name, after[name])}`),
  ]);
  return [table(['calibrated', 'by', ...names], rows, screen)];
}

/**
 * Formats rows below a header. The first column is left-aligned, the others are right-aligned. A value may have several
 * lines.
 */
export function table(header: readonly string[], rows: readonly (readonly string[])[], screen: Terminal): string {
  const all = [header, ...rows].map((row) => row.map((text) => text.split('\n')));
  const widths = header.map((_, c) => Math.max(...all.flatMap((row) => row[c]!.map(({ length }) => length))));
  const [first, ...lines] = all.flatMap((row) =>
    Array.from({ length: Math.max(...row.map(({ length }) => length)) }, (_, l) => {
      const cells = row.map((cell) => cell[l] ?? '');
      return `  ${cells.map((text, c) => (c === 0 ? text.padEnd(widths[c]!) : text.padStart(widths[c]!))).join('  ')}`;
    }),
  );
  return [screen.dim(first!), ...lines].join('\n');
}

/** Matches metric columns that count rows or groups. */
const COUNTS = /(^|_)(rows|positives|[a-zA-Z]*[gG]roups)$/;

function formatValue(name: string, value: unknown): string {
  if (typeof value !== 'number') return '-';
  return COUNTS.test(name) ? count(value) : value.toFixed(4);
}
