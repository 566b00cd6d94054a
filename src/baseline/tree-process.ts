import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { userError } from '../core/errors.js';
import { lastLines, pythonEnvironment, type TreePython } from './python.js';

/** The script that predicts rows. */
const SCRIPT = fileURLToPath(new URL('./score_trees.py', import.meta.url));
/** Characters of Python's stderr that an error may show. */
const SHOWN_CHARACTERS = 10_000;

/** Models that a process loads. */
export interface TreeModels {
  /** Number of features of a row. */
  readonly columns: number;
  /** By task: the path of its model, or one path per fold; as many for each task. */
  readonly models: readonly (readonly string[])[];
  readonly threads: number;
}

/** A Python process that predicts rows with LightGBM. It starts with the first rows. */
export class TreeProcess {
  readonly #python: TreePython;
  readonly #models: TreeModels;
  #child: ChildProcessByStdio<Writable, Readable, Readable> | undefined;
  #answers: AsyncIterator<Buffer> | undefined;
  /** Resolves when all of its output has arrived. */
  #end: Promise<unknown> | undefined;
  #stderr = '';

  constructor(python: TreePython, models: TreeModels) {
    this.#python = python;
    this.#models = models;
  }

  /**
   * Predicts rows; one call at a time.
   * @param features `[rows, columns]`, row by row
   * @param folds the model of each row; read if tasks have several models
   * @returns `[rows, tasks]`, row by row
   * @throws UserError (usage) with the end of its stderr if Python fails
   */
  async predict(features: Float32Array, folds: Uint8Array): Promise<Float32Array> {
    const { models, columns } = this.#models;
    const rows = features.length / columns;
    const { stdin } = this.#start();
    stdin.write(Uint8Array.from([rows, rows >>> 8, rows >>> 16, rows >>> 24]));
    if (models[0]!.length > 1) stdin.write(folds);
    stdin.write(new Uint8Array(features.buffer, features.byteOffset, features.byteLength));
    return this.#readFloats(rows * models.length);
  }

  dispose(): void {
    this.#child?.kill();
  }

  #start(): ChildProcessByStdio<Writable, Readable, Readable> {
    if (this.#child !== undefined) return this.#child;
    const child = spawn(this.#python.command, [SCRIPT], { stdio: ['pipe', 'pipe', 'pipe'], env: pythonEnvironment() });
    // Either event also ends stdout, whose reader reports it.
    child.on('error', (error) => (this.#stderr += error.message));
    this.#end = new Promise((resolve) => child.on('error', resolve).on('close', resolve));
    child.stdin.on('error', () => undefined);
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-SHOWN_CHARACTERS);
    });
    child.stdin.write(`${JSON.stringify(this.#models)}\n`);
    this.#answers = child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
    return (this.#child = child);
  }

  async #readFloats(count: number): Promise<Float32Array> {
    const floats = new Float32Array(count);
    const bytes = new Uint8Array(floats.buffer);
    for (let filled = 0; filled < bytes.length;) {
      const next = await this.#answers!.next();
      if (next.done === true) throw await this.#failure();
      bytes.set(next.value, filled);
      filled += next.value.length;
    }
    return floats;
  }

  async #failure(): Promise<Error> {
    await this.#end;
    return userError('usage', {
      where: this.#python.command,
      message: 'scoring rows with trees failed',
      fix: `its last output was: ${lastLines(this.#stderr)}`,
    });
  }
}
