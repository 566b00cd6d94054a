import type { GivenRows } from '../data/objects/given-rows.js';
import { badRowsError, type InvalidRow } from '../data/objects/row-problems.js';
import type { Predictions } from '../trained-model/load-model.js';
import type { Answered, ModelFacts } from './messages.js';

export interface GivenRequest {
  readonly rows: GivenRows;
  /** Columns that differ, if the rows are candidates of a user who has all others; default: rows of any kind. */
  readonly candidateColumns?: ReadonlySet<string> | undefined;
  /**
   * Builds the response.
   * @param facts of the model that predicted; its weights may be newer than when the request was parsed
   * @param predictions predictions of its rows
   * @param bad invalid rows, by index in the request
   * @throws Refusal if the path names another version; UserError (data) if invalid rows are an error
   */
  answer(facts: ModelFacts, predictions: Predictions, bad: readonly InvalidRow[]): Answered;
}

/**
 * Throws for rows with invalid input. A prediction that is not finite is not an error of the request.
 * @throws UserError (data)
 */
export function rejectInvalidInput(bad: readonly InvalidRow[]): void {
  const inputProblems = bad.filter(({ source }) => source === 'input');
  if (inputProblems.length > 0) throw badRowsError(inputProblems);
}
