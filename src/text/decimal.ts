const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** Returns whether a string is a decimal number, without spaces around it. */
export function isDecimal(text: string): boolean {
  return DECIMAL.test(text);
}

/** Separators by the decimal separator of the data: the other one, and its name. */
const OTHERS = { ',': ['.', 'dot'], '.': [',', 'comma'] } as const;

/**
 * Suggests how to write a number whose dots and commas do not fit the decimal separator of the data, such as `66.63`
 * with decimal commas. A single separator before three digits, as in `1.500`, has two meanings.
 * @returns undefined for other texts, and for numbers without a plausible meaning
 */
export function separatorCure(text: string, decimal: ',' | '.'): string | undefined {
  const [number] = /^[+-]?(?:\d[\d.,]*|[.,]\d+)(?:[eE][+-]?\d+)?$/.exec(text.trim()) ?? [];
  if (number === undefined) return undefined;
  const [other, name] = OTHERS[decimal];
  const change = `or set data.decimal: "${other}" if all numbers of the CSV file have a ${name}`;
  const last = Math.max(number.lastIndexOf('.'), number.lastIndexOf(','));
  const digits = (part: string): string => part.replace(/[.,]/g, '');
  const asDecimal = `${digits(number.slice(0, last))}${decimal}${number.slice(last + 1)}`;
  const groups = /^[+-]?\d{1,3}([.,])\d{3}(?:\1\d{3})*((?!\1)[.,]\d+)?$/.exec(number);
  const isGrouped = groups !== null && !number.startsWith('0');
  if (number.indexOf(other) === last && !number.includes(decimal))
    return isGrouped
      ? `write ${asDecimal} for a decimal, or ${digits(number)} for thousands, ${change}`
      : `write ${asDecimal}, ${change}`;
  if (!isGrouped) return undefined;
  if (groups[2] === undefined) return `write ${digits(number)}, without a separator of thousands`;
  return `write ${asDecimal}, without a separator of thousands${number[last] === other ? `, ${change}` : ''}`;
}
