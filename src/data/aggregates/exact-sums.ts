import { grown } from '../../core/grown.js';

/**
 * Exact sums by index, so that a sum does not depend on the order of its numbers, or on numbers that were subtracted
 * again. Each is stored as the sum of its components, which share no bits (Shewchuk 1997): in order of magnitude, the
 * smallest one first, and then zeros. Integers have one component, and most other numbers have two.
 */
export class ExactSums {
  #first = new Float64Array(0);
  /** The other components by number and index; none if no sum has any. */
  readonly #others: Float64Array[] = [];

  get bytes(): number {
    return 8 * this.#first.length * (1 + this.#others.length);
  }

  /** Enlarges all components to at least `size` sums. */
  reserve(size: number): void {
    this.#first = grown(this.#first, size);
    for (const [c, values] of this.#others.entries()) this.#others[c] = grown(values, this.#first.length);
  }

  /** Adds a finite number to a sum. */
  add(index: number, value: number): void {
    // Two components suffice in nearly all cases. General components would be less compact, and several times slower.
    const high = this.#highOf(index);
    const low = this.#lowOf(index);
    const sum = high + value;
    const error = errorOfSum(high, value, sum);
    const rest = low + error;
    if (this.#others.length > 1 || errorOfSum(low, error, rest) !== 0) {
      this.#set(index, addTo(this.#list(index, 1, []), value));
      return;
    }
    const rounded = sum + rest;
    const lost = errorOfSum(sum, rest, rounded);
    this.#first[index] = lost === 0 ? rounded : lost;
    if (lost !== 0 || this.#others.length > 0) this.#setOther(0, index, lost === 0 ? 0 : rounded);
  }

  /** Replaces a sum by a sum of other sums, or of the same ones. */
  copy(index: number, from: ExactSums, source: number): void {
    this.#first[index] = from.#first[source]!;
    const own = this.#others.length;
    const others = from.#others.length;
    for (let c = 0; c < own || c < others; c++) this.#setOther(c, index, c < others ? from.#others[c]![source]! : 0);
  }

  clear(index: number): void {
    this.#first[index] = 0;
    for (const values of this.#others) values[index] = 0;
  }

  /** Moves the sums from `begin` to `end` to the first indices. */
  moveToFront(begin: number, end: number): void {
    this.#first.copyWithin(0, begin, end);
    for (const values of this.#others) values.copyWithin(0, begin, end);
  }

  /** Returns a sum minus another one, rounded once. */
  minus(index: number, other: ExactSums, source: number): number {
    const high = this.#highOf(index);
    const otherHigh = -other.#highOf(source);
    const sum = high + otherHigh;
    if (this.#others.length + other.#others.length === 0) return sum;
    const low = this.#lowOf(index);
    const otherLow = -other.#lowOf(source);
    const rest = low + otherLow;
    const error = errorOfSum(high, otherHigh, sum);
    const isExact = errorOfSum(low, otherLow, rest) === 0 && errorOfSum(error, rest, error + rest) === 0;
    if (isExact && this.#others.length <= 1 && other.#others.length <= 1) return sum + (error + rest);
    return roundSum(this.#difference(index, other, source));
  }

  /** Returns numbers whose exact sum is a sum minus another one: each is what remains, rounded once. */
  partsOfDifference(index: number, other: ExactSums, source: number): readonly number[] {
    const components = this.#difference(index, other, source);
    const parts: number[] = [];
    while (components.length > 0) {
      const part = roundSum(components);
      parts.push(part);
      addTo(components, -part);
    }
    return parts;
  }

  #difference(index: number, other: ExactSums, source: number): number[] {
    return other.#list(source, -1, this.#list(index, 1, []));
  }

  /** Adds the components of a sum, times a sign, to components; returns these. */
  #list(index: number, sign: 1 | -1, components: number[]): number[] {
    for (let c = -1; c < this.#others.length; c++) {
      const value = (c < 0 ? this.#first : this.#others[c]!)[index]!;
      if (value === 0) break;
      addTo(components, sign * value);
    }
    return components;
  }

  /** Returns the largest one of at most two components. */
  #highOf(index: number): number {
    return this.#others[0]?.[index] || this.#first[index]!;
  }

  /** Returns the smaller one of two components; 0 for a single one. */
  #lowOf(index: number): number {
    return this.#others.length === 0 || this.#others[0]![index] === 0 ? 0 : this.#first[index]!;
  }

  #set(index: number, components: readonly number[]): void {
    this.#first[index] = components[0] ?? 0;
    for (let c = 0; c < this.#others.length || c < components.length - 1; c++)
      this.#setOther(c, index, components[c + 1] ?? 0);
  }

  #setOther(component: number, index: number, value: number): void {
    (this.#others[component] ??= new Float64Array(this.#first.length))[index] = value;
  }
}

/** Returns the rounding error of `sum`, which is `a + b` rounded; the error is exact (Knuth). */
function errorOfSum(a: number, b: number, sum: number): number {
  const rounded = sum - a;
  return a - (sum - rounded) + (b - rounded);
}

/** Adds a number to components without zeros; returns them. */
function addTo(components: number[], value: number): number[] {
  let [rest, kept] = [value, 0];
  for (let c = 0; c < components.length; c++) {
    const own = components[c]!;
    const sum = own + rest;
    const error = errorOfSum(own, rest, sum);
    if (error !== 0) components[kept++] = error;
    rest = sum;
  }
  components.length = kept;
  if (rest !== 0) components.push(rest);
  return components;
}

/** Returns the sum of components, rounded once to the nearest number, and to an even one if two are equally near. */
function roundSum(components: readonly number[]): number {
  let c = components.length - 1;
  if (c < 0) return 0;
  let rounded = components[c]!;
  let error = 0;
  while (error === 0 && --c >= 0) {
    const sum = rounded + components[c]!;
    error = errorOfSum(rounded, components[c]!, sum);
    rounded = sum;
  }
  // A tie was rounded to the even number, but the components below it may decide for the other one.
  const next = rounded + 2 * error;
  const isTie = error !== 0 && next - rounded === 2 * error;
  return isTie && c > 0 && Math.sign(components[c - 1]!) === Math.sign(error) ? next : rounded;
}
