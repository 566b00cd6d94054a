import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { replace, writeFileAtomic } from '../io/disk.js';
import { readSafetensors, writeSafetensors, type StoredTensor, type TensorData } from '../io/safetensors.js';
import { KEY_WORDS } from '../core/row-key.js';
import { createKeyIndex, type KeyIndex } from '../core/key-index.js';
import type { Block } from './row-store.js';

/** Labels, predictions and keys of the rows of a run whose model mtl cannot run. */
const PREDICTIONS = 'predictions.safetensors';
/** Facts about these rows, JSON. */
const FACTS = 'predictions.json';

/** Rows of a split. */
export interface SplitRows {
  readonly blocks: readonly Block[];
  /** One entry per key column. */
  readonly keys: ReadonlyMap<string, KeyIndex>;
}

/** Returns whether a run has stored predictions. */
export function hasStoredRows(run: string): boolean {
  return existsSync(join(run, FACTS));
}

/**
 * Writes the rows of all splits to a run.
 * @param facts JSON about them
 * @throws UserError (disk)
 */
export async function writeStoredRows(
  run: string,
  splits: Readonly<Record<string, SplitRows>>,
  facts: object,
): Promise<void> {
  const tensors = new Map(Object.entries(splits).flatMap(([split, rows]) => [...tensorsOf(split, rows)]));
  await replace(join(run, PREDICTIONS), (path) => writeSafetensors(path, tensors));
  // Written last: its presence marks complete files.
  await writeFileAtomic(join(run, FACTS), `${JSON.stringify(facts)}\n`);
}

function* tensorsOf(split: string, { blocks, keys }: SplitRows): Generator<[string, StoredTensor]> {
  const rows = blocks.reduce((sum, block) => sum + block.rows, 0);
  const joined = (columnOf: (block: Block) => TensorData): StoredTensor => {
    const parts = blocks.map((block) => columnOf(block).subarray(0, block.rows));
    const dtype = parts[0] instanceof Uint8Array ? 'U8' : parts[0] instanceof Uint32Array ? 'U32' : 'F32';
    return { shape: [rows], dtype, data: parts[0] ?? new Float32Array(0), parts: () => parts };
  };
  const [first] = blocks;
  for (const name of first?.predictions.keys() ?? [])
    yield [`${split}/prediction/${name}`, joined(({ predictions }) => predictions.get(name)!)];
  for (const name of first?.labels.keys() ?? [])
    yield [`${split}/label/${name}`, joined(({ labels }) => labels.get(name)!)];
  for (const [name, index] of keys) {
    yield [`${split}/index/${name}`, joined(({ numbers }) => numbers!.get(name)!)];
    yield [`${split}/key/${name}`, { shape: [index.count, KEY_WORDS], data: index.keys }];
  }
}

/**
 * Reads the rows of a split, in one block; undefined if it was not stored.
 * @throws UserError (checkpoint) for a damaged file
 */
export async function readStoredRows(run: string, split: string): Promise<SplitRows | undefined> {
  const tensors = await readSafetensors(join(run, PREDICTIONS));
  const columns = (kind: string): ReadonlyMap<string, TensorData> => {
    const prefix = `${split}/${kind}/`;
    return new Map(
      [...tensors].flatMap(([name, { data }]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), data]] : [])),
    );
  };
  // The casts are safe: the types are those that were written.
  const predictions = columns('prediction') as Block['predictions'];
  const [first] = predictions.values();
  if (first === undefined) return undefined;
  const labels = columns('label') as Block['labels'];
  const numbers = columns('index') as NonNullable<Block['numbers']>;
  const keys = new Map(Array.from(columns('key'), ([name, words]) => [name, indexOf(words)]));
  return { blocks: [{ rows: first.length, predictions, labels, numbers }], keys };
}

function indexOf(words: TensorData): KeyIndex {
  const index = createKeyIndex();
  for (let at = 0; at < words.length; at += KEY_WORDS) index.getIndex(words[at]!, words[at + 1]!);
  return index;
}

/** Reads the facts about the stored rows of a run; JSON. */
export async function readStoredFacts(run: string): Promise<unknown> {
  return JSON.parse(await readFile(join(run, FACTS), 'utf8'));
}
