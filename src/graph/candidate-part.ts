import { describeOperation, isByElement } from './descriptors.js';
import { isOfItems, type Domain } from './domain.js';
import { listOperands, listRequired, type Graph } from './graph.js';
import type { OperationName, Value, ValueOf } from './operations.js';

/** Adjacent columns of a value. */
export interface ColumnRun {
  readonly begin: number;
  readonly width: number;
  /** Whether they depend on fields of the candidates. */
  readonly isOfCandidates: boolean;
}

/** The parts of a graph that predicts many candidates of one user: what is computed once, and once per candidate. */
export interface CandidatePart {
  /** Fields that are read per candidate: the given ones, and those aligned with them. */
  readonly fields: ReadonlySet<string>;
  /** Values that the predictions require, in topological order. */
  readonly values: readonly Value[];
  /** Returns the columns of a required value. Neighbors differ in what they depend on. */
  runsOf(value: Value): readonly ColumnRun[];
}

/** Columns of fields in the features. */
type FieldColumns = readonly { readonly field: string; readonly offset: number; readonly width: number }[];

/** Operations that read the items `x` of a user in place: all candidates have the same. */
const SHARES: ReadonlySet<OperationName> = new Set<OperationName>(['scaledLinear', 'segmentPool']);

/**
 * Finds what depends on the candidates, in evaluation mode, in which rows are independent.
 * @param columns of fields in the features
 * @param candidateFields fields that differ among candidates; all others are the user's
 */
export function findCandidatePart(
  graph: Graph,
  columns: FieldColumns,
  candidateFields: ReadonlySet<string>,
): CandidatePart {
  const values = listRequired(graph, [...graph.predictions.values()]);
  const fields = new Set(candidateFields);
  const searched = new Set(values.flatMap(({ rows }) => (rows.kind === 'selected' ? [rows.field] : [])));
  for (const { rows } of values) {
    // Fields of a sequence have as many items. A search for the candidate reads them per candidate.
    const aligned = listFields(rows, values);
    if (aligned.some((field) => candidateFields.has(field) || searched.has(field)))
      for (const field of aligned) fields.add(field);
  }
  const found = new Map<Value, Uint8Array>();
  for (const value of values) found.set(value, findDependent(value, columns, fields, found));
  const runs = new Map(values.map((value) => [value, listRuns(found.get(value)!)]));
  return { fields, values, runsOf: (value) => runs.get(value)! };
}

/** Returns whether an operand has columns of the user that a value combines with candidates. */
export function isCombined(value: Value, operand: Value, { runsOf }: Pick<CandidatePart, 'runsOf'>): boolean {
  if (describeOperation(value.op).columns === 'moved' || isShared(value, operand, { runsOf })) return false;
  const runs = runsOf(operand).filter(({ isOfCandidates }) => !isOfCandidates);
  if (!isByElement(value.op)) return runs.length > 0;
  const dependent = runsOf(value).filter(({ isOfCandidates }) => isOfCandidates);
  return runs.some((own) =>
    dependent.some(({ begin, width }) => own.begin < begin + width && begin < own.begin + own.width),
  );
}

/** Returns whether a value of candidates reads an operand that has the items of a user alone. */
export function isShared(value: Value, operand: Value, { runsOf }: Pick<CandidatePart, 'runsOf'>): boolean {
  const isItems = SHARES.has(value.op) && 'x' in value && value.x === operand && operand.rows.kind === 'items';
  return isItems && runsOf(operand).every(({ isOfCandidates }) => !isOfCandidates);
}

/** Marks the columns of a value that depend on candidates, given the columns of its operands that do. */
function findDependent(
  value: Value,
  columns: FieldColumns,
  fields: ReadonlySet<string>,
  found: ReadonlyMap<Value, Uint8Array>,
): Uint8Array {
  const { op, width } = value;
  const all = (isOfCandidates: boolean): Uint8Array => new Uint8Array(width).fill(Number(isOfCandidates));
  if (op === 'input') return findDependentInputs(value, columns, fields);
  const operands = listOperands(value).map((operand) => found.get(operand)!);
  if (op === 'concat') return Uint8Array.from(operands.flatMap((operand) => [...operand]));
  if (op === 'slice') return operands[0]!.slice(value.begin, value.begin + width);
  if (isByElement(op)) return all(false).map((_, column) => Number(operands.some((operand) => operand[column] === 1)));
  const isRead = isOfItems(value.rows) && fields.has(value.rows.field);
  return all(isRead || operands.some((operand) => operand.includes(1)));
}

function findDependentInputs(
  { source, width }: ValueOf<'input'>,
  columns: FieldColumns,
  fields: ReadonlySet<string>,
): Uint8Array {
  const dependent = new Uint8Array(width);
  if (source.kind === 'items' || source.kind === 'factors') return dependent.fill(Number(fields.has(source.field)));
  if (source.kind === 'label') return dependent.fill(1);
  for (const { field, offset, width: ofField } of columns) {
    const begin = offset - source.begin;
    if (fields.has(field) && begin >= 0 && begin < width) dependent.fill(1, begin, begin + ofField);
  }
  return dependent;
}

/** Lists the fields whose items are rows of a domain, or values of such items. */
function listFields(domain: Domain, values: readonly Value[]): readonly string[] {
  if (!isOfItems(domain)) return [];
  const first = (domain.kind === 'items' && domain.parent?.field) || domain.field;
  const read = values.flatMap((value) => {
    if (value.op !== 'input' || (value.source.kind !== 'items' && value.source.kind !== 'factors')) return [];
    const { field, alignedWith = field, parent } = value.source;
    if ((parent?.field ?? alignedWith) !== first) return [];
    return parent === undefined ? [field] : [field, parent.counts];
  });
  return [first, ...read];
}

function listRuns(dependent: Uint8Array): readonly ColumnRun[] {
  const runs: { begin: number; width: number; isOfCandidates: boolean }[] = [];
  for (const [column, each] of dependent.entries()) {
    const last = runs.at(-1);
    if (last?.isOfCandidates === (each === 1)) last.width++;
    else runs.push({ begin: column, width: 1, isOfCandidates: each === 1 });
  }
  return runs;
}
