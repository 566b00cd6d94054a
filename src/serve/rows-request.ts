import { MAX_SHORTEST_BYTES, writeShortest } from '../text/float-text.js';
import { rowsOfObjects, type OnMissing, type Row } from '../data/objects/given-rows.js';
import { rankedRows } from '../data/objects/ranked-rows.js';
import { listProblems } from '../data/objects/row-problems.js';
import { didYouMean, quoted } from '../core/errors.js';
import type { Predictions } from '../trained-model/load-model.js';
import { asObject, parseJsonBody, refuseRowCount, assertKeys } from './body.js';
import { rejectInvalidInput, type GivenRequest } from './given-request.js';
import type { BodyKind, BodyLimits, ModelFacts } from './messages.js';
import { refusal } from './refusal.js';

const KEYS = ['rows'];
const RANKING_KEYS = ['user', 'candidates'];
const [COMMA, CLOSE] = [44, 125];
const NULL = Buffer.from('null');
/** Bytes of a row besides its outputs: a comma and a brace, or null. */
const ROW_BYTES = 5;

/**
 * Parses a request such as `{"rows": [{"101": 413, "205": "x9"}, …]}`, or `{"user": {"101": 413}, "candidates":
 * [{"205": "x9"}, …]}`. The response has one prediction per row or candidate in order, or null if there is none:
 * `{"model": …, "version": …, "predictions": [{"ctr": 0.1, …}, …]}`.
 * @throws Refusal, or UserError (data)
 */
export function readRowsRequest(
  body: Uint8Array,
  { onBadRow, onMissing }: BodyKind,
  { inputs }: ModelFacts,
  limits: BodyLimits,
): GivenRequest {
  const columns = inputs.map((input) => input.name);
  const given = readGiven(body, columns, onMissing, limits);
  const { count } = given.rows;
  return {
    ...given,
    answer({ name, version }, predictions, bad) {
      if (onBadRow === 'error') rejectInvalidInput(bad);
      const problems = listProblems(bad);
      const problemsJson = problems.length === 0 ? '' : `,"problems":${JSON.stringify(problems)}`;
      const body = buildPredictions(
        `{"model":${JSON.stringify(name)},"version":"${version}","predictions":[`,
        { predictions, count, isBad: new Set(bad.map(({ row }) => row)) },
        `]${problemsJson}}`,
      );
      return { status: 200, body, rows: count - bad.length };
    },
  };
}

interface PredictedRows {
  readonly predictions: Predictions;
  readonly count: number;
  /** Indices of rows without predictions. */
  readonly isBad: ReadonlySet<number>;
}

/** Builds JSON with an object per row, separated by commas, between two texts; null is a row without predictions. */
function buildPredictions(before: string, { predictions, count, isBad }: PredictedRows, after: string): Uint8Array {
  const outputs = Object.entries(predictions).map(([output, values], o) => ({
    key: Buffer.from(`${o === 0 ? '{' : ','}${JSON.stringify(output)}:`),
    values,
  }));
  const ends = [Buffer.from(before), Buffer.from(after)] as const;
  const numberBytes = outputs.reduce((sum, { key }) => sum + key.length + MAX_SHORTEST_BYTES, 0);
  const bytes = new Uint8Array(ends[0].length + ends[1].length + count * (numberBytes + ROW_BYTES));
  bytes.set(ends[0]);
  let at = ends[0].length;
  for (let row = 0; row < count; row++) {
    if (row > 0) bytes[at++] = COMMA;
    if (isBad.has(row)) {
      bytes.set(NULL, at);
      at += NULL.length;
      continue;
    }
    for (const { key, values } of outputs) {
      for (let i = 0; i < key.length; i++) bytes[at++] = key[i]!;
      at = writeShortest(values[row]!, bytes, at);
    }
    bytes[at++] = CLOSE;
  }
  bytes.set(ends[1], at);
  return bytes.subarray(0, at + ends[1].length);
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
