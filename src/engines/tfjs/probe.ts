import { spawnSync } from 'node:child_process';

/** The package with which TensorFlow.js calls TensorFlow. */
export const NATIVE_PACKAGE = '@tensorflow/tfjs-node-gpu';

/** State of TensorFlow's GPU support. */
export interface GpuProbe {
  /** The package is not installed, does not load, loads without a GPU, or is ready. */
  readonly state: 'absent' | 'broken' | 'without a GPU' | 'ready';
  /** Error message, if it does not load. */
  readonly reason: string | undefined;
  /** Version of TensorFlow, if it loads. */
  readonly version: string | undefined;
  /** Shared libraries that it did not find. */
  readonly missing: readonly string[];
}

/** Loading may take long on a machine with a GPU. */
const TIMEOUT_MS = 60_000;

/**
 * Loads the package and prints the result. Missing CUDA libraries are reported only on stderr, hence a separate
 * process.
 */
const SCRIPT = `
  require('node:util').isNullOrUndefined ??= (value) => value === null || value === undefined;
  import(${JSON.stringify(NATIVE_PACKAGE)}).then(async (tf) => {
    await tf.ready();
    tell({ hasGpu: tf.backend().isUsingGpuDevice === true, version: tf.backend().binding.TF_Version });
  }).catch((error) => tell({ code: error.code, reason: String(error.message) }));
  const tell = (found) => require('node:fs').writeSync(1, JSON.stringify(found));
`;

/**
 * Tests TensorFlow's native package.
 * @param folder directory from which it is resolved
 */
export function probeGpu(folder: string): GpuProbe {
  const { stdout, stderr, error } = spawnSync(process.execPath, ['-e', SCRIPT], {
    cwd: folder,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    env: { ...process.env, TF_CPP_MIN_LOG_LEVEL: '0' },
  });
  return readProbe(stdout, stderr, error?.message);
}

/** Parses the output of such a process. */
export function readProbe(stdout: string, stderr: string, failure: string | undefined): GpuProbe {
  const missing = [
    ...new Set(
      [...`${stderr}\n${stdout}`.matchAll(/\b(lib[\w+-]+\.so[\w.]*)(?=['":])/g)].map(([, library]) => library!),
    ),
  ];
  let told: { readonly hasGpu?: boolean; readonly version?: string; readonly code?: string; readonly reason?: string };
  try {
    told = JSON.parse(stdout.slice(stdout.lastIndexOf('{'))) as typeof told;
  } catch {
    // The native library may crash the process.
    return {
      state: 'broken',
      reason: failure ?? (stderr.trim().split('\n').at(-1) || 'it exits without a message'),
      version: undefined,
      missing,
    };
  }
  if (told.hasGpu !== undefined)
    return { state: told.hasGpu ? 'ready' : 'without a GPU', reason: undefined, version: told.version, missing };
  const isAbsent = told.code === 'ERR_MODULE_NOT_FOUND' && told.reason?.includes(NATIVE_PACKAGE) === true;
  return { state: isAbsent ? 'absent' : 'broken', reason: told.reason?.split('\n')[0], version: undefined, missing };
}
