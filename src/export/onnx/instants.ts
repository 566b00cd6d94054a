import {
  createArithmetic,
  DAY,
  emitExistingDays,
  emitIntegers,
  HOUR,
  MINUTE,
  SECOND,
  splitDates,
  type DateParts,
} from './calendar.js';
import { checked, type Cells } from './cells.js';
import { missingWhere, toDouble } from './formula-functions.js';
import { ELEMENT_TYPES } from './messages.js';
import type { OnnxGraph } from './onnx-graph.js';

/** Dates as accepted by `readDate`. */
const [HOURS, MINUTES] = ['(?:[01][0-9]|2[0-3])', '[0-5][0-9]'];
const INSTANT =
  '(?:0[1-9]|[1-9][0-9])[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])' +
  `(?:[T ]${HOURS}:${MINUTES}(?::${MINUTES}(?:[.,][0-9]{1,9})?)?(?:Z|[+-]${HOURS}(?::?${MINUTES})?)?)?`;
const ANY_INSTANT = '1970-01-01';

/** Emits float64 milliseconds since 1970 of dates and times; NaN for missing ones. */
export function emitInstants({ onnx, field, texts, isEmpty }: Cells): string {
  const math = createArithmetic(onnx);
  const matches = onnx.node('RegexFullMatch', [texts], { pattern: INSTANT });
  const parts = splitDates(onnx, onnx.node('Where', [matches, texts, onnx.text(ANY_INSTANT)]));
  const { days, exists } = emitExistingDays(onnx, math, parts);
  const unit = (text: string, milliseconds: number): string => math.times(emitIntegers(onnx, text), milliseconds);
  const whole = [unit(parts.hour, HOUR), unit(parts.minute, MINUTE), unit(parts.second, SECOND)].reduce(
    math.plus,
    math.times(days, DAY),
  );
  const digits = onnx.node('StringConcat', [onnx.text('0.'), parts.fraction]);
  const fraction = onnx.node('Mul', [
    onnx.node('Cast', [digits], { to: ELEMENT_TYPES.double }),
    onnx.number(SECOND, 'double'),
  ]);
  const local = onnx.node('Add', [toDouble(onnx, whole), fraction]);
  const instant = onnx.node('Sub', [local, toDouble(onnx, emitOffset(onnx, parts))]);
  const isValid = onnx.node('Or', [isEmpty, onnx.node('And', [matches, exists])]);
  const expected = `${field}: a date such as 2026-11-01 or 2026-11-01T18:30`;
  return missingWhere(onnx, isEmpty, checked(onnx, instant, 'double', isValid, expected));
}

/** Emits the milliseconds that the zones of dates are ahead of UTC. */
function emitOffset(onnx: OnnxGraph, { east, west }: DateParts): string {
  const math = createArithmetic(onnx);
  const zone = onnx.node('StringConcat', [east, west]);
  // 0530, for 05:30, 0530 or 05; 00 without a zone.
  const [parts] = onnx.nodeOf(
    undefined,
    'StringSplit',
    [onnx.node('StringConcat', [zone, onnx.text(':')])],
    { delimiter: ':' },
    2,
  );
  const part = (index: number): string => onnx.node('Gather', [parts!, onnx.number(index, 'int64')], { axis: -1 });
  const digits = onnx.node('StringConcat', [part(0), part(1)]);
  const hasMinutes = onnx.node('RegexFullMatch', [digits], { pattern: '[0-9]{4}' });
  const number = emitIntegers(onnx, digits);
  const written = onnx.node('Where', [hasMinutes, number, math.times(number, 100)]);
  const offset = math.plus(math.times(math.over(written, 100), HOUR), math.times(math.modulo(written, 100), MINUTE));
  const isWest = onnx.node('Not', [onnx.node('Equal', [west, onnx.text('')])]);
  return onnx.node('Where', [isWest, math.times(offset, -1), offset]);
}
