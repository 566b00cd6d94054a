import { createEngine } from '../engines/engines.js';
import type { RowScorer } from '../data/sources/teacher-pass.js';
import { createScorer } from '../predict/scorer.js';
import { readCheckpointConfig } from '../runs/checkpoint.js';
import {
  compileTrained,
  readTrainedModel,
  unlabeledFormat,
  withEvents,
  type TrainedModel,
} from '../trained-model/trained-model.js';
import { parseTeacherConfig, type CpuOptions, type TeacherKind } from './teacher-model.js';

/** Checkpoints of `mtl train`. */
export const networkTeacher: TeacherKind = {
  async describe(folder) {
    const { config, step } = await readCheckpointConfig(folder);
    return { experiment: parseTeacherConfig(folder, config), step };
  },
  async read(folder) {
    const model = await withEvents(await readTrainedModel(folder));
    const { experiment, checkpoint } = model;
    return { experiment, counters: checkpoint.states.counters, open: (...given) => openScorer(model, ...given) };
  },
};

/** Compiles a model to score rows on the CPU, whose results do not depend on the number of threads. */
async function openScorer(model: TrainedModel, names: readonly string[], options: CpuOptions): Promise<RowScorer> {
  const format = unlabeledFormat(model);
  const outputs = names.map((name) => model.outputs.find((output) => output.name === name)!);
  const program = compileTrained(model, await createEngine({ ...options, device: 'cpu' }), () => undefined);
  const scorer = createScorer({ program, outputs, fields: format.fields, maxNonFiniteRows: Infinity });
  return { format, score: (rows) => scorer.score(rows), dispose: () => program.dispose() };
}
