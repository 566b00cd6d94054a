/** @module-tag long */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { UnsupportedApiError } from '@platformatic/kafka';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { UserError } from '../../../src/core/errors.js';
import { permanentProblem } from '../../../src/data/streams/kafka-errors.js';
import { kafka } from '../../../src/data/streams/kafka.js';
import type { RecordStream } from '../../../src/data/streams/record-stream.js';
import { freePort, hasProgram, openLink } from '../../support/brokers.js';
import {
  needsKafka,
  startKafka,
  startMockKafka,
  startTansu,
  type Broker,
  type TestRecord,
} from '../../support/kafka.js';
import { scratchFolder } from '../../support/scratch.js';
import { readStream, readWithKills } from '../../support/streams.js';

async function openTopic({ address }: Broker, topic: string, query = ''): Promise<RecordStream> {
  const stream = await kafka.open(`kafka://${address}/${topic}${query}`);
  onTestFinished(() => stream.close());
  return stream;
}

/** Records with ascending numbers and shuffled timestamps, over partitions. */
function numbered(count: number, numPartitions: number, first = 0): TestRecord[] {
  return Array.from({ length: count }, (_, i) => ({
    partition: (i * 7) % numPartitions,
    value: JSON.stringify({ n: first + i }),
    timestampMs: 1_700_000_000_000 + ((i * 37) % 101),
  }));
}

/** Merges records by timestamp and partition, with a sort for each record. */
function mergeByHand(records: readonly TestRecord[]): string[] {
  const numPartitions = Math.max(...records.map(({ partition }) => partition)) + 1;
  const rest = Array.from({ length: numPartitions }, (_, p) => records.filter(({ partition }) => partition === p));
  const merged: string[] = [];
  for (;;) {
    const firsts = rest.flatMap(([first]) => first ?? []);
    const [next] = firsts.toSorted((a, b) => a.timestampMs! - b.timestampMs! || a.partition - b.partition);
    if (next === undefined) return merged;
    rest[next.partition]!.shift();
    if (next.value !== null) merged.push(next.value);
  }
}

