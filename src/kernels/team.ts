// Who this instance is among the workers that share the memory, and how they share work and wait for each other.

let thread: i32 = 0;
let threads: i32 = 1;
let barrierAt: usize = 0;

/** Tells an instance which worker it is, of how many, and where the barrier's two words lie (arrived, generation). */
export function join(self: i32, count: i32, barrier: usize): void {
  thread = self;
  threads = count;
  barrierAt = barrier;
}

/** First of `units` that a worker gets: in 64 bits, since units times workers exceed 32. */
// @ts-ignore: decorator
@inline
function firstUnit(units: i64, worker: i32): i64 {
  return (units * worker) / threads;
}

// @ts-ignore: decorator
@inline
function firstItem(count: i32, unit: i32, worker: i32): i32 {
  const items = <i64><u32>count;
  return <i32>min(items, firstUnit((items + unit - 1) / unit, worker) * unit);
}

// @ts-ignore: decorator
@inline
function firstColumn(columns: i32, slot: i32, slots: i32, worker: i32): i32 {
  return <i32>min<i64>(columns, max<i64>(0, firstUnit(slots, worker) - slot) * 16);
}

/** Start of this worker's share of `count` items, an unsigned number, that are handed out `unit` at a time. */
export function shareBegin(count: i32, unit: i32): i32 {
  return firstItem(count, unit, thread);
}

/** End of this worker's share. */
export function shareEnd(count: i32, unit: i32): i32 {
  return firstItem(count, unit, thread + 1);
}

let isMine: bool = false;

/** Takes the thing whose claim lies at `at`, unless another worker has it; true for one worker alone. */
export function take(at: usize): bool {
  isMine = threads == 1 || atomic.xchg<i32>(at, 1) == 0;
  return isMine;
}

/** Whether this worker has what it last asked for. */
export function has(): bool {
  return isMine;
}

/** Gives all claims back, by the first worker: the others ask for them behind a barrier. */
export function releaseTables(claims: usize, count: i32): void {
  if (isFirst()) memory.fill(claims, 0, <usize>count << 2);
}

/** First column of this worker's among `columns` whose cache lines are numbers `slot` and up of `slots`. */
export function slotBegin(columns: i32, slot: i32, slots: i32): i32 {
  return firstColumn(columns, slot, slots, thread);
}

/** The end of them. */
export function slotEnd(columns: i32, slot: i32, slots: i32): i32 {
  return firstColumn(columns, slot, slots, thread + 1);
}

/** Whether this worker does what only one may do. */
export function isFirst(): bool {
  return thread == 0;
}

/** Whether the `turn`-th of several things that one worker does each is this worker's. */
export function isTurn(turn: i32): bool {
  return turn % threads == thread;
}

/** Where it stands that a worker has ended, in bytes from the barrier; COMMAND.failed of engines/cpu/command.ts. */
const FAILED: usize = 32;
const WAKE_NS: i64 = 100_000_000;

/** Waits until all workers are here: spins for a while, then sleeps; traps where one has failed and will never come. */
export function barrier(): void {
  if (threads == 1) return;
  const generation = atomic.load<i32>(barrierAt, 4);
  if (atomic.add<i32>(barrierAt, 1) == threads - 1) {
    atomic.store<i32>(barrierAt, 0);
    atomic.add<i32>(barrierAt, 1, 4);
    atomic.notify(barrierAt + 4, -1);
    return;
  }
  for (let i = 0; i < 20000; i++) if (atomic.load<i32>(barrierAt, 4) != generation) return;
  while (atomic.load<i32>(barrierAt, 4) == generation) {
    if (atomic.load<i32>(barrierAt, FAILED)) unreachable();
    atomic.wait<i32>(barrierAt + 4, generation, WAKE_NS);
  }
}
