import type { Batch } from '../../core/batch.js';
import { exchanged } from '../average.js';
import type { TermWeights } from '../diagnosis.js';
import {
  refusedLosses,
  type Plan,
  type Program,
  type StepResult,
  type StepSettings,
  type TermLoss,
} from '../engine.js';
import { readGramian } from '../state/results.js';
import { combineTerms, meanLosses } from '../step-rows.js';
import type { Gpu } from './adapter.js';
import { MAX_AHEAD } from './ahead.js';
import type { GpuWatch } from './executor.js';
import { diagnose, inspect } from './inspect.js';
import { load, predict, runPasses } from './passes.js';
import { createSession, NO_FACTORS, type Session } from './session.js';

/** Returns whether a step is one pass backward from the sum of all terms. */
const isOnePass = ({ compiled: { areas, stepRows, passRows } }: Session): boolean =>
  areas === 1 && stepRows === passRows;

/** Runs the lists of a step; returns its losses and the weights of the terms' gradients. */
async function runStep(
  session: Session,
  batch: Batch,
  { weights = session.graphWeights, combine }: StepSettings,
): Promise<{ readonly losses: Map<string, TermLoss>; readonly counts: TermWeights }> {
  const { compiled, executor, words, progress } = session;
  let counts: TermWeights = { shared: weights, own: weights };
  if (isOnePass(session)) {
    executor.clearRefused();
    words.prepare(progress.step, 0, weights);
    load(executor, batch, 0, batch.rows, true);
    await executor.run('train', batch.rows);
    return { losses: session.losses(), counts };
  }
  const isCombined = compiled.areas > 1;
  // Combined terms are differentiated without weights.
  const losses = await runPasses(session, batch, 'pass', isCombined ? weights.map(() => 1) : weights);
  if (executor.isRefused) return { losses, counts };
  if (isCombined) {
    await executor.run('products', batch.rows);
    const gramian = (): Float64Array => readGramian(compiled.areas, compiled.products, executor.image);
    counts = combineTerms(compiled.graph, losses, gramian, combine);
    words.combine(counts.shared, counts.own);
  }
  await executor.run('update', batch.rows);
  return { losses, counts };
}

async function trainStep(session: Session, batch: Batch, settings: StepSettings): Promise<StepResult> {
  const { compiled, executor, words, host, ahead, progress, norms } = session;
  const { rates = NO_FACTORS, isDiagnosed = false, isAhead = false } = settings;
  const { stepRows } = compiled;
  if (batch.rows > stepRows) throw new Error(`a step of ${batch.rows} rows, where ${stepRows} were planned`);
  if (isAhead && isOnePass(session) && !isDiagnosed && !host.isPending) {
    host.markStale(batch);
    return ahead.begin(batch, settings);
  }
  await host.settle();
  const complete = isDiagnosed ? await diagnose(session, batch) : undefined;
  words.setConstants(progress.step, rates);
  executor.keepRunning();
  host.markStale(batch);
  const { losses, counts } = await runStep(session, batch, settings);
  // If a step is refused, kernels update nothing, and the forward pass's changes are undone.
  const { isRefused } = executor;
  if (!isRefused) progress.step++;
  else executor.restoreRunning();
  return {
    losses: isRefused ? refusedLosses(losses) : losses,
    norms: norms(),
    diagnosis: isRefused ? undefined : await complete?.(counts),
  };
}

async function evaluate(session: Session, batch: Batch): ReturnType<Program['evaluate']> {
  const { compiled, host, words, progress, graphWeights, losses } = session;
  const parts: Map<string, TermLoss>[] = [];
  await host.settle();
  words.prepare(progress.step, 0, graphWeights);
  const predictions = await predict(session, batch, 'evaluate', () => parts.push(losses()));
  return { predictions, losses: meanLosses([...compiled.terms.keys()], parts) };
}

/** Exchanges weights and their average. */
async function exchange({ compiled, executor, store, words, host, progress }: Session): Promise<void> {
  await host.settle();
  words.setClock(progress.step);
  words.setUsedRows((table) => store.countRows(table));
  host.markStale();
  await executor.run('exchange', compiled.maxRows);
}

/** Compiles a plan to dispatches on a device, which has weights, tables and optimizer state. */
export function compileProgram(gpu: Gpu, plan: Plan, watch: GpuWatch): Program {
  const session = createSession(gpu, plan, watch);
  const { compiled, executor, host, ahead, progress, graphWeights } = session;
  return {
    stepsAhead: isOnePass(session) ? MAX_AHEAD : 1,
    catchUp: () => host.settle(),
    trainStep: (batch, settings = {}) => trainStep(session, batch, settings),
    async predict(batch) {
      await host.settle();
      return predict(session, batch, 'predict');
    },
    evaluate: (batch) => evaluate(session, batch),
    losses: (batch) => runPasses(session, batch, 'losses', graphWeights),
    inspect: (batch) => inspect(session, batch),
    averaged: (work) => (compiled.average === undefined ? work() : exchanged(() => exchange(session), work)),
    readBack: () => host.readBack(),
    state: () => host.state(progress.step),
    changeRows(changes) {
      ahead.submitBegun();
      host.changeRows(changes, progress.step);
    },
    restore(saved) {
      if (!ahead.isIdle) throw new Error('steps are under way');
      progress.step = saved.step;
      host.restore(saved);
    },
    dispose() {
      executor.loader.lists.end();
      ahead.whenRead(() => executor.dispose());
    },
  };
}
