import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'vitest';
import type { InjectedResponse, TestServer } from './served.js';

interface Content {
  readonly content: Readonly<Record<string, { readonly schema?: { readonly $ref: string } }>>;
}
/** The parts of an OpenAPI document that tests read. */
export interface OpenApiDocument {
  readonly security?: readonly object[];
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          {
            readonly operationId: string;
            readonly security?: readonly object[];
            readonly parameters: readonly {
              readonly name: string;
              readonly in: string;
              readonly schema: { readonly enum?: readonly string[] };
            }[];
            readonly requestBody?: Content;
            readonly responses: Readonly<Record<string, Content & { readonly headers?: object }>>;
          }
        >
      >
    >
  >;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

/** A request, with the path of the document that describes it. */
export interface DescribedRequest {
  readonly method?: 'GET' | 'POST';
  /** Path of the document; `{model}` stands for the model. */
  readonly path: string;
  readonly query?: string;
  readonly payload?: object | string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads the OpenAPI document of a server. */
export async function readDocument(server: TestServer, headers = {}): Promise<OpenApiDocument> {
  const response = await server.app.inject({ url: '/openapi.json', headers });
  expect([response.statusCode, response.headers['content-type']]).toEqual([200, 'application/json']);
  return response.json<OpenApiDocument>();
}

/** Compiles the schemas of a document in ajv's strict mode; returns a function that lists what is wrong with a body. */
export function createBodyCheck({ components }: OpenApiDocument): (ref: string, body: unknown) => readonly object[] {
  const ajv = new Ajv2020({ strict: true, allowUnionTypes: true, allErrors: true }).addVocabulary(['components']);
  ajv.addSchema({ $id: 'openapi', components });
  return (ref, body) => {
    const validate = ajv.compile({ $ref: `openapi${ref}` });
    validate(body);
    return validate.errors ?? [];
  };
}

/** Sends a request, and expects a response with a status, media type, headers and body of the document. */
export async function expectDescribed(
  server: TestServer,
  document: OpenApiDocument,
  { method = 'POST', path, query = '', payload, headers = {} }: DescribedRequest,
  names: Readonly<Record<string, string>> = {},
): Promise<InjectedResponse> {
  const url = path.replace(/\{(\w+)\}/g, (_, name: string) => names[name]!) + query;
  const response = await server.app.inject({ method, url, headers, ...(payload !== undefined && { payload }) });
  const described = document.paths[path]![method.toLowerCase()]!.responses[response.statusCode];
  expect(described, `${method} ${url}: ${response.statusCode} ${response.payload}`).toBeDefined();
  const type = String(response.headers['content-type']).split(';', 1)[0]!;
  expect(Object.keys(described!.content)).toContain(type);
  if (response.statusCode >= 400)
    expect(Object.keys(response.headers)).toEqual(expect.arrayContaining(Object.keys(described!.headers ?? {})));
  const ref = described!.content[type]!.schema?.$ref;
  expect(ref === undefined).toBe(type !== 'application/json');
  if (ref !== undefined) expect(createBodyCheck(document)(ref, response.json())).toEqual([]);
  return response;
}
