import { column, type Batch } from '../../core/batch.js';
import { givenColumn, labelColumn, taskColumns, type Task } from '../../core/tasks.js';
import { FIRST_COLUMN, formatMethodColumn, joinTime, timeColumns, type TimeColumns } from '../../delay/columns.js';
import { listDelayed, type DelayedTask } from '../../delay/delays.js';
import type { Sample } from '../../delay/method.js';

/** A row at one time: what each delayed task then learns from it. */
export interface RowSample {
  /** Milliseconds since 1970; undefined for a row without a time. */
  readonly timeMs: number | undefined;
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

/** How rows of a log become samples: a pure function of their labels. */
export class RowSamples {
  readonly #delayed: readonly Delayed[];
  /** Whether a task is not delayed. */
  readonly hasPlain: boolean;

  constructor(tasks: readonly Task[]) {
    this.#delayed = listDelayed(tasks).map((each) => ({ ...each, names: columnsOf(each, tasks) }));
    this.hasPlain = this.#delayed.length < tasks.length;
  }

  /** Name of the data column with the time of a row. */
  get timeColumn(): string {
    return this.#delayed[0]!.options.from;
  }

  /** Returns the time of a row in milliseconds since 1970; undefined if it is missing. */
  timeOf({ labels }: RowLabels, row: number): number | undefined {
    return readTime(labels, this.#delayed[0]!.names.from, row);
  }

  /**
   * Returns the samples of a row in order of time.
   * @throws ReplayError for a row with a conversion before its click, or without the time of its click
   */
  list({ labels }: RowLabels, row: number): readonly RowSample[] {
    const timeMs = this.timeOf({ labels }, row);
    return this.#combine(timeMs, (each) =>
      isDefined(labels, each.names, row) ? each.samples(delayOf(labels, each, timeMs, row)) : [],
    );
  }

  /**
   * Returns the samples of a row on which all delayed tasks are defined, in order of time.
   * @param timeMs time of the click
   * @param eventsMs by delayed task: time of the conversion, not before the click; undefined if there is none
   */
  listAt(timeMs: number, eventsMs: readonly (number | undefined)[]): readonly RowSample[] {
    return this.#combine(timeMs, (each, t) => each.samples(delayWithin(each, timeMs, eventsMs[t])));
  }

  #combine(
    timeMs: number | undefined,
    samplesOf: (each: Delayed, t: number) => readonly Sample[],
  ): readonly RowSample[] {
    const byTime = new Map<number, RowSample[]>();
    if (this.hasPlain) byTime.set(0, [{ timeMs, isFirst: true, samples: [] }]);
    for (const [t, each] of this.#delayed.entries()) {
      for (const sample of samplesOf(each, t)) {
        const together = byTime.get(sample.afterMs) ?? [];
        byTime.set(sample.afterMs, together);
        // Two samples of a task are never one.
        const place = together.findIndex(({ samples }) => samples[t] === undefined);
        const other = together[place] ?? { timeMs: timeMs! + sample.afterMs, isFirst: false, samples: [] };
        const samples = this.#delayed.map((_, i) => (i === t ? sample : other.samples[i]));
        together[place < 0 ? together.length : place] = { ...other, samples };
      }
    }
    return [...byTime].sort(([a], [b]) => a - b).flatMap(([, samples]) => samples);
  }

  /** Writes the label columns of a sample over those of a row. */
  write({ isFirst, samples }: RowSample, { labels }: RowLabels, row: number): void {
    if (this.hasPlain) column(labels, FIRST_COLUMN)[row] = isFirst ? 1 : 0;
    for (const [t, { names }] of this.#delayed.entries()) {
      const sample = samples[t];
      column(labels, names.label)[row] = sample?.label ?? 0;
      for (const mask of names.masks) column(labels, mask)[row] = sample === undefined ? 0 : 1;
      for (const [c, name] of names.method.entries()) column(labels, name)[row] = sample?.values[c] ?? 0;
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

function isDefined(labels: Batch['labels'], { given }: Columns, row: number): boolean {
  return given === undefined || column(labels, given)[row] === 1;
}

function readTime(labels: Batch['labels'], { day, second }: TimeColumns, row: number): number | undefined {
  return joinTime(column(labels, day)[row]!, column(labels, second)[row]!);
}

/** Returns the delay of the conversion of a row; undefined for none within the window. */
function delayOf(labels: Batch['labels'], each: Delayed, timeMs: number | undefined, row: number): number | undefined {
  const { names, options } = each;
  if (timeMs === undefined) throw new ReplayError(options.from, 'a missing time', 'add the time of the click');
  const eventMs = readTime(labels, names.event, row);
  if (eventMs === undefined) return undefined;
  if (eventMs < timeMs)
    throw new ReplayError(options.event, `a time before ${options.from}`, 'correct one of the two times');
  return delayWithin(each, timeMs, eventMs);
}

function delayWithin({ windowMs }: DelayedTask, timeMs: number, eventMs: number | undefined): number | undefined {
  return eventMs === undefined || eventMs - timeMs > windowMs ? undefined : eventMs - timeMs;
}
