import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'vitest';

const NAMES = [process.env['MTL_CHROMIUM'], 'chromium', 'chromium-browser', 'google-chrome'].flatMap(
  (name) => name ?? [],
);
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--remote-debugging-pipe',
];

/** Returns the first installed browser; skips the test with the reason if there is none. */
export function needsChromium({ skip }: Pick<TestContext, 'skip'>): string {
  const found = NAMES.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
  if (found === undefined) skip(`there is no ${NAMES.join(', ')}: install Chromium, or name it with MTL_CHROMIUM`);
  return found!;
}

/** A page in a browser of its own. */
export interface OpenedPage {
  /** Runs a script in the page; returns its JSON result. */
  evaluate(script: string): Promise<unknown>;
  /** Errors of the page: scripts, failed loads, and blocked actions. */
  readonly complaints: readonly string[];
  /** PNG of the whole page. */
  screenshot(): Promise<Buffer>;
  close(): Promise<void>;
}

interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: Readonly<Record<string, unknown>>;
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly message: string };
}

/** Opens a page over the browser's debugging protocol, with a width and a light or dark color scheme. */
export async function openPage(
  browser: string,
  url: string,
  { width, scheme }: { readonly width: number; readonly scheme: 'light' | 'dark' },
): Promise<OpenedPage> {
  const profile = mkdtempSync(join(tmpdir(), 'mtl-chromium-'));
  const child = spawn(browser, [...FLAGS, `--user-data-dir=${profile}`, 'about:blank'], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise((resolve) => child.on('exit', resolve));
  const [to, from] = [child.stdio[3] as Writable, child.stdio[4] as Readable];
  const waiting = new Map<number, (message: Message) => void>();
  const onEvent = new Set<(message: Message) => void>();
  let rest = '';
  from.setEncoding('utf8').on('data', (chunk: string) => {
    const texts = (rest + chunk).split('\0');
    rest = texts.pop()!;
    for (const text of texts) {
      const message = JSON.parse(text) as Message;
      if (message.id !== undefined) waiting.get(message.id)?.(message);
      else for (const hear of onEvent) hear(message);
    }
  });
  let numSent = 0;
  const send = (method: string, params: object, sessionId?: string): Promise<Readonly<Record<string, unknown>>> =>
    new Promise((resolve, reject) => {
      const id = ++numSent;
      waiting.set(id, ({ result, error }) =>
        error === undefined ? resolve(result!) : reject(new Error(`${method}: ${error.message}`)),
      );
      to.write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const session = (await send('Target.attachToTarget', { targetId, flatten: true }))['sessionId'] as string;
  const complaints: string[] = [];
  onEvent.add(({ method, params }) => {
    const entry = params?.['entry'] as { level?: string } | undefined;
    const isComplaint =
      method === 'Runtime.exceptionThrown' ||
      (method === 'Log.entryAdded' && entry?.level !== 'info' && entry?.level !== 'verbose') ||
      (method === 'Runtime.consoleAPICalled' && ['error', 'warning'].includes(String(params?.['type'])));
    if (isComplaint) complaints.push(JSON.stringify(params));
  });
  for (const domain of ['Runtime', 'Log', 'Page']) await send(`${domain}.enable`, {}, session);
  await send(
    'Emulation.setDeviceMetricsOverride',
    { width, height: 900, deviceScaleFactor: 1, mobile: false },
    session,
  );
  await send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] }, session);
  const loaded = new Promise<void>((resolve) => {
    onEvent.add(({ method }) => {
      if (method === 'Page.loadEventFired') resolve();
    });
  });
  await send('Page.navigate', { url }, session);
  await loaded;
  return {
    complaints,
    async evaluate(script) {
      const { result, exceptionDetails } = await send(
        'Runtime.evaluate',
        { expression: script, returnByValue: true },
        session,
      );
      if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
      return (result as { value?: unknown }).value;
    },
    screenshot: async () =>
      Buffer.from(
        (await send('Page.captureScreenshot', { captureBeyondViewport: true }, session))['data'] as string,
        'base64',
      ),
    async close() {
      // Ends the whole process group: a process that survives would write into the profile while it is removed.
      process.kill(-child.pid!, 'SIGKILL');
      await exited;
      rmSync(profile, { recursive: true, force: true, maxRetries: 20 });
    },
  };
}
