import type { StoredTensor } from '../../io/safetensors.js';
import { applySketchChanges, type SketchChanges, type StoredSketch } from './count-sketch.js';
import {
  listTexts,
  NO_DOUBLES,
  NO_TEXTS,
  NOW,
  readTexts,
  restoreTexts,
  setValues,
  storedSketch,
  storeParts,
  storeTexts,
  type StoredGrowth,
  type StoredTexts,
} from './growth-state.js';
import { readVector } from '../../io/named-tensor.js';
import type { Moment, RecentTexts } from './recent-texts.js';

/** Applies the changes of successive deltas to a stored vocabulary. */
export class GrowthPatcher {
  readonly #name: string;
  readonly #rows: TextPatcher;
  #pending: TextPatcher;
  #sketch: StoredSketch | undefined;
  #age: number | undefined;
  #now: Moment;

  /** @param name field of the vocabulary */
  constructor(name: string, before: StoredGrowth) {
    const [ofRows, ofPending] = listTexts(before);
    this.#name = name;
    this.#rows = new TextPatcher(ofRows, before.rowKeys !== undefined);
    this.#pending = new TextPatcher(ofPending, false);
    this.#sketch = storedSketch(before);
    this.#age = before.evictionAge;
    this.#now = { batch: before.lastBatch, timeMs: before.lastTimeMs ?? NaN };
  }

  /** @throws Error if they are not changes of this state */
  apply(changes: ReadonlyMap<string, StoredTensor>): void {
    const name = this.#name;
    this.#rows.apply(`${name}.rows`, changes);
    const ofSketch = `${name}.sketch`;
    if (changes.has(`${ofSketch}.clock`)) {
      if (this.#sketch === undefined) throw new Error(`'${ofSketch}' has changes of a sketch that does not exist`);
      this.#sketch = applySketchChanges(this.#sketch, readSketch(ofSketch, changes));
    }
    if (changes.has(`${name}.pending.order`)) this.#pending.apply(`${name}.pending`, changes);
    else this.#pending = new TextPatcher(storeTexts(NO_TEXTS), false);
    const [batch, timeMs, age] = readVector(changes, name + NOW, 'F64');
    this.#now = { batch: batch!, timeMs: timeMs! };
    this.#age = age;
  }

  /** Returns the state after all changes. */
  store(): StoredGrowth {
    return storeParts({
      rows: this.#rows.texts,
      admission: { pending: this.#pending.texts, sketch: this.#sketch },
      eviction: { age: this.#age },
      now: this.#now,
    });
  }
}

/** Applies changes to stored texts. */
class TextPatcher {
  texts: RecentTexts;

  constructor(stored: StoredTexts, hasKeys: boolean) {
    this.texts = restoreTexts(stored, Math.max(stored.texts.offsets.length - 1, 1), {
      hasTimes: stored.times.length > 0,
      hasKeys,
    });
  }

  apply(of: string, changes: ReadonlyMap<string, StoredTensor>): void {
    const { removed, used: order, texts: pool } = readTexts(of, changes);
    const [batches, counts] = [readVector(changes, `${of}.batches`, 'U32'), readVector(changes, `${of}.counts`, 'U32')];
    const times = readVector(changes, `${of}.times`, 'F64');
    // Deltas of earlier versions have none.
    const keys = changes.has(`${of}.keys`) ? readVector(changes, `${of}.keys`, 'F64') : NO_DOUBLES;
    if (batches.length !== order.length || counts.length !== order.length)
      throw new Error(`'${of}' has not one batch and count per slot`);
    const highest = [order, removed].reduce((most, slots) => slots.reduce((max, slot) => Math.max(max, slot), most), 0);
    this.#reserve(highest, times.length > 0);
    const textOf = (at: number): Uint8Array | undefined => {
      const [begin, end] = [pool.offsets[at]!, pool.offsets[at + 1]!];
      return begin === end ? undefined : pool.bytes.subarray(begin, end);
    };
    this.texts.replace(removed, order, textOf, (at) => ({ batch: batches[at]!, timeMs: times[at] ?? NaN }));
    setValues(this.texts, order, { counts, keys });
  }

  /** Allocates texts for more slots, at least twice as many, and for times. */
  #reserve(highest: number, needsTimes: boolean): void {
    const { capacity, hasTimes, hasKeys } = this.texts;
    if (highest <= capacity && (hasTimes || !needsTimes)) return;
    const values = { hasTimes: hasTimes || needsTimes, hasKeys };
    this.texts = restoreTexts(storeTexts(this.texts), highest <= capacity ? capacity : 2 * highest, values);
  }
}

function readSketch(of: string, changes: ReadonlyMap<string, StoredTensor>): SketchChanges {
  const [blocks, words, ages] = ['blocks', 'words', 'ages'].map((key) => readVector(changes, `${of}.${key}`, 'U32'));
  return { blocks: blocks!, words: words!, ages: ages!, clock: readVector(changes, `${of}.clock`, 'F64') };
}
