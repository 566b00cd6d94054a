import { UserError, userError } from '../core/errors.js';
import { describeServer, serverStateSchema, type ShownComparison } from './shown-comparison.js';
import { MTL } from '../system/command-name.js';

/** A server that runs until it is closed. */
export interface LiveServer {
  readonly url: string;
  /** Token that it requires; undefined without one. */
  readonly token?: string | undefined;
}

const TIMEOUT_MS = 10_000;

/**
 * Reads the comparison of a running server (`GET /canary`).
 * @throws UserError (usage) if the server does not answer, or compares no models
 */
export async function readServer({ url, token }: LiveServer, signal: AbortSignal): Promise<ShownComparison> {
  const where = `--live ${url}`;
  try {
    const response = await fetch(new URL('/canary', url), {
      ...(token !== undefined && { headers: { authorization: `Bearer ${token}` } }),
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    if (!response.ok)
      throw userError('usage', {
        where,
        message: `the server answers GET /canary with status ${response.status}`,
        fix: FIXES[response.status] ?? 'read the log of the server',
      });
    const { data, error } = serverStateSchema.safeParse(await response.json());
    if (data !== undefined) return describeServer(url, data);
    const [issue] = error.issues;
    throw new Error(`${issue!.path.join('.')}: ${issue!.message}`);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof UserError) throw error;
    const { message, cause } = error as Error;
    const reason = cause instanceof Error ? cause.message : message;
    throw userError(
      'usage',
      {
        where,
        message: `cannot read GET /canary: ${reason}`,
        fix: 'name a running mtl serve, as in http://127.0.0.1:8080',
      },
      error,
    );
  }
}

const FIXES: Readonly<Record<number, string>> = {
  401: 'set MTL_TOKEN to the token of the server',
  404: `start ${MTL} serve with --canary RUN or --shadow RUN`,
};
