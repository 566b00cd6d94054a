import { column, sliceRows, type Batch } from '../../core/batch.js';
import type { HostTensor } from '../../core/tensor.js';
import { exchanged } from '../average.js';
import { createGateSums, diagnosisOf, type Diagnosis, type TermWeights } from '../diagnosis.js';
import { refusedLosses, type Evaluation, type Plan, type Program, type TermLoss } from '../engine.js';
import type { HostFactory } from '../host.js';
import { countedRows, meanOfParts } from '../step-rows.js';
import type { TensorFlow } from './backend.js';
import type { Input } from './inputs.js';
import { createRunner, type BatchStatistics } from './pass.js';

/**
 * Compiles a plan for TensorFlow.js: the graph runs on its backend with its autodiff; a host stores tables, weights and
 * their optimizer state.
 */
export function compileProgram(tf: TensorFlow, plan: Plan, hosts: HostFactory): Program {
  const { graph, seed } = plan;
  const host = hosts.create(plan);
  const { store } = host;
  const dataOf = new Map(graph.parameters.map((parameter) => [parameter.name, store.tensorOf(parameter).data]));
  const runner = createRunner(
    tf,
    graph,
    graph.parameters.map((parameter) => ({ parameter, data: dataOf.get(parameter.name)! })),
  );
  const trained = graph.parameters.filter(({ isTrainable }) => isTrainable);
  const graphWeights = graph.terms.map(({ weight }) => weight);
  const combinesTerms = plan.step?.combinesTerms === true;
  /** Term weights that select a single term. */
  const oneByOne = graph.terms.map((_, t) => graphWeights.map((_weight, u) => (t === u ? 1 : 0)));
  let step = 0;

  const lookup = (batch: Batch): Input => ({ batch, lookedUp: host.lookup(batch) });

  const updateRunning = ({ running, mean, variance, rows }: BatchStatistics): void => {
    blend(column(dataOf, running.mean.name), mean, running.momentum, 1);
    // The running variance is the unbiased one; a batch of one row has none to give.
    if (rows > 1) blend(column(dataOf, running.variance.name), variance, running.momentum, rows / (rows - 1));
  };

  const joined = (parts: readonly ReadonlyMap<string, TermLoss>[]): Map<string, TermLoss> =>
    new Map(graph.terms.map(({ name }) => [name, meanOfParts(parts.map((part) => part.get(name)!))]));
  /** Looks up the passes of a batch, one at a time. */
  function* passesOf(batch: Batch): Generator<{ readonly part: Input; readonly pass: number }> {
    for (let begin = 0, pass = 0; begin < batch.rows; begin += host.passRows, pass++) {
      const rows = Math.min(host.passRows, batch.rows - begin);
      yield { part: { batch: sliceRows(batch, begin, begin + rows), lookedUp: host.lookup(batch, begin, rows) }, pass };
    }
  }

  /** Evaluates a batch of any size. */
  const evaluated = async (batch: Batch, evaluate: (input: Input) => Promise<Evaluation>): Promise<Evaluation> => {
    const predictions = new Map([...graph.predictions.keys()].map((task) => [task, new Float32Array(batch.rows)]));
    const parts: ReadonlyMap<string, TermLoss>[] = [];
    for (let begin = 0; begin < batch.rows; begin += host.maxRows) {
      const found = await evaluate(lookup(sliceRows(batch, begin, Math.min(begin + host.maxRows, batch.rows))));
      for (const [task, values] of found.predictions) predictions.get(task)!.set(values, begin);
      parts.push(found.losses);
    }
    return { predictions, losses: joined(parts) };
  };

  /**
   * Runs the passes of a step, for each term or for all together, and sums their gradients; returns false if one is not
   * finite.
   */
  const runPasses = async (
    batch: Batch,
    weights: readonly number[],
  ): Promise<{
    readonly losses: Map<string, TermLoss>;
    readonly statistics: readonly BatchStatistics[];
    readonly isFinite: boolean;
  }> => {
    const counted = batch.rows > host.passRows ? countedRows(graph, batch) : undefined;
    const groups = combinesTerms ? oneByOne : [weights];
    const parts: ReadonlyMap<string, TermLoss>[] = [];
    const statistics: BatchStatistics[] = [];
    for (const { part, pass } of passesOf(batch)) {
      for (const [area, group] of groups.entries()) {
        const found = await runner.train(part, { seed, step, pass, weights: group, counted });
        if (
          ![...found.losses.values()].every(({ mean }) => Number.isFinite(mean)) ||
          !found.statistics.every(isFiniteStatistics)
        )
          return { losses: new Map(found.losses), statistics, isFinite: false };
        host.add(found.lookedUpGradient, found.gradients, { area, isFirst: pass === 0 });
        if (area > 0) continue;
        parts.push(found.losses);
        statistics.push(...found.statistics);
      }
    }
    return { losses: joined(parts), statistics, isFinite: true };
  };

  /** Computes the gradients of the next step for a diagnosis; the returned function completes it after the step. */
  const diagnose = async (batch: Batch): Promise<(weights: TermWeights) => Diagnosis> => {
    if (host.termAreas === 0) throw new Error('no diagnosis was planned');
    const counted = batch.rows > host.passRows ? countedRows(graph, batch) : undefined;
    const gates = createGateSums(graph);
    for (const { part, pass } of passesOf(batch)) {
      for (const [area, weights] of oneByOne.entries()) {
        const found = await runner.train(part, {
          seed,
          step,
          pass,
          weights,
          counted,
          looksAt: area === 0 ? 'gates' : 'nothing',
        });
        host.add(found.lookedUpGradient, found.gradients, { area, isFirst: pass === 0, isDiagnosed: true });
        for (const [name, shares] of found.looked)
          gates.add(name, shares, shares.length / part.batch.rows, part.batch.rows);
      }
    }
    const products = host.products();
    const squares = host.watchUpdates();
    return (weights) => diagnosisOf(products, weights, squares(), gates.uses());
  };

  return {
    async trainStep(
      batch,
      { rates = { dense: 1, embeddings: 1 }, weights = graphWeights, combine, isDiagnosed = false } = {},
    ) {
      const complete = isDiagnosed ? await diagnose(batch) : undefined;
      const { losses, statistics, isFinite } = await runPasses(batch, weights);
      const refused = { losses: refusedLosses(losses), norms: { dense: NaN, embeddings: NaN } };
      if (!isFinite) return refused;
      let counts: TermWeights = { shared: weights, own: weights };
      if (combinesTerms) {
        counts = {
          shared:
            combine?.(
              graph.terms.map(({ name }) => losses.get(name)!.mean),
              host.gramian(),
            ) ?? graphWeights,
          own: graphWeights,
        };
        host.weigh(counts.shared, counts.own);
      }
      if (!host.update(step + 1, rates)) return refused;
      step++;
      for (const each of statistics) updateRunning(each);
      return { losses, norms: host.norms(), diagnosis: complete?.(counts) };
    },

    predict: async (batch) => (await evaluated(batch, (input) => runner.predict(input))).predictions,
    evaluate: (batch) => evaluated(batch, (input) => runner.evaluate(input)),

    async losses(batch) {
      const parts: ReadonlyMap<string, TermLoss>[] = [];
      for (const { part, pass } of passesOf(batch))
        parts.push((await runner.train(part, { seed, step, pass, weights: graphWeights, counted: undefined })).losses);
      return joined(parts);
    },

    async inspect(batch) {
      const {
        losses,
        looked: predictions,
        lookedUpGradient,
        gradients,
      } = await runner.train(lookup(batch), {
        seed,
        step,
        pass: 0,
        weights: graphWeights,
        counted: undefined,
        looksAt: 'predictions',
      });
      host.add(lookedUpGradient, gradients, { area: 0, isFirst: true });
      return {
        losses,
        predictions,
        gradients: new Map<string, HostTensor>([
          ...trained.map(({ name, shape }) => [name, { shape, data: gradients.get(name)! }] as const),
          ...host.tableGradients(),
        ]),
      };
    },

    averaged(work) {
      const { exchange } = host;
      return exchange === undefined ? work() : exchanged(() => exchange(step), work);
    },

    state: () => store.state(step),
    restore(saved) {
      store.restore(saved);
      step = saved.step;
    },
    dispose() {
      runner.dispose();
      host.dispose();
    },
  };
}

const isFiniteStatistics = ({ mean, variance }: Pick<BatchStatistics, 'mean' | 'variance'>): boolean =>
  mean.every(Number.isFinite) && variance.every(Number.isFinite);

/** running += momentum · (scale · batch - running) */
function blend(running: Float32Array, batch: Float32Array, momentum: number, scale: number): void {
  for (let i = 0; i < running.length; i++) running[i]! += momentum * (scale * batch[i]! - running[i]!);
}
