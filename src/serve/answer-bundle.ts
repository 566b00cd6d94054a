import { formatStack } from '../core/errors.js';
import { joinRows, type GivenRows } from '../data/objects/given-rows.js';
import type { CountsByColumn, ValueCounts } from '../data/objects/object-reader.js';
import { sliceGiven } from '../data/objects/ranked-rows.js';
import type { InvalidRow } from '../data/objects/row-problems.js';
import type { GivenModel, Predictions } from '../trained-model/load-model.js';
import type { GivenRequest } from './given-request.js';
import type { Answered, AnsweredBundle, Bundle, BodyKind, BodyLimits, Form, ModelFacts } from './messages.js';
import { asRefusal, refusalBody, refusedAnswer } from './refusal.js';
import { readRowsRequest } from './rows-request.js';
import { readTensorsRequest } from './tensors-request.js';

/** Body readers by request form. */
const READERS: Readonly<
  Record<Form, (body: Uint8Array, kind: BodyKind, facts: ModelFacts, limits: BodyLimits) => GivenRequest>
> = {
  rows: readRowsRequest,
  tensors: readTensorsRequest,
};

/** A parsed request, and its first row in the bundle. */
interface ReadRequest {
  readonly index: number;
  readonly request: GivenRequest;
  readonly isRecorded: boolean;
  readonly begin: number;
}

/** A bundle whose requests are parsed. */
export interface ReadBundle {
  /** Rows of all valid requests, rows of candidates last. */
  readonly rows: GivenRows;
  readonly requests: readonly ReadRequest[];
  /** Answers to invalid requests, by index. */
  readonly answers: Answered[];
}

/** Parses the requests of a bundle. */
export function readBundle(facts: ModelFacts, limits: BodyLimits, { bytes, bodies }: Bundle): ReadBundle {
  const answers = new Array<Answered>(bodies.length);
  const read: Omit<ReadRequest, 'begin'>[] = [];
  for (const [index, body] of bodies.entries()) {
    try {
      const request = READERS[body.form](bytes.subarray(body.begin, body.end), body, facts, limits);
      read.push({ index, request, isRecorded: body.isRecorded === true });
    } catch (error) {
      answers[index] = toAnswer(error);
    }
  }
  let end = 0;
  const requests = [...read.filter(isOfRows), ...read.filter((each) => !isOfRows(each))].map((each): ReadRequest => {
    const begin = end;
    end += each.request.rows.count;
    return { ...each, begin };
  });
  return { rows: joinRows(requests.map(({ request }) => request.rows)), requests, answers };
}

const isOfRows = ({ request }: Pick<ReadRequest, 'request'>): boolean => request.candidateColumns === undefined;

/**
 * Answers the requests of a bundle, all by the weights of `facts`. Their rows are predicted together, and candidates by
 * user; each response is the same as for a single request.
 */
export function answerBundle(
  model: GivenModel,
  facts: ModelFacts,
  { rows, requests, answers }: ReadBundle,
): AnsweredBundle {
  const counts = new Map<string, ValueCounts>();
  const ofRows = requests.filter(isOfRows);
  const last = ofRows.at(-1);
  const groups = [
    ...(last === undefined ? [] : [{ own: ofRows, begin: 0, end: last.begin + last.request.rows.count }]),
    ...requests
      .filter((each) => !isOfRows(each))
      .map((each) => ({ own: [each], begin: each.begin, end: each.begin + each.request.rows.count })),
  ];
  for (const { own, begin, end } of groups) {
    const bad: InvalidRow[] = [];
    const options: Parameters<GivenModel['predictGiven']>[1] = {
      onInvalidRow: (row) => void bad.push(row),
      onCounts: (found) => addCounts(counts, found),
    };
    const given = groups.length === 1 ? rows : sliceGiven(rows, begin, end);
    const candidateColumns = own[0]!.request.candidateColumns;
    const predictions =
      candidateColumns === undefined
        ? model.predictGiven(given, options)
        : model.rankGiven({ rows: given, candidateColumns }, options);
    for (const each of own)
      answers[each.index] = answerRequest({ ...each, begin: each.begin - begin }, facts, predictions, bad);
  }
  return { answers, counts };
}

function answerRequest(
  { request, isRecorded, begin }: ReadRequest,
  facts: ModelFacts,
  predictions: Predictions,
  bad: readonly InvalidRow[],
): Answered {
  const end = begin + request.rows.count;
  const own = bad.filter(({ row }) => row >= begin && row < end).map((each) => ({ ...each, row: each.row - begin }));
  try {
    const answered = request.answer(facts, sliceRows(predictions, begin, end), own);
    return isRecorded ? { ...answered, predictions: copyRows(predictions, begin, end) } : answered;
  } catch (error) {
    return toAnswer(error);
  }
}

function addCounts(sums: Map<string, ValueCounts>, counts: CountsByColumn): void {
  for (const [column, { nulls, oov }] of counts) {
    const before = sums.get(column) ?? { nulls: 0, oov: 0 };
    sums.set(column, { nulls: before.nulls + nulls, oov: before.oov + oov });
  }
}

function sliceRows(predictions: Predictions, begin: number, end: number): Predictions {
  return Object.fromEntries(
    Object.entries(predictions).map(([output, values]) => [output, values.subarray(begin, end)]),
  );
}

/** Copies rows: a part of an array would be sent to another thread with all its memory. */
function copyRows(predictions: Predictions, begin: number, end: number): Predictions {
  return Object.fromEntries(Object.entries(predictions).map(([output, values]) => [output, values.slice(begin, end)]));
}

function toAnswer(error: unknown): Answered {
  const refusal = asRefusal(error);
  if (refusal !== undefined) return refusedAnswer(refusal);
  return { ...BUG, bug: formatStack(error) };
}

/** Response to an unexpected error; the error itself is not sent. */
export const BUG: Answered = {
  status: 500,
  body: refusalBody({ message: 'this is a bug in mtl; see the log of the server', problems: [] }),
  rows: 0,
};
