// Expressions of the fuzz test, each next to its value in JavaScript.

/** Side table of the fuzz test: its keys and values are no null values of any config. */
export const SHOPS = {
  file: 'shops.csv',
  key: 'shop',
  content: 'size,shop,cost\nbig,1,2.5\n,2,0\nsmall,5,\nbig,12,1e1\n',
};
const COSTS: Readonly<Record<string, number>> = { 1: 2.5, 2: 0, 12: 10 };
const SIZES: Readonly<Record<string, string>> = { 1: 'big', 5: 'small', 12: 'big' };

/** The value of an expression: NaN is a missing number, an empty string a missing text. */
interface Computation {
  /** Columns in the order of the expression; each is a text or a number. */
  readonly columns: readonly string[];
  value(row: Readonly<Record<'price' | 'age' | 'item', number> & Record<'city' | 'shop', string>>): number;
}

export const TEXT_COLUMNS = ['city', 'shop'];

/** A truth of numbers: missing if one of them is. */
const truth = (holds: boolean, ...numbers: readonly number[]): number =>
  numbers.some(Number.isNaN) ? NaN : Number(holds);
const over = (a: number, b: number): number => (b === 0 ? NaN : a / b);

export const EXPRESSIONS: Readonly<Record<string, Computation>> = {
  'price / age': { columns: ['price', 'age'], value: ({ price, age }) => over(price, age) },
  'price - age * 2 - -item / 4': {
    columns: ['price', 'age', 'item'],
    value: ({ price, age, item }) => price - age * 2 + item / 4,
  },
  '(age - 3) * (price + .5e1)': { columns: ['age', 'price'], value: ({ age, price }) => (age - 3) * (price + 5) },
  'log1p(abs(age)) - sqrt(price - 2)': {
    columns: ['age', 'price'],
    value: ({ age, price }) => Math.log1p(Math.abs(age)) - Math.sqrt(price - 2),
  },
  'log(age) / log(price)': {
    columns: ['age', 'price'],
    value: ({ age, price }) => over(age > 0 ? Math.log(age) : NaN, price > 0 ? Math.log(price) : NaN),
  },
  'coalesce(price, age, 7) + missing(age)': {
    columns: ['price', 'age'],
    value: ({ price, age }) => [price, age, 7].find((each) => !Number.isNaN(each))! + Number(Number.isNaN(age)),
  },
  'min(price, age) / max(item, 2, age)': {
    columns: ['price', 'age', 'item'],
    value: ({ price, age, item }) => over(Math.min(price, age), Math.max(item, 2, age)),
  },
  'if(price > 5, age, clip(price, 1, 4))': {
    columns: ['price', 'age'],
    value: ({ price, age }) => (Number.isNaN(price) ? NaN : price > 5 ? age : Math.min(Math.max(price, 1), 4)),
  },
  'price >= 3 and not age != 1': {
    columns: ['price', 'age'],
    value: ({ price, age }) => (price < 3 || (!Number.isNaN(age) && age !== 1) ? 0 : truth(true, price, age)),
  },
  'price < 3 or age == 1': {
    columns: ['price', 'age'],
    value: ({ price, age }) => (price < 3 || age === 1 ? 1 : truth(false, price, age)),
  },
  "age + (city == 'a')": {
    columns: ['age', 'city'],
    value: ({ age, city }) => (city === '' ? NaN : age + +(city === 'a')),
  },
  'lookup(shops.cost, shop) - price': {
    columns: ['shop', 'price'],
    value: ({ shop, price }) => (COSTS[shop] ?? NaN) - price,
  },
  "if(lookup(shops.size, shop) != 'big', 2, item)": {
    columns: ['shop', 'item'],
    value: ({ shop, item }) => (SIZES[shop] === undefined ? NaN : SIZES[shop] === 'big' ? item : 2),
  },
};
