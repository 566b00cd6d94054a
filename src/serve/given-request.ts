import { badRowsError, type BadRow, type GivenRows } from '../data/rows/object-rows.js';
import type { Predictions } from '../trained-model/load-model.js';
import type { Answered } from './messages.js';

/** A parsed request. */
export interface GivenRequest {
  readonly rows: GivenRows;
  /**
   * Builds the response.
   * @param predictions predictions of its rows
   * @param bad invalid rows, by index in the request
   * @throws Refusal, or UserError (data) if invalid rows are an error
   */
  answer(predictions: Predictions, bad: readonly BadRow[]): Answered;
}

/**
 * Throws for rows with invalid input. A prediction that is not finite is not an error of the request.
 * @throws UserError (data)
 */
export function rejectInvalidInput(bad: readonly BadRow[]): void {
  const inputProblems = bad.filter(({ source }) => source === 'input');
  if (inputProblems.length > 0) throw badRowsError(inputProblems);
}

/** Concatenates the rows of several requests; problems keep the row numbers of their request. */
export function joinRows(requests: readonly GivenRows[]): GivenRows {
  if (requests.length === 1) return requests[0]!;
  const count = requests.reduce((sum, { count: rows }) => sum + rows, 0);
  const requestIndex = new Uint32Array(count);
  const begins = new Uint32Array(requests.length);
  let end = 0;
  for (const [r, request] of requests.entries()) {
    begins[r] = end;
    end += request.count;
    requestIndex.fill(r, begins[r], end);
  }
  /** Maps a row to its request and the index there. */
  const locateRow = (row: number): readonly [GivenRows, number] => [
    requests[requestIndex[row]!]!,
    row - begins[requestIndex[row]!]!,
  ];
  return {
    count,
    cellsOf: (column) => {
      const cells = requests.map((request) => request.cellsOf(column));
      return (row) => cells[requestIndex[row]!]!(row - begins[requestIndex[row]!]!);
    },
    namesOf: (row) => {
      const [request, own] = locateRow(row);
      return request.namesOf?.(own) ?? [];
    },
    isAbsent: (row, column) => {
      const [request, own] = locateRow(row);
      return request.isAbsent?.(own, column) === true;
    },
    placeOf: (row) => `rows[${locateRow(row)[1]}]`,
  };
}
