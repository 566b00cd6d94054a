import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs';
import { userError } from '../../core/errors.js';
import { nativeHome } from './binding.js';
import { NATIVE_PACKAGE } from './probe.js';
import { MTL } from '../../system/command-name.js';

/** The TensorFlow.js namespace, which is the same in all packages. */
export type TensorFlow = typeof tfjs;

/** TensorFlow.js, initialized, and its hardware. */
export interface Backend {
  readonly tf: TensorFlow;
  readonly description: string;
}

/** TensorFlow's native library, or why it does not load. */
type Native = { readonly tf: TensorFlow; readonly hasGpu: boolean } | { readonly missing: string };

/**
 * Loads TensorFlow on a CUDA GPU with its native package; returns undefined if that is impossible.
 * @param isRequired whether to throw instead
 * @throws UserError (usage) with what is missing
 */
export async function loadGpu(isRequired: boolean): Promise<Backend | undefined> {
  const native = await loadNative();
  if ('tf' in native && native.hasGpu) return { tf: native.tf, description: 'TensorFlow on a CUDA GPU' };
  if (!isRequired) return undefined;
  const problem =
    'missing' in native
      ? {
          message: `no GPU is usable: ${native.missing}`,
          fix:
            `run ${MTL} setup cuda, which installs TensorFlow with CUDA from pip and builds the addon, or use ` +
            '--device cpu',
        }
      : {
          message: `${NATIVE_PACKAGE} loads, but TensorFlow sees no CUDA device`,
          fix: `run ${MTL} doctor to see what is missing, or use --device cpu`,
        };
  throw userError('usage', { where: '--device cuda', ...problem });
}

/** Loads TensorFlow.js with its CPU backend in plain JavaScript. */
export async function loadOwn(): Promise<Backend> {
  const tf = await import('@tensorflow/tfjs');
  tf.enableProdMode();
  await tf.setBackend('cpu');
  return { tf, description: 'TensorFlow.js on the CPU' };
}

async function loadNative(): Promise<Native> {
  // Node 23 removed a function that the package calls.
  const legacy: { isNullOrUndefined?: (value: unknown) => boolean } = util;
  legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
  // Silences TensorFlow's logs. Products use single precision: GPUs would otherwise round operands to fewer bits by
  // default.
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  process.env['NVIDIA_TF32_OVERRIDE'] ??= '0';
  try {
    const entry = createRequire(join(nativeHome(), 'package.json')).resolve(NATIVE_PACKAGE);
    // The package exports all of TensorFlow.js, bound to the native library.
    const tf = (await import(pathToFileURL(entry).href)) as TensorFlow;
    await tf.ready();
    const backend = tf.backend() as { readonly isUsingGpuDevice?: boolean };
    return { tf, hasGpu: backend.isUsingGpuDevice === true };
  } catch (error) {
    // The module is missing, or its native addon is.
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { missing: `${NATIVE_PACKAGE} does not load (${reason})` };
  }
}
