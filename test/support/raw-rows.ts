import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A row of raw data. */
export interface RawRow {
  readonly click: number;
  readonly purchase: number;
  readonly session: string;
  /** Values by field, `[id, weight]`, in file order. */
  readonly features: ReadonlyMap<string, readonly (readonly [number, number])[]>;
  readonly told: number;
}

const features = (text: string): RawRow['features'] => {
  const fields = new Map<string, [number, number][]>();
  for (const feature of text.split('\x01')) {
    const [, field, id, weight] = /^(.*)\x02(\d+)\x03([\d.]+)$/.exec(feature)!;
    fields.set(field!, [...(fields.get(field!) ?? []), [Number(id), Number(weight)]]);
  }
  return fields;
};
const lines = (path: string): string[][] =>
  readFileSync(path, 'latin1')
    .trimEnd()
    .split('\n')
    .map((line) => line.split(','));

/** Reads common features by their index. */
export function readCommonRows(folder: string, split: string): Map<string, RawRow['features']> {
  return new Map(
    lines(join(folder, `common_features_${split}.csv`)).map(([index, , list]) => [index!, features(list!)]),
  );
}

/** Reads the rows of a skeleton. */
export function readSkeletonRows(folder: string, split: string): RawRow[] {
  return lines(join(folder, `sample_skeleton_${split}.csv`)).map(([, click, purchase, session, told, list]) => ({
    click: Number(click),
    purchase: Number(purchase),
    session: session!,
    features: features(list!),
    told: Number(told),
  }));
}
