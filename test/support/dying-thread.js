// Loaded into a process first (node --import): threads of the module MTL_VICTIM die as MTL_DEATH says. It is loaded
// into every thread as well, to reach nested threads.
import { createRequire, syncBuiltinESMExports } from 'node:module';

const { MTL_VICTIM: victim, MTL_DEATH: death, MTL_MOMENT: moment } = process.env;
/** Threads of that module that this one started; those beyond MTL_DEATH fail to start. */
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

/** Returns a function that dies at its nth call. */
function dyingAt(count, call) {
  let calls = 0;
  return (...args) => (++calls === count ? DEATHS[death]() : call(...args));
}

if (!isMainThread) {
  const url = process.argv[2];
  if (url.endsWith(victim)) {
    const moments = {
      // Before it receives its task.
      'before its task': () => DEATHS[death](),
      // A pool worker: when it begins its share of a list while others work, or while it waits for the next step.
      'within a step': () => {
        const withDyingRun = (exports) => ({ ...exports, run: dyingAt(20, exports.run) });
        const { Instance } = WebAssembly;
        WebAssembly.Instance = function (...args) {
          return { exports: withDyingRun(new Instance(...args).exports) };
        };
        const { dlopen } = process;
        process.dlopen = (module, ...args) => {
          dlopen(module, ...args);
          module.exports = withDyingRun(module.exports);
        };
      },
      'between two steps': () => {
        Atomics.load = dyingAt(100_000, Atomics.load);
      },
      // While it handles a request.
      'at a request': () => {
        const on = parentPort.on.bind(parentPort);
        parentPort.on = (event, listener) => on(event, dyingAt(3, listener));
      },
    };
    moments[moment]?.();
  }
  await import(url);
}
