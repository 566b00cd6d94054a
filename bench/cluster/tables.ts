import { EXCHANGED } from '../../src/engines/cpu/kernels.js';
import { count, MACHINE } from '../results.js';
import { NETWORKS, type Paying } from './paying.js';
import { allSent, type Split } from './split.js';

/** Measured steps and the model's prediction. */
export interface Measured extends Split {
  readonly workload: string;
  readonly between: string;
  readonly processes: number;
  readonly threads: number;
  /** If there are several ranks. */
  readonly model?: { readonly stepMs: number; readonly bytes: number };
}

/** A link: milliseconds of an exchange, by bytes sent to each other rank. */
export interface MeasuredLink {
  readonly between: string;
  readonly processes: number;
  readonly msOf: ReadonlyMap<number, number>;
}

/** Lines of a table with the same columns. */
export type Rows = readonly Readonly<Record<string, string>>[];

const ms = (value: number): string => value.toFixed(2);
const kB = (value: number): string => count(value / 1000);

/** Step time by phase, and the model's error. */
export function stepRows(steps: readonly Measured[]): Rows {
  return steps.map((step) => {
    const { bytes, exchanges } = allSent(step);
    const { workload, processes, threads, between, stepMs, computeMs, exchangeMs, waitMs, model } = step;
    return {
      workload,
      processes: String(processes),
      threads: String(threads),
      link: between,
      step: ms(stepMs),
      compute: ms(computeMs),
      exchange: ms(exchangeMs),
      wait: ms(waitMs),
      exchanges: exchanges.toFixed(0),
      'kB sent per rank': kB(bytes),
      model: model === undefined ? '' : ms(model.stepMs),
      'model error': model === undefined ? '' : `${(100 * (model.stepMs / stepMs - 1)).toFixed(0)}%`,
    };
  });
}

/** Data sent per step by purpose, with the model's sum. */
export function sentRows(steps: readonly Measured[]): Rows {
  return steps.map((step) => ({
    workload: step.workload,
    processes: String(step.processes),
    ...Object.fromEntries(
      EXCHANGED.filter((what) => what !== 'predictions').map((what) => [what, kB(step.sent.get(what)?.bytes ?? 0)]),
    ),
    all: kB(allSent(step).bytes),
    model: kB(step.model?.bytes ?? 0),
  }));
}

/** Measured links. */
export function linkRows(links: readonly MeasuredLink[]): Rows {
  return links.map(({ between, processes, msOf }) => {
    const [[shorter, shorterMs], [longest, longestMs]] = [...msOf].slice(-2) as [[number, number], [number, number]];
    return {
      link: between,
      processes: String(processes),
      ...Object.fromEntries([...msOf].map(([bytes, value]) => [`${count(bytes)} bytes`, count(1000 * value)])),
      'Gbit/s at the end': (((longest - shorter) * (processes - 1) * 8) / (longestMs - shorterMs) / 1e6).toFixed(2),
    };
  });
}

/** Speedup of several machines over one. */
export function payingRows(points: readonly Paying[]): Rows {
  return points.map(({ workload, machines, aloneMs, workMs, sentBytes, speedups }) => ({
    workload,
    machines: String(machines),
    'one machine, ms': ms(aloneMs),
    'compute per machine, ms': ms(workMs),
    'kB sent per machine': kB(sentBytes),
    ...Object.fromEntries(
      NETWORKS.map(({ name }, n) => [name, `${speedups[n]!.toFixed(speedups[n]! < 0.095 ? 2 : 1)} ×`]),
    ),
  }));
}

/** Renders a Markdown table of some columns with the machine below it. */
export function markdownOf(rows: Rows, names: readonly string[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    line(names),
    line(names.map((_, c) => (c === 0 ? '---' : '---:'))),
    ...rows.map((row) => line(names.map((name) => row[name] ?? ''))),
    '',
    `${MACHINE.cpu}, ${MACHINE.cores} cores, Node ${MACHINE.node}.`,
  ].join('\n');
}
