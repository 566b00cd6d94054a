import { tasksOf, type Experiment } from '../config/experiment.js';
import { sliceRows } from '../batch.js';
import { refuseBadRows, skipBadRows } from '../data/rows/rejects.js';
import { encodedFormat, type RowFormat } from '../data/rows/row-format.js';
import type { Source } from '../data/sources/source.js';
import { engineLine } from '../engines/engine.js';
import { createEngine, type EngineOptions } from '../engines/engines.js';
import { planSize, type PlanSize } from '../engines/plan-size.js';
import { layoutOf, vocabularyBytes } from '../features/feature-types.js';
import { buildModel, lookupsOf } from '../models/models.js';
import { addLosses, meanLoss, type EpochLoss } from '../training/loss-sums.js';
import { stepPlanOf } from '../training/step-plan.js';
import { createStepper } from '../training/stepper.js';
import { firstLoopState } from '../training/loop-state.js';

/** What a step told. */
export interface OneStep {
  readonly engine: string;
  readonly size: PlanSize;
  /** Before the step. */
  readonly loss: EpochLoss;
  readonly rows: number;
}

/** Ends a stream of rows that has given enough. */
const ENOUGH = new Error('enough rows');

/**
 * Takes one step of what a config describes, on the first rows of train, and forgets it.
 * @throws UserError for what does not fit the machine, and (diverged) for a loss that is not finite
 */
export async function oneStep(experiment: Experiment, format: RowFormat, train: Source, options: EngineOptions, onNotice: (text: string) => void): Promise<OneStep> {
  const { data, training, model, seed } = experiment;
  const policy = data.onBadRow === 'skip' ? skipBadRows(undefined, Infinity) : refuseBadRows;
  const encoded = encodedFormat(format, await train.fit(format, { policy }));
  const tasks = tasksOf(experiment);
  const layout = layoutOf(encoded.fields, { groups: experiment.features, ...lookupsOf(model, tasks) });
  const graph = buildModel(model, layout, tasks, { ...training, ...data.sampling });
  const engine = await createEngine(options, training.precision);
  const plan = { graph, layout, seed, ...stepPlanOf(training) };
  const size = planSize(plan, engine, vocabularyBytes(encoded.fields));
  const program = engine.compile(plan, onNotice);
  try {
    const stepper = createStepper({ program, training, seed, terms: graph.terms, stateOf: (_, first) => first() });
    const sums = {};
    let rows = 0;
    await train.stream(encoded, [], { policy }, async ({ batch }) => {
      rows = Math.min(batch.rows, training.batchSize);
      const { losses } = await stepper.take(sliceRows(batch, 0, rows), firstLoopState());
      addLosses(sums, losses);
      throw ENOUGH;
    }).catch((error: unknown) => {
      if (error !== ENOUGH) throw error;
    });
    const loss = meanLoss(sums, graph.terms);
    return { engine: engineLine(engine), size, loss, rows };
  } finally {
    program.dispose();
  }
}
