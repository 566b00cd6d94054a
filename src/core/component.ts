import { z } from 'zod';

/** The options of a part as they look after parsing. */
export type OptionsOf<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape, z.core.$strict>>;

/** Something wrong with options that have the right types: where below them, and what. */
export interface ValidationIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/**
 * Thrown while a part is built that does not fit what it is built on, though each of them is right alone; the path
 * starts at the config's root.
 */
export class IncompatibleFeaturesError extends Error {
  constructor(readonly finding: ValidationIssue) {
    super(finding.message);
  }
}

/** One interchangeable piece of the house: a model, an optimizer, a feature type. It owns its options. */
export interface Component<Name extends string, Shape extends z.ZodRawShape, Args extends readonly unknown[], Built> {
  readonly name: Name;
  /** One line for `--help` and the JSON Schema. */
  readonly summary: string;
  /**
   * The keys that the YAML may hold beside the name, each with its zod type. Making these takes longer than reading a
   * config, so they are made where one names the part.
   */
  options(): Shape;
  /** What the types of the options cannot say. */
  check?(options: OptionsOf<Shape>): Iterable<ValidationIssue>;
  build(options: OptionsOf<Shape>, ...args: Args): Built;
}

// The options of a part in a namespace are not known here, so `never` admits them all; only `registry` calls build.
interface AnyPart {
  readonly name: string;
  readonly summary: string;
  options(): z.ZodRawShape;
  check?(options: never): Iterable<ValidationIssue>;
  build(options: never, ...args: never): unknown;
}

type Spec<P extends AnyPart, Key extends string> = P extends AnyPart
  ? Readonly<Record<Key, P['name']>> & OptionsOf<ReturnType<P['options']>>
  : never;
type ArgsOf<P extends AnyPart> = P extends { build(options: never, ...args: infer Args): unknown } ? Args : never;

/** A folder of parts: their names, the schema of their YAML, and the way from YAML to a built part. */
export interface Registry<P extends AnyPart, Key extends string> {
  readonly names: readonly P['name'][];
  readonly parts: readonly P[];
  /** Strict discriminated union over the key that names the part. */
  readonly schema: z.ZodType<Spec<P, Key>>;
  /**
   * The same union where every part takes some options more.
   * @param defaultName the part that is meant where the key is left out; that of the registry by default
   */
  schemaWith<Extra extends z.ZodRawShape>(
    extra: Extra,
    defaultName?: P['name'],
  ): z.ZodType<Spec<P, Key> & OptionsOf<Extra>>;
  /** The part that a parsed spec names. Its options are this spec, which the types cannot say. */
  partOf(spec: Spec<P, Key>): P;
  build(spec: Spec<P, Key>, ...args: ArgsOf<P>): ReturnType<P['build']>;
}

const nothing = z.never();

/**
 * Turns the exports of a folder's `all.ts` into a registry.
 * @param namespace what `import * as all from './all.js'` gives
 * @param key the YAML key that names the part
 * @param defaultName the part that is meant where the key is left out
 */
export function registry<Namespace extends Record<string, AnyPart>, Key extends string = 'name'>(
  namespace: Namespace,
  key?: Key,
  defaultName?: Namespace[keyof Namespace]['name'],
): Registry<Namespace[keyof Namespace], Key> {
  type P = Namespace[keyof Namespace];
  const discriminator = key ?? 'name';
  const parts = Object.values(namespace) as P[];
  const byName = new Map(parts.map((part) => [part.name, part]));

  const nameSchema = (name: string, isDefault: boolean): z.ZodType => {
    const literal = z.literal(name);
    // Optional on the inside, so that the union still finds the part by a key that is not there.
    return isDefault ? literal.optional().default(name) : literal;
  };

  /**
   * A strict object whose keys are made where they are asked for: there are some two hundred members, of which a config
   * needs ten.
   */
  const memberOf = (part: P, extra: z.ZodRawShape, isDefault: boolean): z.ZodObject => {
    let shape: z.ZodRawShape | undefined;
    const member = new z.ZodObject({
      type: 'object',
      get shape() {
        return (shape ??= { [discriminator]: nameSchema(part.name, isDefault), ...part.options(), ...extra });
      },
      catchall: nothing,
      ...(part.check !== undefined && {
        checks: [z.superRefine((options, context) => report(context, part.check!(options)))],
      }),
    });
    // What zod would find in the shape: the union tells its members apart by it.
    Object.defineProperty(member._zod, 'propValues', {
      value: { [discriminator]: new Set(isDefault ? [part.name, undefined] : [part.name]) },
    });
    return member.register(z.globalRegistry, { description: part.summary });
  };

  const union = (extra: z.ZodRawShape, unnamed: string | undefined = defaultName): z.ZodType => {
    const members = parts.map((part) => memberOf(part, extra, part.name === unnamed));
    const [first, ...rest] = members;
    if (first === undefined) throw new Error('a registry needs a part');
    return z.discriminatedUnion(discriminator, [first, ...rest]);
  };

  let plain: z.ZodType | undefined;

  const partOf = (spec: Spec<P, Key>): P => {
    const name = (spec as Record<string, unknown>)[discriminator] as string;
    const part = byName.get(name);
    if (part === undefined) throw new Error(`no part is called ${name}`);
    return part;
  };

  return {
    names: parts.map((part) => part.name),
    parts,
    // Made where it is asked for: registries whose parts take options more have no use for it. zod cannot follow a
    // union that is put together at
    // run time; the members above are what `Spec` says.
    get schema() {
      return (plain ??= union({})) as unknown as z.ZodType<Spec<P, Key>>;
    },
    schemaWith: (extra, unnamed) => union(extra, unnamed) as never,
    partOf,
    // The spec was parsed by this part's member of the union.
    build: (spec, ...args) => partOf(spec).build(spec as never, ...(args as never)) as ReturnType<P['build']>,
  };
}

/**
 * What a registry's parts look like in the YAML where a name alone is enough: it stands for the part with its defaults.
 * @param schema that of the registry, with options more where they have some
 */
export function formatChoices<Schema extends z.ZodType>(
  schema: Schema,
  names: readonly string[],
  key = 'name',
): z.ZodType<z.output<Schema>> {
  return z.union([
    schema,
    z
      .enum(names)
      .transform((name): unknown => ({ [key]: name }))
      .pipe(schema),
  ]);
}

/** Tells zod what a check found. */
export function report(context: z.RefinementCtx, findings: Iterable<ValidationIssue>): void {
  for (const { path, message } of findings) context.addIssue({ code: 'custom', path: [...path], message });
}
