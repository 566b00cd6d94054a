import { badRowsError, type BadRow, type GivenRows } from '../data/rows/object-rows.js';
import type { Predictions } from '../trained-model/load-model.js';
import type { Answered } from './messages.js';

/** A request that was read. */
export interface GivenRequest {
  readonly rows: GivenRows;
  /**
   * Writes the answer.
   * @param predictions of its rows
   * @param bad those that could not be used, by their number in the request
   * @throws Refusal, or UserError (data) where they are an error
   */
  answer(predictions: Predictions, bad: readonly BadRow[]): Answered;
}

/**
 * Rejects a request for rows whose cells cannot be used; a prediction that is not finite is no error of the request.
 * @throws UserError (data)
 */
export function refuseBadInput(bad: readonly BadRow[]): void {
  const ofInput = bad.filter(({ source }) => source === 'input');
  if (ofInput.length > 0) throw badRowsError(ofInput);
}

/** The rows of several requests, one behind the other, each called what it is called in its own. */
export function joinedRows(requests: readonly GivenRows[]): GivenRows {
  if (requests.length === 1) return requests[0]!;
  const count = requests.reduce((sum, { count: rows }) => sum + rows, 0);
  const requestOf = new Uint32Array(count);
  const begins = new Uint32Array(requests.length);
  let end = 0;
  for (const [r, request] of requests.entries()) {
    begins[r] = end;
    end += request.count;
    requestOf.fill(r, begins[r], end);
  }
  /** Its request, and its number there. */
  const placeIn = (row: number): readonly [GivenRows, number] => [
    requests[requestOf[row]!]!,
    row - begins[requestOf[row]!]!,
  ];
  return {
    count,
    cellsOf: (column) => {
      const cells = requests.map((request) => request.cellsOf(column));
      return (row) => cells[requestOf[row]!]!(row - begins[requestOf[row]!]!);
    },
    namesOf: (row) => {
      const [request, own] = placeIn(row);
      return request.namesOf?.(own) ?? [];
    },
    isAbsent: (row, column) => {
      const [request, own] = placeIn(row);
      return request.isAbsent?.(own, column) === true;
    },
    placeOf: (row) => `rows[${placeIn(row)[1]}]`,
  };
}
