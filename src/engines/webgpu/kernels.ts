import type { Bf16Kernel, QuantizedKernel, ScaledKernel, TogetherKernel } from '../compile/call-list.js';
import { argumentNames, type KernelName } from '../compile/kernel-arguments.js';
import type { ExpandedKernel, KernelsFor, Kernel, Named, RuleKernel } from './kernel.js';
import { ATTENTION_KERNELS } from './wgsl/attention.js';
import { COLUMN_KERNELS } from './wgsl/columns.js';
import { GROUP_KERNELS } from './wgsl/groups.js';
import { GRU_KERNELS } from './wgsl/gru.js';
import { LOSS_KERNELS } from './wgsl/losses.js';
import { MAP_KERNELS } from './wgsl/maps.js';
import { PRODUCT, TRANSPOSE, WEIGHT_GRADIENT } from './wgsl/products.js';
import { REDUCE_KERNELS } from './wgsl/reduce.js';
import { SEARCH_KERNELS } from './wgsl/searches.js';
import { SEGMENT_KERNELS } from './wgsl/segments.js';
import { TABLE_KERNELS } from './wgsl/tables.js';
import { ruleKernels } from './wgsl/updates.js';

/** A kernel whose work the host or the order of dispatches does. */
const NOTHING: ExpandedKernel = { form: 'expanded', kernels: [], expand: () => ({}) };

/**
 * Every kernel that a list can call, except the kernels of rules; a missing one does not compile. No step of several
 * processes runs on a GPU, none computes in bfloat16, and none has matrices for each row or quantized tables.
 */
const KERNELS: KernelsFor<
  Exclude<KernelName, RuleKernel | TogetherKernel | Bf16Kernel | ScaledKernel | QuantizedKernel>
> = {
  ...MAP_KERNELS,
  ...LOSS_KERNELS,
  ...COLUMN_KERNELS,
  ...GROUP_KERNELS,
  ...SEGMENT_KERNELS,
  ...SEARCH_KERNELS,
  ...ATTENTION_KERNELS,
  ...GRU_KERNELS,
  ...TABLE_KERNELS,
  ...REDUCE_KERNELS,
  gemm: PRODUCT,
  gemmGradient: WEIGHT_GRADIENT,
  transposePanels: TRANSPOSE,
  poolingFactors: NOTHING,
  releaseTables: NOTHING,
  // They replace a kernel if several workers share a table.
  addGradients: NOTHING,
  clearRows: NOTHING,
  findRows: NOTHING,
  numberRows: NOTHING,
};

const RULE_KERNELS = ruleKernels();

/** Returns the kernel of a call in a list. */
export function findKernel(name: KernelName): Kernel {
  const kernel = name in KERNELS ? KERNELS[name as keyof typeof KERNELS] : RULE_KERNELS.get(name);
  if (kernel === undefined) throw new Error(`no kernel '${name}' for WebGPU`);
  return kernel;
}

/** Returns every kernel that a device runs, by name. */
export function allKernels(): ReadonlyMap<string, Named> {
  const all = [...Object.entries<Kernel>(KERNELS), ...RULE_KERNELS].flatMap(([name, kernel]): readonly Named[] =>
    kernel.form === 'expanded' ? kernel.kernels : [{ name, names: argumentNames(name as KernelName), kernel }],
  );
  return new Map(all.map((named) => [named.name, named]));
}
