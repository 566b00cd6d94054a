// Reads all rows of a table again and again while deltas are applied to it, and compares them with those of its version.
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';

/** `expected[v][r]` is each element of row r in version v; `counts` are passes and wrong elements. */
const { data, width, expected, counts } = workerData;
const numRows = expected[0].length;
const places = Uint32Array.from({ length: numRows }, (_, row) => row);
let version = 0;

for (;;) {
  let wrong = 0;
  for (let row = 0; row < numRows; row++)
    for (let d = 0; d < width; d++) if (data[places[row] * width + d] !== expected[version][row]) wrong++;
  if (wrong > 0) Atomics.add(counts, 1, wrong);
  Atomics.add(counts, 0, 1);
  const received = receiveMessageOnPort(parentPort);
  if (received === undefined) continue;
  ({ version } = received.message);
  for (let row = 0; row < numRows; row++) places[row] = row;
  for (const [i, row] of received.message.moved.entries()) places[row] = numRows + i;
  parentPort.postMessage('switched');
}
