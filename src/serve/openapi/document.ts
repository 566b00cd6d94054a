import { packageVersion } from '../../runs/package-version.js';
import { JSON_TYPE, type Route } from '../http-server.js';
import type { ModelFacts } from '../messages.js';
import { buildSchemas, schemaRef, type BodyName } from './schemas.js';

export interface QueryOption {
  /** Its values, with the default as the first one; empty for any text. */
  readonly values: readonly string[];
  readonly description: string;
}

/** Description of a route for the document. */
export interface RouteDocs {
  readonly summary: string;
  readonly query?: Readonly<Record<string, QueryOption>>;
  /** Headers of the request and the response, with their descriptions. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Schema of the request body; default: it has none. */
  readonly body?: BodyName;
  /** Schema of a JSON response; default: the response is no JSON. */
  readonly response?: BodyName;
  /** Media types of other bodies. */
  readonly otherTypes?: readonly string[];
  /** Statuses of this response. Default: 200. */
  readonly statuses?: readonly number[];
  /** Error statuses besides the statuses of all routes with a body, with parameters in the path, or with a token. */
  readonly errors?: readonly (keyof typeof ERRORS)[];
}

/** A route that the document describes. */
export type DescribedRoute = Route & { readonly docs: RouteDocs };

const ERRORS = {
  400: 'The body, a row or a parameter is invalid.',
  401: 'The token is missing or wrong.',
  404: 'The model or version is unknown, or several models are served and the path names none.',
  408: 'The request did not arrive in time.',
  413: 'The body has too many bytes or rows.',
  415: 'The content-encoding is not gzip or deflate.',
  500: 'The request caused a bug in mtl.',
  503: 'The server is overloaded, or a thread ended; retry later.',
  504: 'The response took too long.',
} as const;

/** Parts of the document that depend on the state of the server. */
export interface DocumentOptions {
  readonly models: readonly ModelFacts[];
  readonly hasToken: boolean;
}

/** Builds the OpenAPI document of routes. */
export function buildDocument(routes: readonly DescribedRoute[], { models, hasToken }: DocumentOptions): object {
  const paths: Record<string, Record<string, object>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:(\w+)/g, '{$1}');
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: describeRoute(route, { models, hasToken }) };
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'mtl serve',
      version: packageVersion(),
      description: 'Predictions of multi-task recommenders. Paths with GET also answer HEAD.',
    },
    ...(hasToken && { security: [{ token: [] }] }),
    paths,
    components: {
      schemas: buildSchemas(models),
      ...(hasToken && { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } }),
    },
  };
}

function describeRoute(route: DescribedRoute, { models, hasToken }: DocumentOptions): object {
  const { method, path, isOpen = false, docs } = route;
  const { summary, headers = {}, body, response, otherTypes, statuses = [200] } = docs;
  const content = describeContent(response, otherTypes);
  const answer = {
    description: summary,
    ...(Object.keys(headers).length > 0 && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, description]) => [name, { description, schema: { type: 'string' } }]),
      ),
    }),
    content,
  };
  return {
    operationId: toOperationId(method, path),
    summary,
    ...(hasToken && isOpen && { security: [] }),
    parameters: listParameters(route, models),
    ...(body !== undefined && {
      requestBody: {
        required: true,
        description: 'May be compressed, with content-encoding gzip or deflate.',
        content: describeContent(body, otherTypes),
      },
    }),
    responses: {
      ...Object.fromEntries(statuses.map((status) => [status, answer])),
      ...Object.fromEntries(listErrors(route, hasToken).map((status) => [status, describeError(status)])),
    },
  };
}

/** Lists the parameters in the path, query and headers of a route. */
function listParameters({ path, docs }: DescribedRoute, models: readonly ModelFacts[]): readonly object[] {
  const { query = {}, headers = {} } = docs;
  return [
    ...Array.from(path.matchAll(/:(\w+)/g), ([, name]) => ({
      name,
      in: 'path',
      required: true,
      schema: { type: 'string', ...(name === 'model' && { enum: models.map((facts) => facts.name) }) },
    })),
    ...Object.entries(query).map(([name, { values, description }]) => ({
      name,
      in: 'query',
      description,
      schema: { type: 'string', ...(values.length > 0 && { enum: values, default: values[0] }) },
    })),
    ...Object.entries(headers).map(([name, description]) => ({
      name,
      in: 'header',
      description,
      schema: { type: 'string' },
    })),
  ];
}

/** Describes a body: JSON of a schema, or text or bytes of other types. */
function describeContent(schema: BodyName | undefined, otherTypes: readonly string[] = []): object {
  const json = schema === undefined ? {} : { [JSON_TYPE]: { schema: { $ref: schemaRef(schema) } } };
  return { ...json, ...Object.fromEntries(otherTypes.map((type) => [type, {}])) };
}

function listErrors({ path, isOpen = false, docs }: DescribedRoute, hasToken: boolean): (keyof typeof ERRORS)[] {
  const { body, errors = [] } = docs;
  return [
    ...(hasToken && !isOpen ? [401 as const] : []),
    ...(path.includes(':') ? [400 as const, 404 as const] : []),
    ...(body === undefined ? [] : [400 as const, 408 as const, 413 as const, 415 as const, 503 as const]),
    ...errors,
    500,
  ];
}

function describeError(status: keyof typeof ERRORS): object {
  return {
    description: ERRORS[status],
    ...(status === 401 && { headers: { 'www-authenticate': { schema: { type: 'string' } } } }),
    ...(status === 503 && { headers: { 'retry-after': { schema: { type: 'string' } } } }),
    content: describeContent('Problems'),
  };
}

/** Returns a unique name such as `postModelsModelPredict`. */
function toOperationId(method: string, path: string): string {
  const words = path.match(/\w+/g) ?? [];
  return [method.toLowerCase(), ...words.map((word) => word[0]!.toUpperCase() + word.slice(1))].join('');
}
