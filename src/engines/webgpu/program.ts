import type { Batch } from '../../core/batch.js';
import type { HostTensor } from '../../core/tensor.js';
import { createGateSums, diagnosisOf, type Diagnosis, type TermWeights } from '../diagnosis.js';
import {
  refusedLosses,
  tableTensor,
  type Plan,
  type Program,
  type ProgramState,
  type StepResult,
  type StepSettings,
  type TermLoss,
} from '../engine.js';
import { refuseOtherTensors } from '../restore.js';
import { WORD } from '../compile/arena.js';
import { compile } from '../compile/compile.js';
import { watchUpdates } from '../compile/diagnose.js';
import { toFours, type Place } from '../compile/places.js';
import { createStore } from '../state/store.js';
import { countedRows, gramianOf, meanOfParts } from '../step-rows.js';
import type { Gpu } from './adapter.js';
import { createStepsAhead, MAX_AHEAD } from './ahead.js';
import { createStepWords } from './step-words.js';
import { createExecutor, type GpuWatch, type Range } from './executor.js';

const NO_FACTORS = { dense: 1, embeddings: 1 } as const;

/**
 * Compiles a plan: to the calls of the kernels' own engine, and these to dispatches on a device. Weights, tables and
 * what optimizers keep lie there.
 */
export function compileProgram(gpu: Gpu, plan: Plan, watch: GpuWatch): Program {
  const { graph } = plan;
  const compiled = compile(plan);
  const { arena, places, tables, terms, areas, passRows, stepRows, average, denseSlots } = compiled;
  const clip = plan.step?.clip;
  const executor = createExecutor(gpu, compiled, watch);
  const { loader, mirror } = executor;
  const { upload } = loader;
  const uploadFloats = new Float32Array(upload.buffer);
  const floats = new Float32Array(mirror.buffer);
  const words = new Uint32Array(mirror.buffer);
  const doubles = new Float64Array(mirror.buffer);
  const view = (at: number, length: number): Float32Array => floats.subarray(at / WORD, at / WORD + length);
  const store = createStore(compiled, mirror);
  const graphWeights = graph.terms.map(({ weight }) => weight);
  const running: Range = { at: compiled.running.at, words: compiled.running.length };
  const ones = graph.values.flatMap((value) =>
    value.op === 'activation' && value.running !== undefined
      ? [{ at: arena.take(`ones ${value.width}`, toFours(value.width)), words: value.width }]
      : [],
  );
  let step = 0;
  let isStale = false;

  /** All that training changes, beside tables. */
  const trained: readonly Range[] = [
    { at: places.weightsBegin, words: places.weightsCount },
    { at: denseSlots.at, words: denseSlots.bytes / WORD },
    ...(average === undefined ? [] : [{ at: average.weights, words: places.weightsCount }]),
    ...(running.words > 0 ? [running] : []),
  ].filter((range) => range.words > 0);
  const writeAll = (): void => {
    executor.write(trained);
    executor.writeTables();
    isStale = false;
  };
  /**
   * Weights that came without what the optimizer keeps, which lies on the device alone: it is fetched before they are
   * put beside it.
   */
  let pending: ProgramState | undefined;
  const settle = async (): Promise<void> => {
    await ahead.catchUp();
    const saved = pending;
    if (saved === undefined) return;
    pending = undefined;
    await readBack();
    store.restore(saved);
    writeAll();
  };
  const readBack = async (): Promise<void> => {
    await settle();
    if (!isStale) return;
    await executor.read(trained);
    await executor.readTables();
    isStale = false;
  };

  for (const { at, words: width } of ones) view(at, width).fill(1);
  executor.write(ones);
  writeAll();

  const { prepare, setClock, setConstants } = createStepWords(
    compiled,
    loader.upload,
    (address) => executor.wordAt(address),
    mirror,
  );

  const lossesAt = [...terms].map(([name, { loss }]) => ({ name, at: loss / 8 }));
  const lossesOf = (): Map<string, TermLoss> => {
    const losses = new Map<string, TermLoss>();
    for (const { name, at } of lossesAt) losses.set(name, { mean: doubles[at]!, rows: doubles[at + 1]! });
    return losses;
  };
  const joined = (parts: readonly Map<string, TermLoss>[]): Map<string, TermLoss> =>
    new Map([...terms.keys()].map((name) => [name, meanOfParts(parts.map((part) => part.get(name)!))]));
  const rangeOf = ({ at, ld }: Place, rows: number): Range => ({ at, words: (rows - 1) * ld + 1 });
  const firstColumn = ({ at, ld }: Place, rows: number, into: Float32Array, begin: number): void => {
    for (let b = 0; b < rows; b++) into[begin + b] = floats[at / WORD + b * ld]!;
  };
  const predictedRanges = (rows: number): readonly Range[] =>
    [...compiled.predictions.values()].map((place) => rangeOf(place, rows));

  /** Loads the passes of a batch, one by one, until there are no more or a number is not finite. */
  const forEachPass = async (
    batch: Batch,
    trains: boolean,
    visit: (rows: number, pass: number) => Promise<void>,
  ): Promise<void> => {
    await settle();
    executor.clearRefused();
    for (let begin = 0, pass = 0; begin < batch.rows && !executor.isRefused; begin += passRows, pass++) {
      const rows = Math.min(passRows, batch.rows - begin);
      loader.begin(batch, begin, rows, trains);
      loader.finish();
      await visit(rows, pass);
    }
  };

  /** Runs a list over the passes of a step: the loss of each term. */
  const runPasses = async (
    batch: Batch,
    list: 'pass' | 'losses',
    weights: readonly number[],
  ): Promise<Map<string, TermLoss>> => {
    const trains = list === 'pass';
    const counted = trains && batch.rows > passRows ? countedRows(graph, batch) : undefined;
    const parts: Map<string, TermLoss>[] = [];
    await forEachPass(batch, trains, async (rows, pass) => {
      prepare(step, pass, weights, counted);
      await executor.run(list, rows);
      parts.push(lossesOf());
    });
    return joined(parts);
  };

  /** Runs a list in evaluation mode over a batch of any size. */
  const predicted = async (
    batch: Batch,
    list: 'predict' | 'evaluate',
    onPart: () => void,
  ): Promise<Map<string, Float32Array>> => {
    await settle();
    const results = new Map([...compiled.predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
    for (let begin = 0; begin < batch.rows; begin += places.maxRows) {
      const rows = Math.min(places.maxRows, batch.rows - begin);
      loader.begin(batch, begin, rows, false);
      loader.finish();
      await executor.run(list, rows, predictedRanges(rows));
      for (const [task, place] of compiled.predictions) firstColumn(place, rows, results.get(task)!, begin);
      onPart();
    }
    return results;
  };

  /** Looks at the gradients of the step that comes; what is returned completes the diagnosis once it was taken. */
  const diagnose = async (batch: Batch): Promise<((weights: TermWeights) => Promise<Diagnosis>) | undefined> => {
    if (compiled.termAreas === 0) throw new Error('no diagnosis was planned');
    const counted = batch.rows > passRows ? countedRows(graph, batch) : undefined;
    const gates = createGateSums(graph);
    const shares = [...(graph.gates ?? [])].map(([name, gate]) => ({
      name,
      place: places.of(gate.shares),
      experts: gate.experts.length,
    }));
    await forEachPass(batch, true, async (rows, pass) => {
      prepare(
        step,
        pass,
        graphWeights.map(() => 1),
        counted,
      );
      await executor.run(
        'diagnosis',
        rows,
        shares.map(({ place: { at, ld }, experts }) => ({ at, words: (rows - 1) * ld + experts })),
      );
      for (const { name, place } of shares) gates.add(name, floats.subarray(place.at / WORD), place.ld, rows);
    });
    if (executor.isRefused) return undefined;
    await executor.run('tensorProducts', batch.rows);
    const products = compiled.productsOfTensors.read(doubles);
    await readBack();
    for (const table of tables.all) {
      words.set(loader.lists.distinctOf(table), table.distinct / WORD);
      words[table.count / WORD] = loader.lists.sizeOf(table).distinct;
    }
    const squares = watchUpdates(compiled, store, mirror);
    return async (weights) => {
      await readBack();
      return diagnosisOf(products, weights, squares(), gates.uses());
    };
  };

  /** Decides what each term's gradient counts, from what they have in common; gives that of those that terms share. */
  const combineTerms = async (
    losses: ReadonlyMap<string, TermLoss>,
    combine: StepSettings['combine'],
    rows: number,
  ): Promise<readonly number[]> => {
    await executor.run('products', rows);
    const triangles = doubles.subarray(
      compiled.products.at / 8,
      compiled.products.at / 8 + (compiled.products.count * areas * (areas + 1)) / 2,
    );
    const shared =
      combine?.(
        graph.terms.map(({ name }) => losses.get(name)!.mean),
        gramianOf(areas, triangles),
      ) ?? graphWeights;
    uploadFloats.set(shared, executor.wordAt(compiled.sharedWeights));
    uploadFloats.set(graphWeights, executor.wordAt(compiled.ownWeights));
    return shared;
  };

  const exchange = async (): Promise<void> => {
    await settle();
    setClock(step);
    isStale = true;
    await executor.run('exchange', places.maxRows);
  };
  const isOnePass = areas === 1 && stepRows === passRows;
  const normsOf = (): StepResult['norms'] => {
    const [dense, embeddings] =
      clip === undefined
        ? [NaN, NaN]
        : [doubles[compiled.norms / 8]!, doubles[compiled.norms / 8 + (clip.separate ? 1 : 0)]!];
    return { dense, embeddings };
  };
  const ahead = createStepsAhead({
    executor,
    prepare({ rates = NO_FACTORS, weights = graphWeights }) {
      setConstants(step, rates);
      prepare(step, 0, weights, undefined);
    },
    result: () => ({ losses: executor.isRefused ? refusedLosses(lossesOf()) : lossesOf(), norms: normsOf() }),
    count: () => step++,
    goBack: (stepsTaken) => (step = stepsTaken),
  });

  return {
    stepsAhead: isOnePass ? MAX_AHEAD : 1,
    catchUp: settle,
    async trainStep(batch, settings = {}) {
      const { rates = NO_FACTORS, weights = graphWeights, combine, isDiagnosed = false, isAhead = false } = settings;
      if (batch.rows > stepRows) throw new Error(`a step of ${batch.rows} rows, where ${stepRows} were planned`);
      if (isAhead && isOnePass && !isDiagnosed && pending === undefined) {
        isStale = true;
        return ahead.begin(batch, settings);
      }
      await settle();
      const complete = isDiagnosed ? await diagnose(batch) : undefined;
      setConstants(step, rates);
      let losses: Map<string, TermLoss>;
      let counts: TermWeights = { shared: weights, own: weights };
      executor.keep();
      isStale = true;
      if (isOnePass) {
        executor.clearRefused();
        prepare(step, 0, weights, undefined);
        loader.begin(batch, 0, batch.rows, true);
        loader.finish();
        await executor.run('train', batch.rows);
        losses = lossesOf();
      } else {
        // Where terms are combined, each is differentiated as it is.
        losses = await runPasses(batch, 'pass', areas > 1 ? weights.map(() => 1) : weights);
        if (areas > 1 && !executor.isRefused)
          counts = { shared: await combineTerms(losses, combine, batch.rows), own: graphWeights };
        if (!executor.isRefused) await executor.run('update', batch.rows);
      }
      // The kernels have updated nothing then; what the forward pass moves is put back.
      const { isRefused } = executor;
      if (!isRefused) step++;
      else executor.bringBack();
      return {
        losses: isRefused ? refusedLosses(losses) : losses,
        norms: normsOf(),
        diagnosis: isRefused ? undefined : await complete?.(counts),
      };
    },

    predict: (batch) => predicted(batch, 'predict', () => undefined),

    async evaluate(batch) {
      const parts: Map<string, TermLoss>[] = [];
      prepare(step, 0, graphWeights, undefined);
      const predictions = await predicted(batch, 'evaluate', () => parts.push(lossesOf()));
      return { predictions, losses: joined(parts) };
    },

    losses: (batch) => runPasses(batch, 'losses', graphWeights),

    async inspect(batch) {
      await settle();
      executor.clearRefused();
      prepare(step, 0, graphWeights, undefined);
      loader.begin(batch, 0, batch.rows, true);
      loader.finish();
      const { rows } = batch;
      const found = tables.all.map((table) => ({ ...table, distinct: loader.lists.distinctOf(table) }));
      await executor.run(
        'inspect',
        rows,
        [
          ...predictedRanges(rows),
          { at: compiled.passGradients.at, words: places.weightsCount },
          ...found.flatMap(({ gradients: at, width, distinct }) =>
            distinct.length > 0 ? [{ at, words: distinct.length * width }] : [],
          ),
        ].filter((range) => range.words > 0),
      );
      const predictions = new Map<string, Float32Array>();
      for (const [task, place] of compiled.predictions) {
        const values = new Float32Array(rows);
        firstColumn(place, rows, values, 0);
        predictions.set(task, values);
      }
      const gradients = new Map<string, HostTensor>();
      for (const parameter of graph.parameters.filter(({ isTrainable }) => isTrainable)) {
        const { shape, data } = store.tensorOf(parameter, store.shiftTo(compiled.passGradients.at));
        gradients.set(parameter.name, { shape, data: data.slice() });
      }
      for (const { name, rows: tableRows, width, distinct, gradients: at } of found) {
        const data = new Float32Array(tableRows * width);
        for (const [u, row] of distinct.entries()) data.set(view(at + u * width * WORD, width), row * width);
        gradients.set(tableTensor(name), { shape: [tableRows, width], data });
      }
      return { losses: lossesOf(), predictions, gradients };
    },

    async averaged(work) {
      if (average === undefined) return work();
      await exchange();
      try {
        return await work();
      } finally {
        await exchange();
      }
    },

    readBack,
    state() {
      if (isStale || pending !== undefined) throw new Error('the state of a device is read before it is looked at');
      return store.state(step);
    },
    restore(saved) {
      if (!ahead.isIdle) throw new Error('steps are under way');
      step = saved.step;
      if (isStale && saved.optimizer.size === 0) {
        refuseOtherTensors(store.state(0), saved);
        pending = saved;
        return;
      }
      store.restore(saved);
      pending = undefined;
      writeAll();
    },
    dispose() {
      loader.lists.end();
      ahead.whenRead(() => executor.dispose());
    },
  };
}
