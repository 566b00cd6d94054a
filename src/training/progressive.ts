import { z } from 'zod';
import { sliceRows, type Batch } from '../core/batch.js';
import type { StateSection } from '../core/state-section.js';
import { auc } from '../evaluation/auc.js';
import { createCollector, type Collector, type Report } from '../evaluation/evaluation.js';
import { logLoss } from '../evaluation/log-loss.js';
import type { Output } from '../evaluation/outputs.js';
import type { Block } from '../evaluation/row-store.js';

/** Number of windows before one that it is compared with. */
const COMPARED_WINDOWS = 5;

const valuesSchema = z.record(z.string(), z.number());
/** Columns as base64, by name. */
const columnsSchema = z.record(z.string(), z.string());

const progressiveStateSchema = z.strictObject({
  /** Finished windows. */
  windows: z.int().min(0),
  /** Batches of the current window that were skipped. */
  skippedBatches: z.int().min(0),
  /** Metrics of the last windows that later ones are compared with, the newest last. */
  history: z.array(valuesSchema),
  /** Alarms of the last window. */
  alarms: z.array(z.string()),
  /** Predictions and labels of the rows of the current window. */
  rows: z.int().min(0),
  predictions: columnsSchema,
  labels: columnsSchema,
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
  return { windows: 0, skippedBatches: 0, history: [], alarms: [], rows: 0, predictions: {}, labels: {} };
}

/** Limits beyond which a window has an alarm. */
export interface AlarmLimits {
  /** Drop of an AUC below its mean in the windows before. */
  readonly aucDrop: number;
  /** Relative rise of a log loss above its mean in the windows before. */
  readonly lossRise: number;
}

/** Metrics of a window: each row was predicted before the model was trained on it. */
export interface WindowReport {
  /** Number of the window, from 1. */
  readonly window: number;
  readonly rows: number;
  readonly report: Report;
  readonly skippedBatches: number;
  /** What is wrong with the window; empty if it may be published. */
  readonly alarms: readonly string[];
}

/**
 * Measures predictions of rows that the model was not trained on yet, in windows of equal numbers of rows (prequential
 * evaluation: Dawid 1984, Gama et al. 2013).
 */
export class ProgressiveValidation {
  readonly #outputs: readonly Output[];
  readonly #windowRows: number;
  readonly #limits: AlarmLimits;
  readonly #state: ProgressiveState;
  #collector: Collector;

  /** @param state restored, and updated in place except for the rows of the window, which `store` adds */
  constructor(outputs: readonly Output[], windowRows: number, limits: AlarmLimits, state: ProgressiveState) {
    this.#outputs = outputs;
    this.#windowRows = windowRows;
    this.#limits = limits;
    this.#state = state;
    this.#collector = createCollector(outputs);
    if (state.rows > 0) this.#collector.merge({ blocks: [restoreBlock(state, this.#classLabels())] });
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
      this.#collector.add(sliceRows(batch, begin, end), own);
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

  /** Writes the rows of the current window to the state, for a checkpoint. */
  store(): void {
    const { rows } = this.#state;
    const { blocks } = this.#collector;
    Object.assign(this.#state, {
      predictions: storeColumns(blocks, rows, ({ predictions }) => predictions),
      labels: storeColumns(blocks, rows, ({ labels }) => labels),
    });
  }

  #finish(): WindowReport {
    const state = this.#state;
    const report = this.#collector.report();
    const { skippedBatches } = state;
    const values = listValues(report);
    const skipped = skippedBatches > 0 ? [`${skippedBatches} batches were skipped: a loss was not finite`] : [];
    const alarms = [...compareValues(values, state.history, this.#limits), ...skipped];
    this.#collector = createCollector(this.#outputs);
    state.windows++;
    Object.assign(state, {
      skippedBatches: 0,
      history: [...state.history, values].slice(-COMPARED_WINDOWS),
      alarms: [...alarms],
      rows: 0,
    });
    return { window: state.windows, rows: this.#windowRows, report, skippedBatches, alarms };
  }

  #classLabels(): ReadonlySet<string> {
    return new Set(
      this.#outputs.flatMap(({ type, label, where }) => [
        ...(type === 'classification' ? [label] : []),
        ...(where === undefined ? [] : [where]),
      ]),
    );
  }
}

/** Metrics that have alarms, with the sign of an improvement. */
const COMPARED = [
  { name: auc.name, sign: 1 },
  { name: logLoss.name, sign: -1 },
] as const;

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
  { aucDrop, lossRise }: AlarmLimits,
): readonly string[] {
  return Object.entries(now).flatMap(([key, value]) => {
    const before = history.flatMap((values) => values[key] ?? []);
    if (before.length === 0) return [];
    const mean = before.reduce((sum, each) => sum + each, 0) / before.length;
    const { sign } = COMPARED.find(({ name }) => key.endsWith(`.${name}`))!;
    const isBad = sign > 0 ? value < mean - aucDrop : value > mean * (1 + lossRise);
    const change = sign > 0 ? 'dropped' : 'rose';
    return isBad ? [`${key} ${change} to ${value.toFixed(4)}, from ${mean.toFixed(4)} in the windows before`] : [];
  });
}

function storeColumns(
  blocks: readonly Block[],
  rows: number,
  columnsOf: (block: Block) => ReadonlyMap<string, Float32Array | Uint8Array>,
): Readonly<Record<string, string>> {
  if (rows === 0) return {};
  const names = [...columnsOf(blocks[0]!).keys()];
  return Object.fromEntries(
    names.map((name) => {
      const parts = blocks.map((block) => {
        const data = columnsOf(block).get(name)!.subarray(0, block.rows);
        return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      });
      return [name, Buffer.concat(parts).toString('base64')];
    }),
  );
}

function restoreBlock({ rows, predictions, labels }: ProgressiveState, classLabels: ReadonlySet<string>): Block {
  const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'base64'));
  const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);
  return {
    rows,
    predictions: new Map(Object.entries(predictions).map(([name, text]) => [name, floatsOf(text)])),
    labels: new Map(
      Object.entries(labels).map(([name, text]) => [name, classLabels.has(name) ? bytesOf(text) : floatsOf(text)]),
    ),
  };
}
