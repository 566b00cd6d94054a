import { sliceRows, type Batch } from '../../core/batch.js';
import { combineLinears } from '../../graph/combine-linears.js';
import type { HostTensor } from '../../core/tensor.js';
import type { TableChanges } from '../../tables/row-changes.js';
import type { Parameter } from '../../graph/operations.js';
import { exchanged } from '../average.js';
import { createGateSums, assembleDiagnosis, type Diagnosis, type TermWeights } from '../diagnosis.js';
import {
  refusedLosses,
  type Evaluation,
  type Plan,
  type Program,
  type ProgramState,
  type StepResult,
  type StepSettings,
  type TermLoss,
} from '../engine.js';
import type { Host, HostFactory } from '../host.js';
import { combineTerms, countedRows, meanLosses, splitRows } from '../step-rows.js';
import type { TensorFlow } from './backend.js';
import type { Input } from './inputs.js';
import { createRunner, type BatchStatistics, type PassSettings, type Runner, type TrainingPass } from './pass.js';

type Losses = ReadonlyMap<string, TermLoss>;

/**
 * A plan compiled for TensorFlow.js: the graph runs on its backend with its autodiff; a host stores tables, weights and
 * their optimizer state.
 */
export class TensorFlowProgram implements Program {
  readonly #plan: Plan;
  readonly #host: Host;
  readonly #runner: Runner;
  readonly #terms: readonly string[];
  readonly #graphWeights: readonly number[];
  /** Term weights that select a single term. */
  readonly #oneByOne: readonly (readonly number[])[];
  #step = 0;

