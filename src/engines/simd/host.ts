import type { Batch } from '../../batch.js';
import type { Graph } from '../../graph/graph.js';
import { GraphBuilder } from '../../graph/builder.js';
import { tableTensor, type Plan } from '../engine.js';
import type { HostTensor } from '../../tensor.js';
import { WORD } from './arena.js';
import { BEGIN, layOut, lowerUpdate } from './compile.js';
import { createConstantsWriter, type RateFactors } from './constants.js';
import { createCallList } from './call-list.js';
import { createLoader } from './load.js';
import { createMemory, loadKernels } from './module.js';
import { createStore, type Store } from './store.js';
import { lowerGather, lowerLookup } from './tables.js';
import { createTeam } from './team.js';

/** Tables, weights and their optimizers for an engine whose graph runs elsewhere. */
export interface Host {
  /** The looked-up rows of a batch, `[rows, width]`, in memory that the next batch uses again. */
  lookup(batch: Batch): Float32Array;
  /** Sums the gradient of what was looked up over each distinct row. */
  gather(inputGradient_BI: Float32Array): void;
  /** By table, with its zeros: what `gather` left. */
  tableGradients(): readonly (readonly [string, HostTensor])[];
  /** Updates everything by the gradients, those of tables as gathered before; false where one is not finite: then nothing is changed. */
  update(gradients: ReadonlyMap<string, Float32Array>, step: number, factors: RateFactors): boolean;
  readonly store: Store;
  /** Rows of the largest batch. */
  readonly maxRows: number;
  dispose(): void;
}

/** Lays out what a plan trains, without its graph, in a memory of the kernels. */
export function createHost(plan: Plan): Host {
  const g = new GraphBuilder();
  const input = g.input({ kind: 'features' }, plan.layout.width);
  // Nothing computes with the parameters here, so each lies as it is.
  const graph: Graph = { values: g.values, parameters: plan.graph.parameters, predictions: new Map(), terms: [] };
  const laid = layOut({ ...plan, graph });
  const { tables, places, arena, denseGradients, refused } = laid;
  const place = places.of(input);
  const lists = { lookup: createCallList(), gather: createCallList(), update: createCallList() };
  lowerLookup(plan.layout, tables, place, lists.lookup);
  lists.gather.emit('releaseTables', { claims: tables.claims, count: tables.all.length });
  lists.gather.flushSums();
  lowerGather(tables, place, 0, 1, lists.gather);
  lists.gather.emit('refuseUnlessFinite', { refused });
  lists.update.emit('watchAll', { numbers: denseGradients, count: places.weightsCount });
  lists.update.emit('refuseUnlessFinite', { refused });
  lists.update.separate();
  lowerUpdate(laid, lists.update);

  const { module } = loadKernels();
  const memory = createMemory(arena.bytes);
  const team = createTeam({ module, memory, lists: { lookup: lists.lookup.calls, gather: lists.gather.calls, update: lists.update.calls }, barrier: BEGIN, threads: 1, rowWork: 0 });
  const floats = new Float32Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  const store = createStore(laid, memory, plan.seed);
  const load = createLoader(laid, memory);
  const writeConstants = createConstantsWriter(laid, floats);
  const trained = plan.graph.parameters.filter(({ isTrainable }) => isTrainable);
  const { width } = plan.layout;
  words[tables.fresh / WORD] = 1;
  let rows = 0;
  let input_BI = new Float32Array(0);

  return {
    store,
    maxRows: places.maxRows,
    lookup(batch) {
      ({ rows } = batch);
      load(batch, 0, rows);
      team.run('lookup', rows);
      if (input_BI.length < rows * width) input_BI = new Float32Array(rows * width);
      for (let b = 0; b < rows; b++) input_BI.set(floats.subarray(place.at / WORD + b * place.ld, place.at / WORD + b * place.ld + width), b * width);
      return input_BI.subarray(0, rows * width);
    },
    gather(inputGradient_BI) {
      for (let b = 0; b < rows; b++) floats.set(inputGradient_BI.subarray(b * width, (b + 1) * width), place.gradient / WORD + b * place.ld);
      words[refused / WORD] = 0;
      team.run('gather', rows);
    },
    tableGradients: () =>
      tables.all.map(({ name, rows: tableRows, width: tableWidth, distinct, gradients, count }) => {
        const data = new Float32Array(tableRows * tableWidth);
        for (let u = 0; u < words[count / WORD]!; u++) {
          const from = gradients / WORD + u * tableWidth;
          data.set(floats.subarray(from, from + tableWidth), words[distinct / WORD + u]! * tableWidth);
        }
        return [tableTensor(name), { shape: [tableRows, tableWidth], data }] as const;
      }),
    update(gradients, step, factors) {
      for (const parameter of trained) store.tensorOf(parameter, store.shiftTo(denseGradients)).data.set(gradients.get(parameter.name)!);
      writeConstants(step, factors);
      team.run('update', rows);
      return words[refused / WORD] === 0;
    },
    dispose: () => team.end(),
  };
}
