import { parseDuration } from '../../core/duration.js';
import type { Task } from '../../core/tasks.js';
import { createCleaner, type CellOptions, type Clean } from '../../features/cells.js';
import { instantReader } from '../../features/wall-clock.js';
import { resolveCounters, type CounterSpec, type CountersOptions } from '../counter-options.js';
import { createLabelReader, type LabelReader } from './label-reader.js';

/** The counters of a config, and the columns that they read. */
export class CounterPlan {
  readonly specs: readonly CounterSpec[];
  readonly names: readonly string[];
  /** Key columns of each group of counters with the same keys. */
  readonly groups: readonly (readonly string[])[];
  /** Group of each counter. */
  readonly groupOf: readonly number[];
  /** Columns with the labels that counters sum. */
  readonly labels: readonly string[];
  /** Readers of the labels that counters sum. */
  readonly labelReaders: readonly LabelReader[];
  /** Label of each counter, -1 for one that counts rows. */
  readonly labelOf: readonly number[];
  readonly time: string;
  /** Columns that counters read. */
  readonly columns: readonly string[];
  /** Columns that a file must have to be predicted, which has no labels. */
  readonly unlabeledColumns: readonly string[];
  readonly toleranceMs: number;
  readonly clean: Clean;
  readonly readTime: (text: string) => number;
  /** JSON that determines the values of counters, besides the rows. */
  readonly recipe: readonly unknown[];
  /** JSON that determines the events of a row. */
  readonly #reading: readonly unknown[];

  /** @param tasks whose labels counters may sum */
  constructor(options: CountersOptions, cells: CellOptions, tasks: readonly Task[]) {
    const specs = resolveCounters(options);
    const groups = [...new Map(specs.map(({ by }) => [JSON.stringify(by), by])).entries()];
    this.specs = specs;
    this.names = specs.map(({ name }) => name);
    this.groups = groups.map(([, by]) => by);
    this.groupOf = specs.map(({ by }) => groups.findIndex(([key]) => key === JSON.stringify(by)));
    this.labels = [...new Set(specs.flatMap(({ of }) => of ?? []))];
    this.labelReaders = this.labels.map((name) => createLabelReader(name, tasks));
    this.labelOf = specs.map(({ of }) => (of === undefined ? -1 : this.labels.indexOf(of)));
    this.time = options.time;
    this.unlabeledColumns = [...new Set([this.time, ...this.groups.flat()])];
    this.columns = [...new Set([...this.unlabeledColumns, ...this.labels])];
    this.toleranceMs = parseDuration(options.tolerance);
    this.clean = createCleaner(cells) ?? ((text) => text);
    this.readTime = instantReader(options.format);
    const { nullValues, trim } = cells;
    this.#reading = [options.time, this.toleranceMs, { nullValues, trim }];
    const recipes = specs.map((spec) => [spec.name, spec.by, spec.of, spec.delayMs, spec.rule.recipe]);
    this.recipe = [options.format, this.#reading, recipes, this.labelReaders.map(({ recipe }) => recipe)];
  }

  /** Creates the plan of a config; undefined if it has no counters. */
  static of(
    data: CellOptions & { readonly counters?: CountersOptions | undefined },
    tasks: readonly Task[],
  ): CounterPlan | undefined {
    return data.counters && new CounterPlan(data.counters, data, tasks);
  }

  /** Lists the counters that remember the same of the same events as the counters of another plan. */
  continuedFrom(other: CounterPlan): readonly string[] {
    if (JSON.stringify(this.#reading) !== JSON.stringify(other.#reading)) return [];
    const memoryOf = ({ name, by, of, delayMs, rule }: CounterSpec): string =>
      JSON.stringify([name, by, of, delayMs, rule.memory]);
    const known = new Set(other.specs.map(memoryOf));
    return this.specs.filter((spec) => known.has(memoryOf(spec))).map(({ name }) => name);
  }
}
