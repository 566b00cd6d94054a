import type { Experiment } from '../config/experiment.js';
import { sliceRows, type Batch } from '../core/batch.js';
import type { EncodedFormat } from '../data/rows/row-format.js';
import { engineLine, type Engine, type Plan, type Program } from '../engines/engine.js';
import { planSize, type PlanSize } from '../engines/plan-size.js';
import { vocabularyBytes } from '../features/feature-types.js';
import { buildGraph } from '../inputs/open-inputs.js';
import type { LabelFacts, Task } from '../core/tasks.js';
import { addLosses, meanLoss, type EpochLoss } from '../training/loss-sums.js';
import { warnOfRates } from '../training/sanity-checks.js';
import { buildStepPlan } from '../training/step-plan.js';
import { createTrainStep } from '../training/train-step.js';
import { firstLoopState } from '../training/loop-state.js';

/** Result of one training step. */
export interface OneStep {
  readonly engine: string;
  readonly size: PlanSize;
  /** Loss before the step. */
  readonly loss: EpochLoss;
  readonly rows: number;
}

/** Inputs of a training step. */
export interface StepInput {
  readonly tasks: readonly Task[];
  readonly encoded: EncodedFormat;
  readonly facts: LabelFacts;
  /** Bytes of vocabularies that grow, besides the vocabularies of the fields; default: 0. */
  readonly growthBytes?: number;
  /** Batches of training rows, the first of which with a row is trained on. */
  batches(): AsyncIterable<{ readonly batch: Batch }> | Iterable<{ readonly batch: Batch }>;
  /** Called before the step. */
  beforeStep?(program: Program, batch: Batch): void;
}

/** Data that was read, and the inputs of a training step on it. */
export interface CheckedData<Description, Step = StepInput> {
  readonly description: Description;
  readonly step: Step;
}

/** Builds the plan of a config's training steps. */
export function planStep(
  experiment: Experiment,
  { tasks, encoded, facts }: Pick<StepInput, 'tasks' | 'encoded' | 'facts'>,
): Plan {
  const { training, seed } = experiment;
  return { ...buildGraph(experiment, tasks, encoded.fields, facts), seed, ...buildStepPlan(training) };
}

/**
 * Takes one training step of a config and discards its result; none without a row.
 * @throws UserError if the config does not fit the machine; (diverged) if the loss is not finite
 */
export async function oneStep(
  engine: Engine,
  experiment: Experiment,
  { tasks, encoded, facts, growthBytes = 0, batches, beforeStep }: StepInput,
  onWarning: (text: string) => void,
): Promise<OneStep> {
  const { training, seed } = experiment;
  warnOfRates(training, onWarning);
  const plan = planStep(experiment, { tasks, encoded, facts });
  const size = planSize(plan, engine, vocabularyBytes(encoded.fields) + growthBytes);
  const program = engine.compile(plan, onWarning);
  try {
    const stepper = createTrainStep({
      program,
      training,
      seed,
      trainingLength: { steps: training.epochs, stepsPerEpoch: 1 },
      terms: plan.graph.terms,
      stateOf: (_, first) => first(),
    });
    const sums = {};
    let rows = 0;
    for await (const { batch } of batches()) {
      if (batch.rows === 0) continue;
      beforeStep?.(program, batch);
      rows = Math.min(batch.rows, training.batchSize);
      const { losses } = await stepper.take(sliceRows(batch, 0, rows), firstLoopState());
      addLosses(sums, losses);
      break;
    }
    const loss = meanLoss(sums, plan.graph.terms);
    return { engine: engineLine(engine), size, loss, rows };
  } finally {
    program.dispose();
  }
}
