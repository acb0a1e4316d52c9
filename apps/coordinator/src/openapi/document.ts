/** The OpenAPI 3.1 document, made of the contracts. */
import { z } from 'zod';
import { errorCatalog, type ErrorCode } from '#core/errors';
import { problemMediaType, type RouteContract } from '../common/contract.ts';
import { refusalsByStatus } from '../common/refusals.ts';
import { sessionCookieName } from '../users/cookies.ts';
import {
  Components,
  inlineSchema,
  reachable,
  referenceTo,
  type JsonObject,
  type RoutesByArea,
} from './components.ts';

/** What the document is made of. */
export interface ApiDescription {
  readonly routes: RoutesByArea;
  /** What each area is about. */
  readonly areas: Readonly<Record<string, string>>;
  readonly version: string;
}

const objectShape = z.object({
  properties: z.record(z.string(), z.record(z.string(), z.json())).default({}),
  required: z.array(z.string()).default([]),
});

const idempotencyKey: JsonObject = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'Drawn at random for each command: sent again within a day with the same key, the same request gets the first answer and does nothing twice.',
  schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,128}$' },
};

/** Properties of an object schema as parameters of a route. */
function parametersOf(schema: z.ZodType, where: 'path' | 'query'): JsonObject[] {
  const { properties, required } = objectShape.parse(inlineSchema(schema));
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    required: required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: rest,
  }));
}

function successOf(contract: RouteContract, components: Components): JsonObject {
  const headers = Object.entries(contract.headers ?? {}).map(
    ([name, description]) => [name, { description, schema: { type: 'string' } }] as const,
  );
  const { mediaType = 'application/json', response } = contract;
  const isJson = contract.mediaType === undefined;
  return {
    description: 'Done',
    ...(headers.length === 0 ? {} : { headers: Object.fromEntries(headers) }),
    content: {
      [mediaType]: isJson ? { schema: components.referenceTo(response, 'output') } : {},
    },
  };
}

function refusalOf(status: number, codes: readonly ErrorCode[]): JsonObject {
  const lines = codes.map((code) => `\`${code}\`: ${errorCatalog[code].publicMessage}`);
  const narrowed = {
    type: 'object',
    properties: { status: { const: status }, code: { enum: [...codes] } },
  };
  return {
    description: lines.join(' '),
    content: { [problemMediaType]: { schema: { allOf: [referenceTo('Problem'), narrowed] } } },
  };
}

function responsesOf(contract: RouteContract, components: Components): JsonObject {
  const success = successOf(contract, components);
  const { status, otherStatus } = contract;
  const refusals = [...refusalsByStatus(contract)].map(
    ([each, codes]) => [String(each), refusalOf(each, codes)] as const,
  );
  return {
    ...Object.fromEntries(refusals),
    [String(status)]: success,
    ...(otherStatus === undefined
      ? {}
      : { [String(otherStatus)]: { ...success, description: 'The same, where not all is well' } }),
  };
}

function bodyOf({ body }: RouteContract, components: Components): JsonObject {
  const schema = components.referenceTo(body, 'input');
  // Nothing at all is an empty object.
  return { required: !body.safeParse({}).success, content: { 'application/json': { schema } } };
}

function operationOf(
  area: string,
  name: string,
  contract: RouteContract,
  components: Components,
): JsonObject {
  const { roles, method, summary, isOpenOnThisMachine } = contract;
  const isPublic = roles === 'public';
  const onThisMachine = isOpenOnThisMachine === true ? [{}] : [];
  return {
    operationId: `${area}.${name}`,
    tags: [area],
    summary,
    security: isPublic ? [] : [...onThisMachine, { bearer: [] }, { session: [] }],
    'x-roles': isPublic ? ['public'] : [...roles],
    parameters: [
      ...parametersOf(contract.params, 'path'),
      ...parametersOf(contract.query, 'query'),
      ...(isPublic || method === 'GET' ? [] : [idempotencyKey]),
    ],
    ...(method === 'POST' ? { requestBody: bodyOf(contract, components) } : {}),
    responses: responsesOf(contract, components),
  };
}

const securitySchemes: JsonObject = {
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token, such as that of `administrator.token` in the data folder.',
  },
  session: {
    type: 'apiKey',
    in: 'cookie',
    name: sessionCookieName,
    description:
      'The cookie that signing in sets (`melo-session` on plain http of the loopback). What changes something must come from the dashboard itself: `Sec-Fetch-Site: same-origin`, or the header `x-melo-csrf`.',
  },
};

/** Describe the REST API. */
export function openApiDocument({ routes, areas, version }: ApiDescription): JsonObject {
  const components = new Components(routes);
  const paths: Record<string, JsonObject> = {};
  for (const [area, contracts] of Object.entries(routes)) {
    for (const [name, contract] of Object.entries(contracts)) {
      const path = contract.path.replace(/:(\w+)/g, '{$1}');
      const operation = operationOf(area, name, contract, components);
      paths[path] = { ...paths[path], [contract.method.toLowerCase()]: operation };
    }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'MeLo Federation coordinator',
      version,
      description:
        'Investigational software; not a medical device. Refusals are problems of RFC 9457 with a stable code.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'The coordinator that serves this document' }],
    tags: Object.entries(areas).map(([name, description]) => ({ name, description })),
    paths,
    components: { schemas: reachable(components.schemas, paths), securitySchemes },
  };
}
