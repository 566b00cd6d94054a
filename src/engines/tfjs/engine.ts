import type { Domain } from '../../graph/domain.js';
import { findLookups } from '../../graph/lookups.js';
import { findMaxItems } from '../../tables/layout.js';
import type { Engine, Plan } from '../engine.js';
import type { HostFactory } from '../host.js';
import { loadGpu, loadOwn, type Backend } from './backend.js';
import { TensorFlowProgram } from './program.js';

/**
 * Creates the engine on a CUDA GPU; returns undefined if there is none.
 * @param hosts create what stores tables, weights and optimizer state
 * @param isRequired whether to throw instead
 * @throws UserError (usage) with what is missing
 */
export async function createGpuEngine(hosts: HostFactory, isRequired: boolean): Promise<Engine | undefined> {
  const backend = await loadGpu(isRequired);
  return backend && engineOn(backend, hosts);
}

/** Creates the engine on TensorFlow.js's CPU backend: slow, and the reference for other engines. */
export async function createTfjsEngine(hosts: HostFactory): Promise<Engine> {
  return engineOn(await loadOwn(), hosts);
}

function engineOn({ tf, description }: Backend, hosts: HostFactory): Engine {
  return {
    name: 'tfjs',
    description,
    compile: (plan) => new TensorFlowProgram(tf, plan, hosts),
    activationBytes,
    externalBytes: (plan) => hosts.externalBytes(plan),
    maxBytes: hosts.maxBytes,
    takesPeers: false,
    precisions: ['f32'],
  };
}

/** Returns the bytes of all values and gradients; other tensors are freed within an operation. */
function activationBytes({ graph, layout, batchRows = 0 }: Plan): number {
  const { unread } = findLookups(graph);
  const rowsOf = (domain: Domain): number =>
    domain.kind === 'items' ? (findMaxItems(layout, domain.field) ?? 0) : domain.kind === 'batch' ? 1 : domain.count;
  const values = graph.values.filter((value) => !unread.has(value));
  const floats = values.reduce((sum, { width, rows }) => sum + width * rowsOf(rows), 0);
  return floats * batchRows * 2 * Float32Array.BYTES_PER_ELEMENT;
}
