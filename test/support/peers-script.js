// A rank of test/cluster/peers.test.ts: runs the named case and prints its result as one line of JSON.
import { writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { openPeers } from '../../dist/cluster/open-peers.js';

function join() {
  try {
    return openPeers();
  } catch (error) {
    process.stdout.write(`${JSON.stringify({ error: error.message })}\n`);
    process.exit(2);
  }
}
const peers = join();
const { rank, size } = peers;
const warn = (found) => process.stdout.write(`${JSON.stringify({ rank, ...found })}\n`);
const steps = {
  sums() {
    // Small numbers would be lost in single precision or in another order.
    const floats = Float32Array.from({ length: 1001 }, (_, i) =>
      rank === 0 ? 2 ** 30 : rank === 1 ? 1 + i : -(2 ** 30),
    );
    peers.allReduceSumF32(floats);
    const doubles = Float64Array.of(2 ** -rank, rank === 1 ? 1 : 0);
    peers.allReduceSumF64(doubles);
    warn({ floats: [floats[0], floats[500], floats[1000]], doubles: [...doubles] });
  },
  early() {
    // More messages than one to each rank, while others are exchanged.
    const numbers = Float32Array.from({ length: 100_003 }, (_, i) =>
      Math.fround(Math.sin(i * (rank + 1)) * 10 ** ((i + rank) % 7)),
    );
    const [at, begun] = [numbers.slice(), numbers.slice()];
    const before = peers.sent().bytes;
    peers.allReduceSumF32(at);
    const between = peers.sent().bytes;
    peers.waitAllReduce();
    peers.startAllReduce(begun);
    peers.pollAllReduce();
    const doubles = Float64Array.of(rank);
    peers.allReduceSumF64(doubles);
    for (let i = 0; i < 1000; i++) peers.pollAllReduce();
    peers.waitAllReduce();
    const after = peers.sent().bytes;
    // A number, and whether any rank stops, went to each of the others meanwhile.
    warn({
      isSame: Buffer.from(at.buffer).equals(Buffer.from(begun.buffer)),
      sum: doubles[0],
      isAsMuch: after - between - 16 * (size - 1) === between - before,
    });
  },
  async late() {
    peers.startAllReduce(new Float32Array(100));
    if (rank === 1) await setTimeout(10_000);
    try {
      peers.waitAllReduce();
    } catch (error) {
      warn({ error: error.message });
      // Time for the others to report the same.
      await setTimeout(3000);
      process.exit(error.exitCode);
    }
  },
  parts() {
    const before = peers.sent();
    const all = new Uint32Array(2 * size);
    peers.allGather(Uint32Array.of(rank, 10 * rank), all);
    // Each rank sends r bytes to rank r, and one to itself.
    const bytesOf = (to, from) => (to === from ? 1 : to);
    const outBytes = Float64Array.from({ length: size }, (_, r) => bytesOf(r, rank));
    const intoBytes = Float64Array.from({ length: size }, (_, r) => bytesOf(rank, r));
    const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);
    const into = new Uint8Array(sum(intoBytes));
    peers.allToAll(new Uint8Array(sum(outBytes)).fill(rank + 1), outBytes, into, intoBytes);
    // Each rank gathers as many numbers as its rank.
    const shown = new Uint32Array(3);
    peers.allGather(new Uint32Array(rank).fill(rank), shown, Float64Array.of(0, 4, 8));
    const { bytes, messages } = peers.sent();
    warn({
      all: [...all],
      into: [...into],
      shown: [...shown],
      sent: [bytes - before.bytes, messages - before.messages],
    });
  },
  async turns() {
    const texts = peers.allGatherStrings(rank === 1 ? '' : `from ${rank}: ü`);
    const isAny = [peers.allReduceAny(rank === 2), peers.allReduceAny(false)];
    let isBehind = false;
    await peers.rankZeroFirst(async () => {
      await setTimeout(rank === 0 ? 50 : 0);
      isBehind = true;
    });
    warn({ texts, isAny, isBehind });
  },
  async together() {
    // The second failing rank reports nothing: it waits until the first ends it.
    try {
      await peers.runCollectively(async () => {
        await setTimeout(rank === 1 ? 200 : 0);
        if (rank > 0) throw new Error(`of ${rank}`);
        await peers.rankZeroFirst(async () => undefined);
      });
    } catch (error) {
      warn({ error: error.message });
      process.exit(3);
    }
  },
  stop() {
    const own = new AbortController();
    const synchronizeSignal = peers.synchronizeSignal(own.signal);
    const seen = [];
    for (let step = 0; step < 4; step++) {
      if (rank === 1 && step === 2) own.abort(new Error('asked'));
      peers.allReduceSumF64(new Float64Array(1));
      seen.push(synchronizeSignal.aborted);
    }
    warn({ seen, isOwnReason: synchronizeSignal.reason === own.signal.reason });
  },
  polls() {
    const sums = (count) => Array.from({ length: count }, () => peers.allReduceSumF64(new Float64Array(1)));
    const sentBy = (work) => {
      const before = peers.sent();
      work();
      const { bytes, messages } = peers.sent();
      return [bytes - before.bytes, messages - before.messages];
    };
    const unpolled = sentBy(() => sums(3));
    const own = new AbortController();
    const synchronizeSignal = peers.synchronizeSignal(own.signal);
    let numPolls = 0;
    const seen = [];
    const polled = sentBy(() => {
      const isAny = peers.allReduceAnyWithSum(() => ++numPolls === 2 && rank > 0);
      for (let step = 0; step < 3; step++) {
        if (step === 2) own.abort(new Error('asked'));
        sums(1);
        seen.push([isAny(), synchronizeSignal.aborted]);
      }
    });
    warn({ seen, further: polled.map((count, i) => count - unpolled[i]) });
  },
  async silent() {
    if (rank === 1) await setTimeout(10_000);
    try {
      peers.allReduceSumF64(new Float64Array(1));
    } catch (error) {
      warn({ error: error.message });
      // Time for the others to report the same.
      await setTimeout(3000);
      process.exit(error.exitCode);
    }
  },
  async dies() {
    writeFileSync(`${process.env.PIDS}/${rank}.pid`, String(process.pid));
    peers.allReduceSumF64(new Float64Array(1));
    if (rank === 1) process.kill(process.pid, 'SIGKILL');
    peers.allReduceSumF64(new Float64Array(1));
  },
  async elsewhere() {
    try {
      peers.allReduceSumF64(new Float64Array(rank === 0 ? 1 : 2));
    } catch (error) {
      warn({ error: error.message });
      await setTimeout(500);
      process.exit(error.exitCode);
    }
  },
};
await steps[process.argv[2]]();
peers.end();
