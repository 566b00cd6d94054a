import type { Batch } from '../../core/batch.js';
import { BATCH, indexOfDomain } from '../../graph/domain.js';
import { findLookups } from '../../graph/lookups.js';
import type { Value } from '../../graph/operations.js';
import type { HostTensor } from '../../core/tensor.js';
import { lowerExchange } from '../compile/average.js';
import { shift } from '../compile/buffers.js';
import { CallList, type Call } from '../compile/call-list.js';
import { compile, lowerUpdate } from '../compile/compile.js';
import { lowerTensorProducts, type ProductsOfTensors } from '../compile/diagnose.js';
import { lowerClearRows, lowerFindRows, lowerGather } from '../compile/gather.js';
import { createLayout, type Layout } from '../compile/layout.js';
import { lowerProducts, rangesByReach, type Sums } from '../compile/reduce.js';
import { lowerLookups } from '../compile/tables.js';
import type { TensorProducts } from '../diagnosis.js';
import type { Plan, RateFactors } from '../engine.js';
import type { GradientPart, Host, HostFactory, LookedUp } from '../host.js';
import { setClock } from '../state/average.js';
import { createConstantsWriter } from '../state/constants.js';
import { createResults, readDistinct, readGramian, readTableGradients } from '../state/results.js';
import { Store } from '../state/store.js';
import { watchUpdates } from '../state/watch-updates.js';
import { BEGIN } from './begin.js';
import { externalBytes } from './create-program.js';
import { InputRows } from './input-rows.js';
import { placeLists } from './lists.js';
import { createLoader, type Loader } from './load.js';
import { loadKernels } from './load-kernels.js';
import { allocate, type CpuMemory } from './memory.js';
import { instantiate, MAX_BYTES, type KernelModule } from './module.js';
import { Team } from './team.js';

/** The lists of a host, and what the host reads of them. */
interface HostLists {
  readonly lists: Readonly<Record<string, readonly Call[]>>;
  /** Products between the gradients of terms on shared parameters, if terms are combined. */
  readonly products: Sums;
  readonly productsOfTensors: ProductsOfTensors;
}

const gatherName = (area: number, areas: number): string => `gather ${area} of ${areas}`;

/** Lowers everything that a step does outside the graph. */
function lowerHost(layout: Layout): HostLists {
  const { tables, places, buffers, gradients, refused, areas, termAreas } = layout;
  const fill = <Result>(lower: (list: CallList) => Result): { readonly calls: Call[]; readonly result: Result } => {
    const list = new CallList();
    const result = lower(list);
    return { calls: list.calls, result };
  };
  const gather = (area: number, numAreas: number): Call[] =>
    fill((list) => {
      list.emit('releaseTables', { claims: tables.claims, count: tables.all.length });
      if (area === 0) {
        lowerClearRows(tables, list);
        lowerFindRows(tables, list);
      }
      list.flushSums();
      lowerGather(tables, (value) => places.of(value).gradient, area, numAreas, list);
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
      lookup: fill((list) => lowerLookups(tables, tables.lookups, (value) => places.of(value).value, list)).calls,
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
  const { values: looked, unread } = findLookups(plan.graph);
  const values = plan.graph.values.filter((value) => unread.has(value) || looked.some((each) => each === value));
  // No operation reads the parameters here, so each is stored as a vector.
  const { parameters } = plan.graph;
  const layout = createLayout(plan, { values, parameters, predictions: new Map(), terms: [] });
  for (const value of looked) layout.places.of(value);
  const compiled = lowerHost(layout);
  const cpu = allocate(layout, compiled.lists);
  const { memory, external } = cpu;
  const instance = instantiate(kernels, memory, external);
  const lists = placeLists(compiled.lists, cpu, layout, instance);
  const team = new Team({ kernels, instance, memory, external, lists, barrier: BEGIN, threads: 1, rowWork: 0 });
  return new CpuHost(layout, compiled, cpu, team);
}

/** Hosts in the memory of the kernels. */
export const cpuHosts: HostFactory = {
  create: (plan) => createHost(plan),
  externalBytes: (plan) => externalBytes(compile(plan)),
  maxBytes: MAX_BYTES,
};

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
  /** By looked-up value, with the index of its domain. */
  readonly #inputs: ReadonlyMap<Value, { readonly domain: number; readonly rows: InputRows }>;
  /** Rows of the last lookup, and the rows of each other domain. */
  #looked: { readonly rows: number; readonly items: readonly number[] } = { rows: 0, items: [] };

  constructor(layout: Layout, compiled: HostLists, cpu: CpuMemory, team: Team<string>) {
    const { image } = cpu;
    this.store = new Store(layout, image);
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
    this.#inputs = new Map(
      layout.lookups.values.map((value) => [
        value,
        { domain: indexOfDomain(layout.domains, value.rows), rows: new InputRows(layout.places.of(value), image) },
      ]),
    );
  }

  lookup(batch: Batch, begin = 0, rows = batch.rows): LookedUp {
    const items = this.#load(batch, begin, rows);
    this.#looked = { rows, items };
    this.#run('lookup');
    return new Map([...this.#inputs].map(([value, input]) => [value, input.rows.read(this.#rowsOf(input.domain))]));
  }

  add(
    lookedUp: LookedUp,
    dense: ReadonlyMap<string, Float32Array>,
    { area, isFirst, isDiagnosed = false }: GradientPart,
  ): void {
    const { tables, refused, gradients, areas, termAreas, plan } = this.#layout;
    const { words, wordAt } = this.#image;
    for (const [value, gradient] of lookedUp) {
      const { domain, rows } = this.#inputs.get(value)!;
      rows.writeGradient(gradient, this.#rowsOf(domain));
    }
    words[wordAt(tables.fresh)] = isFirst ? 1 : 0;
    if (isFirst && area === 0) words[wordAt(refused)] = 0;
    this.#run(gatherName(area, isDiagnosed ? termAreas : areas));
    const region = shift(gradients.at, area * gradients.areaWords);
    for (const parameter of plan.graph.parameters.filter(({ isTrainable }) => isTrainable)) {
      const { data } = this.store.tensorOf(parameter, region);
      const gradient = dense.get(parameter.name)!;
      for (let i = 0; i < data.length; i++) data[i] = isFirst ? gradient[i]! : data[i]! + gradient[i]!;
    }
  }

  tableGradients(): ReadonlyMap<string, HostTensor> {
    return readTableGradients(this.#layout.tables.trained, this.#image, (table) => readDistinct(table, this.#image));
  }

  gramian(): Float64Array {
    this.#run('products');
    return readGramian(this.#layout.areas, this.#compiled.products, this.#image);
  }

  products(): readonly TensorProducts[] {
    this.#run('tensorProducts');
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
    this.#run('update');
    return this.#image.words[this.#image.wordAt(this.#layout.refused)] === 0;
  }

  dispose(): void {
    this.#team.end();
  }

  /** Returns the rows of a domain in the last lookup. */
  #rowsOf(domain: number): number {
    const { rows, items } = this.#looked;
    return domain === 0 ? rows : items[domain - 1]!;
  }

  #run(list: string): void {
    this.#team.run(list, this.#looked.rows, this.#looked.items);
  }
}
