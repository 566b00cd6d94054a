import { join } from 'node:path';
import type { BatchRead } from '../core/batch.js';
import { comparedColumns, SketchedOverlap } from '../data/batches/row-sketch.js';
import { parseDialect } from '../data/dialect.js';
import type { Paths } from '../data/options.js';
import { isStream } from '../data/readers/data-stream.js';
import { skipBadRows } from '../data/rows/rejects.js';
import { encodedFormat, createRowFormat } from '../data/rows/row-format.js';
import { dataSection } from '../data/sources/data-state.js';
import { absolute } from '../data/sources/find-files.js';
import type { Access, Source } from '../data/sources/source.js';
import { openSplits } from '../data/sources/splits.js';
import { readSection } from '../runs/run-state.js';
import { FILES } from '../runs/manifest.js';
import type { TrainedModel } from './trained-model.js';

/** Rows of a measurement that a model should not be judged on, as text for warnings. */
export interface KnownRows {
  /** Rows that it was trained on. */
  readonly trained: string | undefined;
  /** Rows in the date range of its training set. */
  readonly early: string | undefined;
}

/** Finds out whether rows that a model is measured on are rows that it was trained on. */
export class TrainingOverlap {
  readonly #model: TrainedModel;
  readonly #data: Paths | undefined;
  readonly #rows: SketchedOverlap | undefined;
  /** Hashes of the files of the training set. */
  readonly #contents: ReadonlySet<string>;

  /**
   * @param data files that replace the files of the config
   */
  constructor(model: TrainedModel, data: Paths | undefined) {
    const { checkpoint, experiment, folder, format } = model;
    const state = Object.hasOwn(checkpoint.sections, dataSection.name)
      ? readSection(checkpoint.sections, dataSection, join(folder, FILES.state))
      : undefined;
    const columns = comparedColumns(format, Object.keys(experiment.data.counters?.count ?? {}));
    this.#model = model;
    this.#data = data;
    this.#rows = state?.trainedRows && new SketchedOverlap(state.trainedRows, columns);
    this.#contents = new Set(Object.values(state?.fingerprints.train ?? {}).map(({ hash }) => hash));
  }

  /** Yields batches, and compares their rows. */
  async *watch(batches: AsyncIterable<BatchRead>): AsyncGenerator<BatchRead> {
    for await (const each of batches) {
      this.#rows?.add(each.batch);
      yield each;
    }
  }

  /** Describes the rows of a source, all batches of which were yielded. */
  async find(source: Source, access: Access): Promise<KnownRows> {
    return { trained: await this.#findTrained(source, access), early: await this.#findEarly(source, access) };
  }

  async #findTrained(source: Source, access: Access): Promise<string | undefined> {
    // Directories of shards may have equal vocabularies, and the set of a config may have the files of training.
    const files = this.#data === undefined || !source.takesRules ? {} : await source.fingerprint(access);
    const trained = Object.keys(files).filter((name) => this.#contents.has(files[name]!.hash));
    if (trained.length > 0) {
      const names = trained.slice(0, 3).map((name) => join(source.path, name));
      const rest = trained.length > 3 ? ` and ${trained.length - 3} more` : '';
      return `${names.join(', ')}${rest}: the model was trained on a file with the same content`;
    }
    const overlap = this.#rows?.find();
    if (overlap === undefined) return undefined;
    const percent = (share: number): string => `${Math.round(100 * share)}%`;
    return (
      `${source.path}: about ${percent(overlap.share)} of the rows equal rows that the model was trained on; ` +
      `about ${percent(overlap.expected)} would by chance`
    );
  }

  async #findEarly(source: Source, access: Access): Promise<string | undefined> {
    const { data } = this.#model.experiment;
    const { split } = data;
    if (this.#data === undefined || split?.by !== 'date' || !source.takesRules) return undefined;
    if (source.files.some(isStream) || !source.columns.includes(split.column)) return undefined;
    const format = encodedFormat(createRowFormat({ tasks: [], groups: [], cells: data }), {});
    const { train } = await openSplits({ train: absolute(this.#data) }, format, '', parseDialect(data), { split });
    let [early, others] = [0, 0];
    const reading = { ...access, isOnlyRead: true, policy: skipBadRows(undefined, Infinity) };
    for await (const { batch, leftOut } of train.stream(format, [], reading)) {
      early += batch.rows;
      for (const count of leftOut.values()) others += count;
    }
    if (early === 0) return undefined;
    return (
      `${source.path}: ${early} of ${early + others} rows are in the date range of the training set, by ` +
      `data.split.column '${split.column}'; a model is used on later rows`
    );
  }
}
