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

/** Names of the columns of a delayed task. */
interface Columns {
  readonly from: TimeColumns;
  readonly event: TimeColumns;
  readonly given: string | undefined;
  readonly label: string;
  /** Masks that are 1 in samples that train the task. */
  readonly masks: readonly string[];
  readonly method: readonly string[];
}

type Delayed = DelayedTask & { readonly names: Columns };

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

/** Labels of rows. */
export type RowLabels = Pick<Batch, 'labels'>;

/** Conversion of a delayed task: time after the click, undefined for none, or NOT_DEFINED if the task is not. */
type Delay = number | undefined | typeof NOT_DEFINED;
const NOT_DEFINED = 'not defined';

/** How rows of a log become samples: a pure function of their labels. */
export class RowSamples {
  readonly #delayed: readonly Delayed[];
  /** Whether a task is not delayed. */
  readonly hasPlain: boolean;
  /** Samples of rows without a conversion, as most rows are, by the tasks that are defined. */
  readonly #unconverted = new Map<number, readonly RowSample[]>();
  /** The last conversions, which are likely to be requested again, and their samples. */
  #last: { readonly delays: readonly Delay[]; readonly samples: readonly RowSample[] } | undefined;

  constructor(tasks: readonly Task[]) {
    this.#delayed = listDelayed(tasks).map((each) => ({ ...each, names: columnsOf(each, tasks) }));
    this.hasPlain = this.#delayed.length < tasks.length;
  }

  /** Name of the data column with the time of a row. */
  get timeColumn(): string {
    return this.#delayed[0]!.options.from;
  }

  /** Reads the samples of the rows of a block, whose memory stays the same. */
  reader({ labels }: RowLabels): SampleReader {
    return new SampleReader(this, this.#delayed, labels);
  }

  /** Writes samples to the rows of a block, whose memory stays the same. */
  writer({ labels }: RowLabels): SampleWriter {
    return new SampleWriter(this.hasPlain, this.#delayed, labels);
  }

  /**
   * Returns the samples of a row on which all delayed tasks are defined, in order of time.
   * @param timeMs time of the click
   * @param eventsMs by delayed task: time of the conversion, not before the click; undefined if there is none
   */
  listAt(timeMs: number, eventsMs: readonly (number | undefined)[]): readonly RowSample[] {
    return this.list(this.#delayed.map((each, t) => delayWithin(each, timeMs, eventsMs[t])));
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

/** Times of rows. */
type TimeLabels = Readonly<Record<keyof TimeColumns, Float32Array>>;

/** The samples of the rows of a block. */
export class SampleReader {
  readonly #samples: RowSamples;
  readonly #tasks: readonly {
    readonly task: Delayed;
    readonly from: TimeLabels;
    readonly event: TimeLabels;
    readonly given: Float32Array | undefined;
  }[];
  /** Conversions of a row, which each row overwrites. */
  readonly #delays: Delay[];

  /** @param labels their memory stays the same */
  constructor(samples: RowSamples, delayed: readonly Delayed[], labels: Batch['labels']) {
    const timesOf = ({ day, second }: TimeColumns): TimeLabels => ({
      day: column(labels, day),
      second: column(labels, second),
    });
    this.#samples = samples;
    this.#tasks = delayed.map((task) => {
      const { from, event, given } = task.names;
      return {
        task,
        from: timesOf(from),
        event: timesOf(event),
        given: given === undefined ? undefined : column(labels, given),
      };
    });
    this.#delays = delayed.map(() => undefined);
  }

  /** Returns the time of a row in milliseconds since 1970; undefined if it is missing. */
  timeOf(row: number): number | undefined {
    return timeAt(this.#tasks[0]!.from, row);
  }

  /**
   * Returns the samples of a row in order of time.
   * @throws ReplayError for a row with a conversion before its click, or without the time of its click
   */
  list(row: number): readonly RowSample[] {
    const timeMs = this.timeOf(row);
    for (let t = 0; t < this.#tasks.length; t++) {
      const { task, given, event } = this.#tasks[t]!;
      const isDefined = given === undefined || given[row] === 1;
      this.#delays[t] = isDefined ? delayOf(task, timeMs, timeAt(event, row)) : NOT_DEFINED;
    }
    return this.#samples.list(this.#delays);
  }
}

/** Writes the labels of samples over those of rows. */
export class SampleWriter {
  readonly #first: Float32Array | undefined;
  readonly #tasks: readonly {
    readonly label: Float32Array;
    readonly masks: readonly Float32Array[];
    readonly method: readonly Float32Array[];
  }[];

  /** @param labels their memory stays the same */
  constructor(hasPlain: boolean, delayed: readonly Delayed[], labels: Batch['labels']) {
    const of = (name: string): Float32Array => column(labels, name);
    this.#first = hasPlain ? of(FIRST_COLUMN) : undefined;
    this.#tasks = delayed.map(({ names: { label, masks, method } }) => ({
      label: of(label),
      masks: masks.map(of),
      method: method.map(of),
    }));
  }

  write({ isFirst, samples }: RowSample, row: number): void {
    if (this.#first !== undefined) this.#first[row] = isFirst ? 1 : 0;
    for (let t = 0; t < this.#tasks.length; t++) {
      const { label, masks, method } = this.#tasks[t]!;
      const sample = samples[t];
      label[row] = sample?.label ?? 0;
      for (const mask of masks) mask[row] = sample === undefined ? 0 : 1;
      for (let c = 0; c < method.length; c++) method[c]![row] = sample?.values[c] ?? 0;
    }
  }
}

function columnsOf({ task, columns }: DelayedTask, tasks: readonly Task[]): Columns {
  const { mask, known, chainKnown } = taskColumns(task, tasks);
  return {
    from: timeColumns(task.name, 'from'),
    event: timeColumns(task.name, 'event'),
    given: givenColumn(task, tasks),
    label: labelColumn(task),
    masks: [...new Set([mask, known, chainKnown])].filter((name) => name !== undefined),
    method: columns.map((name) => formatMethodColumn(task.name, name)),
  };
}

function timeAt({ day, second }: TimeLabels, row: number): number | undefined {
  return joinTime(day[row]!, second[row]!);
}

/** Returns the delay of the conversion of a row; undefined for none within the window. */
function delayOf(each: Delayed, timeMs: number | undefined, eventMs: number | undefined): number | undefined {
  const { options } = each;
  if (timeMs === undefined) throw new ReplayError(options.from, 'a missing time', 'add the time of the click');
  if (eventMs === undefined) return undefined;
  if (eventMs < timeMs)
    throw new ReplayError(options.event, `a time before ${options.from}`, 'correct one of the two times');
  return delayWithin(each, timeMs, eventMs);
}

function delayWithin({ windowMs }: DelayedTask, timeMs: number, eventMs: number | undefined): number | undefined {
  return eventMs === undefined || eventMs - timeMs > windowMs ? undefined : eventMs - timeMs;
}
