import type { Batch } from '../../core/batch.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { HostTensor } from '../../core/tensor.js';
import type { TensorProducts } from '../diagnosis.js';
import { tableTensor, type Plan, type RateFactors } from '../engine.js';
import { gramianOf } from '../step-rows.js';
import { createApart } from './apart.js';
import { WORD } from '../compile/arena.js';
import { lowerExchange, setClock } from '../compile/average.js';
import { createCallList, type CallList } from '../compile/call-list.js';
import { lowerUpdate } from '../compile/compile.js';
import { createConstantsWriter } from '../state/constants.js';
import { BEGIN, layOut, TABLE_BYTES } from '../compile/layout.js';
import { lowerTensorProducts, NO_PRODUCTS, watchUpdates } from '../compile/diagnose.js';
import { createLoader } from './load.js';
import { loadKernels } from './load-kernels.js';
import { createMemory, type KernelModule } from './module.js';
import { lowerProducts, rangesByReach } from '../compile/reduce.js';
import { createStore, type Store } from '../state/store.js';
import { lowerGather, lowerLookup } from '../compile/tables.js';
import { createTeam } from './team.js';

/**
 * Which gradients are given: those of which term (0 where terms are not apart), and whether they are a step's first.
 */
export interface GradientPart {
  readonly area: number;
  readonly isFirst: boolean;
  /** Whether they are a diagnosis's and not those of a step. */
  readonly isDiagnosed?: boolean;
}

/** Tables, weights and their optimizers for an engine whose graph runs elsewhere. */
export interface Host {
  readonly store: Store;
  /** Rows that are looked up at once at the most, and those that a pass of training has. */
  readonly maxRows: number;
  readonly passRows: number;
  /** Gradients that a diagnosis keeps apart; 0 where none is planned. */
  readonly termAreas: number;
  /** The looked-up rows of a batch from `begin` on, `[rows, width]`, in memory that the next ones use again. */
  lookup(batch: Batch, begin?: number, rows?: number): Float32Array;
  /** Adds the gradients of what was looked up, over each distinct row, and of dense weights to those of the step. */
  add(inputGradient_BI: Float32Array, gradients: ReadonlyMap<string, Float32Array>, part: GradientPart): void;
  /** By table, with its zeros: what was added. */
  tableGradients(): readonly (readonly [string, HostTensor])[];
  /** The products between the gradients of terms on what they share. */
  gramian(): Float64Array;
  /** The products between the gradients of terms, tensor by tensor, where a diagnosis added them. */
  products(): readonly TensorProducts[];
  /** As the kernels' own engine has it. */
  watchUpdates(): ReturnType<typeof watchUpdates>;
  /** Decides what the gradients of terms count where terms share, and elsewhere. */
  weigh(shared: readonly number[], own: readonly number[]): void;
  /** Updates everything by what was added; false where it is not finite: then nothing is changed. */
  update(step: number, rates: RateFactors): boolean;
  /** Exchanges weights and their average after so many steps; undefined where none is kept. */
  readonly exchange: ((step: number) => void) | undefined;
  /** The norms of the gradients in the last update, as in a step's result. */
  norms(): { readonly dense: number; readonly embeddings: number };
  dispose(): void;
}

