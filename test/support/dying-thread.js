// Loaded into a process before anything else (node --import): threads of the module MTL_VICTIM die as MTL_DEATH says.
// It stands before every thread as well, whoever starts it, so as to reach the threads of threads.
import { createRequire, syncBuiltinESMExports } from 'node:module';

const { MTL_VICTIM: victim, MTL_DEATH: death, MTL_MOMENT: moment } = process.env;
/** Threads of that module that this one started: those beyond MTL_DEATH cannot, where that is the moment. */
let numStarted = 0;
const threads = createRequire(import.meta.url)('node:worker_threads');
const { isMainThread, parentPort, Worker } = threads;
threads.Worker = class extends Worker {
  constructor(url, options) {
    if (moment === 'at its start' && url.href.endsWith(victim) && ++numStarted > Number(death))
      throw Object.assign(new Error('EAGAIN'), { code: 'ERR_WORKER_INIT_FAILED' });
    super(new URL(import.meta.url), { ...options, argv: [url.href], resourceLimits: { maxOldGenerationSizeMb: 48 } });
  }
};
syncBuiltinESMExports();

const DEATHS = {
  exit: () => process.exit(0),
  heap: () => {
    for (const all = []; ;) all.push(new Array(1000).fill({}));
  },
};

/** A function that dies at its so-many-th call. */
function dyingAt(count, call) {
  let calls = 0;
  return (...args) => (++calls === count ? DEATHS[death]() : call(...args));
}

if (!isMainThread) {
  const url = process.argv[2];
  if (url.endsWith(victim)) {
    const moments = {
      // Before it knows what it is to do.
      'before its task': () => DEATHS[death](),
      // Of a team's worker: in a kernel of its share, with others at work, or where it waits for the next step.
      'within a step': () => {
        const { Instance } = WebAssembly;
        WebAssembly.Instance = function (...args) {
          const exports = Object.entries(new Instance(...args).exports);
          // Any kernel: native ones stand in for some of these. Not what says who does which part: those calls are as
          // many as kernels.
          const isKernel = (name) => !/^(share|slot)(Begin|End)$|^(has|take)$/.test(name);
          let numLeft = 500;
          const dying =
            (call) =>
            (...called) =>
              --numLeft === 0 ? DEATHS[death]() : call(...called);
          return {
            exports: Object.fromEntries(
              exports.map(([name, value]) => [
                name,
                typeof value === 'function' && isKernel(name) ? dying(value) : value,
              ]),
            ),
          };
        };
      },
      'between two steps': () => {
        Atomics.load = dyingAt(100_000, Atomics.load);
      },
      // Of a thread that is asked.
      'at a request': () => {
        const on = parentPort.on.bind(parentPort);
        parentPort.on = (event, listener) => on(event, dyingAt(3, listener));
      },
    };
    moments[moment]?.();
  }
  await import(url);
}
