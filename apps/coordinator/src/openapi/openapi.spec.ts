import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { errorCatalog, isErrorCode, type ErrorCode, type JsonValue } from '#core/errors';
import { problemSchema } from '../common/contract.ts';
import { allRoutes, areas, routes } from '../common/contracts.ts';
import { packageRoot } from '../common/package-info.ts';
import { expectDocumented } from '../testing/documented-answers.ts';
import { Harness } from '../testing/harness.ts';
import { errorViewSchema } from './api.contract.ts';
import { referencesIn } from './components.ts';
import { openApiDocument } from './document.ts';
import { writtenDocument, writtenOperations, writtenReference } from './written.ts';

const read = (name: string): string => readFileSync(join(packageRoot, 'docs', name), 'utf8');
const document = openApiDocument({ routes, areas, version: '0.0.0' });
const { paths, components } = z
  .object({
    paths: z.record(
      z.string(),
      z.record(
        z.string(),
        z.object({
          operationId: z.string(),
          security: z.array(z.unknown()),
          parameters: z.array(z.object({ name: z.string(), description: z.string() })),
          responses: z.record(z.string(), z.unknown()),
        }),
      ),
    ),
    components: z.object({
      schemas: z.record(z.string(), z.record(z.string(), z.json())),
      securitySchemes: z.record(z.string(), z.unknown()),
    }),
  })
  .parse(document);
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
);

describe('the OpenAPI document', () => {
  test('docs/openapi.json is fresh: npm run docs:api', () => {
    expect(read('openapi.json') === writtenDocument()).toBe(true);
  });

  test('docs/api.md is fresh: npm run docs:api', () => {
    const page = read('api.md');
    expect(page === writtenReference(page)).toBe(true);
  });

  test('libs/api/src/operations.ts is fresh: npm run docs:api', () => {
    const file = join(packageRoot, 'libs/api/src/operations.ts');
    expect(readFileSync(file, 'utf8') === writtenOperations()).toBe(true);
  });

  test('leads nowhere but to its own components', () => {
    const names = Object.keys(components.schemas);
    expect([...referencesIn(document)].filter((name) => !names.includes(name))).toEqual([]);
  });

  test('has no component that nothing leads to', () => {
    const used = new Set(referencesIn(document));
    expect(Object.keys(components.schemas).filter((name) => !used.has(name))).toEqual([]);
  });

  test('has no object of three members or more twice without a name', () => {
    const seen = new Map<string, number>();
    for (const schema of Object.values(components.schemas)) {
      for (const each of Object.values(schema)) {
        for (const text of objectsIn(each)) seen.set(text, (seen.get(text) ?? 0) + 1);
      }
    }
    expect([...seen].filter(([, count]) => count > 1)).toEqual([]);
  });

  test.each(operations)('$operationId tells whom it refuses', ({ security, responses }) => {
    const refusals = Object.keys(responses);
    expect(refusals).toEqual(expect.arrayContaining(['400', '500']));
    if (security.length > 0)
      expect(refusals).toEqual(expect.arrayContaining(['401', '403', '503']));
  });

  test('names every operation once', () => {
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(allRoutes.length);
  });

  test('says both ways to sign in', () => {
    expect(Object.keys(components.securitySchemes)).toEqual(['bearer', 'session']);
  });

  test('separates what is taken from what is answered where defaults make a difference', () => {
    const names = Object.keys(components.schemas);
    expect(names).toEqual(expect.arrayContaining(['TaskDefinition', 'TaskDefinitionBody']));
    const requiredOf = (name: string): unknown => components.schemas[name]?.['required'];
    expect(requiredOf('TaskDefinition')).toContain('rank');
    expect(requiredOf('TaskDefinitionBody')).not.toContain('rank');
  });
});

function* objectsIn(part: JsonValue): Generator<string> {
  if (typeof part !== 'object' || part === null) return;
  const object = z
    .object({ type: z.literal('object'), properties: z.record(z.string(), z.json()) })
    .safeParse(part);
  if (object.success && Object.keys(object.data.properties).length >= 3) {
    yield JSON.stringify(part);
  }
  for (const value of Object.values(part)) yield* objectsIn(value);
}

