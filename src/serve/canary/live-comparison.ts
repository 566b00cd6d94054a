import { selectRows } from '../../chunks/row-block.js';
import { column } from '../../core/batch.js';
import type { Task } from '../../core/tasks.js';
import type { Row } from '../../data/objects/given-rows.js';
import type { DialectOptions } from '../../data/dialect.js';
import { compareSides, type Difference } from '../../diff/compare.js';
import { defaultMetrics } from '../../evaluation/metrics.js';
import { buildScores } from '../../evaluation/output-scores.js';
import { findPredictedOutput, listOutputs, type Output } from '../../evaluation/outputs.js';
import { createRowStore, type RowStore } from '../../evaluation/row-store.js';
import { sumScores } from '../../evaluation/score-bins.js';
import type { CellOptions } from '../../features/cells.js';
import type { Predictions } from '../../trained-model/load-model.js';
import { LabelReader, type ReadLabels } from './label-reader.js';
import { Looks, type Look } from './looks.js';
import { SIDES, type CanaryRule, type Side } from './options.js';

/** Settings of a comparison. Plain data. */
export interface ComparisonSpec {
  /** Tasks of both models. */
  readonly tasks: readonly Task[];
  /** How labels are read. */
  readonly cells: CellOptions & Pick<DialectOptions, 'decimal'>;
  /** Whether both models predict all rows. */
  readonly isPaired: boolean;
  readonly rule: CanaryRule | undefined;
}

/** Predictions of a request with the labels of its rows. */
export interface LabeledRequest extends Readonly<Partial<Record<Side, Predictions>>> {
  /** Location of the labels in problems. */
  readonly where: string;
  readonly labels: readonly Row[];
}

/** Values of an output on the rows of a model, with a value per metric; null if undefined. JSON. */
export type OutputFigures = Readonly<Record<'rows' | 'meanLabel' | 'meanPrediction' | (string & {}), number | null>>;

/** Figures of both models; JSON. */
export interface Figures {
  /** One entry per output. */
  readonly present: Readonly<Record<string, OutputFigures>>;
  readonly candidate: Readonly<Record<string, OutputFigures>>;
  /** Confidence level of the intervals. */
  readonly confidence: number;
  /** Value of the candidate minus value of the present model. */
  readonly differences: readonly Difference[];
}

/** Maximum number of blocks of rows per model (524,288 rows); later rows replace the oldest ones. */
const MAX_BLOCKS = 8;
/** Metrics that need no other column. */
export const LIVE_METRICS = defaultMetrics;

/** Returns the outputs of tasks, each measured on what a server predicts for it. */
export function listLiveOutputs(tasks: readonly Task[]): readonly Output[] {
  const outputs = listOutputs(tasks);
  return outputs.map((output) => ({ ...output, factors: [findPredictedOutput(output, outputs).name] }));
}

/** Compares two models on labeled live requests: paired rows, or independent samples. */
export class LiveComparison {
  readonly #spec: ComparisonSpec;
  readonly #reader: LabelReader;
  readonly #outputs: readonly Output[];
  readonly #predicted: readonly string[];
  readonly #stores: Readonly<Record<Side, RowStore>>;
  readonly #looks: Looks | undefined;
  /** Output of the rule, and its labeled rows so far. */
  readonly #ruled: Output | undefined;
  readonly #numRuled: Record<Side, number> = { present: 0, candidate: 0 };

