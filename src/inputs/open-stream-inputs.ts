import type { Experiment } from '../config/experiment.js';
import { CounterPlan } from '../data/counters/counter-plan.js';
import { planHistories } from '../data/histories/history-plan.js';
import { fileLogs } from '../data/sequence-options.js';
import { followOptions, type FollowOptions } from '../data/follow-options.js';
import { numberedFormat } from '../data/replay/numbered-samples.js';
import { withFilter } from '../data/rows/row-format.js';
import type { Access } from '../data/sources/source.js';
import type { ChunkStream } from '../data/streams/chunk-stream.js';
import { openFollowed } from '../data/streams/followed-stream.js';
import type { StatePlans } from '../data/states/state-kind.js';
import { createStart } from '../warm-start/warm-start.js';
import { planRows, type Inputs } from './open-inputs.js';

/** The opened stream of a run. */
export interface StreamInputs extends Inputs, StatePlans {
  readonly follow: FollowOptions;
  readonly stream: ChunkStream;
}

/**
 * Opens the stream of a config, and prepares the initial weights without reading them.
 * @throws UserError (data) for a stream that cannot be opened
 */
export async function openStreamInputs(experiment: Experiment, access?: Access): Promise<StreamInputs> {
  const { data } = experiment;
  const { where, join, follow = followOptions.parse({}) } = data;
  // Histories are read with the stream.
  const plan = await planRows({ ...experiment, data: { ...data, sequences: fileLogs(data.sequences) } }, { access });
  const filtered = where === undefined ? plan.format : withFilter(plan.format, { where, split: undefined });
  const format = numberedFormat(filtered);
  const histories = planHistories(format, data.sequences, join);
  const counters = CounterPlan.of(data, plan.tasks);
  const stream = await openFollowed(data, format, follow, histories);
  return { ...plan, format, follow, stream, counters, histories, join, start: createStart(experiment, format.fields) };
}