describe('refusals', () => {
  let harness: Harness;
  beforeAll(async () => {
    harness = await Harness.start();
  });
  afterAll(() => harness.stop());

  test('are problems of RFC 9457 whose type leads to what the code means', async () => {
    const response = await harness.raw('GET', '/v1/sites/nobody');
    expect(response.status).toBe(404);
    expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    const problem = problemSchema.parse(await response.json());
    expect(problem).toMatchObject({
      type: '/v1/errors/NOT_FOUND',
      title: errorCatalog.NOT_FOUND.publicMessage,
      status: 404,
      code: 'NOT_FOUND',
      retryable: false,
      message: problem.detail,
      instance: `urn:uuid:${problem.correlationId}`,
    });
    const meaning = errorViewSchema.parse(await harness.request('GET', problem.type));
    expect(meaning).toEqual({
      code: 'NOT_FOUND',
      family: 'input',
      httpStatus: 404,
      retryable: false,
      title: problem.title,
      page: 'docs/errors.md#NOT_FOUND',
    });
  });

  test('name the scheme to sign in with, and the methods of a path', async () => {
    const unknown = await fetch(`${harness.coordinator.url}/v1/sites`);
    expect(unknown.status).toBe(401);
    expect(unknown.headers.get('www-authenticate')).toBe('Bearer');
    const wrong = await harness.raw('DELETE', '/v1/sites');
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('allow')).toBe('GET, POST');
  });

  test.each([
    ['a parameter', 'GET', '/v1/drain?now=true', undefined],
    ['a member of the body', 'POST', '/v1/drain/cancel', { now: true }],
    ['text that the database cannot store', 'GET', '/v1/audit?actor=%00', undefined],
    ['a path that is not percent-encoded', 'GET', '/v1/sites/%ff', undefined],
  ])('meet %s that is not documented', async (_what, method, path, body) => {
    const response = await harness.raw(method, path, body);
    expect(response.status).toBe(400);
    expect(problemSchema.parse(await response.json()).code).toBe('REQUEST_INVALID');
  });

  test('meet a body that is not JSON', async () => {
    const headers = { 'content-type': 'text/plain' };
    const response = await harness.raw('POST', '/v1/drain/cancel', 'now', headers);
    expect(response.status).toBe(400);
  });

  test('answer about every code, and about nothing else', async () => {
    for (const code of Object.keys(errorCatalog).filter(isErrorCode)) {
      const view = errorViewSchema.parse(await harness.request('GET', `/v1/errors/${code}`));
      expect(view.httpStatus).toBe(errorCatalog[code].httpStatus);
    }
    expect((await harness.raw('GET', '/v1/errors/NOTHING')).status).toBe(404);
  });
});

describe('what the specs hold every answer against', () => {
  const answer = (status: number, mediaType: string, code: ErrorCode): Response =>
    new Response(
      JSON.stringify({
        type: `/v1/errors/${code}`,
        title: 'x',
        status,
        detail: 'x',
        instance: 'urn:uuid:00000000-0000-4000-8000-000000000001',
        code,
        retryable: false,
        correlationId: '00000000-0000-4000-8000-000000000001',
        message: 'x',
      }),
      { status, headers: { 'content-type': mediaType } },
    );

  test('takes what is documented', async () => {
    const told = answer(404, 'application/problem+json', 'NOT_FOUND');
    await expectDocumented('GET', '/v1/sites/x', told);
  });

  test.each([
    ['another media type', answer(404, 'application/json', 'NOT_FOUND')],
    ['another code', answer(404, 'application/problem+json', 'ROUND_NOT_FOUND')],
    ['another status', answer(409, 'application/problem+json', 'STATE_CONFLICT')],
  ])('refuses %s', async (_what, told) => {
    await expect(expectDocumented('GET', '/v1/sites/x', told)).rejects.toThrow('GET /v1/sites/x');
  });
});
