import { UserError, type Problem } from '../../core/errors.js';
import { checkObject, columnKey, rowsOfObjects, type GivenRows, type OnMissing, type Row } from './given-rows.js';

/** Candidates of one user. */
export interface RankedRows {
  /** Candidates, each with the columns of the user. */
  readonly rows: GivenRows;
  /** Columns that candidates have; all others are the user's. */
  readonly candidateColumns: ReadonlySet<string>;
}

/**
 * Reads candidates of one user.
 * @param columns columns that the model reads
 * @throws UserError (data) for values that are not objects, and for a column that the user and a candidate have
 */
export function rankedRows(
  user: Row,
  candidates: readonly Row[],
  columns: readonly string[],
  onMissing: OnMissing = 'error',
): RankedRows {
  checkObject(user, 'user');
  const ofUser = rowsOfObjects([user], onMissing);
  const ofCandidates = rowsOfObjects(candidates, onMissing, 'candidates');
  const candidateColumns = new Set<string>();
  const problems: Problem[] = [];
  for (const column of columns) {
    const candidate = ofCandidates.findRow(column);
    if (candidate === undefined) continue;
    candidateColumns.add(column);
    if (ofUser.findRow(column) === undefined) continue;
    problems.push({
      where: ofCandidates.placeOf(candidate),
      key: columnKey([column]),
      message: 'is also in user',
      fix: 'send it in user if all candidates share it, else only in candidates',
    });
  }
  if (problems.length > 0) throw new UserError('data', problems);
  return {
    candidateColumns,
    rows: {
      count: candidates.length,
      valuesOf(column) {
        if (candidateColumns.has(column)) return ofCandidates.valuesOf(column);
        const value = ofUser.valuesOf(column)(0);
        return () => value;
      },
      namesOf: (row) => [...ofUser.namesOf(0), ...ofCandidates.namesOf(row)],
      placeOf: (row) => ofCandidates.placeOf(row),
    },
  };
}

/** Returns the user of candidates as one row. */
export function userRow({ rows }: RankedRows): GivenRows {
  return { ...rows, count: 1, placeOf: () => 'user' };
}

/** Returns some of the rows. */
export function sliceGiven(rows: GivenRows, begin: number, end: number): GivenRows {
  return {
    count: end - begin,
    valuesOf(column) {
      const valueAt = rows.valuesOf(column);
      return (row) => valueAt(begin + row);
    },
    namesOf: (row) => rows.namesOf(begin + row),
    placeOf: (row) => rows.placeOf(begin + row),
    absentProblem: (row, column) => rows.absentProblem?.(begin + row, column),
  };
}
