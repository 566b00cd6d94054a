import { column, sliceRows, type Batch } from '../../batch.js';
import type { HostTensor } from '../../tensor.js';
import { refusedLosses, type Plan, type Program } from '../engine.js';
import { createHost } from '../simd/host.js';
import type { TensorFlow } from './backend.js';
import { createRunner, type BatchStatistics, type Input } from './pass.js';

/**
 * Compiles a plan for TensorFlow.js: the graph runs on its backend with its autodiff; tables, weights and their optimizers lie
 * with the kernels.
 */
export function compileProgram(tf: TensorFlow, plan: Plan): Program {
  const { graph, seed } = plan;
  const host = createHost(plan);
  const { store } = host;
  const dataOf = new Map(graph.parameters.map((parameter) => [parameter.name, store.tensorOf(parameter, 0).data]));
  const runner = createRunner(tf, graph, graph.parameters.map((parameter) => ({ parameter, data: dataOf.get(parameter.name)! })));
  const trained = graph.parameters.filter(({ isTrainable }) => isTrainable);
  let step = 0;

  const lookup = (batch: Batch): Input => ({ batch, input_BI: host.lookup(batch) });

  const updateRunning = ({ running, mean, variance }: BatchStatistics, rows: number): void => {
    blend(column(dataOf, running.mean.name), mean, running.momentum, 1);
    // The running variance is the unbiased one; a batch of one row has none to give.
    if (rows > 1) blend(column(dataOf, running.variance.name), variance, running.momentum, rows / (rows - 1));
  };

  return {
    async trainStep(batch) {
      const pass = await runner.train(lookup(batch), seed, step);
      const isFinite = [...pass.losses.values()].every(({ mean }) => Number.isFinite(mean)) && pass.statistics.every(({ mean, variance }) => mean.every(Number.isFinite) && variance.every(Number.isFinite));
      if (!isFinite) return refusedLosses(pass.losses);
      host.gather(pass.inputGradient_BI);
      if (!host.update(pass.gradients, step + 1, { dense: 1, embeddings: 1 })) return refusedLosses(pass.losses);
      step++;
      for (const statistics of pass.statistics) updateRunning(statistics, batch.rows);
      return pass.losses;
    },

    async predict(batch) {
      const results = new Map([...graph.predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
      for (let begin = 0; begin < batch.rows; begin += host.maxRows) {
        const part = sliceRows(batch, begin, Math.min(begin + host.maxRows, batch.rows));
        for (const [task, values] of await runner.predict(lookup(part))) results.get(task)!.set(values, begin);
      }
      return results;
    },

    async inspect(batch) {
      const { losses, predictions, inputGradient_BI, gradients } = await runner.train(lookup(batch), seed, step);
      host.gather(inputGradient_BI);
      return {
        losses,
        predictions,
        gradients: new Map<string, HostTensor>([...trained.map(({ name, shape }) => [name, { shape, data: gradients.get(name)! }] as const), ...host.tableGradients()]),
      };
    },

    state: () => store.state(step),
    restore(saved) {
      store.restore(saved);
      step = saved.step;
    },
    dispose: () => host.dispose(),
  };
}

/** running += momentum · (scale · batch - running) */
function blend(running: Float32Array, batch: Float32Array, momentum: number, scale: number): void {
  for (let i = 0; i < running.length; i++) running[i]! += momentum * (scale * batch[i]! - running[i]!);
}
