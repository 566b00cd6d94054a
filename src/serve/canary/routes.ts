import { quoted } from '../../core/errors.js';
import type { Row } from '../../data/objects/given-rows.js';
import { asObject, assertKeys, createUnpacker, parseJsonBody, refuseRowCount } from '../body.js';
import type { RoutedRequest } from '../http-server.js';
import type { BodyLimits } from '../messages.js';
import type { DescribedRoute } from '../openapi/document.js';
import { refusal } from '../refusal.js';
import type { Outcome } from './canary-report.js';
import type { Canary } from './canary.js';

/** Returns the routes of a canary: its state, and the labels of requests. */
export function listCanaryRoutes(canary: Canary, limits: BodyLimits): readonly DescribedRoute[] {
  const { unpack } = createUnpacker(limits.bytes);
  const reply = (content: object) => ({
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(content),
  });
  return [
    {
      method: 'GET',
      path: '/canary',
      docs: { summary: 'Compares both models on labeled requests.', response: 'CanaryReport' },
      handle: async () => reply(await canary.report()),
    },
    {
      method: 'POST',
      path: '/outcomes',
      docs: {
        summary: 'Joins labels with the predictions of requests.',
        body: 'OutcomesRequest',
        response: 'OutcomesResponse',
      },
      async handle({ body, headers }: RoutedRequest) {
        const bytes = await unpack(await body(), headers['content-encoding']);
        return reply(await canary.join(readOutcomes(bytes, limits)));
      },
    },
  ];
}

/**
 * Parses `{"outcomes": [{"id": "…", "labels": [{"click": 1}, …]}, …]}`.
 * @throws Refusal
 */
export function readOutcomes(body: Uint8Array, limits: BodyLimits): readonly Outcome[] {
  const fix = (): string => 'send {"outcomes": [{"id": "…", "labels": [{"click": 1}]}]}';
  const { outcomes } = assertKeys(asObject(parseJsonBody(body), 'body'), 'body', ['outcomes'], fix);
  const read = toList(outcomes, 'outcomes').map((each, i): Outcome => {
    const where = `outcomes[${i}]`;
    const { id, labels } = assertKeys(asObject(each, where), where, ['id', 'labels'], fix);
    if (typeof id !== 'string')
      throw refusal(400, { where: `${where}.id`, message: `expected a string, found ${quoted(id)}` });
    return {
      id,
      labels: toList(labels, `${where}.labels`).map((row, r) => asObject(row, `${where}.labels[${r}]`) as Row),
    };
  });
  const rows = read.reduce((sum, { labels }) => sum + labels.length, 0);
  if (rows > limits.rows) throw refuseRowCount(rows, limits.rows, 'labels');
  return read;
}

function toList(value: unknown, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw refusal(400, { where, message: `expected a list, found ${quoted(value)}` });
}
