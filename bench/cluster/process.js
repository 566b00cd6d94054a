// One rank of bench/cluster.bench.ts: runs the steps of a plan (from a file of structured clones) with other ranks or
// with simulated peers, or sends messages back and forth; writes its times next to the file, on the machine's shared
// clock.
import { readFileSync, writeFileSync } from 'node:fs';
import v8 from 'node:v8';
import { openPeers } from '../../dist/cluster/open-peers.js';
import { createCpuEngine } from '../../dist/engines/cpu/engine.js';
import { mirrorPeers } from './mirror.js';

const [path, name, ...rest] = process.argv.slice(2);
const peers = openPeers();

/** Milliseconds of CLOCK_MONOTONIC. */
function now() {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
}

/** Records exchanges by the purpose that the engine names. */
function watched(own) {
  const seen = [];
  let what = 'other';
  const timed =
    (exchange, isBegun) =>
    (...args) => {
      const before = own.sent();
      const beginMs = now();
      exchange(...args);
      const endMs = now();
      const after = own.sent();
      seen.push({
        what,
        beginMs,
        endMs,
        bytes: after.bytes - before.bytes,
        messages: after.messages - before.messages,
        isBegun,
      });
    };
  const all = Object.fromEntries(
    ['allReduceSumF32', 'startAllReduce', 'waitAllReduce', 'allReduceSumF64', 'allGather', 'allToAll'].map((call) => [
      call,
      timed(own[call].bind(own), call === 'startAllReduce'),
    ]),
  );
  // Data sent during computation belongs to the pending all-reduce.
  all.pollAllReduce = () => {
    const before = own.sent();
    own.pollAllReduce();
    const after = own.sent();
    const begun = seen.findLast(({ isBegun }) => isBegun);
    begun.bytes += after.bytes - before.bytes;
    begun.messages += after.messages - before.messages;
  };
  return { peers: { ...own, ...all }, onExchange: (next) => (what = next), take: () => seen.splice(0) };
}

const tasks = {
  /** Training steps with the ranks of this job, or with `images` simulated peers. */
  async steps(threads, images) {
    const { plan, batches, warmUp, steps } = v8.deserialize(readFileSync(path));
    const { peers: all, onExchange, take } = watched(Number(images) > 1 ? mirrorPeers(Number(images)) : peers);
    const program = createCpuEngine(Number(threads), true, { onExchange }).compile({ ...plan, peers: all });
    const found = [];
    for (let step = 0; step < warmUp + steps; step++) {
      if (step === warmUp) peers.allGatherStrings('');
      const beginMs = now();
      await program.trainStep(batches[step % batches.length]);
      const endMs = now();
      const exchanges = take();
      if (step >= warmUp) found.push({ beginMs, endMs, exchanges });
    }
    program.dispose();
    return found;
  },
  /** Exchanges of several message sizes with every other rank, several times each. */
  link(lengths, times) {
    const { rank, size } = peers;
    return lengths.split(',').map((length) => {
      const bytes = Float64Array.from({ length: size }, (_, r) => (r === rank ? 0 : Number(length)));
      const [out, into] = [new Uint8Array(size * Number(length)), new Uint8Array(size * Number(length))];
      return Array.from({ length: Number(times) }, () => {
        peers.allGatherStrings('');
        const beginMs = now();
        peers.allToAll(out, bytes, into, bytes);
        return { beginMs, endMs: now() };
      });
    });
  },
};
writeFileSync(
  `${path}.${name === 'link' ? 'link' : 'steps'}.${rest.at(-1)}.${peers.rank}`,
  v8.serialize(await tasks[name](...rest)),
);
peers.end();
