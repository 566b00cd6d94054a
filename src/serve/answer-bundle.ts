import { joinRows, type GivenRows } from '../data/objects/given-rows.js';
import type { CountsByColumn } from '../data/objects/object-reader.js';
import type { BadRow } from '../data/objects/row-problems.js';
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

/** A bundle whose requests are parsed. */
export interface ReadBundle {
  /** Rows of all valid requests. */
  readonly rows: GivenRows;
  readonly requests: readonly { readonly index: number; readonly request: GivenRequest; readonly begin: number }[];
  /** Answers to invalid requests, by index. */
  readonly answers: Answered[];
}

/** Parses the requests of a bundle. */
export function readBundle(facts: ModelFacts, limits: BodyLimits, { bytes, bodies }: Bundle): ReadBundle {
  const answers = new Array<Answered>(bodies.length);
  const requests: ReadBundle['requests'][number][] = [];
  let begin = 0;
  for (const [index, body] of bodies.entries()) {
    try {
      const request = READERS[body.form](bytes.subarray(body.begin, body.end), body, facts, limits);
      requests.push({ index, request, begin });
      begin += request.rows.count;
    } catch (error) {
      answers[index] = toAnswer(error);
    }
  }
  return { rows: joinRows(requests.map(({ request }) => request.rows)), requests, answers };
}

/**
 * Answers the requests of a bundle. Their rows are predicted together; each response is the same as for a single
 * request.
 */
export function answerBundle(model: GivenModel, { rows, requests, answers }: ReadBundle): AnsweredBundle {
  let counts: CountsByColumn = new Map();
  if (requests.length === 0) return { answers, counts };
  const bad: BadRow[] = [];
  const predictions = model.predictGiven(rows, {
    onBadRow: (row) => void bad.push(row),
    onCounts: (found) => void (counts = found),
  });
  for (const { index, request, begin } of requests) {
    const end = begin + request.rows.count;
    const own = bad.filter(({ row }) => row >= begin && row < end).map((each) => ({ ...each, row: each.row - begin }));
    try {
      answers[index] = request.answer(sliceRows(predictions, begin, end), own);
    } catch (error) {
      answers[index] = toAnswer(error);
    }
  }
  return { answers, counts };
}

function sliceRows(predictions: Predictions, begin: number, end: number): Predictions {
  return Object.fromEntries(
    Object.entries(predictions).map(([output, values]) => [output, values.subarray(begin, end)]),
  );
}

function toAnswer(error: unknown): Answered {
  const refusal = asRefusal(error);
  if (refusal !== undefined) return refusedAnswer(refusal);
  return { ...BUG, bug: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

/** Response to an unexpected error; the error itself is not sent. */
export const BUG: Answered = {
  status: 500,
  body: refusalBody({ message: 'this is a bug in mtl; see the log of the server', problems: [] }),
  rows: 0,
};
