import type { RowStateName } from '../data/states/row-states.js';
import {
  rowsOfColumns,
  rowsOfObjects,
  type Columns,
  type GivenRows,
  type LackingRows,
  type OnMissing,
  type Row,
} from '../data/objects/given-rows.js';
import { ObjectReader, type CountsByColumn } from '../data/objects/object-reader.js';
import type { EventSources } from '../data/objects/event-source.js';
import { GivenHistories } from '../data/objects/given-histories.js';
import { rankedRows, type RankedRows } from '../data/objects/ranked-rows.js';
import { badRowsError, type InvalidRow } from '../data/objects/row-problems.js';
import { tableTensor, type Program } from '../engines/engine.js';
import { createEngine } from '../engines/engines.js';
import type { PredictionPrecision } from '../engines/precision.js';
import { userError } from '../core/errors.js';
import { CounterPlan } from '../data/counters/counter-plan.js';
import { findUncounted, type CounterQuery } from '../data/counters/given-counters.js';
import { combinePredictions, listPredictedOutputs, type Output } from '../evaluation/outputs.js';
import type { Checkpoint } from '../runs/checkpoint.js';
import { listInputs, type ModelInput } from '../features/model-input.js';
import type { TokenTable } from '../features/vocabulary/token-table.js';
import type { MovedRows } from '../tables/moved-rows.js';
import type { TableFormat } from '../tables/row-formats.js';
import { idsOfTable } from '../tables/table-fields.js';
import { Explainer, type Explanation } from './explainer.js';
import { listCountedInputs, listReadCounters, listRequired } from './counted-inputs.js';
import { loadStates, noCounters } from './load-states.js';
import { CandidateRanker, type RankedOutput } from './rank-rows.js';
import { openHistories, type Histories } from './read-histories.js';
import { compileTrained, readTrainedModel, resolveOutputs, type TrainedModel } from './trained-model.js';

export type { ModelInput };

/**
 * Predictions by output name, one element per row. Outputs are the tasks and their joint probabilities along the
 * funnel, such as `ctcvr`.
 */
export type Predictions = Readonly<Record<string, Float32Array>>;

/** Options that `Model.predict` takes. */
export interface PredictRowsOptions {
  /**
   * Receives each row that is invalid or has no finite prediction; its predictions are NaN. Default: such rows throw.
   */
  onInvalidRow?(bad: InvalidRow): void;
  /** Policy for missing columns: `error` (default) makes the row invalid, `oov` treats them as null. */
  readonly onMissing?: OnMissing | undefined;
}

/** Options that `Model.explain` takes. */
export type ExplainRowOptions = Pick<PredictRowsOptions, 'onMissing'>;

/** Options that `loadModel` takes. */
export interface LoadOptions {
  /** Whether to return uncalibrated predictions. Default: false. */
  readonly raw?: boolean | undefined;
  /**
   * Event logs to load, in the format of the config's `data.sequences`: true for the logs of the config, or the file,
   * directory or glob of the only one. A row that has the key of a log, and no column of it, gets the events of the key
   * before the time of the row. A row without a time is as of now, if the times are dates or Unix seconds. Default:
   * none, rows have the items as lists. Events of a stream are in its checkpoints, and always loaded.
   */
  readonly histories?: Histories | undefined;
  /** Precision of matrix products; `bf16` is faster on processors with AVX-512-BF16. Default: `f32`. */
  readonly precision?: PredictionPrecision | undefined;
  /**
   * Format of embedding tables in memory: `int8` takes about a quarter of `f32`, `fp16` half. `mtl eval --tables`
   * reports the error. Default: `f32`.
   */
  readonly tables?: TableFormat | undefined;
}

/** Options that `Model.addEvents` takes. */
export interface EventOptions {
  /**
   * Labels whose counters the events are added to; an empty list selects the counters that count rows. Default: all
   * counters.
   */
  readonly of?: readonly string[] | undefined;
}

