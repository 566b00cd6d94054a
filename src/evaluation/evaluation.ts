import type { Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { KeyTexts } from '../core/row-key.js';
import { findNonFinite } from '../core/tensor.js';
import type { KeyIndex } from '../core/key-index.js';
import { listKeyColumns, resolveMeasuring, type Measuring } from './options.js';
import { createRowStore, storedColumn, type Block, type RowStore, type StoredRows } from './row-store.js';
import { binScores, sumScores, type ScoreBins, type ScoreSums } from './score-bins.js';
import type { Scores } from './scores.js';
import { splitSegments } from './segments.js';
import { measure, measureCalibration, type OutputReport } from './output-report.js';
import { buildScores } from './output-scores.js';
import type { Output } from './outputs.js';

export type { OutputReport };

/** Metrics per output; metrics of a segment are named as `ctr[hour=13]`. */
export type Report = Readonly<Record<string, OutputReport>>;

/** Distribution of the predictions of classification outputs, for charts; JSON. */
export interface Predicted {
  readonly outputs: Readonly<Record<string, ScoreBins>>;
  /** By segment column, segment value and output. */
  readonly segments: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, ScoreSums>>>>>>;
}

/**
 * Collects labels and predictions of a data set in memory: four bytes per row for each prediction and each key, one for
 * each classification label.
 */
export interface Collector {
  /**
   * Adds a batch.
   * @throws UserError (diverged) for a non-finite prediction
   */
  add(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void;
  /** Rows so far, as plain typed arrays that can be transferred between threads. */
  readonly blocks: readonly Block[];
  /** Per key column: the keys that indices in blocks refer to. */
  readonly keys: ReadonlyMap<string, KeyIndex>;
  /**
   * Adds the rows of a collector of the same outputs; the report is bitwise identical to the report of a single
   * collector.
   */
  merge(other: StoredRows): void;
  /** Returns the rows of an output so far, with its predictions. */
  scores(output: Output): Scores;
  /**
   * Computes the metrics of all rows.
   * @param texts per column, for the names of segments
   */
  report(texts?: ReadonlyMap<string, KeyTexts>): Report;
  /** Computes the distribution of all predictions. */
  predicted(texts?: ReadonlyMap<string, KeyTexts>): Predicted;
  /** Computes both in one pass over the rows of each output. */
  measured(texts?: ReadonlyMap<string, KeyTexts>): { readonly report: Report; readonly predicted: Predicted };
}

/**
 * Creates a collector for the metrics of some outputs.
 * @param measuring metrics and segments; default: the default metrics
 */
export function createCollector(outputs: readonly Output[], measuring: Measuring = resolveMeasuring()): Collector {
  const classLabels = new Set(
    outputs.flatMap(({ type, label, where }) => [
      ...(type === 'classification' ? [label] : []),
      ...(where === undefined ? [] : [where]),
    ]),
  );
  const labels = new Set(outputs.flatMap(({ label, where }) => (where === undefined ? [label] : [label, where])));
  const store = createRowStore(
    outputs.flatMap(({ factors }) => factors),
    [...labels].map((name) => ({ name, isClass: classLabels.has(name) })),
    listKeyColumns(measuring),
  );
  const { blocks, keys } = store;
  const scores = (output: Output): Scores => buildScores(output, { blocks, keys });
  const rows: CollectedRows = { outputs, measuring, store };
  return {
    scores,
    blocks,
    keys,
    add(batch, predictions) {
      for (const task of store.tasks) {
        if (findNonFinite(storedColumn(predictions, task), 0, batch.rows) >= 0) {
          throw userError('diverged', {
            key: task,
            message: 'predictions are not finite',
            fix: 'lower the learning rate (--set training.optimizer.dense.learningRate=…)',
          });
        }
      }
      store.append(batch, predictions);
    },
    merge: (others) => store.take(others),
    report: (texts = new Map()) => process(rows, texts, { isMeasured: true }).report,
    predicted: (texts = new Map()) => process(rows, texts, { isBinned: true }).predicted,
    measured: (texts = new Map()) => process(rows, texts, { isMeasured: true, isBinned: true }),
  };
}

/** Collected rows and how to measure them. */
interface CollectedRows {
  readonly outputs: readonly Output[];
  readonly measuring: Measuring;
  readonly store: RowStore;
}

interface Wanted {
  readonly isMeasured?: boolean;
  readonly isBinned?: boolean;
}

/** Processes outputs one at a time, so that the rows of only one are selected in memory. */
function process(
  { outputs, measuring, store: { blocks, keys } }: CollectedRows,
  texts: ReadonlyMap<string, KeyTexts>,
  { isMeasured = false, isBinned = false }: Wanted,
): { readonly report: Report; readonly predicted: Predicted } {
  const report: Record<string, OutputReport> = {};
  const bins: Record<string, ScoreBins> = {};
  const scores = (output: Output): Scores => buildScores(output, { blocks, keys });
  for (const output of outputs) {
    const rows = scores(output);
    if (isMeasured)
      report[output.name] = { ...measure(output, measuring, rows), ...measureCalibration(output, scores) };
    if (isBinned && output.type === 'classification') bins[output.name] = binScores(rows);
  }
  // Columns and values have arbitrary names, so plain objects are not safe.
  const segments = new Map<string, Predicted['segments'][string]>();
  for (const by of measuring.by) {
    const sumsByValue = new Map<string, Record<string, ScoreSums>>();
    for (const { name, positions } of splitSegments(by, blocks, keys.get(by)!, texts.get(by))) {
      const sums: Record<string, ScoreSums> = {};
      sumsByValue.set(name.slice(by.length + 1), sums);
      for (const output of outputs) {
        const rows = buildScores(output, { blocks, keys, positions });
        if (isMeasured) report[`${output.name}[${name}]`] = measure(output, measuring, rows);
        if (isBinned && output.type === 'classification') sums[output.name] = sumScores(rows);
      }
    }
    segments.set(by, Object.fromEntries(sumsByValue));
  }
  return { report, predicted: { outputs: bins, segments: Object.fromEntries(segments) } };
}
