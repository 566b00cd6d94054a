import { shortestDecimal } from '../text/float-text.js';
import { rowsOfObjects, type Row } from '../data/objects/given-rows.js';
import { didYouMean, quoted, type Problem } from '../core/errors.js';
import { asObject, parseJsonBody, refuseRowCount, assertKeys } from './body.js';
import { rejectInvalidInput, type GivenRequest } from './given-request.js';
import type { BodyKind, BodyLimits, ModelFacts } from './messages.js';
import { refusal } from './refusal.js';

const KEYS = ['rows'];

/**
 * Parses a request such as `{"rows": [{"101": 413, "205": "x9"}, …]}`. The response has one prediction per row in
 * order, or null if there is none: `{"model": …, "version": …, "predictions": [{"ctr": 0.1, …}, …]}`.
 * @throws Refusal, or UserError (data)
 */
export function readRowsRequest(
  body: Uint8Array,
  { onBadRow, onMissing }: BodyKind,
  { name, version }: ModelFacts,
  limits: BodyLimits,
): GivenRequest {
  const rows = readRows(body, limits);
  return {
    rows: rowsOfObjects(rows, onMissing),
    answer(predictions, bad) {
      if (onBadRow === 'error') rejectInvalidInput(bad);
      const isBad = new Set(bad.map(({ row }) => row));
      const outputs = Object.entries(predictions).map(([output, values]) => ({ key: JSON.stringify(output), values }));
      const texts = rows.map((_, row) =>
        isBad.has(row)
          ? 'null'
          : `{${outputs.map(({ key, values }) => `${key}:${shortestDecimal(values[row]!)}`).join()}}`,
      );
      const problems: readonly Problem[] = bad.flatMap((each) => each.problems);
      const problemsJson = problems.length === 0 ? '' : `,"problems":${JSON.stringify(problems)}`;
      return {
        status: 200,
        body: `{"model":${JSON.stringify(name)},"version":"${version}","predictions":[${texts.join()}]${problemsJson}}`,
        rows: rows.length - bad.length,
      };
    },
  };
}

/**
 * Parses the rows of a body such as `{"rows": [{"101": 413}, …]}`, without reading them.
 * @throws Refusal
 */
export function readRows(body: Uint8Array, limits: BodyLimits): readonly Row[] {
  const parsed = parseJsonBody(body);
  if (Array.isArray(parsed))
    throw refusal(400, {
      where: 'body',
      message: 'expected an object, found a list',
      fix: 'send {"rows": […]}',
    });
  const { rows } = assertKeys(
    asObject(parsed, 'body'),
    'body',
    KEYS,
    (key) => didYouMean(key, KEYS) ?? 'send rows as {"rows": [{"column": value, …}, …]}',
  );
  if (!Array.isArray(rows))
    throw refusal(400, {
      where: 'rows',
      message: `expected a list of objects with one value per column, found ${quoted(rows)}`,
    });
  if (rows.length > limits.rows) throw refuseRowCount(rows.length, limits.rows);
  return rows as readonly Row[];
}
