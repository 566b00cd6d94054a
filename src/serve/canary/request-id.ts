import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { refusal } from '../refusal.js';

/** Header with the id of a request, which the client may choose. */
export const REQUEST_ID = 'x-request-id';
const VALID_ID = /^[\x21-\x7e]{1,128}$/;

/**
 * Returns the id of a request: the id of the client, or a random one.
 * @throws Refusal (400) for an invalid id
 */
export function readRequestId(headers: IncomingHttpHeaders): string {
  const given = headers[REQUEST_ID];
  if (given === undefined) return randomUUID();
  if (typeof given === 'string' && VALID_ID.test(given)) return given;
  throw refusal(400, {
    where: REQUEST_ID,
    message: 'expected at most 128 visible ASCII characters without spaces',
    fix: 'send another id, or none',
  });
}
