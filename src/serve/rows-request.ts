import { shortestDecimal } from '../data/files/parquet/number-text.js';
import { rowsOfObjects, type Row } from '../data/rows/object-rows.js';
import { didYouMean, quoted, type Problem } from '../core/errors.js';
import { asObject, parseJsonBody, tooManyRows, withKeys } from './body.js';
import { refuseBadInput, type GivenRequest } from './given-request.js';
import type { BodyKind, BodyLimits, ModelFacts } from './messages.js';
import { refusal } from './refusal.js';

const KEYS = ['rows'];

/**
 * Reads rows as JSON: `{"rows": [{"101": 413, "205": "x9"}, …]}`. The answer has a prediction a row, in their order,
 * null where there is none: `{"model": …, "version": …, "predictions": [{"ctr": 0.1, …}, …]}`.
 * @throws Refusal, or UserError (data)
 */
export function readRowsRequest(
  body: Uint8Array,
  { onBadRow, onMissing }: BodyKind,
  { name, version }: ModelFacts,
  limits: BodyLimits,
): GivenRequest {
  const parsed = parseJsonBody(body);
  if (Array.isArray(parsed))
    throw refusal(400, {
      where: 'body',
      message: 'expected an object, found a list',
      fix: 'write {"rows": […]} around it',
    });
  const { rows } = withKeys(
    asObject(parsed, 'body'),
    'body',
    KEYS,
    (key) => didYouMean(key, KEYS) ?? 'write rows as {"rows": [{"column": cell, …}, …]}',
  );
  if (!Array.isArray(rows))
    throw refusal(400, {
      where: 'rows',
      message: `expected a list of objects with a cell a column, found ${quoted(rows)}`,
    });
  if (rows.length > limits.rows) throw tooManyRows(rows.length, limits.rows);
  return {
    rows: rowsOfObjects(rows as readonly Row[], onMissing),
    answer(predictions, bad) {
      if (onBadRow === 'error') refuseBadInput(bad);
      const isBad = new Set(bad.map(({ row }) => row));
      const spaces = Object.entries(predictions).map(([space, values]) => ({ key: JSON.stringify(space), values }));
      const texts = rows.map((_, row) =>
        isBad.has(row)
          ? 'null'
          : `{${spaces.map(({ key, values }) => `${key}:${shortestDecimal(values[row]!)}`).join()}}`,
      );
      const problems: readonly Problem[] = bad.flatMap((each) => each.problems);
      const told = problems.length === 0 ? '' : `,"problems":${JSON.stringify(problems)}`;
      return {
        status: 200,
        body: `{"model":${JSON.stringify(name)},"version":"${version}","predictions":[${texts.join()}]${told}}`,
        rows: rows.length - bad.length,
      };
    },
  };
}
