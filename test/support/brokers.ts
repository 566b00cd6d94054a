import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { setTimeout } from 'node:timers/promises';
import { onTestFinished } from 'vitest';

/** Attempts, 50 ms apart, before a server counts as one that does not start. */
const MAX_ATTEMPTS = 400;

/** Returns a port that no server of this machine has. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

const portOf = (server: Server): number => (server.address() as { readonly port: number }).port;

/** Starts a server that listens on a port; it stops when the test ends. */
export async function startServer(port: number, command: string, args: readonly string[]): Promise<ChildProcess> {
  const server = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (text) => (output += String(text)));
  onTestFinished(() => void server.kill('SIGKILL'));
  for (let i = 0; i < MAX_ATTEMPTS; i++) {
    if (await isListening(port)) return server;
    if (server.exitCode !== null) break;
    await setTimeout(50);
  }
  throw new Error(`${command} does not listen on port ${port}:\n${output}`);
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Passes connections on to a server, until they are cut. */
export interface Link {
  readonly port: number;
  /** Number of bytes that the server sent. */
  numBytes(): number;
  /** Breaks all connections, and rejects new ones. */
  cut(): Promise<void>;
  /** Accepts connections again. */
  restore(): Promise<void>;
}

/**
 * Opens a link to a server of this machine; it closes when the test ends.
 * @param tls certificate and key of clients' connections; default: they are not encrypted
 */
export async function openLink(target: number, tls?: TlsOptions): Promise<Link> {
  const sockets = new Set<Socket>();
  let numBytes = 0;
  const add = (socket: Socket): Socket => {
    sockets.add(socket);
    return socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  };
  const pass = (client: Socket): void => {
    const upstream = add(connect(target, '127.0.0.1'));
    add(client).pipe(upstream).pipe(client);
    upstream.on('data', (bytes) => (numBytes += bytes.length));
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  };
  const server = tls === undefined ? createServer(pass) : createTlsServer(tls, pass);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  const cut = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    for (const socket of sockets) socket.destroy();
    await once(server, 'close');
  };
  onTestFinished(cut);
  return {
    port,
    numBytes: () => numBytes,
    cut,
    async restore() {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
    },
  };
}

/** Returns whether a program is installed. */
export function hasProgram(name: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${name}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
