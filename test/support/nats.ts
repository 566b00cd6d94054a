import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { onTestFinished, type TestContext } from 'vitest';
import { freePort, hasProgram, startServer } from './brokers.js';
import { scratchFolder } from './scratch.js';

/** Skips a test, with the reason, if the NATS server is not installed. */
export function needsNats(test: Pick<TestContext, 'skip'>): void {
  if (!hasProgram('nats-server')) test.skip('there is no nats-server: apt-get install nats-server');
}

/** A NATS server with JetStream. */
export interface NatsServer {
  readonly address: string;
  readonly manager: JetStreamManager;
  readonly client: JetStreamClient;
  /** Publishes messages one after the other. */
  send(subject: string, values: readonly string[]): Promise<void>;
  /** Kills the server and starts it again, with the same messages. */
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** Starts a server that keeps its messages in files. */
export async function startNats(): Promise<NatsServer> {
  const port = await freePort();
  const args = ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', scratchFolder()];
  let server: ChildProcess = await startServer(port, 'nats-server', args);
  const address = `127.0.0.1:${port}`;
  const connection: NatsConnection = await connect({
    servers: address,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
  });
  onTestFinished(() => connection.close());
  const client = jetstream(connection);
  return {
    address,
    manager: await jetstreamManager(connection),
    client,
    async send(subject, values) {
      for (const value of values) await client.publish(subject, value);
    },
    async kill() {
      server.kill('SIGKILL');
      await once(server, 'close');
    },
    async start() {
      server = await startServer(port, 'nats-server', args);
    },
  };
}
