import { existsSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { boardPages } from './board/all.js';
import { renderLivePage, streamUpdates, type LivePage } from './board/live-page.js';
import { RunWatch } from './board/run-watch.js';
import { UserError, userError, formatStack } from './core/errors.js';
import { createHttpServer, JSON_TYPE, listen, type HttpReply, type Route } from './serve/http-server.js';
import { toListenError } from './serve/listen-error.js';
import { refusal, Refusal, refusalBody } from './serve/refusal.js';
import { MTL } from './system/command-name.js';

export interface BoardOptions {
  /** Directory of all runs. */
  readonly root: string;
  readonly host: string;
  /** TCP port; 0 picks a free one. */
  readonly port: number;
  /** Minimum time between two updates of a page in milliseconds. Default: 1000. */
  readonly everyMs?: number;
  /** Receives the stack of unexpected errors. */
  onBug(text: string): void;
}

/** A board that runs until it is closed. */
export interface Board {
  readonly url: string;
  /** Ends all connections and stops. */
  close(): Promise<void>;
}

/** Requests have no body. */
const MAX_BYTES = 1024;
const TIMEOUT_MS = 30_000;
const HTML = { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' };
const EVENTS = { 'content-type': 'text/event-stream', 'cache-control': 'no-store' };
/** Host names that only this machine has. */
const LOCAL = /^(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

/**
 * Serves a web page of the runs below a directory, which is kept current while it is open. It reads run directories and
 * never writes to them.
 * @throws UserError (usage) if the directory does not exist, or for a port or host that cannot be used
 */
export async function board({ root, host, port, everyMs = 1000, onBug }: BoardOptions): Promise<Board> {
  if (!existsSync(root) || !statSync(root).isDirectory())
    throw userError('usage', {
      where: root,
      message: 'expected a directory of runs',
      fix: `start a run with ${MTL} train, or name the directory`,
    });
  const watch = new RunWatch(root);
  const ended = new AbortController();
  const isLocal = LOCAL.test(host) || host === '::1';
  const app = createHttpServer({
    routes: [...pageRoutes(watch), updateRoute(watch, everyMs, ended.signal)],
    maxBytes: MAX_BYTES,
    timeoutMs: TIMEOUT_MS,
    isDraining: () => ended.signal.aborted,
    pathFix: 'open /',
    authorize(_, headers) {
      // A page of another site whose name resolves to this machine must not read runs.
      if (isLocal && !LOCAL.test(headers.host ?? ''))
        throw refusal(403, {
          where: 'host',
          message: 'expected a local name',
          fix: 'use localhost, or --host 0.0.0.0',
        });
    },
    onError: (error) => toReply(error, onBug),
  });
  let url: string;
  try {
    url = await listen(app, host, port);
  } catch (error) {
    throw toListenError(error, host, port);
  }
  return {
    url,
    async close() {
      ended.abort();
      const closed = once(app, 'close');
      app.close();
      app.closeAllConnections();
      await closed;
    },
  };
}

function pageRoutes(watch: RunWatch): readonly Route[] {
  return boardPages.map(({ path, open }) => ({
    method: 'GET',
    path,
    async handle({ query }) {
      const page = await (await open(watch, query)).draw();
      return { status: 200, headers: HTML, body: renderLivePage(page) };
    },
  }));
}

function updateRoute(watch: RunWatch, everyMs: number, signal: AbortSignal): Route {
  return {
    method: 'GET',
    path: '/updates',
    async handle({ query }) {
      const shown = new URL(query.get('page') ?? '/', 'http://board');
      const page = boardPages.find(({ path }) => path === shown.pathname);
      if (page === undefined) throw refusal(404, { where: '?page', message: 'expected the path of a page' });
      const open = (): LivePage | Promise<LivePage> => page.open(watch, shown.searchParams);
      // An unknown run is a refusal; one that disappears later ends the stream.
      await open();
      const wait = (ms: number): Promise<boolean> => setTimeout(ms, true, { signal, ref: false }).catch(() => false);
      return { status: 200, headers: EVENTS, body: streamUpdates(open, everyMs, wait) };
    },
  };
}

function toReply(error: unknown, onBug: (text: string) => void): HttpReply {
  const headers = { 'content-type': JSON_TYPE };
  if (error instanceof Refusal) return { status: error.status, headers, body: refusalBody(error) };
  if (error instanceof UserError) return { status: 500, headers, body: refusalBody(error) };
  onBug(formatStack(error));
  return { status: 500, headers, body: refusalBody({ message: 'internal error', problems: [] }) };
}
