import type { Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { LabelFacts } from '../core/tasks.js';
import { labelFacts, labelScales } from '../data/batches/label-facts.js';
import { startFits } from '../data/encoding/fit-chunks.js';
import { firstSampleFormat } from '../data/replay/numbered-samples.js';
import { encodedFormat } from '../data/rows/row-format.js';
import type { RowStream } from '../data/streams/chunk-stream.js';
import { fitHead } from '../data/streams/fit-head.js';
import type { RowState } from '../data/streams/row-state.js';
import type { StreamReading } from '../data/streams/record-stream.js';
import type { Fitted } from '../features/feature-types.js';
import { GrowingVocabularies } from '../features/growing-vocabularies.js';
import type { StreamInputs } from '../inputs/open-stream-inputs.js';
import type { CompiledModel, FittedData } from './session.js';

// The steps before training on a stream that `train` and `check` share.

/** The data of a training on a stream. */
export type StreamData = FittedData & Required<Pick<FittedData, 'vocabularies'>>;

/** What is fitted before training on a stream. */
export interface FittedHead {
  readonly fitted: Fitted;
  readonly facts: LabelFacts;
}

/**
 * Takes what is fitted from the run to start from, or fits it on the first `follow.fitRows` records.
 * @param learned statistics of label scaling that are already fitted; new ones are added
 * @param onShare receives the share of the first records that was read
 * @param states before the first record
 * @throws UserError (data) if no record is valid
 */
export async function readStreamHead(
  { stream, format, start, tasks, follow: { fitRows } }: Omit<StreamInputs, 'stream'> & { readonly stream: RowStream },
  learned: Record<string, unknown>,
  reading: Omit<StreamReading, 'from' | 'isPreview'>,
  onShare: (share: number) => void,
  states: readonly RowState[],
): Promise<FittedHead> {
  const names = [...startFits(format).keys()];
  const earlier = start.fitted?.() ?? {};
  const known = Object.fromEntries(
    names.flatMap((name) => (Object.hasOwn(earlier, name) ? [[name, earlier[name]]] : [])),
  );
  const isKnown = start.fitted !== undefined && names.every((name) => Object.hasOwn(known, name));
  const needsLabels = tasks.some(({ name, scaling }) => scaling !== undefined && !Object.hasOwn(learned, name));
  if (isKnown && !needsLabels)
    return { fitted: start.grow(known), facts: { sums: new Map(), scales: labelScales(tasks, learned) } };
  const head = await fitHead(stream, firstSampleFormat(format), fitRows, reading, onShare, states);
  const facts = await labelFacts(head.labels, tasks, learned);
  return { fitted: start.grow({ ...head.fitted, ...known }), facts };
}

/**
 * Starts or resumes the growth of vocabularies.
 * @param seed of the run
 * @throws UserError (config) if tokens expire by a time that records do not have
 */
export function startGrowth(
  { format, follow: { time } }: StreamInputs,
  seed: number,
  { fitted, facts }: FittedHead,
): StreamData {
  const vocabularies = new GrowingVocabularies(format.fields, fitted, seed);
  const { timedField } = vocabularies;
  if (timedField !== undefined && time === undefined)
    throw userError('config', {
      key: `field '${timedField}'`,
      message: 'has tokens that expire by the time of the records, which have none',
      fix: 'set data.follow.time to their column, or expire after steps, as in unseen: { steps: 10000 }',
    });
  return { encoded: { ...encodedFormat(format, fitted), fields: vocabularies.fields }, facts, vocabularies };
}

/** Admits and expires tokens before a batch is predicted. */
export function growVocabularies(
  vocabularies: GrowingVocabularies,
  { program, journal }: Pick<CompiledModel, 'program'> & Partial<Pick<CompiledModel, 'journal'>>,
  batch: Batch,
  timeMs: number | undefined,
): void {
  if (!vocabularies.isGrowing) return;
  const changes = vocabularies.assign(batch, timeMs);
  program.changeRows(changes);
  journal?.markChanges(changes);
  // No record after the batch is encoded.
  vocabularies.releaseNumbers();
}
