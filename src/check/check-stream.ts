import { stepRows } from '../training/step-plan.js';
import type { Experiment } from '../config/experiment.js';
import { userError } from '../core/errors.js';
import type { FollowOptions } from '../data/follow-options.js';
import { encodedFormat } from '../data/rows/row-format.js';
import { skipBadRows, type RejectPolicy } from '../data/rows/rejects.js';
import { FollowedStream, type Followed } from '../data/streams/followed-stream.js';
import { countLines, type RowStream } from '../data/streams/chunk-stream.js';
import { followStates } from '../data/states/row-states.js';
import { countRecords, takeHead } from '../data/streams/head-stream.js';
import type { StreamReading } from '../data/streams/record-stream.js';
import { describeSchemaChange } from '../data/streams/schema-watch.js';
import { firstStreamState } from '../data/streams/stream-state.js';
import type { Lateness } from '../data/streams/watermark.js';
import type { StreamInputs } from '../inputs/open-stream-inputs.js';
import { growVocabularies, readStreamHead, startGrowth, type StreamData } from '../train/stream-head.js';
import type { Findings } from './findings.js';
import type { CheckedData, StepInput } from './one-step.js';

/** The records that a stream has at present; standard input is read to its end. */
export interface StreamDescription extends Omit<Lateness, 'watermark'> {
  readonly name: string;
  /** Records, with invalid and late ones. */
  readonly records: number;
  /** Invalid records, late ones among them. */
  readonly rejected: number;
  /** Number of invalid records by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  /** Changes of columns, one per line. */
  readonly changes: readonly string[];
}

/** A stream that was read; without a record, there is no training step. */
export type CheckedStream = CheckedData<StreamDescription, StepInput | undefined>;

/**
 * Reads the first records of a stream, fits what training would fit, and encodes all records. A stream without a record
 * is no problem: training would wait.
 * @param findings receives an excess of invalid records
 * @throws UserError (data) for a column that is missing, or if no record is valid
 */
export async function checkStream(
  experiment: Experiment,
  inputs: StreamInputs,
  findings: Findings,
  onWarning: (text: string) => void,
): Promise<CheckedStream> {
  const { follow } = inputs;
  const [head, stream] = [takeHead(inputs.stream, follow.fitRows), countRecords(inputs.stream)];
  const reading = { endsWhenEmpty: true, signal: new AbortController().signal, onWarning };
  const policy = skipBadRows(undefined, Infinity);
  const changes: string[] = [];
  const describe = ({ outOfOrder, late }: Lateness): StreamDescription => ({
    name: stream.name,
    records: stream.records,
    rejected: policy.count,
    reasons: Object.fromEntries(policy.reasons ?? []),
    changes,
    outOfOrder,
    late,
  });
  if (await isEmpty(head, reading)) return { description: describe(firstStreamState()), step: undefined };
  const states = followStates(inputs);
  const fitted = await readStreamHead({ ...inputs, stream: head }, {}, reading, () => undefined, states);
  const follows = (followed: Pick<Followed, 'stream' | 'format' | 'letters' | 'onSchemaChange'>): FollowedStream =>
    new FollowedStream({
      states: followStates(inputs),
      options: follow,
      batchRows: stepRows(experiment.training),
      state: firstStreamState(),
      ...followed,
    });
  const data = startGrowth(inputs, experiment.seed, fitted);
  const step = await stepInput(inputs, data, follows({ stream: head, format: data.encoded, ...IGNORED }), reading);
  // The last read, since it consumes standard input.
  const counted = follows({
    stream,
    format: encodedFormat(inputs.format, fitted.fitted),
    letters: { add: (row) => policy.reject(row), write: () => undefined },
    onSchemaChange: (change) => changes.push(describeSchemaChange(change)),
  });
  const batches = counted.batches(reading);
  while ((await batches.next()).done !== true);
  const description = describe(counted.lateness);
  await findings.of(() => checkRejects(description, follow, policy));
  return { description, step };
}

async function isEmpty(stream: RowStream, reading: Omit<StreamReading, 'from'>): Promise<boolean> {
  for await (const { chunk } of stream.read({ ...reading, from: undefined })) if (countLines(chunk) > 0) return false;
  return true;
}

const IGNORED: Pick<Followed, 'letters' | 'onSchemaChange'> = {
  letters: { add: () => undefined, write: () => undefined },
  onSchemaChange: () => undefined,
};

/** Reads the first batch, or all records if there are fewer. */
async function stepInput(
  { tasks }: StreamInputs,
  { encoded, facts, vocabularies }: StreamData,
  followed: FollowedStream,
  reading: Omit<StreamReading, 'from'>,
): Promise<StepInput> {
  const batches = followed.batches({ ...reading, isPreview: true });
  const first = await batches.next();
  await batches.return(undefined);
  const { watermark } = followed.lateness;
  return {
    tasks,
    encoded,
    facts,
    growthBytes: vocabularies.byteLength,
    batches: () => (first.done === true ? [] : [first.value]),
    beforeStep: (program, batch) => growVocabularies(vocabularies, { program }, batch, watermark ?? undefined),
  };
}

/** @throws UserError (data) if a window of the records has more invalid ones than training accepts */
function checkRejects(
  { name, records, rejected }: StreamDescription,
  { maxRejects, windowRows }: FollowOptions,
  { reasons = new Map<string, number>() }: RejectPolicy,
): void {
  if (rejected <= Math.floor(maxRejects * Math.max(records, windowRows))) return;
  const [[reason, rows] = ['', 0]] = [...reasons].sort(([, a], [, b]) => b - a);
  throw userError('data', {
    key: 'data.follow.maxRejects',
    where: name,
    message:
      `allows a share of ${maxRejects} invalid records per window, but ${rejected} of ${records} are ` +
      `invalid; most common reason: ${reason} (${rows})`,
    fix: 'correct the records, or set a larger share',
  });
}
