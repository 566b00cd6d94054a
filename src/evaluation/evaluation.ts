import { column, type Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { KeyTexts } from '../core/row-key.js';
import type { KeyIndex } from './key-index.js';
import { listKeyColumns, resolveMeasuring, type Measuring } from './options.js';
import { createRowStore, type Block, type StoredRows } from './row-store.js';
import { binScores, sumScores, type ScoreBins, type ScoreSums } from './score-bins.js';
import type { Scores } from './scores.js';
import { splitSegments } from './segments.js';
import { measure, measureCalibration, type OutputReport } from './output-report.js';
import { buildScores } from './output-scores.js';
import type { Output } from './outputs.js';

export type { OutputReport };

/** Metrics by space; those of a segment under names as `ctr[hour=13]`. */
export type Report = Readonly<Record<string, OutputReport>>;

/** How predictions lie in spaces that are classifications, for pictures; JSON. */
export interface Predicted {
  readonly outputs: Readonly<Record<string, ScoreBins>>;
  /** By column that is measured apart, by value in it, by space. */
  readonly segments: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, ScoreSums>>>>>>;
}

/**
 * Labels and predictions of a data set, in memory: four bytes a row for each prediction and each key, one for each
 * label of a class.
 */
export interface Collector {
  /** @throws UserError (diverged) for a prediction that is not finite */
  add(batch: Batch, predictions: ReadonlyMap<string, Float32Array>): void;
  /** The rows so far: plain typed arrays, which may come from another thread. */
  readonly blocks: readonly Block[];
  /** By column that rows are grouped by: what the numbers in blocks stand for. */
  readonly keys: ReadonlyMap<string, KeyIndex>;
  /**
   * Takes the rows of a collector of the same spaces: the report is that of one collector that saw all rows, to the
   * last bit.
   */
  merge(other: StoredRows): void;
  /** The rows of a space so far, with its predictions. */
  scores(space: Output): Scores;
  /**
   * Metrics of all rows that were added.
   * @param texts by column, for the names of segments
   */
  report(texts?: ReadonlyMap<string, KeyTexts>): Report;
  /** How the predictions of all rows lie that were added; `texts` as above. */
  predicted(texts?: ReadonlyMap<string, KeyTexts>): Predicted;
  /** Both: the rows of each space are looked for once. */
  measured(texts?: ReadonlyMap<string, KeyTexts>): { readonly report: Report; readonly predicted: Predicted };
}

/**
 * Collects what the metrics of `spaces` need.
 * @param measuring what is measured; the metrics that are measured where nothing is said, where it is left out
 */
export function createCollector(spaces: readonly Output[], measuring: Measuring = resolveMeasuring()): Collector {
  const classLabels = new Set(
    spaces.flatMap(({ type, label, where }) => [
      ...(type === 'classification' ? [label] : []),
      ...(where === undefined ? [] : [where]),
    ]),
  );
  const labels = new Set(spaces.flatMap(({ label, where }) => (where === undefined ? [label] : [label, where])));
  const store = createRowStore(
    spaces.flatMap(({ factors }) => factors),
    [...labels].map((name) => ({ name, isClass: classLabels.has(name) })),
    listKeyColumns(measuring),
  );
  const { blocks, keys } = store;
  const scores = (space: Output): Scores => buildScores(space, { blocks, keys });
  /**
   * Goes through the spaces, one by one: what is asked for of each is found on the same rows, which are then forgotten.
   */
  const look = (
    texts: ReadonlyMap<string, KeyTexts>,
    { isMeasured = false, isBinned = false },
  ): { readonly report: Report; readonly predicted: Predicted } => {
    const report: Record<string, OutputReport> = {};
    const bins: Record<string, ScoreBins> = {};
    for (const space of spaces) {
      const own = scores(space);
      if (isMeasured) report[space.name] = { ...measure(space, measuring, own), ...measureCalibration(space, scores) };
      if (isBinned && space.type === 'classification') bins[space.name] = binScores(own);
    }
    // Columns and cells are called what others like.
    const segments = new Map<string, Predicted['segments'][string]>();
    for (const by of measuring.by) {
      const ofColumn = new Map<string, Record<string, ScoreSums>>();
      for (const { name, places } of splitSegments(by, blocks, keys.get(by)!, texts.get(by))) {
        const sums: Record<string, ScoreSums> = {};
        ofColumn.set(name.slice(by.length + 1), sums);
        for (const space of spaces) {
          const own = buildScores(space, { blocks, keys, places });
          if (isMeasured) report[`${space.name}[${name}]`] = measure(space, measuring, own);
          if (isBinned && space.type === 'classification') sums[space.name] = sumScores(own);
        }
      }
      segments.set(by, Object.fromEntries(ofColumn));
    }
    return { report, predicted: { outputs: bins, segments: Object.fromEntries(segments) } };
  };
  return {
    scores,
    blocks,
    keys,
    add(batch, predictions) {
      for (const task of store.tasks) {
        if (!areFinite(column(predictions, task), batch.rows)) {
          throw userError('diverged', {
            key: task,
            message: 'the model predicts numbers that are not finite',
            fix: 'lower the learning rate',
          });
        }
      }
      store.append(batch, predictions);
    },
    merge: (rows) => store.take(rows),
    report: (texts = new Map()) => look(texts, { isMeasured: true }).report,
    predicted: (texts = new Map()) => look(texts, { isBinned: true }).predicted,
    measured: (texts = new Map()) => look(texts, { isMeasured: true, isBinned: true }),
  };
}

function areFinite(values: Float32Array, count: number): boolean {
  let zero = 0;
  // 0 times what is not finite is NaN.
  for (let row = 0; row < count; row++) zero += 0 * values[row]!;
  return zero === 0;
}
