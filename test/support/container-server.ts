import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished } from 'vitest';
import { BIN } from './mtl.js';

/** A server with the arguments of a container. */
export interface ContainerServer {
  readonly url: string;
  /** Sends SIGTERM, as Docker and Kubernetes do, and expects a clean exit. */
  stop(): Promise<void>;
}

/**
 * Starts `mtl serve` in a directory on a free port, in place of the port of its arguments. It ends with the test.
 * @param toLocal converts paths of the container to those of the directory
 */
export async function serveAsContainer(
  cwd: string,
  args: readonly string[],
  toLocal: (text: string) => string,
  env: NodeJS.ProcessEnv = {},
): Promise<ContainerServer> {
  const own = args.map((arg, i) => (args[i - 1] === '--port' ? '0' : toLocal(arg)));
  const server = spawn(process.execPath, [BIN, ...own, '--json'], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  onTestFinished(() => void server.kill('SIGKILL'));
  const ended = once(server, 'exit');
  const [line] = (await Promise.race([
    once(server.stdout, 'data'),
    ended.then(([code]) => Promise.reject(new Error(`the server ended with ${String(code)}`))),
  ])) as [Buffer];
  return {
    url: (JSON.parse(line.toString()) as { url: string }).url.replace('0.0.0.0', '127.0.0.1'),
    async stop() {
      server.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    },
  };
}
