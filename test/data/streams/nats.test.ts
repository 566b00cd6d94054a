/** @module-tag long */
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { nats } from '../../../src/data/streams/nats.js';
import type { RecordStream } from '../../../src/data/streams/record-stream.js';
import { freePort, startServer } from '../../support/brokers.js';
import { needsNats, startNats, type NatsServer } from '../../support/nats.js';
import { readStream, readWithKills } from '../../support/streams.js';

async function openStream({ address }: NatsServer, name: string, query = ''): Promise<RecordStream> {
  const stream = await nats.open(`nats://${address}/${name}${query}`);
  onTestFinished(() => stream.close());
  return stream;
}

/** Values with ascending numbers. */
function numbered(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => JSON.stringify({ n: first + i }));
}

describe('a JetStream stream', () => {
  it('has its messages in order, from any cursor', async (context) => {
    needsNats(context);
    const server = await startNats();
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['events.*'] });
    await server.send('events.a', numbered(30));
    await server.send('events.b', ['{"b":\n1}', '']);
    const stream = await openStream(server, 'EVENTS');
    expect((await readStream(stream)).lines).toEqual([...numbered(30), '{"b": 1}', '""']);
    const { cursor } = await readStream(stream, { count: 13 });
    const other = await openStream(server, 'EVENTS');
    expect((await readStream(other, { from: cursor })).lines).toEqual([...numbered(17, 13), '{"b": 1}', '""']);
    const filtered = await openStream(server, 'EVENTS', '?subject=events.b');
    const rest = await readStream(filtered, { from: cursor });
    expect(rest).toMatchObject({ lines: ['{"b": 1}', '""'], warnings: [] });
    expect((await readStream(filtered, { from: rest.cursor })).lines).toEqual([]);
  });

  it('has more messages than one request returns', async (context) => {
    needsNats(context);
    const server = await startNats();
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['events'], max_bytes: 1e8 });
    const values = numbered(2500);
    await Promise.all(values.map((value) => server.client.publish('events', value)));
    const { lines } = await readStream(await openStream(server, 'EVENTS'));
    expect(lines).toEqual(values);
  });

  it('waits for messages, and reports how many are left', async (context) => {
    needsNats(context);
    const server = await startNats();
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['events'] });
    const stream = await openStream(server, 'EVENTS');
    const reading = readStream(stream, { count: 1 });
    await setTimeout(200);
    await server.send('events', numbered(1));
    const { lines, cursor } = await reading;
    expect(lines).toEqual(numbered(1));
    await server.send('events', numbered(3, 1));
    expect(await stream.lag()).toEqual({ amount: 3, unit: 'records' });
    const aborted = new AbortController();
    const endless = readStream(stream, { from: cursor, count: 4, signal: aborted.signal });
    await setTimeout(300);
    aborted.abort(new Error('stopped'));
    await expect(endless).rejects.toThrow('stopped');
  });

  it('has each message once after kill -9 at any message', { tags: ['nightly'] }, async (context) => {
    needsNats(context);
    const server = await startNats();
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['events'] });
    const values = numbered(2000);
    await Promise.all(values.map((value) => server.client.publish('events', value)));
    const { lines, numKills } = await readWithKills('nats', `nats://${server.address}/EVENTS`, 2000);
    expect(numKills).toBeGreaterThan(3);
    expect(lines).toEqual(values);
  });

  it('is read on after the server was killed, without losing or repeating messages', async (context) => {
    needsNats(context);
    const server = await startNats();
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['events'] });
    await server.send('events', numbered(20));
    const stream = await openStream(server, 'EVENTS');
    const reading = readStream(stream, { count: 40 });
    await setTimeout(300);
    await server.kill();
    await setTimeout(300);
    await server.start();
    await setTimeout(500);
    await server.send('events', numbered(20, 20));
    const { lines, warnings } = await reading;
    expect(lines).toEqual(numbered(40));
    expect(warnings).toEqual([
      expect.stringMatching(/^lost nats:.*; trying again at least every 10 s$/),
      `reached ${stream.name} again`,
    ]);
  });

  it('is not read from a position that it does not have', async (context) => {
    needsNats(context);
    const server = await startNats();
    const { streams } = server.manager;
    await streams.add({ name: 'EVENTS', subjects: ['events'] });
    await server.send('events', numbered(9));
    const stream = await openStream(server, 'EVENTS');
    const { cursor } = await readStream(stream, { count: 4 });
    await streams.purge('EVENTS', { seq: 7 });
    // A read from the begin starts where the first read did.
    await expect(readStream(stream)).rejects.toThrow('messages 1 to 6 were deleted before the run read');
    expect((await readStream(await openStream(server, 'EVENTS'))).lines).toEqual(numbered(3, 6));
    await expect(readStream(stream, { from: cursor })).rejects.toThrow(
      'messages 5 to 6 were deleted before the run read',
    );
    await streams.delete('EVENTS');
    await streams.add({ name: 'EVENTS', subjects: ['events'] });
    await server.send('events', numbered(9));
    await expect(readStream(stream, { from: cursor })).rejects.toThrow('the stream was deleted and created again');
    await expect(readStream(stream, { from: { topic: 'x' } })).rejects.toThrow('the position is not of this stream');
  });

  it('is reported with the streams that exist if it cannot be read', async (context) => {
    needsNats(context);
    const server = await startNats();
    await server.manager.streams.add({ name: 'EVENTS', subjects: ['events'] });
    await server.manager.streams.add({ name: 'JOBS', subjects: ['jobs'], retention: 'workqueue' });
    await expect(openStream(server, 'EVENT')).rejects.toThrow(
      `nats://${server.address}/EVENT: there is no stream "EVENT"; use one of EVENTS, JOBS; did you mean 'EVENTS'?`,
    );
    await expect(openStream(server, 'JOBS')).rejects.toThrow('read a stream with the retention policy limits');
    const port = await freePort();
    await expect(nats.open(`nats://127.0.0.1:${port}/EVENTS`)).rejects.toThrow(/cannot be reached \(.*REFUSED/);
  });

  it('is read with a login from the environment', async (context) => {
    needsNats(context);
    const port = await freePort();
    await startServer(port, 'nats-server', ['-a', '127.0.0.1', '-p', String(port), '--user', 'me', '--pass', 'secret']);
    const url = `nats://me@127.0.0.1:${port}/EVENTS`;
    await expect(nats.open(url)).rejects.toThrow(
      'has a user without a password, which may be a token that files and logs would contain; ' +
        'set MTL_NATS_TOKEN in the environment instead, or MTL_NATS_PASSWORD if the user has one',
    );
    vi.stubEnv('MTL_NATS_PASSWORD', 'wrong');
    await expect(nats.open(url)).rejects.toThrow(
      /cannot be reached \(.*[Aa]uthorization.*check the address.*MTL_NATS_PASSWORD/,
    );
    vi.stubEnv('MTL_NATS_PASSWORD', 'secret');
    await expect(nats.open(url)).rejects.toThrow('the server has no JetStream; start it with -js');
  });
});