/** A trained model in this process. */
export interface Model {
  /** Path of the checkpoint directory. */
  readonly checkpoint: string;
  /** Number of optimizer steps of the checkpoint. */
  readonly step: number;
  /** Columns that the model reads. */
  readonly inputs: readonly ModelInput[];
  /** Output names, the keys of `Predictions`. */
  readonly outputs: readonly string[];
  /**
   * Predicts rows synchronously on the calling thread.
   * @example
   * const { ctr } = model.predict([{ 101: 413, 205: 42 }, { 101: 413, 205: 43 }], {
   *   onInvalidRow: ({ row, problems }) => console.warn(row, problems),
   * });
   * @throws UserError (data) with the invalid rows, their columns and the fixes
   */
  predict(rows: readonly Row[], options?: PredictRowsOptions): Predictions;
  /**
   * Predicts columns of equal length, synchronously on the calling thread.
   * @throws UserError (data) with the invalid rows, their columns and the fixes
   */
  predictColumns(columns: Columns, options?: PredictRowsOptions): Predictions;
  /**
   * Predicts candidates of one user, synchronously on the calling thread. Predictions equal the predictions of rows
   * that have the columns of the user and of a candidate, except for rounding. All that depends on the user alone is
   * computed once.
   * @param user columns that all candidates share
   * @param candidates columns that differ; a column is either the user's or the candidates'
   * @returns predictions per candidate, in their order
   * @example
   * const { ctr } = model.rank({ 101: 413, 121: 2 }, [{ 205: 42 }, { 205: 43 }], {
   *   onInvalidRow: ({ row, problems }) => console.warn(row, problems),
   * });
   * @throws UserError (data) with the invalid candidates, their columns and the fixes; also for a column that the user
   * and a candidate have
   */
  rank(user: Row, candidates: readonly Row[], options?: PredictRowsOptions): Predictions;
  /**
   * Returns the predictions of a row, and how much each item of its sequences counts in them, synchronously on the
   * calling thread.
   * @throws UserError (data) if the row is invalid, with its columns and the fixes; (usage) for a model without
   * sequences
   */
  explain(row: Row, options?: ExplainRowOptions): Explanation;
  /**
   * Adds events to the counters of the model, in order of time; none if a row is invalid. They count for predictions at
   * later times, as rows of a file do.
   * @throws UserError (data) for a row that is earlier than previous ones by more than `data.counters.tolerance`, lacks
   * a key, or has an invalid label, and if the model has no counters
   */
  addEvents(rows: readonly Row[], options?: EventOptions): void;
  /** Frees its memory. Further predictions throw. */
  dispose(): void;
}

/** A model that accepts rows in any layout, and has the config's name. */
export interface GivenModel extends Omit<Model, 'predict' | 'predictColumns' | 'rank' | 'explain' | 'addEvents'> {
  readonly name: string;
  /** Embedding tables: their tensors, and the names of the ids that their rows have. */
  readonly tables: readonly { readonly tensor: string; readonly ids: string }[];
  /**
   * Switches to the weights, the tokens and the calibration of another checkpoint of the same model.
   * @param next without tables, which remain the tables of the current one in shared memory
   * @param moved rows that are read from spare rows of the tables
   * @param tokens tokens of growing vocabularies, by field
   * @throws UserError (checkpoint) if its weights are of another model, or its calibration belongs to other weights;
   * the current checkpoint remains then
   */
  switchTo(next: OtherWeights, moved: MovedRows, tokens: ReadonlyMap<string, TokenTable>): void;
  /** Finds what rows lack of each state that another object has, in the order in which it is to be added. */
  findLacking(given: GivenRows): ReadonlyMap<RowStateName, LackingRows>;
  /**
   * Predicts rows that have all counters, and the events of another thread.
   * @param onCounts called once, when all rows are encoded
   */
  predictGiven(given: GivenRows, options?: GivenOptions): Predictions;
  /**
   * Predicts candidates of a user that have all counters, and the events of another thread.
   * @param onCounts called once, with counts as of whole rows
   */
  rankGiven(given: RankedRows, options?: GivenOptions): Predictions;
  /** Explains a single row that has all counters. */
  explainGiven(given: GivenRows): Explanation;
}

/** Weights of another checkpoint. */
export interface OtherWeights extends Pick<Checkpoint, 'program' | 'sections'> {
  /** Path of the checkpoint directory. */
  readonly folder: string;
}

type GivenOptions = PredictRowsOptions & { onCounts?(counts: CountsByColumn): void };

/**
 * Loads the model of a run (its best checkpoint) or a checkpoint. It predicts on the calling thread, starts no other
 * thread and keeps no file open.
 * @param path run directory or checkpoint
 * @example
 * const model = await loadModel('runs/latest');
 * console.log(model.inputs, model.outputs);
 * model.dispose();
 * @throws UserError (checkpoint) if there is none, or it is incomplete; (usage) for histories without event logs;
 * (data) for an event log that cannot be read
 */
