import { mapsOf } from '../support/batches.js';
import { loadConfig } from '../../src/config/load.js';
import type { Batch } from '../../src/core/batch.js';
import { UserError } from '../../src/core/errors.js';
import { groupColumn, keyColumn } from '../../src/core/row-key.js';
import { taskColumns, type Task } from '../../src/core/tasks.js';
import { countLeftOut, rejectPolicy, type RejectPolicy } from '../../src/data/rows/rejects.js';
import { encodedFormat, trainedFormat, unsampled, type EncodedFormat } from '../../src/data/rows/row-format.js';
import type { Reading, Source } from '../../src/data/sources/source.js';
import { openData, type OpenedData } from '../../src/data/sources/splits.js';
import { planRows } from '../../src/inputs/open-inputs.js';
import type { TableRow } from './fuzz-case.js';

// Everything that the fuzz test uses of the data path.

/** An id or number, the elements of a vector, or ids with weights. */
export type Value = number | readonly number[] | readonly (readonly number[])[];

/**
 * An encoded row. For each task: its label, whether it is known, measured, and known in its chain, its weight, and the
 * logit of its teacher. Equal keys stand for equal values.
 */
export interface OracleRow {
  readonly features: Readonly<Record<string, Value>>;
  readonly labels: Readonly<Record<string, number>>;
  readonly keys: Readonly<Record<string, string>>;
}

/** A row of a file: encoded, excluded for a reason, or invalid in a column. A sampled row is encoded and excluded. */
export interface Outcome extends Pick<TableRow, 'place'> {
  /** Texts of all columns. */
  readonly kept: Readonly<Record<string, string>>;
  readonly row?: OracleRow;
  readonly reason?: string;
  readonly column?: string | undefined;
}

/** How to read. */
export interface Way {
  readonly batchSize: number;
  readonly threads: number;
}

/** A part as it is read: rows, places and columns of invalid rows, and counts of excluded rows. */
export interface Found {
  readonly rows: readonly OracleRow[];
  readonly rejects: readonly (readonly [place: string, column: string | undefined])[];
  readonly leftOut: Readonly<Record<string, number>>;
}

/** A row of a stream: its original values, and the encoded row; undefined for an invalid row. */
export interface StreamedRow {
  readonly kept: readonly string[];
  readonly row: OracleRow | undefined;
}

/** A config with its data, opened anew by each call. */
export interface Subject {
  readonly tasks: readonly Task[];
  readonly keys: readonly string[];
  /** Fits and reads all parts; a message for a part that cannot be read. */
  read(way: Way): Promise<Readonly<Record<string, Found | string>>>;
  /** Streams a part with the original values of some columns. */
  stream(
    part: keyof OpenedData,
    kept: readonly string[],
    way: Way,
  ): Promise<Omit<Found, 'rows'> & { readonly rows: readonly StreamedRow[] }>;
}

