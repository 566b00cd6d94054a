import type { Batch } from '../../core/batch.js';
import { BATCH } from '../../graph/domain.js';
import { GraphBuilder } from '../../graph/builder.js';
import type { HostTensor } from '../../core/tensor.js';
import { lowerExchange } from '../compile/average.js';
import { shift, type View } from '../compile/buffers.js';
import { createCallList, type Call, type CallList } from '../compile/call-list.js';
import { lowerUpdate } from '../compile/compile.js';
import { lowerTensorProducts, type ProductsOfTensors } from '../compile/diagnose.js';
import { createLayout, type Layout } from '../compile/layout.js';
import { lowerProducts, rangesByReach, type Sums } from '../compile/reduce.js';
import { lowerGather, lowerLookup } from '../compile/tables.js';
import type { TensorProducts } from '../diagnosis.js';
import type { Plan, RateFactors } from '../engine.js';
import type { GradientPart, Host, HostFactory } from '../host.js';
import { setClock } from '../state/average.js';
import { createConstantsWriter } from '../state/constants.js';
import { createResults, readDistinct, readGramian, readTableGradients } from '../state/results.js';
import { createStore, type Store } from '../state/store.js';
import { watchUpdates } from '../state/watch-updates.js';
import { bindLists } from './bind.js';
import { apartBytes } from './compile-program.js';
import { createLoader, type Loader } from './load.js';
import { loadKernels } from './load-kernels.js';
import { allocate, BEGIN, type CpuMemory } from './memory.js';
import { MAX_BYTES, type KernelModule } from './module.js';
import { createTeam, type Team } from './team.js';

/** The lists of a host, and what the host reads of them. */
interface HostLists {
  readonly lists: Readonly<Record<string, readonly Call[]>>;
  /** Products between the gradients of terms on shared parameters, if terms are combined. */
  readonly products: Sums;
  readonly productsOfTensors: ProductsOfTensors;
}

const gatherName = (area: number, areas: number): string => `gather ${area} of ${areas}`;

/** Lowers everything that a step does outside the graph. */
function lowerHost(layout: Layout, input: { readonly value: View; readonly gradient: View }): HostLists {
  const { tables, places, buffers, gradients, refused, areas, termAreas, plan } = layout;
  const fill = <Result>(lower: (list: CallList) => Result): { readonly calls: Call[]; readonly result: Result } => {
    const list = createCallList();
    const result = lower(list);
    return { calls: list.calls, result };
  };
  const gather = (area: number, numAreas: number): Call[] =>
    fill((list) => {
      list.emit('releaseTables', { claims: tables.claims, count: tables.all.length });
      list.flushSums();
      lowerGather(tables, { features: input.gradient, items: new Map() }, area, numAreas, list);
      list.emit('refuseUnlessFinite', { refused });
    }).calls;
  const update = fill((list) => {
    list.emit('watchAll', { numbers: gradients.at, count: areas * places.weightsCount });
    list.emit('refuseUnlessFinite', { refused });
    list.separate();
    lowerUpdate(layout, list);
  });
  const products = fill((list) =>
    areas > 1
      ? lowerProducts(rangesByReach(layout).shared, areas, 'of terms', buffers, list)
      : { at: undefined, count: 0 },
  );
  const tensorProducts = fill((list) => lowerTensorProducts(layout, list));
  const gathers = [areas, termAreas].flatMap((count) =>
    Array.from({ length: count }, (_, area) => [gatherName(area, count), gather(area, count)] as const),
  );
  return {
    lists: {
      lookup: fill((list) => lowerLookup(plan.layout, tables, input.value, list)).calls,
      products: products.calls,
      update: update.calls,
      exchange: fill((list) => lowerExchange(layout, list)).calls,
      tensorProducts: tensorProducts.calls,
      ...Object.fromEntries(gathers),
    },
    products: products.result,
    productsOfTensors: tensorProducts.result,
  };
}

/** Allocates the tables and weights of a plan whose graph runs elsewhere. */
export function createHost(plan: Plan, kernels: KernelModule = loadKernels()): Host {
  const g = new GraphBuilder();
  const features = g.input({ kind: 'features' }, plan.layout.width);
  // No operation reads the parameters here, so each is stored as a vector.
  const { parameters } = plan.graph;
  const layout = createLayout(plan, { values: g.values, parameters, predictions: new Map(), terms: [] });
  const input = layout.places.of(features);
  const compiled = lowerHost(layout, input);
  const cpu = allocate(layout);
  const { memory, apart } = cpu;
  const lists = bindLists(compiled.lists, cpu.plan, layout.domains);
  const team = createTeam<string>({ kernels, memory, apart, lists, barrier: BEGIN, threads: 1, rowWork: 0 });
  return new CpuHost(layout, compiled, cpu, team, input);
}

