/**
 * Simulates a process group: every peer behaves like this process and sends it the data that it sent to them. A step
 * has the compute and copies of one rank of many, without waiting and network time.
 */
export function mirrorPeers(size) {
  let [bytes, messages] = [0, 0];
  const count = (parts) => {
    for (const part of parts) {
      bytes += part;
      if (part > 0) messages++;
    }
  };
  const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
  const others = (each) => Array.from({ length: size - 1 }, () => each);
  const allReduceSumF32 = (numbers) => {
    // Reduce-scatter and all-gather, as in native/mpi.c.
    const pieces = Array.from(
      { length: size },
      (_, r) => 4 * (Math.floor((numbers.length * (r + 1)) / size) - Math.floor((numbers.length * r) / size)),
    );
    count([...pieces.slice(1), ...others(pieces[0])]);
    for (let i = 0; i < numbers.length; i++) numbers[i] *= size;
  };
  return {
    rank: 0,
    size,
    allReduceSumF32,
    startAllReduce: allReduceSumF32,
    pollAllReduce: () => undefined,
    waitAllReduce: () => undefined,
    allReduceSumF64(numbers) {
      count(others(8 * (numbers.length + 1)));
      for (let i = 0; i < numbers.length; i++) numbers[i] *= size;
    },
    allGather(own, all) {
      count(others(own.byteLength));
      for (let r = 0; r < size; r++) bytesOf(all).set(bytesOf(own), r * own.byteLength);
    },
    allToAll(out, outBytes, into) {
      count(outBytes.subarray(1));
      bytesOf(into).set(bytesOf(out));
    },
    sent: () => ({ bytes, messages }),
  };
}
