import type { CounterPlan } from '../data/counters/counter-plan.js';
import { ObjectReader, type CountsByColumn, type ValueCounts } from '../data/objects/object-reader.js';
import { userRow, type RankedRows } from '../data/objects/ranked-rows.js';
import type { InvalidRow } from '../data/objects/row-problems.js';
import type { DialectOptions } from '../data/dialect.js';
import type { Program, Ranker } from '../engines/engine.js';
import { combinePredictions, type Output } from '../evaluation/outputs.js';
import type { EncodedField } from '../features/feature.js';

/** Predictions of an output for all candidates. */
export interface RankedOutput {
  readonly name: string;
  readonly values: Float32Array;
}

/** Predictions of candidates, those that are invalid, and counts of their values, as of whole rows. */
export interface RankedCandidates {
  readonly results: readonly RankedOutput[];
  readonly bad: readonly InvalidRow[];
  readonly counts: CountsByColumn;
}

/** Readers of the user and of candidates, for candidates with some columns. */
interface Prepared {
  readonly ranker: Ranker;
  readonly userFields: readonly EncodedField[];
  readonly user: ObjectReader;
  readonly candidates: ObjectReader;
}

/** Maximum number of sets of candidate fields whose readers are kept. */
const MAX_PREPARED = 8;

/** Predicts candidates of users. The fields of a user are encoded once. */
export class CandidateRanker {
  readonly #program: Program;
  readonly #fields: readonly EncodedField[];
  readonly #decimal: DialectOptions['decimal'];
  readonly #counters: CounterPlan | undefined;
  /** By the names of candidate fields, the latest last. */
  readonly #prepared = new Map<string, Prepared>();

  /**
   * @param decimal separator in strings
   * @param counters of the model, if it has any
   */
  constructor(
    program: Program,
    fields: readonly EncodedField[],
    decimal: DialectOptions['decimal'],
    counters: CounterPlan | undefined,
  ) {
    this.#program = program;
    this.#fields = fields;
    this.#decimal = decimal;
    this.#counters = counters;
  }

  /** Predicts candidates that have all counters. */
  rank(given: RankedRows, outputs: readonly Output[]): RankedCandidates {
    const { rows } = given;
    const results = outputs.map(({ name }) => ({ name, values: new Float32Array(rows.count) }));
    if (rows.count === 0) return { results, bad: [], counts: new Map() };
    const { ranker, userFields, user, candidates } = this.#prepare(given);
    const ofUser = user.read(userRow(given));
    const [read] = ofUser.batches;
    ranker.setUser(read!.batch);
    const { batches, problems, counts } = candidates.read(rows);
    for (const { batch, begin } of batches) {
      const predictions = ranker.predict(batch);
      for (const [s, output] of outputs.entries())
        combinePredictions(output, predictions, batch.rows, results[s]!.values.subarray(begin, begin + batch.rows));
      problems.addNonFinite(results, batch, begin, { batch: read!.batch, fields: userFields });
    }
    return {
      results,
      bad: withUser(problems.list(), ofUser.problems.list(), rows.count),
      counts: addCounts(counts, ofUser.counts, rows.count),
    };
  }

  /** Returns the readers of candidates with some columns. */
  #prepare({ candidateColumns }: RankedRows): Prepared {
    const columns = this.#withCounters(candidateColumns);
    const names = this.#fields
      .filter((field) => field.columns.some((name) => columns.has(name)))
      .map(({ name }) => name);
    const key = JSON.stringify(names);
    const known = this.#prepared.get(key);
    this.#prepared.delete(key);
    const prepared = known ?? this.#create(new Set(names));
    this.#prepared.set(key, prepared);
    const [oldest] = this.#prepared.keys();
    if (this.#prepared.size > MAX_PREPARED) this.#prepared.delete(oldest!);
    return prepared;
  }

  #create(names: ReadonlySet<string>): Prepared {
    if (this.#program.createRanker === undefined) throw new Error('the engine ranks no candidates');
    const ranker = this.#program.createRanker(names);
    const userFields = this.#fields.filter(({ name }) => !ranker.candidateFields.has(name));
    const candidateFields = this.#fields.filter(({ name }) => ranker.candidateFields.has(name));
    const readerOf = (fields: readonly EncodedField[]): ObjectReader =>
      new ObjectReader(fields, this.#decimal, this.#fields);
    return { ranker, userFields, user: readerOf(userFields), candidates: readerOf(candidateFields) };
  }

  /** Returns the columns that differ among candidates, with the counters that are computed from some of them. */
  #withCounters(columns: ReadonlySet<string>): ReadonlySet<string> {
    const { specs, time } = this.#counters ?? { specs: [], time: '' };
    const counted = specs.filter(({ by }) => [time, ...by].some((name) => columns.has(name)));
    return new Set([...columns, ...counted.map(({ name }) => name)]);
  }
}

/** Returns the invalid candidates: all of them if the user is invalid, and then with its problems first. */
function withUser(bad: readonly InvalidRow[], [user]: readonly InvalidRow[], count: number): readonly InvalidRow[] {
  if (user === undefined) return bad;
  const byRow = new Map(bad.filter(({ source }) => source === 'input').map((each) => [each.row, each.problems]));
  return Array.from({ length: count }, (_, row): InvalidRow => ({
    row,
    source: 'input',
    problems: [...user.problems, ...(byRow.get(row) ?? [])],
  }));
}

/** Adds the counts of a user, whose values count for each candidate. */
function addCounts(counts: CountsByColumn, ofUser: CountsByColumn, candidates: number): CountsByColumn {
  const sums = new Map<string, ValueCounts>(counts);
  for (const [column, { nulls, oov }] of ofUser) {
    // Fields of the user and of candidates may read the same column.
    if (!sums.has(column)) sums.set(column, { nulls: nulls * candidates, oov: oov * candidates });
  }
  return sums;
}
