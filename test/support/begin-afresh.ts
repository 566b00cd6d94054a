import { readFileSync } from 'node:fs';
import { expect, vi } from 'vitest';

// Runs before each test file. In npm test files share a worker, and which ones come before a file is chance: none may
// find
// what another one left there, be it modules that hold its mocks, its working directory, its environment or its
// globals.

/** What a worker was before its first file, and what its last one did to the modules that are loaded. */
interface Worker {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  hasMocks: boolean;
}

// Not in a module: those are forgotten below.
const shared = globalThis as { testWorker?: Worker };
const worker = (shared.testWorker ??= { folder: process.cwd(), env: { ...process.env }, hasMocks: false });

vi.useRealTimers();
vi.unstubAllGlobals();
vi.unstubAllEnvs();
process.chdir(worker.folder);
// Vitest counts there what it runs.
const left = Object.keys(process.env).filter((name) => !(name in worker.env) && !name.startsWith('VITEST_'));
for (const name of left) Reflect.deleteProperty(process.env, name);
for (const [name, value] of Object.entries(worker.env)) if (!name.startsWith('VITEST_')) process.env[name] = value;

const text = readFileSync(expect.getState().testPath!, 'utf8');

// A driver that computes on the CPU compiles each pipeline at its first use: a minute for some tests, and as many as
// the machine has other
// work. These tests are of results, so they have half an hour, within which a device that hangs is still found.
const GPU_TIMEOUT_MS = 1_800_000;
vi.resetConfig();
if (/support\/(webgpu|engines)\.js'/.test(text))
  vi.setConfig({ testTimeout: GPU_TIMEOUT_MS, hookTimeout: GPU_TIMEOUT_MS });

// Modules that others have loaded know nothing of a file's mocks, and those that it loads know them for ever.
const mocks = /\bvi\.(mock|doMock)\(/.test(text);
if (mocks || worker.hasMocks) vi.resetModules();
worker.hasMocks = mocks;
