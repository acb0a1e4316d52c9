import { anyJsonObject } from '../common/contract.ts';
import { apiOperations } from './operations.ts';

const object = (properties: object, required: string[] = []) => ({
  ...{ type: 'object', properties, required },
  additionalProperties: false,
});
const json = (schema: object) => ({ 'application/json': { schema } });
const reference = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** A document with every form of a schema that the API's has. `changed` has other schemas. */
const documentOf = (changed: object = {}) =>
  anyJsonObject.parse({
    tags: [],
    paths: {
      '/v1/things/{thing}': {
        get: {
          ...{ tags: [], summary: 'Show a thing', 'x-roles': [] },
          parameters: [
            { name: 'thing', in: 'path', required: true, schema: { type: 'string' } },
            { name: 'part', in: 'query', required: false, schema: { type: 'integer' } },
            { name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string' } },
          ],
          responses: {
            200: { description: 'Done', content: json(reference('Thing')) },
            404: { description: 'None', content: json(reference('Problem')) },
          },
        },
        post: {
          ...{ tags: [], summary: 'Save it', 'x-roles': [], parameters: [] },
          requestBody: { required: false, content: json(object({ 'a-b': { const: "it's" } })) },
          responses: { 200: { description: 'Done', content: { 'application/x-tar': {} } } },
        },
      },
    },
    components: {
      schemas: {
        Problem: object({}),
        Thing: {
          ...object(
            {
              names: { type: 'array', items: { type: ['string', 'null'] } },
              ends: { type: 'array', prefixItems: [{ type: 'number' }, { type: 'boolean' }] },
              state: { enum: ['on', 'off'] },
              parts: { anyOf: [reference('Parts'), { type: 'null' }] },
              list: { type: 'array', items: object({ nothing: object({}) }) },
            },
            ['names', 'ends', 'state', 'list'],
          ),
          description: 'A thing */ of many.',
        },
        Parts: {
          type: 'object',
          additionalProperties: { type: 'array', items: reference('Parts') },
        },
        ...changed,
      },
    },
  });

test('types are written of what a client sends and of what it gets when all is well', () => {
  const written = apiOperations(documentOf());
  expect(written).toContain(`
/** A thing *\\/ of many. */
export type Thing = {
  names: Array<string | null>;
  ends: [number, boolean];
  state: 'on' | 'off';
  parts?: Parts | null;
  list: Array<{
    nothing?: Record<string, never>;
  }>;
};

export type Parts = {
  [name: string]: Array<Parts>;
};

/** Every route by method and path. */
export interface Operations {
  GET: {
    /** Show a thing */
    '/v1/things/{thing}': {
      path: {
        thing: string;
      };
      query?: {
        part?: number;
      };
      answer: Thing;
    };
  };
  POST: {
    /** Save it */
    '/v1/things/{thing}': {
      body?: {
        'a-b'?: 'it\\'s';
      };
      bytes: 'application/x-tar';
    };
  };
}
`);
  expect(written).not.toContain('Problem');
});

test('a schema of a kind that it does not know is refused, not guessed', () => {
  expect(() => apiOperations(documentOf({ Parts: { type: 'set' } }))).toThrow('set');
});
