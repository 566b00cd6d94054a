import { column, type Batch } from '../../core/batch.js';
import { givenColumn, labelColumn, taskColumns, type Task } from '../../core/tasks.js';
import { FIRST_COLUMN, formatMethodColumn, joinTime, timeColumns, type TimeColumns } from '../../delay/columns.js';
import { listDelayed, type DelayedTask } from '../../delay/delays.js';
import type { Sample } from '../../delay/method.js';

/** A row at one time: what each delayed task then learns from it. */
export interface RowSample {
  /** Milliseconds after the click; 0 for a row without one. */
  readonly afterMs: number;
  /** Whether it trains the tasks without delay: once for each row. */
  readonly isFirst: boolean;
  /** By delayed task, in the order of the tasks; undefined if the sample does not train it. */
  readonly samples: readonly (Sample | undefined)[];
}

/** Why a row cannot be replayed. */
export class ReplayError extends Error {
  constructor(
    /** Column of the file. */
    readonly column: string,
    found: string,
    readonly fix: string,
  ) {
    super(found);
  }
}

/** Reads the samples of rows. */
export interface SampleReader {
  /** Returns the time of a row in milliseconds since 1970; undefined if it is missing. */
  timeOf(row: number): number | undefined;
  /**
   * Returns the samples of a row in order of time.
   * @throws ReplayError for a row with a conversion before its click, or without the time of its click
   */
  list(row: number): readonly RowSample[];
}

/** Writes the labels of a sample over the labels of a row. */
type WriteSample = (sample: RowSample, row: number) => void;

/** Conversion of a delayed task: time after the click, undefined for none, or NOT_DEFINED if the task is not. */
type Delay = number | undefined | typeof NOT_DEFINED;
const NOT_DEFINED = 'not defined';

/** How rows of a log become samples: a pure function of their labels. */
export class RowSamples {
  readonly #tasks: readonly Task[];
  readonly #delayed: readonly DelayedTask[];
  /** Whether a task is not delayed. */
  readonly hasPlain: boolean;
  /** Samples of rows without a conversion, as most rows are, by the tasks that are defined. */
  readonly #unconverted = new Map<number, readonly RowSample[]>();
  /** The last conversions, which are likely to be requested again, and their samples. */
  #last: { readonly delays: readonly Delay[]; readonly samples: readonly RowSample[] } | undefined;

  constructor(tasks: readonly Task[]) {
    this.#tasks = tasks;
    this.#delayed = listDelayed(tasks);
    this.hasPlain = this.#delayed.length < tasks.length;
  }

  /** Name of the data column with the time of a row. */
  get timeColumn(): string {
    return this.#delayed[0]!.options.from;
  }

