import type { Batch } from '../core/batch.js';
import { userError } from '../core/errors.js';
import type { Attended, Program } from '../engines/engine.js';
import { combinePredictions, type Output } from '../evaluation/outputs.js';
import { ItemTexts, type WrittenColumn, type WrittenSequence } from '../features/item-texts.js';
import type { EncodedField } from '../features/feature.js';
import type { Attention } from '../graph/graph.js';
import { MTL } from '../system/command-name.js';

export type { WrittenColumn };

/** Predictions of a row, and how much each item of its sequences counts in them. */
export interface Explanation {
  /** One entry per output. */
  readonly predictions: Readonly<Record<string, number>>;
  /** Sequences of the model, in config order. */
  readonly sequences: readonly ExplainedSequence[];
}

/** The items of a sequence in a row. */
export interface ExplainedSequence {
  readonly name: string;
  /** Columns with the items, in config order. */
  readonly columns: readonly WrittenColumn[];
  /** Encoders that give items weights, as in the names of their parameters. */
  readonly encoders: readonly string[];
  /** Ordered from newest to oldest. */
  readonly items: readonly ExplainedItem[];
  /**
   * Number of items of the row that the model does not read: older or lighter ones, and those that are too late.
   * Undefined for an event log.
   */
  readonly dropped: number | undefined;
}

/** An item that the model reads. */
export interface ExplainedItem {
  /** 1 for the newest. */
  readonly position: number;
  /** Values by column, as the data has them; null for a missing one. */
  readonly values: Readonly<Record<string, string | null>>;
  /** Weight in its list; absent if items have none. */
  readonly listWeight?: number;
  /** One entry per encoder. */
  readonly attention: Readonly<Record<string, ItemAttention>>;
}

/** How much an item counts for an encoder. */
export interface ItemAttention {
  /** Null for an item that the encoder did not select. */
  readonly weight: number | null;
  /** The weight divided by the sum of the absolute weights of the row; null if they are all 0, or without a weight. */
  readonly share: number | null;
}

/** Parts of a model that explanations read. */
interface ExplainedModel {
  /** Location that errors print. */
  readonly where: string;
  readonly fields: readonly EncodedField[];
  readonly outputs: readonly Output[];
  readonly attention: readonly Attention[];
}

/** Explains the rows of a model, one by one. */
export class Explainer {
  readonly #model: ExplainedModel;
  readonly #texts: ItemTexts;
  /** Fields of the rows: the fields of the model, and their texts. */
  readonly fields: readonly EncodedField[];

  /** @throws UserError (usage) for a model without sequences */
  constructor(model: ExplainedModel) {
    this.#model = model;
    this.#texts = new ItemTexts(model.fields);
    if (this.#texts.fields.length === 0)
      throw userError('usage', {
        where: model.where,
        message: 'has no sequence whose items could be explained',
        fix: `see which fields matter with ${MTL} importance ${model.where}`,
      });
    this.fields = [...model.fields, ...this.#texts.fields];
  }

  /**
   * Explains a batch of one row.
   * @param program of an engine that returns weights of items
   * @throws UserError (data) for a prediction that is not finite
   */
  explain(program: Program, batch: Batch): Explanation {
    const { outputs } = this.#model;
    const attended = program.attendSync!(batch);
    const predictions = outputs.map((output) => [
      output.name,
      combinePredictions(output, attended.predictions, 1)[0]!,
    ]) satisfies [string, number][];
    const nonFinite = predictions.flatMap(([name, value]) => (Number.isFinite(value) ? [] : [name]));
    if (nonFinite.length > 0)
      throw userError('data', {
        where: 'the row',
        message: `its prediction of ${nonFinite.join(', ')} is not finite`,
        fix: 'correct the row, or train the model again with a lower learning rate',
      });
    const sequences = this.#texts.read(batch).map((sequence) => this.#explainSequence(sequence, attended));
    return { predictions: Object.fromEntries(predictions), sequences };
  }

  #explainSequence({ name, columns, items, dropped }: WrittenSequence, { attention }: Attended): ExplainedSequence {
    const own = this.#model.attention.flatMap(({ sequence, encoder }, a) =>
      sequence === name ? [{ encoder, items: attentionOf(attention[a]!) }] : [],
    );
    const explained = items.map(({ texts, weight }, i): ExplainedItem => ({
      position: items.length - i,
      values: Object.fromEntries(columns.map((column, c) => [column.name, texts[c] === '' ? null : texts[c]!])),
      ...(weight !== undefined && { listWeight: weight }),
      attention: Object.fromEntries(own.map(({ encoder, items: each }) => [encoder, each[i]!])),
    }));
    return { name, columns, encoders: own.map(({ encoder }) => encoder), items: explained.reverse(), dropped };
  }
}

/**
 * Returns the weights of items with their shares.
 * @param weights NaN for an item without a weight
 */
function attentionOf(weights: Float32Array): readonly ItemAttention[] {
  const sum = weights.reduce((total, weight) => total + (Number.isNaN(weight) ? 0 : Math.abs(weight)), 0);
  return Array.from(weights, (weight) =>
    Number.isNaN(weight) ? { weight: null, share: null } : { weight, share: sum === 0 ? null : weight / sum },
  );
}
