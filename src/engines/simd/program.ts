import type { Batch } from '../../core/batch.js';
import { maskKeyFrom, streamKey } from '../../core/random.js';
import type { HostTensor } from '../../core/tensor.js';
import { createGateSums, diagnosisOf, type Diagnosis, type TermWeights } from '../diagnosis.js';
import { refusedLosses, tableTensor, type Plan, type Program, type StepSettings, type TermLoss } from '../engine.js';
import { exchanged } from '../average.js';
import { countedRows, gramianOf, meanOfParts } from '../step-rows.js';
import { createApart, isApart } from './apart.js';
import { WORD } from './arena.js';
import { setClock } from './average.js';
import { createExchange } from './exchange.js';
import { listExchanges } from './list-exchanges.js';
import { compile, type Compiled } from './compile.js';
import { watchUpdates } from './diagnose.js';
import { createConstantsWriter } from './constants.js';
import { BEGIN, layOut, TABLE_BYTES } from './lay-out.js';
import { createLoader } from './load.js';
import { createMemory, instantiate, whyEmulated, type KernelModule } from './module.js';
import { toFours, type Place } from './places.js';
import { createStore } from './store.js';
import type { TablePlace } from './tables.js';
import { createTeam, type TeamWatch } from './team.js';

/** Compiles a plan into one memory and lists of kernel calls over it. */
export function compileProgram(kernels: KernelModule, plan: Plan, threads: number, watch: TeamWatch): Program {
  const { graph, seed } = plan;
  const compiled = compiledOf(plan, watch.tableBytes ?? TABLE_BYTES);
  const { arena, places, tables, lists, terms, areas, passRows, stepRows, maxRows, peers, part } = compiled;
  const clip = plan.step?.clip;
  const emulated = whyEmulated(kernels, compiled.precision);
  if (emulated !== undefined)
    watch.onWarning?.(
      `${compiled.precision} products are emulated here, slower than f32 but bitwise identical to native ones: ` +
        emulated,
    );
  arena.seal();
  const memory = createMemory(arena.bytes);
  const apart = createApart(tables.all);
  if (instantiate(kernels, memory).heapBase() > BEGIN)
    throw new Error('the kernels require more memory than is reserved for them');
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const doubles = new Float64Array(memory.buffer);
  const view = (at: number, length: number): Float32Array => floats.subarray(at / WORD, at / WORD + length);
  const rowWork = places.groups.reduce((sum, { matrix }) => sum + 3 * matrix.inputs * matrix.panels * 8, 0);
  const team = createTeam({
    kernels,
    memory,
    apart,
    lists,
    barrier: BEGIN,
    threads,
    rowWork,
    exchanges: listExchanges(compiled, memory, watch),
    ...watch,
  });
  const exchange = createExchange(compiled, memory, instantiate(kernels, memory, apart), watch);
  const load = createLoader(compiled, memory);
  const store = createStore(compiled, memory, apart);
  const writeConstants = createConstantsWriter(compiled, floats);
  const running = view(compiled.running.at, compiled.running.length);
  const runningBefore = running.slice();
  const graphWeights = graph.terms.map(({ weight }) => weight);
  const termPlaces = [...terms.values()];
  const masks = graph.values.flatMap((value) =>
    value.op === 'dropout' ? [{ name: value.name, width: value.width, at: compiled.dropoutKeys.get(value.name)! }] : [],
  );
  let step = 0;

  for (const { running: normalization, width } of graph.values.flatMap((value) =>
    value.op === 'activation' ? [value] : [],
  )) {
    if (normalization !== undefined) view(arena.take(`ones ${width}`, toFours(width)), width).fill(1);
  }

  /**
   * Readies a step: what its calls read beside the batch. A pass that is not a step's first has masks of its own, and
   * rows have theirs wherever they pass.
   */
  const prepare = (
    pass: number,
    weights: readonly number[],
    counted: readonly number[] | undefined,
    firstRow = 0,
  ): void => {
    for (const { name, at, width } of masks)
      words[at / WORD] = maskKeyFrom(
        streamKey(seed, 'dropout', name, step, ...(pass > 0 ? [pass] : [])),
        firstRow * width,
      );
    for (const [t, { weight }] of termPlaces.entries()) {
      floats[weight / WORD] = weights[t]!;
      doubles[weight / 8 + 1] = counted?.[t] ?? 0;
    }
    words[tables.fresh / WORD] = pass === 0 ? 1 : 0;
  };

  const lossesOf = (): Map<string, TermLoss> =>
    new Map([...terms].map(([name, { loss }]) => [name, { mean: doubles[loss / 8]!, rows: doubles[loss / 8 + 1]! }]));
  const firstColumn = ({ at, ld }: Place, rows: number, into: Float32Array, begin: number): void => {
    for (let b = 0; b < rows; b++) into[begin + b] = floats[at / WORD + b * ld]!;
  };
  const isRefused = (): boolean => words[compiled.refused / WORD] === 1;

  /**
   * Loads this process's parts of the passes of a batch, one by one, until there are no more or `isOver`; what a step
   * takes together is brought together at once.
   */
  const forEachPart = (
    batch: Batch,
    most: number,
    visit: (rows: number, pass: number, firstRow: number, all: number) => void,
    isOver = (): boolean => false,
  ): void => {
    const passes = Array.from({ length: Math.ceil(batch.rows / most) }, (_, pass) => ({
      begin: pass * most,
      all: Math.min(most, batch.rows - pass * most),
    }));
    const parts = passes.map(({ begin, all }) => exchange.own(begin, all));
    const isStep = batch.rows <= stepRows;
    if (isStep) exchange.fetch(batch, parts);
    const ofStep = parts.reduce((sum, { rows }) => sum + rows, 0);
    for (const [pass, { begin, rows }] of parts.entries()) {
      if (isOver()) break;
      const [{ all }, firstRow] = [passes[pass]!, begin - pass * most];
      load(batch, begin, rows, pass === 0 ? ofStep : undefined);
      if (!isStep) exchange.fetch(batch, [parts[pass]!]);
      exchange.place(isStep ? pass : 0);
      if (part !== 0) doubles.set([all, firstRow], part / 8);
      visit(rows, pass, firstRow, all);
    }
  };
  /** The passes of a step, until a number is not finite. */
  const forEachPass = (batch: Batch, visit: (rows: number, pass: number, firstRow: number) => void): void => {
    words[compiled.refused / WORD] = 0;
    forEachPart(batch, passRows, visit, isRefused);
  };
  const joined = (parts: readonly Map<string, TermLoss>[]): Map<string, TermLoss> =>
    new Map([...terms.keys()].map((name) => [name, meanOfParts(parts.map((part) => part.get(name)!))]));

  /** What losses are divided by, where it is not by the rows that a pass counts here. */
  const countedOf = (batch: Batch): readonly number[] | undefined =>
    batch.rows > passRows || peers.size > 1 ? countedRows(graph, batch, batch.rows <= passRows) : undefined;

  /** The passes of a step. */
  const runPasses = (batch: Batch, weights: readonly number[]): Map<string, TermLoss> => {
    const counted = countedOf(batch);
    const parts: Map<string, TermLoss>[] = [];
    forEachPass(batch, (rows, pass, firstRow) => {
      prepare(pass, weights, counted, firstRow);
      team.run('pass', rows);
      exchange.statistics(rows);
      parts.push(exchange.losses(lossesOf()));
    });
    return joined(parts);
  };

  /** Runs a list in evaluation mode over a batch of any size. */
  const predicted = (batch: Batch, list: 'predict' | 'evaluate', onPart: () => void): Map<string, Float32Array> => {
    const results = new Map([...compiled.predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
    forEachPart(batch, maxRows, (rows, pass, _firstRow, all) => {
      team.run(list, rows);
      for (const [task, place] of compiled.predictions) {
        const own = new Float32Array(rows);
        firstColumn(place, rows, own, 0);
        exchange.column(own, results.get(task)!.subarray(pass * maxRows, pass * maxRows + all));
      }
      onPart();
    });
    return results;
  };

  /** Looks at the gradients of the step that comes; what is returned completes the diagnosis once it was taken. */
  const diagnose = (batch: Batch): ((weights: TermWeights) => Diagnosis) | undefined => {
    if (compiled.termAreas === 0) throw new Error('no diagnosis was planned');
    const counted = countedOf(batch);
    const gates = createGateSums(graph);
    forEachPass(batch, (rows, pass, firstRow) => {
      prepare(
        pass,
        graphWeights.map(() => 1),
        counted,
        firstRow,
      );
      team.run('diagnosis', rows);
      for (const [name, { shares }] of graph.gates ?? [])
        gates.add(name, floats.subarray(places.of(shares).at / WORD), places.of(shares).ld, rows);
      exchange.agree();
    });
    if (isRefused()) return undefined;
    exchange.gradients(compiled.termAreas);
    exchange.agree();
    if (isRefused()) return undefined;
    team.run('tensorProducts', batch.rows);
    const products = compiled.productsOfTensors.read(doubles);
    const squares = watchUpdates(compiled, store, memory, apart);
    return (weights) => diagnosisOf(products, weights, squares(), gates.uses(peers));
  };

  /** Decides what each term's gradient counts, from what they have in common; gives that of those that terms share. */
  const combineTerms = (
    losses: ReadonlyMap<string, TermLoss>,
    combine: StepSettings['combine'],
    rows: number,
  ): readonly number[] => {
    team.run('products', rows);
    const triangles = doubles.subarray(
      compiled.products.at / 8,
      compiled.products.at / 8 + (compiled.products.count * areas * (areas + 1)) / 2,
    );
    const shared =
      combine?.(
        graph.terms.map(({ name }) => losses.get(name)!.mean),
        gramianOf(areas, triangles),
      ) ?? graphWeights;
    floats.set(shared, compiled.sharedWeights / WORD);
    floats.set(graphWeights, compiled.ownWeights / WORD);
    return shared;
  };

  const predictSync = (batch: Batch): Map<string, Float32Array> => predicted(batch, 'predict', () => undefined);
  const swapAverage = (): void => {
    setClock(compiled, floats, step);
    team.run('exchange', places.maxRows);
  };
  const isOnePass = areas === 1 && stepRows === passRows && peers.size === 1;

  return {
    trainStep(
      batch,
      { rates = { dense: 1, embeddings: 1 }, weights = graphWeights, combine, isDiagnosed = false } = {},
    ) {
      if (batch.rows > stepRows) throw new Error(`a step of ${batch.rows} rows, where ${stepRows} were planned`);
      runningBefore.set(running);
      writeConstants(step + 1, rates);
      const complete = isDiagnosed ? diagnose(batch) : undefined;
      let losses: Map<string, TermLoss>;
      let counts: TermWeights = { shared: weights, own: weights };
      if (isOnePass) {
        words[compiled.refused / WORD] = 0;
        prepare(0, weights, undefined);
        load(batch, 0, batch.rows, batch.rows);
        team.run('train', batch.rows);
        losses = lossesOf();
      } else {
        // Where terms are combined, each is differentiated as it is.
        losses = runPasses(batch, areas > 1 ? weights.map(() => 1) : weights);
        if (!isRefused()) {
          exchange.gradients(areas, compiled.early?.count);
          exchange.agree();
        }
        if (areas > 1 && !isRefused())
          counts = { shared: combineTerms(losses, combine, batch.rows), own: graphWeights };
        if (!isRefused()) team.run('update', batch.rows);
      }
      // The kernels have updated nothing then; what the forward pass moves is put back.
      if (isRefused()) running.set(runningBefore);
      else step++;
      const [dense, embeddings] =
        clip === undefined
          ? [NaN, NaN]
          : [doubles[compiled.norms / 8]!, doubles[compiled.norms / 8 + (clip.separate ? 1 : 0)]!];
      return Promise.resolve({
        losses: isRefused() ? refusedLosses(losses) : losses,
        norms: { dense, embeddings },
        diagnosis: isRefused() ? undefined : complete?.(counts),
      });
    },

    predictSync,
    predict: (batch) => Promise.resolve(predictSync(batch)),

    evaluate(batch) {
      const parts: Map<string, TermLoss>[] = [];
      prepare(0, graphWeights, undefined);
      const predictions = predicted(batch, 'evaluate', () => parts.push(exchange.losses(lossesOf())));
      return Promise.resolve({ predictions, losses: joined(parts) });
    },

    losses(batch) {
      const parts: Map<string, TermLoss>[] = [];
      forEachPass(batch, (rows, pass, firstRow) => {
        prepare(pass, graphWeights, undefined, firstRow);
        team.run('losses', rows);
        parts.push(exchange.losses(lossesOf()));
      });
      return Promise.resolve(joined(parts));
    },

    inspect(batch) {
      if (peers.size > 1) throw new Error('only a process that is alone looks at its gradients');
      prepare(0, graphWeights, undefined);
      load(batch, 0, batch.rows, batch.rows);
      team.run('inspect', batch.rows);
      const predictions = new Map<string, Float32Array>();
      for (const [task, place] of compiled.predictions) {
        const values = new Float32Array(batch.rows);
        firstColumn(place, batch.rows, values, 0);
        predictions.set(task, values);
      }
      const gradients = new Map<string, HostTensor>();
      for (const parameter of graph.parameters.filter(({ isTrainable }) => isTrainable)) {
        const { shape, data } = store.tensorOf(parameter, store.shiftTo(compiled.passGradients.at));
        gradients.set(parameter.name, { shape, data: data.slice() });
      }
      for (const { name, rows, width, distinct, gradients: at, count } of tables.all) {
        const data = new Float32Array(rows * width);
        for (let u = 0; u < words[count / WORD]!; u++)
          data.set(view(at + u * width * WORD, width), words[distinct / WORD + u]! * width);
        gradients.set(tableTensor(name), { shape: [rows, width], data });
      }
      return Promise.resolve({ losses: lossesOf(), predictions, gradients });
    },

    averaged: (work) => (compiled.average === undefined ? work() : exchanged(swapAverage, work)),
    state: () => store.state(step),
    restore(saved) {
      store.restore(saved);
      step = saved.step;
    },
    dispose: () => team.end(),
  };
}

/** Plans that were compiled to see how large they are: most of them run next. */
const seen = new WeakMap<Plan, Compiled>();

/** Compiles a plan to be run, or takes what was seen of it, once: its arena is this program's then. */
function compiledOf(plan: Plan, tableBytes: number): Compiled {
  const known = seen.get(plan);
  seen.delete(plan);
  return known !== undefined && bytesOf(known.tables.all) <= tableBytes ? known : compile(plan, tableBytes);
}

/** Bytes of a plan's memory but for weights and optimizer. */
export function activationBytes(plan: Plan): number {
  const compiled = compile(plan);
  seen.set(plan, compiled);
  const {
    arena,
    places: { weightsCount },
    tables,
    denseSlots,
    average,
  } = compiled;
  const denseBytes = (average === undefined ? 1 : 2) * weightsCount * WORD + denseSlots.bytes;
  return arena.bytes - denseBytes - bytesOf(tables.all);
}

/** Bytes of a plan's tables that lie apart, with what is kept for them. */
export function apartBytes(plan: Plan): number {
  return bytesOf(layOut(plan, plan.graph, TABLE_BYTES).tables.all.filter(isApart));
}

const bytesOf = (tables: readonly TablePlace[]): number =>
  tables.reduce((sum, { rows, stride }) => sum + rows * stride * WORD, 0);