  constructor(tf: TensorFlow, given: Plan, hosts: HostFactory) {
    const graph = combineLinears(given.graph, { folds: false });
    const plan = { ...given, graph };
    this.#plan = plan;
    this.#host = hosts.create(plan);
    const weights = graph.parameters.map((parameter) => ({ parameter, data: this.#dataOf(parameter) }));
    this.#runner = createRunner(tf, graph, weights);
    this.#terms = graph.terms.map(({ name }) => name);
    this.#graphWeights = graph.terms.map(({ weight }) => weight);
    this.#oneByOne = graph.terms.map((_, t) => graph.terms.map((_term, u) => (t === u ? 1 : 0)));
  }

  async trainStep(batch: Batch, settings: StepSettings = {}): Promise<StepResult> {
    const { rates = { dense: 1, embeddings: 1 }, weights = this.#graphWeights, combine, isDiagnosed } = settings;
    const complete = isDiagnosed === true ? await this.#diagnose(batch) : undefined;
    const parts: Losses[] = [];
    const statistics: BatchStatistics[] = [];
    const groups = this.#plan.step?.combinesTerms === true ? this.#oneByOne : [weights];
    const isFinite = await this.#addGradients(batch, groups, false, (found) => {
      parts.push(found.losses);
      statistics.push(...found.statistics);
    });
    const losses = meanLosses(this.#terms, parts);
    const counts = isFinite ? this.#combineTerms(losses, weights, combine) : undefined;
    if (counts === undefined || !this.#host.update(this.#step + 1, rates))
      return { losses: refusedLosses(losses), norms: { dense: NaN, embeddings: NaN } };
    this.#step++;
    for (const each of statistics) this.#updateRunning(each);
    return { losses, norms: this.#host.norms(), diagnosis: complete?.(counts) };
  }

  async predict(batch: Batch): Promise<Evaluation['predictions']> {
    return (await this.#evaluate(batch, (input) => this.#runner.predict(input))).predictions;
  }

  evaluate(batch: Batch): Promise<Evaluation> {
    return this.#evaluate(batch, (input) => this.#runner.evaluate(input));
  }

  async losses(batch: Batch): Promise<Losses> {
    const parts: Losses[] = [];
    for (const { input, pass } of this.#partsOf(batch, this.#host.passRows))
      parts.push((await this.#train(input, { pass })).losses);
    return meanLosses(this.#terms, parts);
  }

  async inspect(batch: Batch): ReturnType<Program['inspect']> {
    const input = { batch, lookedUp: this.#host.lookup(batch) };
    const { losses, looked, lookedUpGradient, gradients } = await this.#train(input, { looksAt: 'predictions' });
    this.#host.add(lookedUpGradient, gradients, { area: 0, isFirst: true });
    const trained = this.#plan.graph.parameters.filter(({ isTrainable }) => isTrainable);
    return {
      losses,
      predictions: looked,
      gradients: new Map<string, HostTensor>([
        ...trained.map(({ name, shape }) => [name, { shape, data: gradients.get(name)! }] as const),
        ...this.#host.tableGradients(),
      ]),
    };
  }

  averaged<Result>(work: () => Promise<Result>): Promise<Result> {
    const { exchange } = this.#host;
    return exchange === undefined ? work() : exchanged(() => exchange(this.#step), work);
  }

  state(): ProgramState {
    return this.#host.store.state(this.#step);
  }

  changeRows(changes: TableChanges): void {
    this.#host.store.changeRows(changes, this.#step);
  }

  restore(saved: ProgramState): void {
    this.#host.store.restore(saved);
    this.#step = saved.step;
  }

  dispose(): void {
    this.#runner.dispose();
    this.#host.dispose();
  }

  /** Looks up a batch in parts of at most `maxRows` rows, one at a time. */
  *#partsOf(batch: Batch, maxRows: number) {
    for (const [pass, { begin, rows }] of splitRows(batch.rows, maxRows).entries()) {
      const part = sliceRows(batch, begin, begin + rows);
      yield { input: { batch: part, lookedUp: this.#host.lookup(batch, begin, rows) }, begin, rows, pass };
    }
  }

  #train(input: Input, settings: Partial<PassSettings>): Promise<TrainingPass> {
    const { seed } = this.#plan;
    const defaults = { seed, step: this.#step, pass: 0, weights: this.#graphWeights, counted: undefined };
    return this.#runner.train(input, { ...defaults, ...settings });
  }

  /**
   * Runs the passes of a step and adds their gradients, until losses or statistics are not finite.
   * @param groups weights of the terms' losses for each gradient area
   * @param visit receives each pass once, with its rows
   * @returns whether all are finite
   */
  async #addGradients(
    batch: Batch,
    groups: readonly (readonly number[])[],
    isDiagnosed: boolean,
    visit: (found: TrainingPass, rows: number) => void,
  ): Promise<boolean> {
    const { passRows } = this.#host;
    const counted = batch.rows > passRows ? countedRows(this.#plan.graph, batch) : undefined;
    for (const { input, rows, pass } of this.#partsOf(batch, passRows)) {
      for (const [area, weights] of groups.entries()) {
        const looksAt = isDiagnosed && area === 0 ? 'gates' : 'nothing';
        const found = await this.#train(input, { pass, weights, counted, looksAt });
        if (area === 0) visit(found, rows);
        if (!isFinitePass(found)) return false;
        this.#host.add(found.lookedUpGradient, found.gradients, { area, isFirst: pass === 0, isDiagnosed });
      }
    }
    return true;
  }

  /** Computes the gradients of the next step for a diagnosis; the returned function completes it after the step. */
  async #diagnose(batch: Batch): Promise<(weights: TermWeights) => Diagnosis> {
    if (this.#host.termAreas === 0) throw new Error('the plan has no diagnosis');
    const gates = createGateSums(this.#plan.graph);
    await this.#addGradients(batch, this.#oneByOne, true, ({ looked }, rows) => {
      for (const [name, shares] of looked) gates.add(name, shares, shares.length / rows, rows);
    });
    const products = this.#host.products();
    const squares = this.#host.watchUpdates();
    return (weights) => assembleDiagnosis(products, weights, squares(), gates.uses());
  }

  /** Decides the weight of each term's gradient, if terms are combined. */
  #combineTerms(losses: Losses, weights: readonly number[], combine: StepSettings['combine']): TermWeights {
    if (this.#plan.step?.combinesTerms !== true) return { shared: weights, own: weights };
    const counts = combineTerms(this.#plan.graph, losses, () => this.#host.gramian(), combine);
    this.#host.weigh(counts.shared, counts.own);
    return counts;
  }

  async #evaluate(batch: Batch, evaluate: (input: Input) => Promise<Evaluation>): Promise<Evaluation> {
    const tasks = [...this.#plan.graph.predictions.keys()];
    const predictions = new Map(tasks.map((task) => [task, new Float32Array(batch.rows)]));
    const parts: Losses[] = [];
    for (const { input, begin } of this.#partsOf(batch, this.#host.maxRows)) {
      const found = await evaluate(input);
      for (const [task, values] of found.predictions) predictions.get(task)!.set(values, begin);
      parts.push(found.losses);
    }
    return { predictions, losses: meanLosses(this.#terms, parts) };
  }

  #updateRunning({ running, mean, variance, rows }: BatchStatistics): void {
    blend(this.#dataOf(running.mean), mean, running.momentum, 1);
    // The running variance is the unbiased one; a batch of one row has none to give.
    if (rows > 1) blend(this.#dataOf(running.variance), variance, running.momentum, rows / (rows - 1));
  }

  /** Returns a parameter's elements: a view, since a host stores only vectors. */
  #dataOf(parameter: Parameter): Float32Array {
    return this.#host.store.tensorOf(parameter).data;
  }
}

function isFinitePass({ losses, statistics }: TrainingPass): boolean {
  return (
    [...losses.values()].every(({ mean }) => Number.isFinite(mean)) &&
    statistics.every(({ mean, variance }) => mean.every(Number.isFinite) && variance.every(Number.isFinite))
  );
}

/** running += momentum · (scale · batch - running) */
function blend(running: Float32Array, batch: Float32Array, momentum: number, scale: number): void {
  for (let i = 0; i < running.length; i++) running[i]! += momentum * (scale * batch[i]! - running[i]!);
}
