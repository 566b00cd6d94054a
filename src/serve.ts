import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { systemCode, userError } from './core/errors.js';
import { createApp } from './serve/app.js';
import { listen } from './serve/http-server.js';
import type { BodyLimits, ModelFacts } from './serve/messages.js';
import { createMetrics } from './serve/metrics.js';
import { loadServedModels } from './serve/served-models.js';

/** What is served, how, and to whom. */
export interface ServeOptions {
  /** Runs or checkpoints. */
  readonly paths: readonly string[];
  /** What the models are called, in the order of `paths`; undefined calls them what their configs are called. */
  readonly names?: readonly string[] | undefined;
  /** Answers what the models predict themselves, not as they are calibrated. */
  readonly raw?: boolean | undefined;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** What every request has to bring; undefined lets everyone ask who can reach the port. */
  readonly token?: string | undefined;
  /** Threads that predict, of each model. */
  readonly workers: number;
  /** How often to look for newer checkpoints; undefined never does. */
  readonly reloadMs?: number | undefined;
  readonly limits: BodyLimits;
  /** Of a request, from its first byte to its answer. */
  readonly timeoutMs: number;
  /** Told what people should know. */
  onWarning(text: string): void;
  /** Told of bugs of ours that came up while a request was answered. */
  onBug(text: string): void;
}

/** A server that answers. */
export interface Server {
  readonly url: string;
  /** What is served now. */
  readonly models: readonly ModelFacts[];
  readonly app: HttpServer;
  /** Looks for newer checkpoints now. */
  reload(): Promise<void>;
  /** Takes no new connections, answers what was asked, and ends. */
  drain(): Promise<void>;
}

/** How often connections are looked through for idle ones while the server ends. */
const DRAIN_EVERY_MS = 50;

/**
 * Serves trained models over HTTP, until it is drained.
 * @throws UserError (usage) for names and ports that cannot be, (checkpoint) for what cannot be loaded
 */
export async function serve({
  paths,
  names,
  raw,
  host,
  port,
  token,
  workers,
  reloadMs,
  limits,
  timeoutMs,
  onWarning,
  onBug,
}: ServeOptions): Promise<Server> {
  const facts = (): readonly ModelFacts[] => models.names.map((name) => models.pool(name).facts);
  const metrics = createMetrics(facts);
  const models = await loadServedModels(paths, names, limits, {
    workers,
    raw,
    timeoutMs,
    onWarning,
    onBundle: (...counted) => metrics.countBundle(...counted),
  });
  let isDraining = false;
  const app = createApp({ models, metrics, limits, timeoutMs, token, isDraining: () => isDraining, onBug });
  let url: string;
  try {
    url = await listen(app, host, port);
  } catch (error) {
    await models.close();
    throw notListening(error, host, port);
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
      const late = setTimeout(() => app.closeAllConnections(), timeoutMs);
      const closed = once(app, 'close');
      app.close();
      await closed;
      clearInterval(idle);
      clearTimeout(late);
      await reloading;
      await models.close();
    },
  };
}

/** Reloads again and again, a while after it is done. */
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

/** Why there is no server, where it is the port's or the host's fault. */
function notListening(error: unknown, host: string, port: number): unknown {
  const code = systemCode(error);
  if (code === 'EADDRINUSE')
    return userError(
      'usage',
      {
        where: `--port ${port}`,
        message: 'is taken by another program',
        fix: 'take another, or --port 0 for any that is free',
      },
      error,
    );
  if (code === 'EACCES')
    return userError(
      'usage',
      { where: `--port ${port}`, message: 'is for administrators alone', fix: 'take one from 1024 on' },
      error,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return userError(
      'usage',
      {
        where: `--host ${host}`,
        message: `is no address of this machine (${code})`,
        fix: 'take 127.0.0.1, or 0.0.0.0 for all of them',
      },
      error,
    );
  return error;
}