export async function loadModel(path: string, { raw, histories, precision, tables }: LoadOptions = {}): Promise<Model> {
  const trained = await readTrainedModel(path, {
    raw,
    states: [],
    isShared: true,
    tables,
  });
  const model = await compileGivenModel(trained, { events: await openHistories(trained, histories), precision });
  const { checkpoint, step, inputs, outputs } = model;
  const { counters } = await loadStates(checkpoint, ['counters']);
  const count = (given: GivenRows): GivenRows => {
    const uncounted = counters && model.findLacking(given).get('counters');
    return uncounted?.fill(counters!.find(uncounted.query as CounterQuery), given) ?? given;
  };
  const predict = (given: GivenRows, rowOptions?: PredictRowsOptions): Predictions =>
    model.predictGiven(count(given), rowOptions);
  const columns = inputs.map(({ name }) => name);
  return {
    checkpoint,
    step,
    inputs,
    outputs,
    predict: (rows, rowOptions) => predict(rowsOfObjects(rows, rowOptions?.onMissing), rowOptions),
    predictColumns: (columns, rowOptions) =>
      predict(rowsOfColumns(columns, rowOptions?.onMissing === 'oov' ? undefined : listRequired(inputs)), rowOptions),
    rank(user, candidates, rowOptions) {
      const ranked = rankedRows(user, candidates, columns, rowOptions?.onMissing);
      return model.rankGiven({ ...ranked, rows: count(ranked.rows) }, rowOptions);
    },
    explain: (row, rowOptions) => model.explainGiven(count(rowsOfObjects([row], rowOptions?.onMissing))),
    addEvents(rows, { of } = {}) {
      if (counters === undefined) throw noCounters(checkpoint);
      counters.add(rowsOfObjects(rows), of);
    },
    dispose: () => model.dispose(),
  };
}

/** Options of a model that predicts given rows. */
interface GivenModelOptions extends Pick<LoadOptions, 'precision' | 'raw'> {
  /** Events of rows that lack items; default: none. */
  readonly events?: EventSources | undefined;
}

/** Compiles a model to predict on the calling thread, without the state of its counters. */
export async function compileGivenModel(
  trained: TrainedModel,
  { events, precision, raw }: GivenModelOptions = {},
): Promise<GivenModel> {
  const engine = await createEngine({ device: 'cpu', threads: 1 });
  const program = compileTrained(trained, engine, () => undefined, { isRanked: true, precision });
  return new CompiledModel(trained, program, { events, raw });
}

/** Program and ranker of a model that is not disposed. */
interface LiveModel {
  readonly program: Program;
  readonly ranker: CandidateRanker;
}

/** A model that predicts on the calling thread. */
class CompiledModel implements GivenModel {
  readonly name: string;
  readonly inputs: readonly ModelInput[];
  readonly outputs: readonly string[];
  readonly #trained: TrainedModel;
  readonly #raw: boolean;
  #checkpoint: string;
  #step: number;
  #outputs: readonly Output[];
  readonly #plan: CounterPlan | undefined;
  readonly #counterNames: readonly string[];
  readonly #reader: ObjectReader;
  readonly #histories: GivenHistories;
  /** The program; undefined after `dispose`. */
  #live: LiveModel | undefined;

