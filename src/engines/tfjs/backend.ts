import util from 'node:util';
import type * as tfjs from '@tensorflow/tfjs';
import { userError } from '../../errors.js';
import type { Device } from '../device.js';

/** The TensorFlow.js namespace: the same whichever package it comes from. */
export type TensorFlow = typeof tfjs;

/** TensorFlow.js, ready to compute, and what it computes on. */
export interface Backend {
  readonly tf: TensorFlow;
  readonly description: string;
}

const NATIVE_PACKAGE = '@tensorflow/tfjs-node-gpu';

/** TensorFlow's native library, or the reason why it does not load. */
type Native = { readonly tf: TensorFlow; readonly hasGpu: boolean } | { readonly missing: string };

/**
 * TensorFlow.js on the hardware that `device` asks for: the native package where it loads (CUDA, else its CPU), otherwise
 * TensorFlow.js's own CPU backend.
 * @throws UserError (usage) for `gpu` where there is none, saying what is missing
 */
export async function loadBackend(device: Device): Promise<Backend> {
  // Read by CUDA when the library starts: a run that must not use the GPU does not even see it.
  if (device === 'cpu') process.env['CUDA_VISIBLE_DEVICES'] = '-1';
  const native = await loadNative();
  if (device === 'gpu') {
    if ('missing' in native) {
      throw userError('usage', {
        where: '--device gpu',
        message: `no GPU can be used: ${native.missing}`,
        fix: `install ${NATIVE_PACKAGE} (npm install ${NATIVE_PACKAGE}) with CUDA and cuDNN, or use --device cpu`,
      });
    }
    if (!native.hasGpu) {
      throw userError('usage', {
        where: '--device gpu',
        message: `${NATIVE_PACKAGE} loads, but TensorFlow sees no CUDA device`,
        fix: 'check nvidia-smi and the CUDA and cuDNN versions, or use --device cpu',
      });
    }
  }
  if ('tf' in native) {
    return { tf: native.tf, description: native.hasGpu ? 'TensorFlow on a CUDA GPU' : 'TensorFlow on the CPU' };
  }
  const tf = await import('@tensorflow/tfjs');
  tf.enableProdMode();
  await tf.setBackend('cpu');
  return { tf, description: 'TensorFlow.js on the CPU' };
}

async function loadNative(): Promise<Native> {
  // Node 23 took away a function that the package still calls.
  const legacy: { isNullOrUndefined?: (value: unknown) => boolean } = util;
  legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
  // Not a literal, since the package is optional and may be absent when this is compiled.
  const name: string = NATIVE_PACKAGE;
  try {
    // The package exports all of TensorFlow.js, bound to the native library.
    const tf = (await import(name)) as TensorFlow;
    await tf.ready();
    const backend = tf.backend() as { readonly isUsingGpuDevice?: boolean };
    return { tf, hasGpu: backend.isUsingGpuDevice === true };
  } catch (error) {
    // Two ways to fail: the module is not there, or it is and its native addon is not.
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
    return { missing: `${NATIVE_PACKAGE} does not load (${reason})` };
  }
}
