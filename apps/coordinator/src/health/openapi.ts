/** The OpenAPI 3.1 document, made of the contracts. */
import { z } from 'zod';
import { errorBodySchema, type RouteContract } from '../common/contract.ts';

const jsonObject = z.record(z.string(), z.json());

type JsonObject = z.infer<typeof jsonObject>;
type JsonValue = JsonObject[string];

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  return jsonObject.parse(z.toJSONSchema(schema, { io, unrepresentable: 'any' }));
}

/** Properties of an object schema as parameters of a route. */
function parametersOf(schema: z.ZodType, where: 'path' | 'query'): JsonValue[] {
  const object = z
    .object({ properties: jsonObject.default({}), required: z.array(z.string()).default([]) })
    .parse(schemaOf(schema, 'input'));
  return Object.entries(object.properties).map(([name, property]) => ({
    name,
    in: where,
    required: object.required.includes(name),
    schema: property,
  }));
}

function operationOf(area: string, name: string, contract: RouteContract): JsonObject {
  const isPublic = contract.roles === 'public';
  const mediaType = contract.mediaType ?? 'application/json';
  const content = contract.mediaType === undefined ? schemaOf(contract.response, 'output') : {};
  return {
    operationId: `${area}.${name}`,
    tags: [area],
    summary: contract.summary,
    security: isPublic ? [] : [{ bearer: [] }],
    'x-roles': isPublic ? ['public'] : [...contract.roles],
    parameters: [
      ...parametersOf(contract.params, 'path'),
      ...parametersOf(contract.query, 'query'),
    ],
    ...(contract.method === 'POST'
      ? {
          requestBody: {
            required: true,
            content: { 'application/json': { schema: schemaOf(contract.body, 'input') } },
          },
        }
      : {}),
    responses: {
      [String(contract.status)]: {
        description: 'Success',
        content: { [mediaType]: { schema: content } },
      },
      default: {
        description: 'Refusal',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
      },
    },
  };
}

/** Describe the REST API. */
export function openApiDocument(
  routes: Readonly<Record<string, Readonly<Record<string, RouteContract>>>>,
  version: string,
): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const [area, contracts] of Object.entries(routes)) {
    for (const [name, contract] of Object.entries(contracts)) {
      const path = contract.path.replace(/:(\w+)/g, '{$1}');
      const operation = { [contract.method.toLowerCase()]: operationOf(area, name, contract) };
      paths[path] = { ...paths[path], ...operation };
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'MeLo Federation coordinator', version },
    paths,
    components: {
      schemas: { Error: schemaOf(errorBodySchema, 'output') },
      securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } },
    },
  };
}
