import type { Batch } from '../../core/batch.js';
import { indexOfDomain } from '../../graph/domain.js';
import type { TermLoss } from '../engine.js';
import { WORD } from '../compile/buffers.js';
import type { Layout } from '../compile/layout.js';
import type { Kernels, OnExchange } from './kernels.js';
import type { CpuMemory } from './memory.js';
import { localRows, type Part } from './local-rows.js';
import { ReplicatedTables } from './replicated-tables.js';
import { RowStage } from './row-stage.js';
import { ShardedTables } from './sharded-tables.js';
import type { TeamWatch } from './team.js';

/** Exchanges between the processes of a step, besides those within its lists. */
class PeerExchange {
  readonly #layout: Layout;
  readonly #image: CpuMemory['image'];
  readonly #kernels: Kernels;
  readonly #onExchange: OnExchange;
  readonly #sharded: ShardedTables;
  readonly #replicated: ReplicatedTables;
  /** One entry per running statistic. */
  readonly #domainOfStatistics: Uint8Array;

  constructor(layout: Layout, cpu: CpuMemory, kernels: Kernels, onExchange: OnExchange) {
    this.#layout = layout;
    this.#image = cpu.image;
    this.#kernels = kernels;
    this.#onExchange = onExchange;
    const stage = new RowStage(layout, cpu, kernels);
    this.#sharded = new ShardedTables(layout, cpu, stage, onExchange);
    this.#replicated = new ReplicatedTables(layout, cpu, stage, onExchange);
    this.#domainOfStatistics = findDomainsOfStatistics(layout);
  }

  /** Returns this process's part of the rows of a pass. */
  own(begin: number, rows: number): Part {
    const { rank, size } = this.#layout.peers;
    const part = localRows(rank, size, rows);
    return { begin: begin + part.begin, rows: part.rows };
  }

  /** Fetches the rows of sharded tables that parts of a batch look up. */
  fetch(batch: Batch, parts: readonly Part[]): void {
    this.#sharded.fetch(batch, parts);
  }

  /** Writes the row indices of a part's lookups to where calls read them. */
  place(part: number): void {
    this.#sharded.place(part);
  }

  /**
   * Averages running statistics over all processes, weighted by the rows of each, if each normalizes its own rows.
   * @param rows by domain
   */
  statistics(rows: readonly number[]): void {
    const { peers, places, plan } = this.#layout;
    if (plan.batchNorm !== 'local' || places.runningCount === 0) return;
    const begin = this.#image.wordAt(places.running);
    const own = this.#image.floats.subarray(begin, begin + places.runningCount);
    const sums = new Float64Array(own.length + rows.length);
    for (let i = 0; i < own.length; i++) sums[i] = rows[this.#domainOfStatistics[i]!]! * own[i]!;
    sums.set(rows, own.length);
    this.#onExchange('sums');
    peers.allReduceSumF64(sums);
    for (let i = 0; i < own.length; i++) {
      const count = sums[own.length + this.#domainOfStatistics[i]!]!;
      // A batch without items leaves their statistics unchanged.
      if (count > 0) own[i] = sums[i]! / count;
    }
  }

  /** All-reduces the losses; from then on, all processes agree on whether the step is skipped. */
  losses(own: ReadonlyMap<string, TermLoss>): Map<string, TermLoss> {
    const { peers, early, refused } = this.#layout;
    const { words, wordAt } = this.#image;
    if (early !== undefined) {
      this.#onExchange('dense gradients');
      peers.waitAllReduce();
    }
    const sums = Float64Array.from([
      words[wordAt(refused)]!,
      ...[...own.values()].flatMap(({ mean, rows }) => [rows === 0 ? 0 : mean * rows, rows]),
    ]);
    this.#onExchange('losses');
    peers.allReduceSumF64(sums);
    words[wordAt(refused)] = sums[0] === 0 ? 0 : 1;
    return new Map(
      [...own.keys()].map((name, t) => {
        const [sum, rows] = [sums[2 * t + 1]!, sums[2 * t + 2]!];
        return [name, { mean: sum / Math.max(rows, 1), rows }];
      }),
    );
  }

  /** Makes all processes agree on whether the step is skipped. */
  agree(): void {
    this.losses(new Map());
  }

  /**
   * All-reduces the gradients in `areas` areas: of dense weights, except the first `done` ones if these are already
   * summed, and of the rows of tables that are updated.
   */
  gradients(areas: number, done = 0): void {
    const { peers, gradients, places, refused, tables } = this.#layout;
    const { floats, words, wordAt } = this.#image;
    this.#kernels.join(0, 1, 0);
    const [begin, count] = [wordAt(gradients.at), areas * places.weightsCount];
    this.#onExchange('dense gradients');
    peers.allReduceSumF32(floats.subarray(begin + done, begin + count));
    this.#kernels.watchAll(begin * WORD, count);
    // The merge replaces the rows gathered by the passes.
    words[wordAt(tables.fresh)] = 1;
    this.#sharded.exchangeGradients(areas);
    this.#replicated.exchangeGradients(areas);
    this.#kernels.refuseUnlessFinite(wordAt(refused) * WORD);
  }

  /** All-gathers a column, in rank order. */
  column(own: Float32Array, all: Float32Array): void {
    const { peers } = this.#layout;
    const bytes = Float64Array.from({ length: peers.size }, (_, r) => localRows(r, peers.size, all.length).rows * WORD);
    this.#onExchange('predictions');
    peers.allGather(own, all, bytes);
  }
}
/** Returns the index of the domain whose rows each running statistic summarizes. */
function findDomainsOfStatistics({ graph, places, domains }: Layout): Uint8Array {
  const found = new Uint8Array(places.runningCount);
  for (const value of graph.values) {
    if ((value.op !== 'batchNorm' && value.op !== 'activation') || value.running === undefined) continue;
    for (const parameter of [value.running.mean, value.running.variance]) {
      const { at, count } = places.range(parameter);
      found.fill(indexOfDomain(domains, value.rows), at.offset, at.offset + count);
    }
  }
  return found;
}

export type Exchange = Pick<PeerExchange, keyof PeerExchange>;

/** A single process exchanges nothing. */
const NOTHING: Exchange = {
  own: (begin, rows) => ({ begin, rows }),
  fetch: () => undefined,
  place: () => undefined,
  statistics: () => undefined,
  losses: (own) => new Map(own),
  agree: () => undefined,
  gradients: () => undefined,
  column: (own, all) => all.set(own),
};

/**
 * Creates the exchanges of a plan's steps.
 * @param kernels an instance on its memory, for this thread alone
 * @param watch called before each exchange
 */
export function createExchange(
  layout: Layout,
  cpu: CpuMemory,
  kernels: Kernels,
  { onExchange = () => undefined }: Pick<TeamWatch, 'onExchange'>,
): Exchange {
  return layout.peers.size === 1 ? NOTHING : new PeerExchange(layout, cpu, kernels, onExchange);
}
