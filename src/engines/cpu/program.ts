import { BATCH, indexOfDomain } from '../../graph/domain.js';
import type { Batch } from '../../core/batch.js';
import type { TableChanges } from '../../tables/row-changes.js';
import type { MovedRows } from '../../tables/moved-rows.js';
import { maskKeyFrom, streamKey } from '../../core/random.js';
import type { View } from '../compile/buffers.js';
import type { Compiled } from '../compile/compile.js';
import type { ListName } from '../compile/lists.js';
import { createGateSums, assembleDiagnosis, type Diagnosis, type TermWeights } from '../diagnosis.js';
import {
  refusedLosses,
  type Attended,
  type Evaluation,
  type Inspection,
  type Program,
  type ProgramState,
  type Ranker,
  type StepResult,
  type StepSettings,
  type TermLoss,
} from '../engine.js';
import { exchanged } from '../average.js';
import { setClock } from '../state/average.js';
import { domainRows } from '../state/items.js';
import { createConstantsWriter } from '../state/constants.js';
import type { Image } from '../state/image.js';
import {
  copyColumn,
  createResults,
  readAttention,
  readDenseGradients,
  readDistinct,
  readGramian,
  readTableGradients,
  type Results,
} from '../state/results.js';
import type { Store } from '../state/store.js';
import { watchUpdates } from '../state/watch-updates.js';
import { combineTerms, countedRows, meanLosses, splitRows } from '../step-rows.js';
import type { Exchange } from './exchange.js';
import type { Loader } from './load.js';
import type { Part } from './local-rows.js';
import type { CpuRankers } from './ranker.js';
import type { Team } from './team.js';

type Losses = ReadonlyMap<string, TermLoss>;

/** Some rows of a batch that this process computes in one pass. */
interface PassRows {
  readonly rows: number;
  /** Items of each sequence. */
  readonly items: readonly number[];
  readonly pass: number;
  /** By domain, the index of the first row among the rows of the pass in all processes. */
  readonly firstRows: readonly number[];
  /** Rows of the pass in all processes. */
  readonly all: Part;
}

/** Components of a program. */
export interface Parts {
  readonly compiled: Compiled;
  readonly image: Image;
  readonly team: Pick<Team<ListName>, 'run' | 'end'>;
  readonly exchange: Exchange;
  readonly load: Loader;
  readonly store: Store;
  readonly rankers: CpuRankers;
}