describe('a Kafka topic', () => {
  it('merges partitions by timestamp, from any cursor', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 3);
    const records = numbered(300, 3);
    for (let i = 0; i < 300; i += 50) await broker.send('events', records.slice(i, i + 50));
    const expected = mergeByHand(records);
    const stream = await openTopic(broker, 'events');
    expect((await readStream(stream)).lines).toEqual(expected);
    const { lines, cursor } = await readStream(stream, { count: 123 });
    expect(lines).toEqual(expected.slice(0, 123));
    const rest = await readStream(await openTopic(broker, 'events'), { from: cursor });
    expect(rest.lines).toEqual(expected.slice(123));
    expect(rest.warnings).toEqual([]);
  });

  it('has one line per value, and none for a tombstone', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 1);
    await broker.send('events', [
      { partition: 0, value: '{"a": 1,\n "b": "x"}\n', key: 'k', headers: { h: 'v' } },
      { partition: 0, value: null, key: 'k' },
      { partition: 0, value: '' },
      { partition: 0, value: 'not JSON' },
    ]);
    const stream = await openTopic(broker, 'events');
    const { lines, warnings } = await readStream(stream);
    // Invalid values are records too: the reader of rows reports them.
    expect(lines).toEqual(['{"a": 1,  "b": "x"} ', '""', 'not JSON']);
    expect(warnings).toEqual([
      `${stream.name}: skips records without a value (tombstones), the first of which is record 1 of partition 0`,
    ]);
    const reading = { from: undefined, endsWhenEmpty: true, signal: new AbortController().signal, onWarning: vi.fn() };
    for await (const { placeOf } of stream.read(reading))
      expect(placeOf?.(1)).toEqual({ path: `${stream.name}/0`, line: 2 });
  });

  it('reads what librdkafka compressed', async (context) => {
    needsKafka(context);
    if (!hasProgram('kcat')) context.skip('there is no kcat: apt-get install kcat');
    const broker = await startKafka();
    await broker.createTopic('events', 1);
    const codecs = ['none', 'gzip', 'snappy', 'lz4'];
    const linesOf = (codec: string): string[] => Array.from({ length: 100 }, (_, i) => `{"codec":"${codec}","i":${i}}`);
    for (const codec of codecs) {
      const args = ['-P', '-b', broker.address, '-t', 'events', '-p', '0', '-X', `compression.codec=${codec}`];
      const kcat = spawn('kcat', args, { stdio: ['pipe', 'inherit', 'inherit'] });
      kcat.stdin.end(linesOf(codec).join('\n'));
      expect(await once(kcat, 'close')).toEqual([0, null]);
    }
    const { lines } = await readStream(await openTopic(broker, 'events'));
    expect(lines).toEqual(codecs.flatMap(linesOf));
  });

  it('waits for records, and reports how many are left', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 1);
    const stream = await openTopic(broker, 'events');
    const [first, ...more] = numbered(4, 1);
    const reading = readStream(stream, { count: 1 });
    await broker.send('events', [first!]);
    const { lines, cursor } = await reading;
    expect(lines).toEqual([first!.value]);
    for (const record of more) await broker.send('events', [record]);
    expect(await stream.lag()).toEqual({ amount: 3, unit: 'records' });
    const aborted = new AbortController();
    const endless = readStream(stream, { from: cursor, count: 4, signal: aborted.signal });
    await setTimeout(300);
    aborted.abort(new Error('stopped'));
    await expect(endless).rejects.toThrow('stopped');
    expect(await stream.lag()).toEqual({ amount: 0, unit: 'records' });
  });

  it('requests records only when they are wanted', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 1);
    const value = JSON.stringify({ text: 'x'.repeat(100_000) });
    for (let i = 0; i < 10; i++)
      await broker.send(
        'events',
        Array.from({ length: 10 }, () => ({ partition: 0, value })),
      );
    const before = broker.link.numBytes();
    await readStream(await openTopic(broker, 'events'), { count: 1 });
    await setTimeout(300);
    // One fetch of at most 1 MiB, out of 6 MB.
    expect(broker.link.numBytes() - before).toBeLessThan(2.5e6);
  });

  it('passes a silent partition, and reports records that arrive too late for their order', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 2);
    await broker.send('events', [{ partition: 1, value: '{"n":1}', timestampMs: 2000 }]);
    const stream = await openTopic(broker, 'events', '?wait=100ms');
    const first = await readStream(stream, { count: 1 });
    expect(first.lines).toEqual(['{"n":1}']);
    const reading = readStream(stream, { count: 2 });
    await setTimeout(1000);
    await broker.send('events', [{ partition: 0, value: '{"n":0}', timestampMs: 1000 }]);
    const { lines, warnings } = await reading;
    expect(lines).toEqual(['{"n":1}', '{"n":0}']);
    expect(warnings).toEqual([expect.stringContaining('record 0 of partition 0 arrived after later records')]);
    expect((await readStream(stream)).lines).toEqual(['{"n":0}', '{"n":1}']);
  });

  it('waits for a silent partition forever with wait=forever', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 2);
    await broker.send('events', [{ partition: 1, value: '{"n":1}', timestampMs: 2000 }]);
    const reading = readStream(await openTopic(broker, 'events', '?wait=forever'), { count: 1 });
    await setTimeout(1000);
    await broker.send('events', [{ partition: 0, value: '{"n":0}', timestampMs: 1000 }]);
    expect((await reading).lines).toEqual(['{"n":0}']);
  });

  it('has each record once after kill -9 at any record', { tags: ['nightly'] }, async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 3);
    const records = numbered(2000, 3);
    for (let i = 0; i < 2000; i += 100) await broker.send('events', records.slice(i, i + 100));
    const { lines, numKills } = await readWithKills('kafka', `kafka://${broker.address}/events`, 2000);
    expect(numKills).toBeGreaterThan(3);
    expect(lines).toEqual(mergeByHand(records));
  });

  it('connects again after an outage, without losing or repeating records', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('events', 1);
    const records = numbered(400, 1);
    await broker.send('events', records.slice(0, 200));
    const stream = await openTopic(broker, 'events');
    const reading = readStream(stream, { count: 400 });
    await setTimeout(500);
    await broker.link.cut();
    await setTimeout(700);
    await broker.link.restore();
    await broker.send('events', records.slice(200));
    const { lines, warnings } = await reading;
    expect(lines).toEqual(records.map(({ value }) => value));
    expect(warnings).toEqual([
      expect.stringMatching(/^lost kafka:.*; trying again at least every 10 s$/),
      `reached ${stream.name} again`,
    ]);
  });

  it('is reported with the topics that exist if it does not', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    await broker.createTopic('clicks', 1);
    await broker.createTopic('events', 1);
    const name = `kafka://${broker.address}/event`;
    await expect(kafka.open(name)).rejects.toThrow(
      `${name}: there is no topic "event"; use one of clicks, events; did you mean 'events'?`,
    );
    await broker.link.cut();
    await expect(kafka.open(name)).rejects.toThrow(/^kafka:.*: cannot be reached \(connect ECONNREFUSED .*\); check/);
  });

  it('is not read from brokers that lack a request, which the error names', async (context) => {
    if (!hasProgram('kcat')) context.skip('there is no kcat: apt-get install kcat');
    const name = `kafka://${await startMockKafka()}/events`;
    await expect(kafka.open(name)).rejects.toThrow(
      new UserError('data', [
        {
          where: name,
          message: 'the brokers do not support the request ApiVersions(v3)',
          fix: 'use Kafka 3.5 or later',
        },
      ]),
    );
    const lacking = new UnsupportedApiError('No usable implementation found for API Fetch.');
    expect(permanentProblem(lacking)?.message).toBe('the brokers do not support the request Fetch');
  });

  it('is not read from a position in another topic', async (context) => {
    needsKafka(context);
    const broker = await startKafka();
    for (const topic of ['events', 'clicks']) await broker.createTopic(topic, 1);
    await broker.send('events', numbered(1, 1));
    const { cursor } = await readStream(await openTopic(broker, 'events'));
    const clicks = await openTopic(broker, 'clicks');
    await expect(readStream(clicks, { from: cursor })).rejects.toThrow('the position is not of this topic');
    const again = { ...(cursor as object), id: '00000000-0000-0000-0000-000000000001' };
    const events = await openTopic(broker, 'events');
    await expect(readStream(events, { from: again })).rejects.toThrow('the topic was deleted and created again');
  });

  it('is read through TLS', async (context) => {
    needsKafka(context);
    if (!hasProgram('openssl')) context.skip('there is no openssl: apt-get install openssl');
    const folder = scratchFolder();
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const files = ['-keyout', key, '-out', cert];
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', ...files, ...subject], {
      stdio: 'ignore',
    });
    const port = await freePort();
    const link = await openLink(port, { cert: readFileSync(cert), key: readFileSync(key) });
    await startTansu(port, `127.0.0.1:${link.port}`);
    const name = `kafka://127.0.0.1:${link.port}/events`;
    await expect(kafka.open(`${name}?ca=${cert}`)).rejects.toThrow('there is no topic "events"; the brokers have none');
    await expect(kafka.open(`${name}?tls`)).rejects.toThrow('cannot be reached (self-signed certificate)');
  });

  it('is not read with a login that the broker rejects', async (context) => {
    needsKafka(context);
    const port = await freePort();
    await startTansu(port, `127.0.0.1:${port}`, ['--authentication']);
    vi.stubEnv('MTL_KAFKA_PASSWORD', 'secret');
    await expect(kafka.open(`kafka://trainer@127.0.0.1:${port}/events?sasl=scram-sha-512`)).rejects.toThrow(
      `kafka://127.0.0.1:${port}/events: the brokers reject the login; check the user, MTL_KAFKA_PASSWORD`,
    );
  });
});

