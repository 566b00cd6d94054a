import type { Bf16Kernel, KernelName, TableRule, TogetherKernel } from '../compile/call-list.js';
import type { KernelsFor, Kernel, RowKernel, OwnKernel } from './kernel.js';
import { COLUMN_KERNELS } from './wgsl/columns.js';
import { GROUP_KERNELS } from './wgsl/groups.js';
import { LOSS_KERNELS } from './wgsl/losses.js';
import { MAP_KERNELS } from './wgsl/maps.js';
import { PRODUCTS, TRANSPOSE, WEIGHT_GRADIENT } from './wgsl/products.js';
import { REDUCE_KERNELS } from './wgsl/reduce.js';
import { TABLE_KERNELS } from './wgsl/tables.js';
import { ruleKernels } from './wgsl/updates.js';

type RuleKernel = `${TableRule}${'Dense' | 'Tensor' | 'Table'}`;

/**
 * Every kernel that a list of calls can name, but for those of the optimizers' rules: one that is missing does not
 * compile. Workers claim
 * tables and bags' factors are the host's; what gathers gradients, and what refuses a step, is made of several others
 * (dispatches.ts). Several
 * processes take no step on a GPU, and of products in bfloat16 it has none; those in half precision are others of the
 * same names (dispatches.ts).
 */
const KERNELS: KernelsFor<Exclude<KernelName, RuleKernel | TogetherKernel | Bf16Kernel>> = {
  ...MAP_KERNELS,
  ...LOSS_KERNELS,
  ...COLUMN_KERNELS,
  ...GROUP_KERNELS,
  ...TABLE_KERNELS,
  ...REDUCE_KERNELS,
  gemm: PRODUCTS.wide,
  gemmGradient: WEIGHT_GRADIENT,
  transposePanels: TRANSPOSE,
  poolingFactors: { form: 'host' },
  releaseTables: { form: 'host' },
  gatherGradients: { form: 'host' },
  gatherBagGradients: { form: 'host' },
  refuseUnlessFinite: { form: 'host' },
};

const RULE_KERNELS = ruleKernels();

/** The kernel of a call. */
export function kernelOf(name: KernelName): Kernel {
  const kernel = name in KERNELS ? KERNELS[name as keyof typeof KERNELS] : RULE_KERNELS.get(name);
  if (kernel === undefined) throw new Error(`no kernel '${name}' for WebGPU`);
  return kernel;
}

/** All kernels, by their names. */
export function allKernels(): ReadonlyMap<string, RowKernel | OwnKernel> {
  const own = Object.entries(KERNELS).filter(
    (entry): entry is [string, RowKernel | OwnKernel] => entry[1].form !== 'host',
  );
  return new Map([...own, ...RULE_KERNELS]);
}