/** Loads a config whose cache is in a directory. */
export async function openSubject(path: string, cache: string): Promise<Subject> {
  const { experiment } = await loadConfig(path);
  const { tasks, format } = await planRows(experiment);
  const lossKeys = new Set(tasks.flatMap(({ lossKey }) => lossKey ?? []));
  const recording = (): { readonly policy: RejectPolicy; readonly rejects: Map<string, string | undefined> } => {
    const policy = rejectPolicy(experiment.data);
    const rejects = new Map<string, string | undefined>();
    const reject: RejectPolicy['reject'] = (row) => {
      policy.reject(row);
      const place = `${row.path}:${row.line}`;
      if (!rejects.has(place)) rejects.set(place, row.column);
    };
    return { policy: { count: 0, reject }, rejects };
  };
  const readingOf = (policy: RejectPolicy, { threads }: Way): Reading => ({
    policy,
    threads,
    cache: { folder: cache },
  });

  const readPart = async (source: Source, encoded: EncodedFormat, policy: RejectPolicy, way: Way) => {
    const dataset = await source.dataset(encoded, readingOf(policy, way));
    const rows: OracleRow[] = [];
    for await (const { batch } of dataset.batches(way.batchSize)) rows.push(...rowsOf(batch, tasks));
    await dataset.close();
    return { rows, leftOut: Object.fromEntries(dataset.leftOut) };
  };

  return {
    tasks,
    keys: format.keys.filter((key) => !lossKeys.has(key)),
    async read(way) {
      const sources = Object.entries(await openData(experiment.data, format)) as [string, Source | undefined][];
      const found: Record<string, Found | string> = {};
      const training = recording();
      const fitted = await sources[0]![1]!.fit(format, readingOf(training.policy, way)).catch(messageOf);
      for (const [part, source] of sources) {
        if (typeof fitted === 'string') found[part] = fitted;
        if (source === undefined || typeof fitted === 'string') continue;
        const encoded = encodedFormat(format, fitted);
        const { policy, rejects } = part === 'train' ? training : recording();
        const own = part === 'train' ? trainedFormat(encoded) : unsampled(encoded);
        const read = await readPart(source, own, policy, way).catch(messageOf);
        found[part] = typeof read === 'string' ? read : { ...read, rejects: [...rejects] };
      }
      return found;
    },
    async stream(part, kept, way) {
      const sources = await openData(experiment.data, format);
      const { policy, rejects } = recording();
      const fitted = await sources.train.fit(format, readingOf(recording().policy, way));
      const rows: StreamedRow[] = [];
      const encoded = unsampled(encodedFormat(format, fitted));
      const leftOut = new Map<string, number>();
      for await (const streamed of sources[part]!.stream(encoded, kept, readingOf(policy, way))) {
        countLeftOut(leftOut, streamed.leftOut);
        // A stream has no keys.
        const block = rowsOf(streamed.batch, tasks).map((row) => ({ ...row, keys: {} }));
        let next = 0;
        let passed = 0;
        const add = (row: OracleRow | undefined): void => {
          rows.push({ kept: streamed.kept.map((cells) => cells[passed]!), row });
          passed++;
        };
        for (const before of streamed.skipped) {
          while (next < before) add(block[next++]);
          add(undefined);
        }
        while (next < block.length) add(block[next++]);
      }
      return { rows, rejects: [...rejects], leftOut: Object.fromEntries(leftOut) };
    },
  };
}

function messageOf(error: unknown): string {
  if (error instanceof UserError && error.kind === 'data') return error.message;
  throw error;
}

/** Copies the rows of a batch; labels have the names that the oracle gives them. */
function rowsOf(batch: Batch, tasks: readonly Task[]): OracleRow[] {
  const { rows, ids, numbers, vectors, bags, labels, keys } = mapsOf(batch);
  const labelAt = (name: string | undefined, row: number): number => (name === undefined ? 1 : labels.get(name)![row]!);
  const labelNames = new Set(
    tasks.flatMap((task) => {
      const { teacher, ...own } = taskColumns(task, tasks);
      const group = task.lossKey === undefined ? [] : [groupColumn(task.lossKey)];
      return [...Object.values(own), teacher?.logit, teacher?.known, ...group];
    }),
  );
  return Array.from({ length: rows }, (_, r) => {
    const features: Record<string, Value> = {};
    for (const [name, data] of [...ids, ...numbers]) if (!labelNames.has(name)) features[name] = data[r]!;
    for (const [name, { width, data }] of vectors) features[name] = [...data.subarray(r * width, (r + 1) * width)];
    for (const [name, bag] of bags)
      features[name] = Array.from(bag.ids.subarray(bag.offsets[r], bag.offsets[r + 1]), (id, i) => [
        id,
        bag.weights[bag.offsets[r]! + i]!,
      ]);
    const own: Record<string, number> = {};
    for (const task of tasks) {
      const { label, known, mask, chainKnown, sampleWeight, teacher } = taskColumns(task, tasks);
      own[task.name] = labelAt(label, r);
      own[`${task.name}.known`] = labelAt(known, r);
      own[`${task.name}.measured`] = labelAt(mask, r);
      own[`${task.name}.chain`] = labelAt(chainKnown, r);
      own[`${task.name}.weight`] = labelAt(sampleWeight, r);
      if (teacher !== undefined) {
        own[`${task.name}.teacher`] = labelAt(teacher.logit, r);
        own[`${task.name}.taught`] = labelAt(teacher.known, r);
      }
      const group = task.lossKey === undefined ? undefined : labels.get(groupColumn(task.lossKey));
      if (group !== undefined) own['group'] = group[r]!;
    }
    const words = [...keys].map(
      ([name, data]) => [name.slice(keyColumn('').length), `${data[2 * r]!},${data[2 * r + 1]!}`] as const,
    );
    return { features, labels: own, keys: Object.fromEntries(words) };
  });
}