describe('the URL of a Kafka topic', () => {
  const messageOf = async (url: string): Promise<string> =>
    kafka.open(url).then(
      () => 'opened',
      (error: unknown) => (error as Error).message,
    );

  it('is checked before a connection is opened', async () => {
    expect(await messageOf('kafka://host')).toBe(
      'kafka://host: data.train: is not the URL of a stream; expected kafka://HOST:9092,HOST:9092/TOPIC',
    );
    expect(await messageOf('kafka://me:secret@host/t')).toBe(
      'kafka://host/t: data.train: has a password, which files and logs would contain; ' +
        'set MTL_KAFKA_PASSWORD in the environment instead',
    );
    expect(await messageOf('kafka://host/t?waits=5s')).toBe(
      "kafka://host/t: data.train: unknown option 'waits'; use wait, sasl, tls, ca, cert, key; did you mean 'wait'?",
    );
    expect(await messageOf('kafka://host/t?wait=5')).toContain('option wait: expected a duration such as');
    expect(await messageOf('kafka://host/t?sasl=plain')).toContain(
      'sasl requires a user and a password; found no user',
    );
    expect(await messageOf('kafka://me@host/t?sasl=plain')).toContain('found no MTL_KAFKA_PASSWORD');
    expect(await messageOf('kafka://host/t?ca=/no/such.pem')).toBe('/no/such.pem: no such file');
  });
});
