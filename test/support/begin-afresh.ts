import { readFileSync } from 'node:fs';
import { expect, vi } from 'vitest';

// Runs before each test file. With `npm test`, files share a worker in an arbitrary order: no file may find another's
// module mocks, working directory, environment or globals.

/** State of a worker before its first file, and whether its last file mocked modules. */
interface Worker {
  readonly folder: string;
  readonly env: NodeJS.ProcessEnv;
  hasMocks: boolean;
}

// Not module state: modules are reset below.
const shared = globalThis as { testWorker?: Worker };
const worker = (shared.testWorker ??= { folder: process.cwd(), env: { ...process.env }, hasMocks: false });

vi.useRealTimers();
vi.unstubAllGlobals();
vi.unstubAllEnvs();
process.chdir(worker.folder);
// Vitest counts its runs in the environment.
const left = Object.keys(process.env).filter((name) => !(name in worker.env) && !name.startsWith('VITEST_'));
for (const name of left) Reflect.deleteProperty(process.env, name);
for (const [name, value] of Object.entries(worker.env)) if (!name.startsWith('VITEST_')) process.env[name] = value;

const text = readFileSync(expect.getState().testPath!, 'utf8');

// A software GPU driver compiles each pipeline at its first use, which takes minutes on a loaded machine. These tests
// check results, so they get half an hour, which still detects a device that hangs.
const GPU_TIMEOUT_MS = 1_800_000;
vi.resetConfig();
if (/support\/(webgpu|engines)\.js'/.test(text))
  vi.setConfig({ testTimeout: GPU_TIMEOUT_MS, hookTimeout: GPU_TIMEOUT_MS });

// Modules loaded before do not see a file's mocks, and modules that it loads keep them.
const mocks = /\bvi\.(mock|doMock)\(/.test(text);
if (mocks || worker.hasMocks) vi.resetModules();
worker.hasMocks = mocks;
