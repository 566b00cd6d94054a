import type { Device } from '../engines/device.js';
import { EXIT_CODES } from '../core/errors.js';
import { auc } from '../evaluation/auc.js';
import { exportModel, type ExportResult } from '../export.js';
import { formatSpec } from '../export/formats.js';
import { bytes, table } from './format.js';
import { createOutput } from './output.js';
import type { Terminal } from './terminal.js';

export interface ExportArguments {
  readonly path: string;
  readonly format: string;
  readonly out: string;
  /** Options of the format; undefined if not given. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly raw: boolean;
  readonly device: Device;
  readonly threads: number | undefined;
  readonly json: boolean;
}

/** Runs `mtl export` and prints the written files. Returns the exit code. */
export async function runExport({
  path,
  format,
  out,
  options,
  raw,
  device,
  threads,
  json,
}: ExportArguments): Promise<number> {
  const { screen, warn, result } = createOutput(json);
  const exported = await exportModel({
    path,
    spec: formatSpec(format, options),
    out,
    raw,
    device,
    threads,
    onWarning: warn,
    signal: new AbortController().signal,
  });
  screen.print(`checkpoint ${exported.checkpoint}`);
  if (exported.measured !== undefined) screen.print(formatLosses(exported.measured, screen));
  screen.print(`${exported.files.join(', ')}: ${bytes(exported.bytes)}`);
  if (exported.loggedModel !== undefined) screen.print(`logged model ${exported.loggedModel}`);
  result(exported);
  return EXIT_CODES.done;
}

/** Builds a table of the loss in AUC per split and output. */
function formatLosses({ exact, exported }: NonNullable<ExportResult['measured']>, screen: Terminal): string {
  const rows = Object.entries(exact).flatMap(([split, report]) =>
    Object.keys(report).flatMap((output) => {
      const [before, after] = [report, exported[split]].map((each) => each?.[output]?.[auc.name]);
      if (typeof before !== 'number' || typeof after !== 'number') return [];
      return [[`${split} ${output}`, before.toFixed(6), after.toFixed(6), (before - after).toFixed(6)]];
    }),
  );
  return table([auc.name, 'before', 'exported', 'lost'], rows, screen);
}
