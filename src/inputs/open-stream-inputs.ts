import type { Experiment } from '../config/experiment.js';
import type { FollowOptions } from '../data/follow-options.js';
import { numberedFormat } from '../data/replay/numbered-samples.js';
import { withFilter } from '../data/rows/row-format.js';
import type { Access } from '../data/sources/source.js';
import type { ChunkStream } from '../data/streams/chunk-stream.js';
import { openFollowed } from '../data/streams/followed-stream.js';
import { createStart, type Start } from '../warm-start/warm-start.js';
import { planRows, type RowsPlan } from './open-inputs.js';

/** The opened stream of a run, and its initial weights. */
export interface StreamInputs extends RowsPlan {
  readonly stream: ChunkStream;
  readonly start: Start;
}

/**
 * Opens the stream of a config, and prepares the initial weights without reading them.
 * @throws UserError (data) for a stream that cannot be opened
 */
export async function openStreamInputs(
  experiment: Experiment,
  follow: FollowOptions,
  access?: Access,
): Promise<StreamInputs> {
  const { where } = experiment.data;
  const plan = await planRows(experiment, { access });
  const filtered = where === undefined ? plan.format : withFilter(plan.format, { where, split: undefined });
  const format = numberedFormat(filtered);
  const stream = await openFollowed(experiment.data, format, follow);
  return { ...plan, format, stream, start: createStart(experiment, format.fields) };
}