  /** Reads the samples of the rows of a block, whose memory stays the same. */
  reader(batch: Batch): SampleReader {
    const labelOf = (name: string): Float32Array => column(batch, name, 'f32').data;
    const timesOf = ({ day, second }: TimeColumns): SampleReader['timeOf'] => {
      const [days, seconds] = [labelOf(day), labelOf(second)];
      return (row) => joinTime(days[row]!, seconds[row]!);
    };
    const timeOf = timesOf(timeColumns(this.#delayed[0]!.task.name, 'from'));
    const readers = this.#delayed.map((delayed) => {
      const given = givenColumn(delayed.task, this.#tasks);
      const eventTime = timesOf(timeColumns(delayed.task.name, 'event'));
      return { delayed, eventTime, given: given === undefined ? undefined : labelOf(given) };
    });
    /** Conversions of a row, which each row overwrites. */
    const delays: Delay[] = readers.map(() => undefined);
    const list = (row: number): readonly RowSample[] => {
      const timeMs = timeOf(row);
      for (let t = 0; t < readers.length; t++) {
        const { delayed, eventTime, given } = readers[t]!;
        const isDefined = given === undefined || given[row] === 1;
        delays[t] = isDefined ? delayOf(delayed, timeMs, eventTime(row)) : NOT_DEFINED;
      }
      return this.list(delays);
    };
    return { timeOf, list };
  }

  /** Writes samples to the rows of a block, whose memory stays the same. */
  writer(batch: Batch): WriteSample {
    const of = (name: string): Float32Array => column(batch, name, 'f32').data;
    const first = this.hasPlain ? of(FIRST_COLUMN) : undefined;
    const writers = this.#delayed.map(({ task, columns }) => ({
      label: of(labelColumn(task)),
      masks: listMasks(task, this.#tasks).map(of),
      method: columns.map((name) => of(formatMethodColumn(task.name, name))),
    }));
    return ({ isFirst, samples }, row) => {
      if (first !== undefined) first[row] = isFirst ? 1 : 0;
      for (let t = 0; t < writers.length; t++) {
        const { label, masks, method } = writers[t]!;
        const sample = samples[t];
        label[row] = sample?.label ?? 0;
        for (const mask of masks) mask[row] = sample === undefined ? 0 : 1;
        for (let c = 0; c < method.length; c++) method[c]![row] = sample?.values[c] ?? 0;
      }
    };
  }

  /**
   * Returns the samples of a row on which all delayed tasks are defined, in order of time.
   * @param timeMs time of the click
   * @param eventsMs by delayed task: time of the conversion, not before the click; undefined if there is none
   */
  listAt(timeMs: number, eventsMs: readonly (number | undefined)[]): readonly RowSample[] {
    return this.list(this.#delayed.map((each, t) => delayOf(each, timeMs, eventsMs[t])));
  }

  /** Returns the samples of a row with these conversions, in order of time. */
  list(delays: readonly Delay[]): readonly RowSample[] {
    let defined = 0;
    for (let t = 0; t < delays.length; t++) {
      const delay = delays[t];
      if (typeof delay === 'number') return this.#listConverted(delays);
      if (delay === undefined) defined += 2 ** t;
    }
    let known = this.#unconverted.get(defined);
    if (known === undefined) this.#unconverted.set(defined, (known = this.#combine(delays)));
    return known;
  }

  #listConverted(delays: readonly Delay[]): readonly RowSample[] {
    if (this.#last?.delays.every((delay, t) => delay === delays[t]) !== true)
      this.#last = { delays: [...delays], samples: this.#combine(delays) };
    return this.#last.samples;
  }

  #combine(delays: readonly Delay[]): readonly RowSample[] {
    const byTime = new Map<number, RowSample[]>();
    if (this.hasPlain) byTime.set(0, [{ afterMs: 0, isFirst: true, samples: [] }]);
    for (const [t, each] of this.#delayed.entries()) {
      const delay = delays[t];
      for (const sample of delay === NOT_DEFINED ? [] : each.samples(delay)) {
        const together = byTime.get(sample.afterMs) ?? [];
        byTime.set(sample.afterMs, together);
        // Two samples of a task are never one.
        const place = together.findIndex(({ samples }) => samples[t] === undefined);
        const other = together[place] ?? { afterMs: sample.afterMs, isFirst: false, samples: [] };
        const samples = this.#delayed.map((_, i) => (i === t ? sample : other.samples[i]));
        together[place < 0 ? together.length : place] = { ...other, samples };
      }
    }
    return [...byTime].sort(([a], [b]) => a - b).flatMap(([, samples]) => samples);
  }
}

/** Lists the masks that are 1 in samples that train a task. */
export function listMasks(task: Task, tasks: readonly Task[]): readonly string[] {
  const { mask, known, chainKnown } = taskColumns(task, tasks);
  return [...new Set([mask, known, chainKnown])].filter((name) => name !== undefined);
}

/** Returns the delay of the conversion of a row; undefined for none within the window. */
function delayOf(
  { options, windowMs }: DelayedTask,
  timeMs: number | undefined,
  eventMs: number | undefined,
): number | undefined {
  const { from, event } = options;
  if (timeMs === undefined) throw new ReplayError(from, 'a missing time', 'add the time of the click');
  if (eventMs === undefined || eventMs - timeMs > windowMs) return undefined;
  if (eventMs < timeMs) throw new ReplayError(event, `a time before ${from}`, 'correct one of the two times');
  return eventMs - timeMs;
}
