import type { GivenRows } from '../data/objects/given-rows.js';
import { badRowsError, type BadRow } from '../data/objects/row-problems.js';
import type { Predictions } from '../trained-model/load-model.js';
import type { Answered } from './messages.js';

/** A parsed request. */
export interface GivenRequest {
  readonly rows: GivenRows;
  /** Columns that differ, if the rows are candidates of a user who has all others; default: rows of any kind. */
  readonly candidateColumns?: ReadonlySet<string> | undefined;
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
