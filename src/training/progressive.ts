import type { SavedState } from '../io/saved-state.js';
import { z } from 'zod';
import { sliceRows, type Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { StateSection } from '../core/state-section.js';
import { auc } from '../evaluation/auc.js';
import { createCollector, type Collector, type Report } from '../evaluation/evaluation.js';
import { logLoss } from '../evaluation/log-loss.js';
import type { Output } from '../evaluation/outputs.js';
import { pcoc } from '../evaluation/pcoc.js';
import type { Block } from '../evaluation/row-store.js';
import { FieldDrift, fieldGroupsSchema, type Drift } from './field-drift.js';
import { tensorError } from '../io/named-tensor.js';
import { countWindowRows, restoreWindow, storeWindow, type WindowRows } from './window-rows.js';

/** Number of windows before one that it is compared with. */
const COMPARED_WINDOWS = 5;

/** Standard errors by which a drop must exceed the mean of the windows before. */
const NOISE = 3;

const valuesSchema = z.record(z.string(), z.number());
/** Columns as base64, by name. */

const progressiveStateSchema = z.strictObject({
  windows: z.int().min(0),
  /** Batches of the current window that were skipped. */
  skippedBatches: z.int().min(0),
  /** Metrics of the last windows that later ones are compared with, the newest last. */
  history: z.array(valuesSchema),
  /** Alarms of the last window. */
  alarms: z.array(z.string()),
  /** Rows of the current window. */
  rows: z.int().min(0),
  /** Groups of the values of each field. */
  fields: z.record(z.string(), fieldGroupsSchema),
});
export type ProgressiveState = z.output<typeof progressiveStateSchema>;

/** Section of a checkpoint with the current window. */
export const progressiveSection: StateSection<ProgressiveState> = {
  name: 'progressive',
  version: 1,
  schema: progressiveStateSchema,
};

/** Returns the state before the first row. */
export function firstProgressiveState(): ProgressiveState {
  return { windows: 0, skippedBatches: 0, history: [], alarms: [], rows: 0, fields: {} };
}

/** Limits beyond which a window has an alarm. */
export interface AlarmLimits {
  /** Drop of an AUC below its mean in the windows before. */
  readonly aucDrop: number;
  /** Relative rise of a log loss above its mean in the windows before. */
  readonly lossRise: number;
  /** Relative change of a PCOC from its mean in the windows before; default: no limit. */
  readonly pcocShift?: number | undefined;
  /** Drift of a field; default: no limit. */
  readonly drift?: number | undefined;
}

/** Metrics of a window: each row was predicted before the model was trained on it. */
export interface WindowReport {
  /** Number of the window, from 1. */
  readonly window: number;
  readonly rows: number;
  readonly report: Report;
  readonly skippedBatches: number;
  /** Drift of each field from the windows before, as a population stability index; empty for the first window. */
  readonly drift: Readonly<Record<string, number>>;
  /** What is wrong with the window; empty if it may be published. */
  readonly alarms: readonly string[];
}

/**
 * Measures predictions of rows that the model was not trained on yet, in windows of equal numbers of rows (prequential
 * evaluation: Dawid 1984, Gama et al. 2013).
 */
export class ProgressiveValidation implements SavedState<'window'> {
  readonly name = 'window';
  readonly #outputs: readonly Output[];
  readonly #windowRows: number;
  readonly #limits: AlarmLimits;
  readonly #state: ProgressiveState;
  readonly #drift: FieldDrift;
  #collector: Collector;
  /** Rows of the current window at the last save. */
  #savedRows = 0;

  /**
   * @param fields fields whose drift is measured
   * @param state restored, and updated in place
   * @param window rows of the current window in a checkpoint (`rows`)
   * @throws UserError (checkpoint) if `window` has not these rows
   */
  constructor(
    outputs: readonly Output[],
    fields: readonly string[],
    windowRows: number,
    limits: AlarmLimits,
    state: ProgressiveState,
    window: WindowRows = new Map(),
  ) {
    this.#outputs = outputs;
    this.#windowRows = windowRows;
    this.#limits = limits;
    this.#state = state;
    this.#drift = new FieldDrift(state.fields, fields);
    this.#collector = createCollector(outputs);
    if (state.rows > 0) this.#collector.merge({ blocks: [this.#restoreBlock(window)] });
    this.#savedRows = state.rows;
  }

  /**
   * Adds a batch with its predictions by task.
   * @returns the windows that it completes
   * @throws UserError (diverged) for a non-finite prediction
   */
  add(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): readonly WindowReport[] {
    const reports: WindowReport[] = [];
    for (let begin = 0, end; begin < batch.rows; begin = end) {
      end = Math.min(batch.rows, begin + this.#windowRows - this.#state.rows);
      const own = new Map([...predictions].map(([name, values]) => [name, values.subarray(begin, end)]));
      const rows = sliceRows(batch, begin, end);
      this.#collector.add(rows, own);
      this.#drift.add(rows);
      this.#state.rows += end - begin;
      if (this.#state.rows === this.#windowRows) reports.push(this.#finish());
    }
    return reports;
  }

  /** Counts a batch whose step was skipped. */
  countSkipped(): void {
    this.#state.skippedBatches++;
  }

  /** Adds alarms to the last window. */
  raise(alarms: readonly string[]): void {
    this.#state.alarms.push(...alarms);
  }

  mark(): void {
    // Nothing: a batch adds its rows after its step, so the window never has rows beyond the position.
  }

  /** Returns the rows of the current window. */
  full(): WindowRows {
    return storeWindow(this.#collector.blocks, 0);
  }

  /** Returns the rows of the current window since `markSaved`. */
  changes(): WindowRows {
    return storeWindow(this.#collector.blocks, this.#savedRows);
  }

  markSaved(): void {
    this.#savedRows = this.#state.rows;
  }

  #finish(): WindowReport {
    const state = this.#state;
    const report = this.#collector.report();
    const { skippedBatches } = state;
    const drifts = this.#drift.finish();
    const values = listValues(report);
    const skipped = skippedBatches > 0 ? [`${skippedBatches} batches were skipped: a loss was not finite`] : [];
    const compared = compareValues(values, state.history, this.#limits, report);
    const alarms = [...compared, ...compareDrifts(drifts, this.#limits), ...skipped];
    this.#collector = createCollector(this.#outputs);
    this.#savedRows = 0;
    state.windows++;
    Object.assign(state, {
      skippedBatches: 0,
      history: [...state.history, values].slice(-COMPARED_WINDOWS),
      alarms: [...alarms],
      rows: 0,
    });
    const drift = Object.fromEntries(Array.from(drifts, ([field, { index }]) => [field, index]));
    return { window: state.windows, rows: this.#windowRows, report, skippedBatches, drift, alarms };
  }

  #restoreBlock(window: WindowRows): Block {
    const { rows } = this.#state;
    if (countWindowRows(window) === rows) {
      const block = restoreWindow(window);
      for (const { factors, label } of this.#outputs) {
        for (const task of factors)
          if (!block.predictions.has(task)) throw tensorError(`predictions.${task}`, 'the tensor is missing');
        if (!block.labels.has(label)) throw tensorError(`labels.${label}`, 'the tensor is missing');
      }
      return block;
    }
    throw userError('checkpoint', {
      key: 'window',
      message: `expected ${rows} rows of the current window, found ${countWindowRows(window)}`,
      fix: 'use another checkpoint',
    });
  }
}

/** A metric that has alarms. */
interface ComparedMetric {
  readonly name: string;
  /** Returns how a value changed too much from its mean in `numBefore` windows; undefined if it did not. */
  change(
    value: number,
    mean: number,
    limits: AlarmLimits,
    report: Report[string],
    numBefore: number,
  ): string | undefined;
}

const COMPARED: readonly ComparedMetric[] = [
  {
    name: auc.name,
    // A drop within the noise of a small window is not one of the model.
    change: (value, mean, { aucDrop }, report, numBefore) =>
      value < mean - Math.max(aucDrop, noiseOf(aucError(mean, report), numBefore)) ? 'dropped' : undefined,
  },
  {
    name: logLoss.name,
    change: (value, mean, { lossRise }) => (value > mean * (1 + lossRise) ? 'rose' : undefined),
  },
  {
    name: pcoc.name,
    change(value, mean, { pcocShift = Infinity }, { positives }, numBefore) {
      // The number of positives varies as that of a Poisson process.
      const error = typeof positives === 'number' ? mean / Math.sqrt(positives) : Infinity;
      const isFar = Math.abs(value - mean) > Math.max(pcocShift * mean, noiseOf(error, numBefore));
      return isFar ? (value < mean ? 'dropped' : 'rose') : undefined;
    },
  },
];

/** Returns the compared metrics, by output and metric; undefined ones are absent. */
function listValues(report: Report): Record<string, number> {
  return Object.fromEntries(
    Object.entries(report).flatMap(([output, values]) =>
      COMPARED.flatMap(({ name }) => {
        const value = values[name];
        return typeof value === 'number' ? [[`${output}.${name}`, value] as const] : [];
      }),
    ),
  );
}

function compareValues(
  now: Readonly<Record<string, number>>,
  history: ProgressiveState['history'],
  limits: AlarmLimits,
  report: Report,
): readonly string[] {
  return Object.entries(now).flatMap(([key, value]) => {
    const before = history.flatMap((values) => values[key] ?? []);
    if (before.length === 0) return [];
    const mean = before.reduce((sum, each) => sum + each, 0) / before.length;
    const { name, change } = COMPARED.find((each) => key.endsWith(`.${each.name}`))!;
    const changed = change(value, mean, limits, report[key.slice(0, -name.length - 1)]!, before.length);
    if (changed === undefined) return [];
    return [`${key} ${changed} to ${value.toFixed(4)}, from ${mean.toFixed(4)} in the windows before`];
  });
}

/** Returns the difference from the mean of some windows that noise does not exceed. */
function noiseOf(error: number, numBefore: number): number {
  return NOISE * error * Math.sqrt(1 + 1 / numBefore);
}

function compareDrifts(drifts: ReadonlyMap<string, Drift>, { drift = Infinity }: AlarmLimits): readonly string[] {
  return Array.from(drifts)
    .filter(([, { index, noise }]) => index > drift + noise)
    .map(([field, { index }]) => `the values of ${field} drifted by ${index.toFixed(2)} from the windows before`);
}

/** Standard error of an AUC of some rows (Hanley & McNeil 1982, equation 1). */
function aucError(area: number, { rows, positives }: Report[string]): number {
  if (typeof rows !== 'number' || typeof positives !== 'number') return 0;
  const negatives = rows - positives;
  const [q1, q2] = [area / (2 - area), (2 * area * area) / (1 + area)];
  const variance = area * (1 - area) + (positives - 1) * (q1 - area * area) + (negatives - 1) * (q2 - area * area);
  return Math.sqrt(variance / (positives * negatives));
}