/** Lays out what a plan trains, without its graph, in a memory of the kernels. */
export function createHost(plan: Plan, kernels: KernelModule = loadKernels()): Host {
  const g = new GraphBuilder();
  const input = g.input({ kind: 'features' }, plan.layout.width);
  // Nothing computes with the parameters here, so each lies as it is.
  const laid = layOut(
    plan,
    { values: g.values, parameters: plan.graph.parameters, predictions: new Map(), terms: [] },
    TABLE_BYTES,
  );
  const { tables, places, arena, gradients, refused, areas, termAreas, norms } = laid;
  const place = places.of(input);
  const clip = plan.step?.clip;
  const listOf = (fill: (list: CallList) => void): CallList['calls'] => {
    const list = createCallList();
    fill(list);
    return list.calls;
  };
  const gatherOf = (area: number, numAreas: number): CallList['calls'] =>
    listOf((list) => {
      list.emit('releaseTables', { claims: tables.claims, count: tables.all.length });
      list.flushSums();
      lowerGather(tables, place, area, numAreas, list);
      list.emit('refuseUnlessFinite', { refused });
    });
  let numProducts = { at: 0, count: 0 };
  let productsOfTensors = NO_PRODUCTS;
  const lists = {
    lookup: listOf((list) => lowerLookup(plan.layout, tables, place, list)),
    products: listOf(
      (list) =>
        (numProducts =
          areas > 1 ? lowerProducts(rangesByReach(laid).shared, areas, 'of terms', arena, list) : numProducts),
    ),
    update: listOf((list) => {
      list.emit('watchAll', { numbers: gradients.at, count: areas * places.weightsCount });
      list.emit('refuseUnlessFinite', { refused });
      list.separate();
      lowerUpdate(laid, list);
    }),
    exchange: listOf((list) => lowerExchange(laid, list)),
    tensorProducts: listOf((list) => (productsOfTensors = lowerTensorProducts(laid, list))),
    ...Object.fromEntries(
      [areas, termAreas].flatMap((count) =>
        Array.from({ length: count }, (_, area) => [`gather ${area} of ${count}`, gatherOf(area, count)]),
      ),
    ),
  };

  const memory = createMemory(arena.bytes);
  const apart = createApart(tables.all);
  const team = createTeam<string>({ kernels, memory, apart, lists, barrier: BEGIN, threads: 1, rowWork: 0 });
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const doubles = new Float64Array(memory.buffer);
  const store = createStore(laid, memory, apart);
  const load = createLoader(laid, memory);
  const writeConstants = createConstantsWriter(laid, floats);
  const trained = plan.graph.parameters.filter(({ isTrainable }) => isTrainable);
  const { width } = plan.layout;
  let looked = 0;
  let input_BI = new Float32Array(0);

  return {
    store,
    maxRows: places.maxRows,
    passRows: laid.passRows,
    termAreas,
    lookup(batch, begin = 0, rows = batch.rows) {
      looked = rows;
      load(batch, begin, rows);
      team.run('lookup', rows);
      if (input_BI.length < rows * width) input_BI = new Float32Array(rows * width);
      for (let b = 0; b < rows; b++)
        input_BI.set(
          floats.subarray(place.at / WORD + b * place.ld, place.at / WORD + b * place.ld + width),
          b * width,
        );
      return input_BI.subarray(0, rows * width);
    },
    add(inputGradient_BI, dense, { area, isFirst, isDiagnosed = false }) {
      for (let b = 0; b < looked; b++)
        floats.set(inputGradient_BI.subarray(b * width, (b + 1) * width), place.gradient / WORD + b * place.ld);
      words[tables.fresh / WORD] = isFirst ? 1 : 0;
      if (isFirst && area === 0) words[refused / WORD] = 0;
      team.run(`gather ${area} of ${isDiagnosed ? termAreas : areas}`, looked);
      for (const parameter of trained) {
        const { data } = store.tensorOf(parameter, store.shiftTo(gradients.at + area * gradients.areaBytes));
        const gradient = dense.get(parameter.name)!;
        for (let i = 0; i < data.length; i++) data[i] = isFirst ? gradient[i]! : data[i]! + gradient[i]!;
      }
    },
    tableGradients: () =>
      tables.all.map(({ name, rows: tableRows, width: tableWidth, distinct, gradients: at, count }) => {
        const data = new Float32Array(tableRows * tableWidth);
        for (let u = 0; u < words[count / WORD]!; u++) {
          const from = at / WORD + u * tableWidth;
          data.set(floats.subarray(from, from + tableWidth), words[distinct / WORD + u]! * tableWidth);
        }
        return [tableTensor(name), { shape: [tableRows, tableWidth], data }] as const;
      }),
    gramian() {
      team.run('products', looked);
      return gramianOf(
        areas,
        doubles.subarray(numProducts.at / 8, numProducts.at / 8 + (numProducts.count * areas * (areas + 1)) / 2),
      );
    },
    products() {
      team.run('tensorProducts', looked);
      return productsOfTensors.read(doubles);
    },
    watchUpdates: () => watchUpdates(laid, store, memory, apart),
    weigh(shared, own) {
      floats.set(shared, laid.sharedWeights / WORD);
      floats.set(own, laid.ownWeights / WORD);
    },
    update(step, rates) {
      writeConstants(step, rates);
      team.run('update', looked);
      return words[refused / WORD] === 0;
    },
    exchange:
      laid.average &&
      ((step) => {
        setClock(laid, floats, step);
        team.run('exchange', 0);
      }),
    norms: () =>
      clip === undefined
        ? { dense: NaN, embeddings: NaN }
        : { dense: doubles[norms / 8]!, embeddings: doubles[norms / 8 + (clip.separate ? 1 : 0)]! },
    dispose: () => team.end(),
  };
}
