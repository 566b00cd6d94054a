/**
 * A counter in shared memory of the messages between threads. All that a thread did before `tick` happens before all
 * that another one does after `awaitTick` of the same number: an atomic read synchronizes with the atomic write that it
 * reads from, and every tick reads from the one before (ECMA-262, section Memory Model). Messages alone have an order
 * that is left to the host there (host-synchronizes-with), and Node does not document it.
 */
export type MessageClock = Int32Array;

/** Creates a clock that has counted no message. */
export function createMessageClock(): MessageClock {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** Counts a message that is about to be sent; returns its number, which restarts after 2^32 messages. */
export function tick(clock: MessageClock): number {
  return (Atomics.add(clock, 0, 1) + 1) | 0;
}

/** Waits until the clock has counted a received message, which it has by then on every known host. */
export function awaitTick(clock: MessageClock, message: number): void {
  while (((Atomics.load(clock, 0) - message) | 0) < 0);
}
