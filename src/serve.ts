import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { createApp } from './serve/app.js';
import { listen } from './serve/http-server.js';
import { toListenError } from './serve/listen-error.js';
import type { BodyLimits, ModelFacts, PredictorSpec } from './serve/messages.js';
import { ServeMetrics } from './serve/metrics.js';
import { ServedModels } from './serve/served-models.js';

/** Options of `serve`. */
export interface ServeOptions {
  /** Run directories or checkpoints. */
  readonly paths: readonly string[];
  /** Model names in the order of `paths`; default: config names. */
  readonly names?: readonly string[] | undefined;
  /** Whether to return uncalibrated predictions. */
  readonly raw?: boolean | undefined;
  /** Event logs with the items of rows that lack them; default: none. */
  readonly histories?: PredictorSpec['histories'];
  /** Precision of matrix products. Default: `f32`. */
  readonly precision?: PredictorSpec['precision'];
  readonly host: string;
  /** TCP port; 0 picks a free one. */
  readonly port: number;
  /** Token that requests must send; undefined accepts all requests. */
  readonly token?: string | undefined;
  /** Prediction threads per model. */
  readonly workers: number;
  /** Polling interval for newer checkpoints in milliseconds; undefined disables reloading. */
  readonly reloadMs?: number | undefined;
  readonly limits: BodyLimits;
  /** Maximum time from the first byte of a request to its response. */
  readonly timeoutMs: number;
  /** Receives warnings. */
  onWarning(text: string): void;
  /** Receives the stack of unexpected errors. */
  onBug(text: string): void;
}

/** A running server. */
export interface Server {
  readonly url: string;
  /** Currently served models. */
  readonly models: readonly ModelFacts[];
  readonly app: HttpServer;
  /** Loads newer checkpoints now. */
  reload(): Promise<void>;
  /** Stops accepting connections, answers pending requests, and closes. */
  drain(): Promise<void>;
}

/** Interval at which idle connections are closed while draining. */
const DRAIN_EVERY_MS = 50;

/**
 * Serves trained models over HTTP until drained.
 * @throws UserError (usage) for invalid names or ports; (checkpoint) if a model cannot be loaded
 */
export async function serve({
  paths,
  names,
  host,
  port,
  token,
  reloadMs,
  limits,
  timeoutMs,
  onBug,
  ...served
}: ServeOptions): Promise<Server> {
  const facts = (): readonly ModelFacts[] => models.names.map((name) => models.pool(name).facts);
  const metrics = new ServeMetrics(facts);
  const models = await ServedModels.load(paths, names, limits, {
    ...served,
    timeoutMs,
    onBundle: (...counted) => metrics.countBundle(...counted),
  });
  let isDraining = false;
  const app = createApp({ models, metrics, limits, timeoutMs, token, isDraining: () => isDraining, onBug });
  let url: string;
  try {
    url = await listen(app, host, port);
  } catch (error) {
    await models.close();
    throw toListenError(error, host, port);
  }
  const ended = new AbortController();
  const reloading =
    reloadMs === undefined ? undefined : reloadEvery(reloadMs, () => models.reload(), ended.signal, onBug);

  return {
    url,
    get models() {
      return facts();
    },
    app,
    reload: () => models.reload(),
    async drain() {
      isDraining = true;
      ended.abort();
      const idle = setInterval(() => app.closeIdleConnections(), DRAIN_EVERY_MS);
      const timeout = setTimeout(() => app.closeAllConnections(), timeoutMs);
      const closed = once(app, 'close');
      app.close();
      await closed;
      clearInterval(idle);
      clearTimeout(timeout);
      await reloading;
      await models.close();
    },
  };
}

/** Reloads in a loop, `everyMs` after the previous reload finished. */
async function reloadEvery(
  everyMs: number,
  reload: () => Promise<void>,
  signal: AbortSignal,
  onBug: (text: string) => void,
): Promise<void> {
  for (;;) {
    await wait(everyMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await reload().catch((error: unknown) =>
      onBug(error instanceof Error ? (error.stack ?? error.message) : String(error)),
    );
  }
}