/** Hosts in the memory of the kernels. */
export const cpuHosts: HostFactory = { create: (plan) => createHost(plan), apartBytes, maxBytes: MAX_BYTES };

class CpuHost implements Host {
  readonly store: Store;
  readonly maxRows: number;
  readonly passRows: number;
  readonly termAreas: number;
  readonly exchange: Host['exchange'];
  readonly norms: Host['norms'];
  readonly #layout: Layout;
  readonly #compiled: HostLists;
  readonly #image: CpuMemory['image'];
  readonly #team: Team<string>;
  readonly #load: Loader;
  readonly #writeConstants: ReturnType<typeof createConstantsWriter>;
  /** Index of the input and of its gradient, floats from row to row, and columns. */
  readonly #input: { readonly value: number; readonly gradient: number; readonly ld: number; readonly width: number };
  /** Rows of the last lookup. */
  #looked = 0;
  #input_BI = new Float32Array(0);

  constructor(
    layout: Layout,
    compiled: HostLists,
    cpu: CpuMemory,
    team: Team<string>,
    { value, gradient }: { readonly value: View; readonly gradient: View },
  ) {
    const { image } = cpu;
    this.store = createStore(layout, image);
    this.maxRows = layout.maxRowsOf(BATCH);
    this.passRows = layout.passRows;
    this.termAreas = layout.termAreas;
    this.norms = createResults(layout, image).norms;
    this.exchange =
      layout.average &&
      ((step) => {
        setClock(layout, image, step);
        team.run('exchange', 0);
      });
    this.#layout = layout;
    this.#compiled = compiled;
    this.#image = image;
    this.#team = team;
    this.#load = createLoader(layout, cpu);
    this.#writeConstants = createConstantsWriter(layout, image);
    const { ld, width } = value;
    this.#input = { value: image.wordAt(value), gradient: image.wordAt(gradient), ld, width };
  }

  lookup(batch: Batch, begin = 0, rows = batch.rows): Float32Array {
    const { value, ld, width } = this.#input;
    this.#looked = rows;
    this.#load(batch, begin, rows);
    this.#team.run('lookup', rows);
    if (this.#input_BI.length < rows * width) this.#input_BI = new Float32Array(rows * width);
    for (let b = 0; b < rows; b++) {
      const from = value + b * ld;
      this.#input_BI.set(this.#image.floats.subarray(from, from + width), b * width);
    }
    return this.#input_BI.subarray(0, rows * width);
  }

  add(
    inputGradient_BI: Float32Array,
    dense: ReadonlyMap<string, Float32Array>,
    { area, isFirst, isDiagnosed = false }: GradientPart,
  ): void {
    const { tables, refused, gradients, areas, termAreas, plan } = this.#layout;
    const { floats, words, wordAt } = this.#image;
    const { gradient: at, ld, width } = this.#input;
    for (let b = 0; b < this.#looked; b++)
      floats.set(inputGradient_BI.subarray(b * width, (b + 1) * width), at + b * ld);
    words[wordAt(tables.fresh)] = isFirst ? 1 : 0;
    if (isFirst && area === 0) words[wordAt(refused)] = 0;
    this.#team.run(gatherName(area, isDiagnosed ? termAreas : areas), this.#looked);
    const region = shift(gradients.at, area * gradients.areaWords);
    for (const parameter of plan.graph.parameters.filter(({ isTrainable }) => isTrainable)) {
      const { data } = this.store.tensorOf(parameter, region);
      const gradient = dense.get(parameter.name)!;
      for (let i = 0; i < data.length; i++) data[i] = isFirst ? gradient[i]! : data[i]! + gradient[i]!;
    }
  }

  tableGradients(): ReadonlyMap<string, HostTensor> {
    return readTableGradients(this.#layout.tables.all, this.#image, (table) => readDistinct(table, this.#image));
  }

  gramian(): Float64Array {
    this.#team.run('products', this.#looked);
    return readGramian(this.#layout.areas, this.#compiled.products, this.#image);
  }

  products(): readonly TensorProducts[] {
    this.#team.run('tensorProducts', this.#looked);
    return this.#compiled.productsOfTensors.read(this.#image);
  }

  watchUpdates(): ReturnType<typeof watchUpdates> {
    return watchUpdates(this.#layout, this.store, this.#image);
  }

  weigh(shared: readonly number[], own: readonly number[]): void {
    const { floats, wordAt } = this.#image;
    floats.set(shared, wordAt(this.#layout.sharedWeights));
    floats.set(own, wordAt(this.#layout.ownWeights));
  }

  update(step: number, rates: RateFactors): boolean {
    this.#writeConstants(step, rates);
    this.#team.run('update', this.#looked);
    return this.#image.words[this.#image.wordAt(this.#layout.refused)] === 0;
  }

  dispose(): void {
    this.#team.end();
  }
}
