import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import { dirname } from 'node:path';
import { userError, formatStack } from './core/errors.js';
import { createApp } from './serve/app.js';
import { addCanaryMetrics } from './serve/canary/canary-metrics.js';
import { Canary, type CanaryContext } from './serve/canary/canary.js';
import type { CanaryOptions } from './serve/canary/options.js';
import { FolderWatcher } from './serve/folder-watcher.js';
import { listen } from './serve/http-server.js';
import { toListenError } from './serve/listen-error.js';
import type { BodyLimits, ModelFacts, PredictorSpec } from './serve/messages.js';
import { ServeMetrics } from './serve/metrics.js';
import { ServedModels } from './serve/served-models.js';

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
  /** Format of embedding tables in memory. Default: `f32`. */
  readonly tables?: PredictorSpec['tables'];
  readonly host: string;
  /** TCP port; 0 picks a free one. */
  readonly port: number;
  /** Token that requests must send; undefined accepts all requests. */
  readonly token?: string | undefined;
  /** Prediction threads per model. */
  readonly workers: number;
  /** Whether to serve the last checkpoint of a run in place of its best. Default: false. */
  readonly isLast?: boolean | undefined;
  /** Whether newer checkpoints of streams are served if their last window has alarms. Default: false. */
  readonly ignoreAlarms?: boolean | undefined;
  /**
   * Polling interval for newer checkpoints in milliseconds, which are also watched for; undefined disables reloading.
   */
  readonly reloadMs?: number | undefined;
  /** A second model to compare with the only one; default: none. */
  readonly canary?: CanaryOptions | undefined;
  readonly limits: BodyLimits;
  /** Maximum time from the first byte of a request to its response. */
  readonly timeoutMs: number;
  /** Receives the text of each warning. */
  onWarning(text: string): void;
  /** Receives the stack of unexpected errors. */
  onBug(text: string): void;
}

/** A server that runs until it is closed. */
export interface Server {
  readonly url: string;
  /** Models that the server currently serves. */
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
 * @throws UserError (usage) for invalid names or ports, or a canary that cannot be compared; (checkpoint) if a model
 * cannot be loaded
 */
export async function serve({
  paths,
  names,
  host,
  port,
  token,
  isLast = false,
  reloadMs,
  canary: canaryOptions,
  limits,
  timeoutMs,
  onBug,
  ...served
}: ServeOptions): Promise<Server> {
  if (canaryOptions !== undefined) refuseSeveral(canaryOptions, paths);
  const facts = (): readonly ModelFacts[] => models.names.map((name) => models.pool(name).facts);
  const metrics = new ServeMetrics(facts, (name) => models.isHeld(name));
  const models = await ServedModels.load(paths, names, limits, {
    ...served,
    isLast,
    isReloaded: reloadMs !== undefined,
    timeoutMs,
    onBundle: (...counted) => metrics.countBundle(...counted),
    onReload: (...reloaded) => metrics.countReload(...reloaded),
  });
  const { onWarning, ignoreAlarms } = served;
  const canary = await startCanary(canaryOptions, paths, metrics, { models, ignoreAlarms, onWarning, onBug });
  const reload = async (): Promise<void> => {
    await models.reload();
    await canary?.followReload();
  };
  const close = async (): Promise<void> => {
    await models.close();
    await canary?.close();
  };
  let isDraining = false;
  const app = createApp({ models, canary, metrics, limits, timeoutMs, token, isDraining: () => isDraining, onBug });
  const url = await listen(app, host, port).catch(async (error: unknown) => {
    await close();
    throw toListenError(error, host, port);
  });
  const ended = new AbortController();
  const reloading =
    reloadMs === undefined ? undefined : reloadOnChange({ models, reload, onBug }, reloadMs, ended.signal);

  return {
    url,
    get models() {
      return facts();
    },
    app,
    reload,
    async drain() {
      isDraining = true;
      ended.abort();
      await closeApp(app, timeoutMs);
      await reloading;
      await close();
    },
  };
}

/** Closes a server when its pending requests are answered, after `timeoutMs` at the latest. */
async function closeApp(app: HttpServer, timeoutMs: number): Promise<void> {
  const idle = setInterval(() => app.closeIdleConnections(), DRAIN_EVERY_MS);
  const timeout = setTimeout(() => app.closeAllConnections(), timeoutMs);
  const closed = once(app, 'close');
  app.close();
  await closed;
  clearInterval(idle);
  clearTimeout(timeout);
}

/** Starts the canary, if there is one, with its metrics; closes the models if that fails. */
async function startCanary(
  options: CanaryOptions | undefined,
  [path]: readonly string[],
  { registry }: ServeMetrics,
  context: Omit<CanaryContext, 'path'>,
): Promise<Canary | undefined> {
  if (options === undefined) return undefined;
  try {
    const canary = await Canary.start(options, { ...context, path: path! });
    if (canary !== undefined) addCanaryMetrics(registry, canary);
    return canary;
  } catch (error) {
    await context.models.close();
    throw error;
  }
}

function refuseSeveral({ kind, path }: CanaryOptions, { length }: readonly string[]): void {
  if (length > 1)
    throw userError('usage', {
      where: `--${kind} ${path}`,
      message: `requires one served model, found ${length}`,
      fix: 'start one mtl serve per model',
    });
}

/** Reloads in a loop: after changes next to the served checkpoints, and `everyMs` after the previous reload. */
async function reloadOnChange(
  { models, reload, onBug }: { readonly models: ServedModels; reload(): Promise<void>; onBug(text: string): void },
  everyMs: number,
  signal: AbortSignal,
): Promise<void> {
  const watcher = new FolderWatcher();
  for (;;) {
    watcher.watch(models.names.map((name) => dirname(models.pool(name).facts.checkpoint)));
    await watcher.next(everyMs, signal);
    if (signal.aborted) break;
    await reload().catch((error: unknown) => onBug(formatStack(error)));
  }
  watcher.close();
}
