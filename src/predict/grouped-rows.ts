import { sliceRows, type ArrayColumn, type Batch } from '../core/batch.js';
import type { Program, Ranker } from '../engines/engine.js';

/** Minimum rows of a group whose user is computed once: fewer rows take less time as they are. */
const MIN_GROUP_ROWS = 4;

/** A program that predicts candidates of users. */
export type RankingProgram = Program & Required<Pick<Program, 'createRanker'>>;

/** Consecutive rows, `begin` up to `end`. */
interface RowRange {
  readonly begin: number;
  readonly end: number;
}

/**
 * Predicts rows in groups, each as one user with candidates. Fields whose encoded values are equal in all rows of each
 * group are the user's, so that predictions do not depend on the grouping, except for rounding.
 */
export class GroupedPredictor {
  readonly #program: RankingProgram;
  readonly #fields: readonly string[];
  /** Fields that differed within a group so far. */
  readonly #candidateFields = new Set<string>();
  #ranker: Ranker | undefined;

  /** @param fields names of the model's fields */
  constructor(program: RankingProgram, fields: readonly string[]) {
    this.#program = program;
    this.#fields = fields;
  }

  /**
   * Predicts rows by task.
   * @param keys value of each row; consecutive rows with equal ones are a group
   */
  async predict(batch: Batch, keys: readonly string[]): Promise<ReadonlyMap<string, Float32Array>> {
    const groups = listGroups(keys);
    const large = groups.filter(({ begin, end }) => end - begin >= MIN_GROUP_ROWS);
    this.#addCandidateFields(batch, large);
    if (large.length === 0 || this.#candidateFields.size === this.#fields.length) return this.#program.predict(batch);
    const ranker = (this.#ranker ??= this.#program.createRanker(this.#candidateFields));
    const results = new Map<string, Float32Array>();
    const add = (predictions: ReadonlyMap<string, Float32Array>, begin: number): void => {
      for (const [task, values] of predictions) {
        if (!results.has(task)) results.set(task, new Float32Array(batch.rows));
        results.get(task)!.set(values, begin);
      }
    };
    let done = 0;
    for (const { begin, end } of large) {
      if (begin > done) add(await this.#program.predict(sliceRows(batch, done, begin)), done);
      ranker.setUser(sliceRows(batch, begin, begin + 1));
      add(ranker.predict(sliceRows(batch, begin, end)), begin);
      done = end;
    }
    if (done < batch.rows) add(await this.#program.predict(sliceRows(batch, done, batch.rows)), done);
    return results;
  }

  #addCandidateFields(batch: Batch, groups: readonly RowRange[]): void {
    for (const field of this.#fields) {
      if (this.#candidateFields.has(field)) continue;
      const isEqual = createComparison(batch, field);
      if (groups.every((group) => hasEqualRows(group, isEqual))) continue;
      this.#candidateFields.add(field);
      this.#ranker = undefined;
    }
  }
}

function listGroups(keys: readonly string[]): readonly RowRange[] {
  const begins = keys.flatMap((key, row) => (row === 0 || key !== keys[row - 1] ? [row] : []));
  return begins.map((begin, g) => ({ begin, end: begins[g + 1] ?? keys.length }));
}

function hasEqualRows({ begin, end }: RowRange, isEqual: (row: number) => boolean): boolean {
  for (let row = begin + 1; row < end; row++) if (!isEqual(row)) return false;
  return true;
}

/** Returns a function that compares a field's encoded value of a row with the value of the row before, bit by bit. */
function createComparison({ columns }: Batch, field: string): (row: number) => boolean {
  const found = columns.get(field);
  if (found === undefined) throw new Error(`the batch has no field '${field}'`);
  if (found.type !== 'list') {
    const { width, data } = found;
    return (row) => isRepeated(data, row * width, width, width);
  }
  const { offsets, ids, weights } = found;
  return (row) => {
    const [begin, length] = [offsets[row]!, offsets[row + 1]! - offsets[row]!];
    if (length !== begin - offsets[row - 1]!) return false;
    return isRepeated(ids, begin, length, length) && isRepeated(weights, begin, length, length);
  };
}

/** Returns whether `count` elements from `begin` on equal those `distance` before. */
function isRepeated(data: ArrayColumn['data'], begin: number, count: number, distance: number): boolean {
  for (let i = begin; i < begin + count; i++) if (!Object.is(data[i], data[i - distance])) return false;
  return true;
}