  constructor(spec: ComparisonSpec) {
    const { tasks, cells, rule } = spec;
    this.#spec = spec;
    this.#reader = new LabelReader(tasks, cells);
    this.#outputs = listLiveOutputs(tasks);
    this.#predicted = [...new Set(this.#outputs.flatMap(({ factors }) => factors))];
    const createStore = (): RowStore => createRowStore(this.#predicted, this.#reader.stored);
    this.#stores = { present: createStore(), candidate: createStore() };
    this.#looks = rule && new Looks(rule);
    this.#ruled = rule && this.#outputs.find(({ name }) => rule.metric.startsWith(`${name}.`));
  }

  /**
   * Adds labeled requests. Rows that a model could not predict, and those that a task excludes, do not count.
   * @returns number of added rows
   * @throws UserError (data) for invalid labels; nothing is added then
   */
  add(requests: readonly LabeledRequest[]): number {
    const places = requests.flatMap(({ where, labels }) => labels.map((_, row) => `${where}.labels[${row}]`));
    const read = this.#reader.read(
      requests.flatMap(({ labels }) => labels),
      (row) => places[row]!,
    );
    const predictions = { present: this.#join(requests, 'present'), candidate: this.#join(requests, 'candidate') };
    const isPredicted = (side: Side, row: number): boolean =>
      this.#predicted.every((output) => Number.isFinite(predictions[side].get(output)![row]));
    const rows = Array.from(places.keys()).filter((row) => !read.isExcluded(row));
    const selected = (side: Side): readonly number[] =>
      rows.filter((row) => (this.#spec.isPaired ? SIDES : [side]).every((each) => isPredicted(each, row)));
    const added = SIDES.map((side) => this.#append(side, selected(side), read, predictions[side]));
    return this.#spec.isPaired ? added[0]! : added[0]! + added[1]!;
  }

  /** Applies the rule, if enough rows are labeled; undefined otherwise. */
  look(): Look | undefined {
    const { rule } = this.#spec;
    const rows = Math.min(this.#numRuled.present, this.#numRuled.candidate);
    return this.#looks?.look(rows, (confidence) =>
      this.#compare(confidence).find(({ output, metric }) => `${output}.${metric}` === rule!.metric)!,
    );
  }

  /** @param confidence level of the intervals, between 0 and 1 */
  figures(confidence: number): Figures {
    const differences = this.#compare(confidence);
    return {
      present: this.#describe('present', differences),
      candidate: this.#describe('candidate', differences),
      confidence,
      differences,
    };
  }

  #compare(confidence: number): readonly Difference[] {
    const [a, b] = SIDES.map((side) => ({
      blocks: this.#stores[side].blocks,
      keys: new Map<string, never>(),
      outputs: this.#outputs,
      measuring: { metrics: LIVE_METRICS, by: [] },
    }));
    return compareSides(a!, b!, this.#spec.isPaired, confidence);
  }

  #describe(side: Side, differences: readonly Difference[]): Figures[Side] {
    const describe = (output: Output): OutputFigures => {
      const { rows, positives, predicted } = sumScores(buildScores(output, this.#stores[side]));
      const values = differences
        .filter((each) => each.output === output.name)
        .map(({ metric, a, b }) => [metric, side === 'present' ? a : b] as const);
      const [meanLabel, meanPrediction] = rows === 0 ? [null, null] : [positives / rows, predicted / rows];
      return { rows, meanLabel, meanPrediction, ...Object.fromEntries(values) };
    };
    return Object.fromEntries(this.#outputs.map((output) => [output.name, describe(output)]));
  }

  /** Concatenates the predictions of a model, NaN for requests without any. */
  #join(requests: readonly LabeledRequest[], side: Side): ReadonlyMap<string, Float32Array> {
    const rows = requests.reduce((sum, { labels }) => sum + labels.length, 0);
    const joined = new Map(this.#predicted.map((output) => [output, new Float32Array(rows).fill(NaN)]));
    let begin = 0;
    for (const { labels, [side]: own } of requests) {
      if (own !== undefined) for (const [output, values] of joined) values.set(own[output]!, begin);
      begin += labels.length;
    }
    return joined;
  }

  #append(
    side: Side,
    rows: readonly number[],
    { labels }: ReadLabels,
    predictions: ReadonlyMap<string, Float32Array>,
  ): number {
    const picked = selectRows(labels, rows);
    const predicted = Array.from(
      predictions,
      ([name, values]) => [name, Float32Array.from(rows, (row) => values[row]!)] as const,
    );
    const store = this.#stores[side];
    store.append(picked, new Map(predicted));
    while (store.blocks.length > MAX_BLOCKS) store.dropFirst();
    if (this.#ruled !== undefined) {
      const { where } = this.#ruled;
      const mask = where === undefined ? undefined : column(picked, where, 'f32').data;
      this.#numRuled[side] += mask === undefined ? rows.length : mask.reduce((sum, value) => sum + value, 0);
    }
    return rows.length;
  }
}