/** A compiled plan in memory. */
export class CpuProgram implements Program {
  readonly #compiled: Compiled;
  readonly #image: Image;
  readonly #team: Parts['team'];
  readonly #exchange: Exchange;
  readonly #load: Loader;
  readonly #store: Store;
  readonly #rankers: CpuRankers;
  readonly #writeConstants: ReturnType<typeof createConstantsWriter>;
  /** Index of the word that marks a step as skipped. */
  readonly #refused: number;
  readonly #results: Results;
  /** Index of the weight of each term. */
  readonly #termWeights: readonly number[];
  readonly #masks: readonly {
    readonly name: string;
    readonly width: number;
    /** Index of its domain. */
    readonly domain: number;
    readonly key: number;
  }[];
  readonly #graphWeights: readonly number[];
  /** Running statistics, and a copy from before a step. */
  readonly #running: Float32Array;
  readonly #runningBefore: Float32Array;
  #step = 0;

  constructor({ compiled, image, team, exchange, load, store, rankers }: Parts) {
    this.#compiled = compiled;
    this.#image = image;
    this.#team = team;
    this.#exchange = exchange;
    this.#load = load;
    this.#store = store;
    this.#rankers = rankers;
    this.#writeConstants = createConstantsWriter(compiled, image);
    const { wordAt, floats } = image;
    const { graph, places, terms, dropoutKeys, domains } = compiled;
    this.#refused = wordAt(compiled.refused);
    this.#results = createResults(compiled, image);
    this.#termWeights = [...terms.values()].map(({ weight }) => wordAt(weight));
    this.#masks = graph.values
      .filter((value) => value.op === 'dropout')
      .map(({ name, width, rows }) => {
        return { name, width, domain: indexOfDomain(domains, rows), key: wordAt(dropoutKeys.get(name)!) };
      });
    this.#graphWeights = graph.terms.map(({ weight }) => weight);
    const begin = wordAt(places.running);
    this.#running = floats.subarray(begin, begin + places.runningCount);
    this.#runningBefore = this.#running.slice();
  }

  #isRefused(): boolean {
    return this.#image.words[this.#refused] === 1;
  }

  trainStep(batch: Batch, settings: StepSettings = {}): Promise<StepResult> {
    const { rates = { dense: 1, embeddings: 1 }, weights = this.#graphWeights, combine, isDiagnosed } = settings;
    const { stepRows, areas, passRows, peers } = this.#compiled;
    if (batch.rows > stepRows) throw new Error(`a step has ${batch.rows} rows; at most ${stepRows} were planned`);
    this.#runningBefore.set(this.#running);
    this.#writeConstants(this.#step + 1, rates);
    const complete = isDiagnosed === true ? this.#diagnose(batch) : undefined;
    const isOnePass = areas === 1 && stepRows === passRows && peers.size === 1;
    const { losses, counts } = isOnePass
      ? { losses: this.#trainOnePass(batch, weights), counts: { shared: weights, own: weights } }
      : this.#trainPasses(batch, weights, combine);
    const isRefused = this.#isRefused();
    // The kernels update nothing in a skipped step; running statistics, which the forward pass updates, are restored.
    if (isRefused) this.#running.set(this.#runningBefore);
    else this.#step++;
    return Promise.resolve({
      losses: isRefused ? refusedLosses(losses) : losses,
      norms: this.#results.norms(),
      diagnosis: isRefused ? undefined : complete?.(counts),
    });
  }

  predictSync(batch: Batch): Map<string, Float32Array> {
    return this.#predicted(batch, 'predict', () => undefined);
  }

  predict(batch: Batch): Promise<Map<string, Float32Array>> {
    return Promise.resolve(this.predictSync(batch));
  }

  attendSync(batch: Batch): Attended {
    const predictions = this.predictSync(batch);
    return { predictions, attention: readAttention(this.#compiled, batch, this.#image) };
  }

  createRanker(candidateFields: ReadonlySet<string>): Ranker {
    return this.#rankers.create(candidateFields);
  }

  evaluate(batch: Batch): Promise<Evaluation> {
    const parts: Losses[] = [];
    this.#prepare(0, this.#graphWeights, undefined);
    const predictions = this.#predicted(batch, 'evaluate', () =>
      parts.push(this.#exchange.losses(this.#results.losses())),
    );
    return Promise.resolve({ predictions, losses: meanLosses([...this.#compiled.terms.keys()], parts) });
  }

  losses(batch: Batch): Promise<Losses> {
    const parts: Losses[] = [];
    this.#forEachPass(batch, ({ rows, items, pass, firstRows }) => {
      this.#prepare(pass, this.#graphWeights, undefined, firstRows);
      this.#team.run('losses', rows, items);
      parts.push(this.#exchange.losses(this.#results.losses()));
    });
    return Promise.resolve(meanLosses([...this.#compiled.terms.keys()], parts));
  }

  inspect(batch: Batch): Promise<Inspection> {
    const { peers, predictions, tables } = this.#compiled;
    if (peers.size > 1) throw new Error('inspect requires a single process');
    this.#prepare(0, this.#graphWeights, undefined);
    const items = this.#load(batch, 0, batch.rows, batch.rows);
    this.#team.run('inspect', batch.rows, items);
    const columns = [...predictions].map(([task, view]) => [task, this.#firstColumn(view, batch.rows)] as const);
    const gradients = new Map([
      ...readDenseGradients(this.#compiled, this.#store),
      ...readTableGradients(tables.trained, this.#image, (table) => readDistinct(table, this.#image)),
    ]);
    return Promise.resolve({ losses: this.#results.losses(), predictions: new Map(columns), gradients });
  }

  averaged<Result>(work: () => Promise<Result>): Promise<Result> {
    const { average } = this.#compiled;
    return average === undefined ? work() : exchanged(() => this.#swapAverage(), work);
  }

  state(): ProgramState {
    return this.#store.state(this.#step);
  }

  changeRows(changes: TableChanges): void {
    this.#store.changeRows(changes, this.#step);
    this.#rankers.forgetWeights();
  }

  restore(saved: ProgramState, moved?: MovedRows): void {
    this.#store.restore(saved, moved);
    this.#rankers.forgetWeights();
    this.#step = saved.step;
  }

  dispose(): void {
    this.#team.end();
  }

  /** A step of one pass, in one list. */
  #trainOnePass(batch: Batch, weights: readonly number[]): Losses {
    this.#image.words[this.#refused] = 0;
    this.#prepare(0, weights, undefined);
    const items = this.#load(batch, 0, batch.rows, batch.rows);
    this.#team.run('train', batch.rows, items);
    return this.#results.losses();
  }

  /** A step of several passes or processes, or with a gradient per term: passes, exchanges, then the update. */
  #trainPasses(
    batch: Batch,
    weights: readonly number[],
    combine: StepSettings['combine'],
  ): { readonly losses: Losses; readonly counts: TermWeights } {
    const { areas, early } = this.#compiled;
    // If terms are combined, each is differentiated without its weight.
    const losses = this.#runPasses(batch, areas > 1 ? weights.map(() => 1) : weights);
    let counts: TermWeights = { shared: weights, own: weights };
    if (!this.#isRefused()) {
      this.#exchange.gradients(areas, early && early.inputs * early.panels * 8);
      this.#exchange.agree();
    }
    if (areas > 1 && !this.#isRefused()) counts = this.#combineTerms(losses, combine, batch.rows);
    if (!this.#isRefused()) this.#team.run('update', batch.rows);
    return { losses, counts };
  }

  /** Writes what the calls of a pass read besides the batch. Each pass of a step has its own dropout masks. */
  #prepare(
    pass: number,
    weights: readonly number[],
    counted: readonly number[] | undefined,
    firstRows: readonly number[] = [],
  ): void {
    const { plan, tables } = this.#compiled;
    const { words, floats, doubles, wordAt } = this.#image;
    for (const { name, key, width, domain } of this.#masks)
      words[key] = maskKeyFrom(
        streamKey(plan.seed, 'dropout', name, this.#step, ...(pass > 0 ? [pass] : [])),
        (firstRows[domain] ?? 0) * width,
      );
    for (const [t, weight] of this.#termWeights.entries()) {
      floats[weight] = weights[t]!;
      doubles[weight / 2 + 1] = counted?.[t] ?? 0;
    }
    words[wordAt(tables.fresh)] = pass === 0 ? 1 : 0;
  }

  #firstColumn(view: View, rows: number): Float32Array {
    const column = new Float32Array(rows);
    copyColumn(view, rows, this.#image, column);
    return column;
  }

  /**
   * Loads this process's rows of the passes of a batch, one by one, until `isOver`. Rows of sharded tables are fetched
   * once per step.
   */
  #forEachPart(batch: Batch, maxRows: number, visit: (pass: PassRows) => void, isOver = (): boolean => false): void {
    const { stepRows } = this.#compiled;
    const passes = splitRows(batch.rows, maxRows);
    const parts = passes.map(({ begin, rows }) => this.#exchange.own(begin, rows));
    const isStep = batch.rows <= stepRows;
    if (isStep) this.#exchange.fetch(batch, parts);
    const ofStep = parts.reduce((sum, { rows }) => sum + rows, 0);
    for (const [pass, { begin, rows }] of parts.entries()) {
      if (isOver()) break;
      const all = passes[pass]!;
      const items = this.#load(batch, begin, rows, pass === 0 ? ofStep : undefined);
      if (!isStep) this.#exchange.fetch(batch, [parts[pass]!]);
      this.#exchange.place(isStep ? pass : 0);
      visit({ rows, items, pass, firstRows: this.#writePart(batch, all, begin), all });
    }
  }

  /**
   * Writes, by domain, the rows of a pass in all processes and the index of this process's first row among them.
   * @returns the indices
   */
  #writePart(batch: Batch, all: Part, begin: number): readonly number[] {
    const { domains, part } = this.#compiled;
    const { doubles, wordAt } = this.#image;
    return domains.map((domain, d) => {
      const first = domainRows(domain, batch, all.begin, begin - all.begin);
      if (part !== undefined)
        doubles.set([domainRows(domain, batch, all.begin, all.rows), first], wordAt(part) / 2 + 2 * d);
      return first;
    });
  }

  /** Visits the passes of a step until a number is not finite. */
  #forEachPass(batch: Batch, visit: (pass: PassRows) => void): void {
    this.#image.words[this.#refused] = 0;
    this.#forEachPart(batch, this.#compiled.passRows, visit, () => this.#isRefused());
  }

  /** Returns the rows that losses are divided by, if they are not those that a pass counts here. */
  #countedRows(batch: Batch): readonly number[] | undefined {
    const { graph, passRows, peers } = this.#compiled;
    return batch.rows > passRows || peers.size > 1 ? countedRows(graph, batch, batch.rows <= passRows) : undefined;
  }

  #runPasses(batch: Batch, weights: readonly number[]): Losses {
    const counted = this.#countedRows(batch);
    const parts: Losses[] = [];
    this.#forEachPass(batch, ({ rows, items, pass, firstRows }) => {
      this.#prepare(pass, weights, counted, firstRows);
      this.#team.run('pass', rows, items);
      this.#exchange.statistics([rows, ...items]);
      parts.push(this.#exchange.losses(this.#results.losses()));
    });
    return meanLosses([...this.#compiled.terms.keys()], parts);
  }

  /** Runs a list in evaluation mode over a batch of any size. */
  #predicted(batch: Batch, list: 'predict' | 'evaluate', onPart: () => void): Map<string, Float32Array> {
    const { predictions, maxRows } = this.#compiled;
    const results = new Map([...predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
    this.#forEachPart(batch, maxRows, ({ rows, items, all }) => {
      this.#team.run(list, rows, items);
      const end = all.begin + all.rows;
      for (const [task, view] of predictions)
        this.#exchange.column(this.#firstColumn(view, rows), results.get(task)!.subarray(all.begin, end));
      onPart();
    });
    return results;
  }

  /**
   * Computes the gradients of each term before a step.
   * @returns a function that completes the diagnosis after the step; undefined if the step is skipped
   */
  #diagnose(batch: Batch): ((weights: TermWeights) => Diagnosis) | undefined {
    const { graph, places, peers, termAreas, productsOfTensors } = this.#compiled;
    if (termAreas === 0) throw new Error('the plan has no diagnosis');
    const counted = this.#countedRows(batch);
    const gates = createGateSums(graph);
    const unweighted = this.#graphWeights.map(() => 1);
    this.#forEachPass(batch, ({ rows, items, pass, firstRows }) => {
      this.#prepare(pass, unweighted, counted, firstRows);
      this.#team.run('diagnosis', rows, items);
      for (const [name, { shares }] of graph.gates ?? []) {
        const view = places.of(shares).value;
        gates.add(name, this.#image.floats.subarray(this.#image.wordAt(view)), view.ld, rows);
      }
      this.#exchange.agree();
    });
    if (this.#isRefused()) return undefined;
    this.#exchange.gradients(termAreas);
    this.#exchange.agree();
    if (this.#isRefused()) return undefined;
    this.#team.run('tensorProducts', batch.rows);
    const products = productsOfTensors.read(this.#image);
    const squares = watchUpdates(this.#compiled, this.#store, this.#image);
    return (weights) => assembleDiagnosis(products, weights, squares(), gates.uses(peers));
  }

  /** Decides the weight of each term's gradient from the products between the gradients. */
  #combineTerms(losses: Losses, combine: StepSettings['combine'], rows: number): TermWeights {
    const { graph, areas, products, sharedWeights, ownWeights } = this.#compiled;
    const { floats, wordAt } = this.#image;
    this.#team.run('products', rows);
    const counts = combineTerms(graph, losses, () => readGramian(areas, products, this.#image), combine);
    floats.set(counts.shared, wordAt(sharedWeights));
    floats.set(counts.own, wordAt(ownWeights));
    return counts;
  }

  #swapAverage(): void {
    setClock(this.#compiled, this.#image, this.#step);
    this.#team.run('exchange', this.#compiled.maxRowsOf(BATCH));
  }
}