  constructor(
    trained: TrainedModel,
    program: Program,
    { events = new Map(), raw = false }: Pick<GivenModelOptions, 'events' | 'raw'>,
  ) {
    const { folder, checkpoint, experiment, format } = trained;
    const { name, data } = experiment;
    const { fields } = format;
    this.#trained = trained;
    this.#raw = raw;
    this.#outputs = listPredictedOutputs(trained.outputs);
    this.#plan = CounterPlan.of(data, trained.tasks);
    this.#counterNames = this.#plan === undefined ? [] : listReadCounters(this.#plan, fields);
    this.#reader = new ObjectReader(fields, data.decimal);
    this.#histories = new GivenHistories(fields, events, { cells: format.spec.cells, decimal: data.decimal });
    this.#live = { program, ranker: new CandidateRanker(program, fields, data.decimal, this.#plan) };
    this.name = name;
    this.#checkpoint = folder;
    this.#step = checkpoint.program.step;
    this.inputs = this.#histories.listInputs(
      this.#plan === undefined ? listInputs(fields) : listCountedInputs(this.#plan, fields),
    );
    this.outputs = this.#outputs.map((output) => output.name);
  }

  get checkpoint(): string {
    return this.#checkpoint;
  }

  get step(): number {
    return this.#step;
  }

  get tables(): GivenModel['tables'] {
    return this.#trained.layout.tables.map((table) => ({ tensor: tableTensor(table.name), ids: idsOfTable(table) }));
  }

  switchTo(next: OtherWeights, moved: MovedRows, tokens: ReadonlyMap<string, TokenTable>): void {
    const outputs = listPredictedOutputs(resolveOutputs(this.#trained.tasks, next, next.folder, this.#raw));
    // A table from another message has a buffer object of its own, so it would be copied onto itself.
    const weights = new Map([...this.#trained.checkpoint.program.weights, ...next.program.weights]);
    this.#compiled().program.restore({ ...next.program, weights }, moved);
    for (const [name, table] of tokens)
      this.#trained.format.fields.find((field) => field.name === name)!.switchTokens!(table);
    this.#outputs = outputs;
    this.#checkpoint = next.folder;
    this.#step = next.program.step;
  }

  findLacking(given: GivenRows): ReadonlyMap<RowStateName, LackingRows> {
    const { decimal } = this.#trained.experiment.data;
    const lacking: readonly [RowStateName, LackingRows | undefined][] = [
      ['counters', this.#plan && findUncounted(this.#plan, this.#counterNames, given, decimal)],
      ['histories', this.#histories.findUnlisted(given)],
    ];
    return new Map(lacking.flatMap(([name, rows]) => (rows === undefined ? [] : [[name, rows]])));
  }

  predictGiven(given: GivenRows, { onInvalidRow, onCounts }: GivenOptions = {}): Predictions {
    const { program } = this.#compiled();
    const results = this.#outputs.map(({ name }) => ({ name, values: new Float32Array(given.count) }));
    const { batches, problems, counts } = this.#reader.read(this.#histories.fill(given));
    for (const { batch, begin } of batches) {
      const predictions = program.predictSync!(batch);
      for (const [s, output] of this.#outputs.entries())
        combinePredictions(output, predictions, batch.rows, results[s]!.values.subarray(begin, begin + batch.rows));
      problems.addNonFinite(results, batch, begin);
    }
    onCounts?.(counts);
    return toPredictions(results, problems.list(), onInvalidRow);
  }

  rankGiven(given: RankedRows, { onInvalidRow, onCounts }: GivenOptions = {}): Predictions {
    const { results, bad, counts } = this.#compiled().ranker.rank(this.#histories.fillRanked(given), this.#outputs);
    onCounts?.(counts);
    return toPredictions(results, bad, onInvalidRow);
  }

  explainGiven(given: GivenRows): Explanation {
    const { program } = this.#compiled();
    const { folder: where, format, graph, experiment } = this.#trained;
    const { fields } = format;
    const explainer = new Explainer({ where, fields, outputs: this.#outputs, attention: graph.attention ?? [] });
    const reader = new ObjectReader(explainer.fields, experiment.data.decimal, fields);
    const { batches, problems } = reader.read(this.#histories.fill(given, true));
    const [read] = batches;
    const bad = problems.list();
    if (bad.length > 0) throw badRowsError(bad);
    return explainer.explain(program, read!.batch);
  }

  dispose(): void {
    this.#live?.program.dispose();
    this.#live = undefined;
  }

  #compiled(): LiveModel {
    if (this.#live !== undefined) return this.#live;
    throw userError('usage', { where: this.checkpoint, message: 'the model is disposed', fix: 'load it again' });
  }
}

/** Returns predictions by output; predictions of invalid rows are NaN, or an error if nothing receives them. */
function toPredictions(
  results: readonly RankedOutput[],
  bad: readonly InvalidRow[],
  onInvalidRow: PredictRowsOptions['onInvalidRow'],
): Predictions {
  if (bad.length > 0 && onInvalidRow === undefined) throw badRowsError(bad);
  for (const each of bad) {
    for (const { values } of results) values[each.row] = NaN;
    onInvalidRow?.(each);
  }
  return Object.fromEntries(results.map(({ name, values }) => [name, values]));
}
