import { compile, type Compiled } from '../compile/compile.js';
import { refusedLosses, type Plan } from '../engine.js';
import { createResults, type Results } from '../state/results.js';
import { Store } from '../state/store.js';
import type { Gpu } from './adapter.js';
import { createStepPipeline, type StepPipeline } from './ahead.js';
import { createExecutor, type Executor, type GpuWatch } from './executor.js';
import { HostState } from './host-state.js';
import { createStepWords, type StepWords } from './step-words.js';

export const NO_FACTORS = { dense: 1, embeddings: 1 } as const;

/** A program on a device: what its methods share. */
export interface Session extends Results {
  readonly compiled: Compiled;
  readonly executor: Executor;
  readonly store: Store;
  readonly words: StepWords;
  readonly host: HostState;
  readonly ahead: StepPipeline;
  /** Number of steps taken. */
  readonly progress: { step: number };
  /** Weights of the loss terms in the graph. */
  readonly graphWeights: readonly number[];
}

/** Compiles a plan, and writes its initial state to the device. */
export function createSession(gpu: Gpu, plan: Plan, watch: GpuWatch): Session {
  const compiled = compile(plan, { folds: false });
  const executor = createExecutor(gpu, compiled, watch);
  const { image, loader, memory } = executor;
  const store = new Store(compiled, image);
  const words = createStepWords(compiled, loader.upload, memory.wordAt);
  const progress = { step: 0 };
  const graphWeights = plan.graph.terms.map(({ weight }) => weight);
  const { losses, norms } = createResults(compiled, image);
  const ahead = createStepPipeline({
    executor,
    prepare({ rates = NO_FACTORS, weights = graphWeights }) {
      words.setConstants(progress.step, rates);
      words.prepare(progress.step, 0, weights);
    },
    result: () => ({ losses: executor.isRefused ? refusedLosses(losses()) : losses(), norms: norms() }),
    count: () => progress.step++,
    goBack(stepsTaken) {
      progress.step = stepsTaken;
      host.undoSteps(stepsTaken);
    },
  });
  const host = new HostState(compiled, executor, store, ahead);
  return { compiled, executor, store, words, host, ahead, progress, graphWeights, losses, norms };
}
