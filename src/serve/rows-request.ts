import { shortestDecimal } from '../text/float-text.js';
import { rowsOfObjects, type OnMissing, type Row } from '../data/objects/given-rows.js';
import { rankedRows } from '../data/objects/ranked-rows.js';
import { listProblems } from '../data/objects/row-problems.js';
import { didYouMean, quoted } from '../core/errors.js';
import { asObject, parseJsonBody, refuseRowCount, assertKeys } from './body.js';
import { rejectInvalidInput, type GivenRequest } from './given-request.js';
import type { BodyKind, BodyLimits, ModelFacts } from './messages.js';
import { refusal } from './refusal.js';

const KEYS = ['rows'];
const RANKING_KEYS = ['user', 'candidates'];

/**
 * Parses a request such as `{"rows": [{"101": 413, "205": "x9"}, …]}`, or `{"user": {"101": 413}, "candidates":
 * [{"205": "x9"}, …]}`. The response has one prediction per row or candidate in order, or null if there is none:
 * `{"model": …, "version": …, "predictions": [{"ctr": 0.1, …}, …]}`.
 * @throws Refusal, or UserError (data)
 */
export function readRowsRequest(
  body: Uint8Array,
  { onBadRow, onMissing }: BodyKind,
  { name, version, inputs }: ModelFacts,
  limits: BodyLimits,
): GivenRequest {
  const columns = inputs.map((input) => input.name);
  const given = readGiven(body, columns, onMissing, limits);
  const { count } = given.rows;
  return {
    ...given,
    answer(predictions, bad) {
      if (onBadRow === 'error') rejectInvalidInput(bad);
      const isBad = new Set(bad.map(({ row }) => row));
      const outputs = Object.entries(predictions).map(([output, values]) => ({ key: JSON.stringify(output), values }));
      const texts = Array.from({ length: count }, (_, row) =>
        isBad.has(row)
          ? 'null'
          : `{${outputs.map(({ key, values }) => `${key}:${shortestDecimal(values[row]!)}`).join()}}`,
      );
      const problems = listProblems(bad);
      const problemsJson = problems.length === 0 ? '' : `,"problems":${JSON.stringify(problems)}`;
      return {
        status: 200,
        body: `{"model":${JSON.stringify(name)},"version":"${version}","predictions":[${texts.join()}]${problemsJson}}`,
        rows: count - bad.length,
      };
    },
  };
}

/** Parses the rows of a body, or the candidates of a user. */
function readGiven(
  body: Uint8Array,
  columns: readonly string[],
  onMissing: OnMissing,
  limits: BodyLimits,
): Pick<GivenRequest, 'rows' | 'candidateColumns'> {
  const parsed = parseBody(body);
  if (!RANKING_KEYS.some((key) => key in parsed)) return { rows: rowsOfObjects(toRows(parsed, limits), onMissing) };
  const { user, candidates } = assertKeys(
    parsed,
    'body',
    RANKING_KEYS,
    (key) => didYouMean(key, RANKING_KEYS) ?? 'send either rows, or user and candidates',
  );
  // The user is checked with the candidates.
  return rankedRows(user as Row, toList(candidates, 'candidates', limits), columns, onMissing);
}

/**
 * Parses the rows of a body such as `{"rows": [{"101": 413}, …]}`, without reading them.
 * @throws Refusal
 */
export function readRows(body: Uint8Array, limits: BodyLimits): readonly Row[] {
  return toRows(parseBody(body), limits);
}

function parseBody(body: Uint8Array): Readonly<Record<string, unknown>> {
  const parsed = parseJsonBody(body);
  if (Array.isArray(parsed))
    throw refusal(400, {
      where: 'body',
      message: 'expected an object, found a list',
      fix: 'send {"rows": […]}',
    });
  return asObject(parsed, 'body');
}

function toRows(parsed: Readonly<Record<string, unknown>>, limits: BodyLimits): readonly Row[] {
  const { rows } = assertKeys(
    parsed,
    'body',
    KEYS,
    (key) => didYouMean(key, KEYS) ?? 'send rows as {"rows": [{"column": value, …}, …]}',
  );
  return toList(rows, 'rows', limits);
}

function toList(list: unknown, where: string, limits: BodyLimits): readonly Row[] {
  if (!Array.isArray(list))
    throw refusal(400, {
      where,
      message: `expected a list of objects with one value per column, found ${quoted(list)}`,
    });
  if (list.length > limits.rows) throw refuseRowCount(list.length, limits.rows, where);
  return list as readonly Row[];
}
