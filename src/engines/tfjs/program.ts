import type { Batch } from '../../batch.js';
import { createTables, denseGradient } from '../../tables/tables.js';
import { optimizers } from '../../optimizers/optimizers.js';
import type { HostTensor } from '../../tensor.js';
import { refusedLosses, tableTensor, type Plan, type Program, type ProgramState } from '../engine.js';
import { refuseOtherTensors } from '../restore.js';
import { createWeights } from '../weights.js';
import type { TensorFlow } from './backend.js';
import { createRunner, type BatchStatistics, type Input } from './pass.js';

/**
 * Compiles a plan for TensorFlow.js: the graph runs on its backend with its autodiff, tables and weights stay in plain
 * memory, where the optimizers' rules work.
 */
export function compileProgram(tf: TensorFlow, { graph, layout, seed, ...plan }: Plan): Program {
  const optimizer = optimizers.build(plan.optimizers.dense);
  const tableOptimizer = optimizers.build(plan.optimizers.embeddings);
  const weights = createWeights(graph.parameters, optimizer, seed);
  const trained = weights.filter((weight) => weight.parameter.isTrainable);
  const dataOf = new Map(weights.map(({ parameter, data }) => [parameter.name, data]));
  const tables = createTables(layout, tableOptimizer, plan.optimizers.embeddings.lazy, seed);
  const runner = createRunner(tf, graph, weights);
  let step = 0;
  let memory = new Float32Array(0);

  /** The looked-up rows of a batch, in memory that the next batch reuses. */
  const lookup = (batch: Batch): Input => {
    const size = batch.rows * layout.width;
    if (memory.length < size) memory = new Float32Array(size);
    const input_BI = memory.subarray(0, size);
    tables.lookup(batch, input_BI);
    return { batch, input_BI };
  };

  const updateRunning = ({ running, mean, variance }: BatchStatistics, rows: number): void => {
    blend(dataOf.get(running.mean.name)!, mean, running.momentum, 1);
    // The running variance is the unbiased one; a batch of one row has none to give.
    if (rows > 1) blend(dataOf.get(running.variance.name)!, variance, running.momentum, rows / (rows - 1));
  };

  const state = (): ProgramState => {
    const tableShapes = tables.tables.map((table) => ({ table, name: tableTensor(table.name), shape: [table.rows, table.width] }));
    return {
      step,
      weights: new Map<string, HostTensor>([
        ...weights.map(({ parameter: { name, shape }, data }) => [name, { shape, data }] as const),
        ...tableShapes.map(({ table, name, shape }) => [name, { shape, data: table.weights_VD }] as const),
      ]),
      optimizer: new Map<string, HostTensor>([
        ...trained.flatMap(({ parameter: { name, shape }, slots }) =>
          slots.map((data, s) => [`${name}.${optimizer.slots[s]}`, { shape, data }] as const),
        ),
        ...tableShapes.flatMap(({ table, name, shape }) =>
          table.slots_VD.map((data, s) => [`${name}.${tableOptimizer.slots[s]}`, { shape, data }] as const),
        ),
      ]),
    };
  };

  return {
    async trainStep(batch) {
      const pass = await runner.train(lookup(batch), seed, step);
      const isFinite = [...pass.losses.values()].every(({ mean }) => Number.isFinite(mean)) && pass.statistics.every(({ mean, variance }) => mean.every(Number.isFinite) && variance.every(Number.isFinite));
      if (!isFinite) return refusedLosses(pass.losses);
      step++;
      const update = optimizer.at(step);
      for (const { parameter, data, slots } of trained) update(data, slots, 0, pass.gradients.get(parameter.name)!, 0, data.length);
      tables.update(tables.rowGradients(batch, pass.inputGradient_BI), step);
      for (const statistics of pass.statistics) updateRunning(statistics, batch.rows);
      return pass.losses;
    },

    predict: (batch) => runner.predict(lookup(batch)),

    async inspect(batch) {
      const { losses, predictions, inputGradient_BI, gradients } = await runner.train(lookup(batch), seed, step);
      return {
        losses,
        predictions,
        gradients: new Map<string, HostTensor>([
          ...trained.map(({ parameter: { name, shape } }) => [name, { shape, data: gradients.get(name)! }] as const),
          ...tables
            .rowGradients(batch, inputGradient_BI)
            .map((rows) => [tableTensor(rows.table.name), { shape: [rows.table.rows, rows.table.width], data: denseGradient(rows) }] as const),
        ]),
      };
    },

    state,
    restore(saved) {
      const live = state();
      refuseOtherTensors(live, saved);
      for (const [name, { data }] of saved.weights) live.weights.get(name)!.data.set(data);
      for (const [name, { data }] of saved.optimizer) live.optimizer.get(name)!.data.set(data);
      step = saved.step;
    },
    dispose: () => undefined,
  };
}

/** running += momentum · (scale · batch - running) */
function blend(running: Float32Array, batch: Float32Array, momentum: number, scale: number): void {
  for (let i = 0; i < running.length; i++) running[i]! += momentum * (scale * batch[i]! - running[i]!);
}
