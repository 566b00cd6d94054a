import type { IncomingHttpHeaders } from 'node:http';
import { murmur3 } from '../../core/murmur.js';
import type { BodyKind } from '../messages.js';
import type { CanaryOptions, Side } from './options.js';

const HEADER = 'header:';
const encoder = new TextEncoder();

/** A request whose model is to be chosen. */
export interface SharedRequest {
  readonly id: string;
  readonly body: Uint8Array;
  readonly kind: BodyKind;
  readonly headers: IncomingHttpHeaders;
}

/**
 * Creates a function that chooses the model of a request: the same for the same value of `shareBy`, in every process.
 * It returns undefined for a request without a value. Values of another candidate's share are independent, so the same
 * users are not always first.
 */
export function createShare({
  kind,
  path,
  share,
  shareBy,
}: Pick<CanaryOptions, 'kind' | 'path' | 'share' | 'shareBy'>): (request: SharedRequest) => Side | undefined {
  if (kind === 'shadow') return () => 'present';
  const hash = (text: string, seed: number): number => {
    const bytes = encoder.encode(text);
    return murmur3(bytes, 0, bytes.length, seed);
  };
  const seed = hash(path, 0);
  const valueOf = createReader(shareBy);
  return (request) => {
    const value = valueOf(request);
    if (value === undefined) return undefined;
    return hash(value, seed) < share * 2 ** 32 ? 'candidate' : 'present';
  };
}

function createReader(shareBy: string | undefined): (request: SharedRequest) => string | undefined {
  if (shareBy === undefined) return ({ id }) => id;
  if (shareBy.startsWith(HEADER)) {
    const name = shareBy.slice(HEADER.length).toLowerCase();
    return ({ headers }) => toText(headers[name]);
  }
  return ({ body, kind: { jsonBytes = body.length } }) => toText(readFirst(body.subarray(0, jsonBytes), shareBy));
}

function toText(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

/** Returns the value of a column in the first row of a body; undefined if there is none. */
function readFirst(json: Uint8Array, column: string): unknown {
  try {
    const body = JSON.parse(Buffer.from(json).toString()) as Partial<Record<string, unknown>> | null;
    const first = (list: unknown): unknown => (Array.isArray(list) ? list[0] : undefined);
    const inputs = Array.isArray(body?.['inputs']) ? (body['inputs'] as unknown[]) : [];
    const tensor = inputs.find((input) => own(input, 'name') === column);
    return [body?.['user'], first(body?.['rows']), first(body?.['candidates'])]
      .map((row) => own(row, column))
      .concat(first(own(tensor, 'data')))
      .find((value) => value !== undefined);
  } catch {
    // The model that reads the body reports the problem.
    return undefined;
  }
}

function own(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Record<string, unknown>)[key]
    : undefined;
}
