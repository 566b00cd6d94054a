import { z } from 'zod';

/** The options of a component after parsing. */
export type OptionsOf<Shape extends z.ZodRawShape> = z.output<z.ZodObject<Shape, z.core.$strict>>;

/** A problem of options that have valid types, with its path below them. */
export interface ValidationIssue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Thrown by `build` if a valid component does not fit its inputs; the path starts at the root of the config. */
export class IncompatibleFeaturesError extends Error {
  constructor(readonly finding: ValidationIssue) {
    super(finding.message);
  }
}

/** An interchangeable component, such as a model, an optimizer or a feature type, which owns its options. */
export interface Component<Name extends string, Shape extends z.ZodRawShape, Args extends readonly unknown[], Built> {
  readonly name: Name;
  /** One line for `--help` and the JSON Schema. */
  readonly summary: string;
  /**
   * Returns the zod type of each YAML key besides the name. Lazy, since building these takes longer than reading a
   * config.
   */
  options(): Shape;
  /** Yields problems that types cannot express. */
  check?(options: OptionsOf<Shape>): Iterable<ValidationIssue>;
  build(options: OptionsOf<Shape>, ...args: Args): Built;
}

// The options of a namespace's components are unknown here, so `never` admits them all; only `registry` calls build.
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

/** The components of one kind: names, YAML schema and construction. */
export interface Registry<P extends AnyPart, Key extends string> {
  readonly names: readonly P['name'][];
  readonly parts: readonly P[];
  /** Strict discriminated union over the key that names the component. */
  readonly schema: z.ZodType<Spec<P, Key>>;
  /**
   * Returns the union with extra options for every component.
   * @param defaultName the component if the key is absent; default: the default of the registry
   */
  schemaWith<Extra extends z.ZodRawShape>(
    extra: Extra,
    defaultName?: P['name'],
  ): z.ZodType<Spec<P, Key> & OptionsOf<Extra>>;
  /** Returns the component of a parsed spec, whose options are the spec itself. */
  partOf(spec: Spec<P, Key>): P;
  build(spec: Spec<P, Key>, ...args: ArgsOf<P>): ReturnType<P['build']>;
}

const nothing = z.never();

/**
 * Creates a registry from the exports of an `all.ts`.
 * @param namespace the result of `import * as all from './all.js'`
 * @param key the YAML key that names the component
 * @param defaultName the component if the key is absent
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
    // Optional on the inside, so that the union finds the component if the key is absent.
    return isDefault ? literal.optional().default(name) : literal;
  };

  /** Creates a strict object with a lazy shape: a config uses about 10 of about 200 members. */
  const createMember = (part: P, extra: z.ZodRawShape, isDefault: boolean): z.ZodObject => {
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
    // The union discriminates its members by this; zod would compute it from the shape.
    Object.defineProperty(member._zod, 'propValues', {
      value: { [discriminator]: new Set(isDefault ? [part.name, undefined] : [part.name]) },
    });
    return member.register(z.globalRegistry, { description: part.summary });
  };

  const union = (extra: z.ZodRawShape, unnamed: string | undefined = defaultName): z.ZodType => {
    const members = parts.map((part) => createMember(part, extra, part.name === unnamed));
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
    // Lazy, since registries with extra options do not use it. zod cannot type a union that is assembled at run time;
    // `Spec` describes its members.
    get schema() {
      return (plain ??= union({})) as unknown as z.ZodType<Spec<P, Key>>;
    },
    schemaWith: (extra, unnamed) => union(extra, unnamed) as never,
    partOf,
    // The spec was parsed by this component's member of the union.
    build: (spec, ...args) => partOf(spec).build(spec as never, ...(args as never)) as ReturnType<P['build']>,
  };
}

/**
 * Accepts a name alone as the component with its defaults.
 * @param schema the schema of the registry, with extra options if there are any
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

/** Yields the issues of a section of options. */
export function* issuesBelow(
  path: ValidationIssue['path'],
  issues: Iterable<ValidationIssue> = [],
): Generator<ValidationIssue> {
  for (const issue of issues) yield { ...issue, path: [...path, ...issue.path] };
}

/** Adds validation issues to a zod context. */
export function report(context: z.RefinementCtx, findings: Iterable<ValidationIssue>): void {
  for (const { path, message } of findings) context.addIssue({ code: 'custom', path: [...path], message });
}
