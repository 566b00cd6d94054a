import { z } from 'zod';
import type { Diagnosis, GateUse, LayerNorms } from '../engines/diagnosis.js';
import type { Graph } from '../graph/graph.js';

/** Schema of the section `training.diagnostics`. */
export const diagnosticsOptions = z
  .strictObject({
    everySteps: z.int().min(1).default(100).describe('Steps between diagnoses; one costs as much as two to six steps'),
  })
  .describe('Gradient cosines, layer norms and expert use in metrics.jsonl; default: none');

/** A diagnosis by names, as logged; JSON. */
export interface DiagnosisReport {
  readonly epoch: number;
  readonly step: number;
  /** Cosine between the gradients of every two terms over their shared parameters; null if one of them is 0. */
  readonly cosines: Readonly<Record<string, Readonly<Record<string, number | null>>>>;
  /** Norm of each term's gradient over shared parameters, without the term's weight. */
  readonly sharedNorms: Readonly<Record<string, number>>;
  readonly layers: Readonly<Record<string, LayerNorms>>;
  readonly gates: Readonly<
    Record<string, { readonly entropy: number; readonly experts: Readonly<Record<string, number>> }>
  >;
}

/**
 * An expert is dead if no gate gives it more than this share; with many experts, more than a tenth of an even share.
 */
const DEAD_EXPERT_SHARE = 0.01;
const DEAD_EXPERT_EVEN_FACTOR = 0.1;
/** An expert dominates a gate above this share. */
const DOMINANT_GATE_SHARE = 0.95;

/**
 * Creates an observer of the diagnoses of a run.
 * @param log receives each diagnosis as a report
 * @param warn receives each warning about experts once
 */
export function createDiagnosisObserver(
  { terms, gates = new Map() }: Graph,
  log: (report: DiagnosisReport) => void,
  warn: (warning: string) => void,
): (diagnosis: Diagnosis, position: { readonly epoch: number; readonly step: number }) => void {
  const names = terms.map(({ name }) => name);
  const expertsByGate = new Map([...gates].map(([name, { experts }]) => [name, experts]));
  const warnedKeys = new Set<string>();
  const warnOnce = (key: string, warning: string): void => {
    if (!warnedKeys.has(key)) warn(warning);
    warnedKeys.add(key);
  };
  return ({ gramian, layers, gates: uses }, { epoch, step }) => {
    const product = (i: number, j: number): number => gramian[i * names.length + j]!;
    const cosine = (i: number, j: number): number | null => {
      const norm = Math.sqrt(product(i, i) * product(j, j));
      return norm > 0 ? product(i, j) / norm : null;
    };
    const pairs = names
      .slice(0, -1)
      .map((name, i) => [
        name,
        Object.fromEntries(names.slice(i + 1).map((other, k) => [other, cosine(i, i + 1 + k)])),
      ]);
    const byExpert = ([name, { means, entropy }]: readonly [string, GateUse]) => [
      name,
      { entropy, experts: Object.fromEntries(expertsByGate.get(name)!.map((expert, e) => [expert, means[e]!])) },
    ];
    log({
      epoch,
      step,
      cosines: Object.fromEntries(pairs) as DiagnosisReport['cosines'],
      sharedNorms: Object.fromEntries(names.map((name, i) => [name, Math.sqrt(product(i, i))])),
      layers: Object.fromEntries(layers),
      gates: Object.fromEntries([...uses].map(byExpert)) as DiagnosisReport['gates'],
    });
    for (const [key, warning] of listWarnings(uses, expertsByGate)) warnOnce(key, `step ${step}: ${warning}`);
  };
}

/** Yields warnings about the use of experts, each with a key. */
function* listWarnings(
  uses: Diagnosis['gates'],
  expertsByGate: ReadonlyMap<string, readonly string[]>,
): Generator<readonly [what: string, notice: string]> {
  const largest = new Map<string, { share: number; isDead: boolean }>();
  for (const [gate, { means }] of uses) {
    const dead = Math.min(DEAD_EXPERT_SHARE, DEAD_EXPERT_EVEN_FACTOR / means.length);
    for (const [e, expert] of expertsByGate.get(gate)!.entries()) {
      const share = means[e]!;
      const previous = largest.get(expert) ?? { share: 0, isDead: true };
      largest.set(expert, { share: Math.max(previous.share, share), isDead: previous.isDead && share < dead });
      if (means.length > 1 && share > DOMINANT_GATE_SHARE) {
        yield [
          `${gate} ${expert}`,
          `gate '${gate}' gives ${percent(share)} to ${expert}, so its other experts hardly train; ` +
            'use fewer experts or a lower learning rate',
        ];
      }
    }
  }
  for (const [expert, { share, isDead }] of largest) {
    if (isDead)
      yield [
        expert,
        `${expert} is dead: no gate gives it more than ${percent(share)}; use fewer experts or a lower learning rate`,
      ];
  }
}

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;
