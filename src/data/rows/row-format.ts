import type { Field } from '../../features/feature.js';
import { encodedFields, encodingOptions, fieldsOf, type EncodedField, type FeatureSpec, type Fitted } from '../../features/feature-types.js';
import { parseClass, parseNumber } from '../../features/parse.js';
import { labelColumns, type Task } from '../../tasks.js';
import { funnelRule, type Funnel } from './funnel-rule.js';
import type { RowRule } from './row-rule.js';

/** A label column and how its cells are read. */
export interface LabelColumn {
  readonly name: string;
  /** A class is 0 or 1. */
  readonly type: 'class' | 'number';
  /** @throws BadValue */
  parse(text: string): number;
}

/** What is read from a row, and what must hold in it. */
export interface RowFormat {
  readonly fields: readonly Field[];
  readonly labels: readonly LabelColumn[];
  readonly funnels: readonly Funnel[];
  /** What decides whether a row is kept. */
  readonly rules: readonly RowRule[];
  /** Plain data that the format can be made from again. */
  readonly spec: FormatSpec;
}

/** What a config says about its rows. */
export interface FormatSpec {
  readonly tasks: readonly Task[];
  readonly groups: readonly FeatureSpec[];
}

/** A format whose fields are ready to encode. */
export interface EncodedFormat extends RowFormat {
  readonly fields: readonly EncodedField[];
  readonly fitted: Fitted;
}

/** The format that a config asks for. A label is 0 or 1, or any number if only regressions read it. */
export function rowFormatOf(spec: FormatSpec): RowFormat {
  const { tasks, groups } = spec;
  const classLabels = tasks.filter(({ type }) => type === 'classification').map(({ label }) => label);
  const conditions = tasks.flatMap(({ given }) => given ?? []);
  const classes = new Set([...classLabels, ...conditions]);
  const funnels = tasks.flatMap(({ type, label, given }) => (type === 'classification' && given !== undefined ? [{ label, given }] : []));
  return {
    fields: fieldsOf(groups),
    labels: labelColumns(tasks).map((name) => (classes.has(name) ? { name, type: 'class', parse: parseClass } : { name, type: 'number', parse: parseNumber })),
    funnels,
    rules: [funnelRule(funnels)],
    spec,
  };
}

/**
 * The format with what was learned on train.
 * @throws UserError (checkpoint) where `fitted` is not what its fields learn
 */
export function encodedFormat(format: RowFormat, fitted: Fitted): EncodedFormat {
  return { ...format, fields: encodedFields(format.fields, fitted), fitted };
}

/** All that decides what a row becomes, but for what is learned on train; JSON. */
export function recipeOf({ labels, funnels, spec }: RowFormat): unknown {
  return { labels: labels.map(({ name, type }) => [name, type]), funnels, groups: spec.groups.map(encodingOptions) };
}

/** The columns that a format reads. */
export function columnsOf({ fields, labels, rules }: RowFormat): readonly string[] {
  return [...new Set([...labels.map(({ name }) => name), ...fields.flatMap(({ columns }) => columns), ...rules.flatMap(({ columns }) => columns)])];
}
