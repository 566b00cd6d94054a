import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { text } from 'node:stream/consumers';
import { z } from 'zod';
import { userError } from '../../core/errors.js';
import { defineLauncher, quoteCommand, type Workers, type WorkersRequest } from './launcher.js';
import { readAnswer } from './run-program.js';

const jobSchema = z.looseObject({ status: z.string(), message: z.string().nullish() });
/** Maximum length of a quoted answer. */
const MAX_ANSWER_LENGTH = 500;
/** States of an active job. */
const ACTIVE_STATES: ReadonlySet<string> = new Set(['PENDING', 'RUNNING']);

/** Ray jobs through the REST API, one per worker. */
export const ray = defineLauncher({
  name: 'ray',
  summary: 'Ray jobs, one per worker, through the REST API of the dashboard',
  options: () => ({
    address: z
      .url({ protocol: /^https?$/ })
      .default('http://127.0.0.1:8265')
      .describe('URL of the Ray dashboard'),
    cpus: z.number().positive().optional().describe('CPUs reserved per worker'),
  }),
  isHere: false,
  build:
    ({ address, cpus }) =>
    (request) =>
      launch(request, address, cpus),
});

async function launch(
  { count, mtl, args }: WorkersRequest,
  address: string,
  cpus: number | undefined,
): Promise<Workers> {
  const jobs: string[] = [];
  for (let worker = 1; worker <= count; worker++) {
    const { submission_id: id } = await request(address, '/api/jobs/', z.looseObject({ submission_id: z.string() }), {
      entrypoint: quoteCommand([...mtl, ...args]),
      ...(cpus !== undefined && { entrypoint_num_cpus: cpus }),
    });
    jobs.push(id);
  }
  const fetchJobs = () => Promise.all(jobs.map((job) => request(address, `/api/jobs/${job}`, jobSchema)));
  return {
    where: `${count} as Ray jobs at ${address}: ${jobs.join(', ')}`,
    async areAlive() {
      const found = await fetchJobs();
      if (found.some(({ status }) => ACTIVE_STATES.has(status))) return true;
      const failed = found.find(({ status }) => status === 'FAILED');
      if (failed !== undefined)
        throw userError('usage', {
          where: address,
          message: `the workers failed: ${failed.message ?? ''}`,
          fix: 'fix the error and run the same mtl sweep again to resume',
        });
      return false;
    },
    async stop() {
      for (const [i, { status }] of (await fetchJobs()).entries())
        if (ACTIVE_STATES.has(status)) await request(address, `/api/jobs/${jobs[i]!}/stop`, z.unknown(), {});
    },
  };
}

/**
 * Sends a request to the dashboard, a POST if there is a `body`. Does not use `fetch`, because Ray rejects jobs from
 * browsers and `fetch` identifies itself as one.
 */
async function request<Schema extends z.ZodType>(
  address: string,
  path: string,
  schema: Schema,
  body?: object,
): Promise<z.output<Schema>> {
  const url = new URL(path, address);
  const request = (url.protocol === 'https:' ? https : http).request(
    url,
    body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' } },
  );
  request.end(body && JSON.stringify(body));
  const [response] = (await once(request, 'response').catch((error: unknown) => {
    throw userError(
      'usage',
      {
        where: url.href,
        message: `cannot connect (${error instanceof Error ? error.message : String(error)})`,
        fix: 'start Ray (ray start --head) or set its dashboard: launcher: { name: ray, address: … }',
      },
      error,
    );
  })) as [http.IncomingMessage];
  const answer = await text(response).catch((error: unknown) => {
    throw userError(
      'usage',
      {
        where: url.href,
        message: `the answer is incomplete (${error instanceof Error ? error.message : String(error)})`,
        fix: 'check that Ray is running, then run the same mtl sweep again to resume',
      },
      error,
    );
  });
  if (response.statusCode !== 200)
    throw userError('usage', {
      where: url.href,
      message: `HTTP ${response.statusCode}: ${answer.slice(0, MAX_ANSWER_LENGTH)}`,
    });
  return readAnswer(url.href, answer, "the JSON of Ray's job API", (jobs) => ({
    parsed: schema.parse(JSON.parse(jobs)),
  })).parsed;
}
