import { z } from 'zod';
import { request, targetOf } from './index.ts';

const task = 'breast';
const anything = z.looseObject({});

describe('a request', () => {
  test('has its parameters in the path, each as one part of it', () => {
    const path = { user: 'anna@north/../x' };
    const asked = request('GET', '/v1/users/{user}', anything, { path });
    expect(asked).toMatchObject({ method: 'GET', target: '/v1/users/anna%40north%2F..%2Fx' });
  });

  test('has what was asked for after a question mark, and nothing where nothing was', () => {
    const query = { actor: 'site:a b', limit: 5, before: undefined };
    expect(targetOf('/v1/audit/export')).toBe('/v1/audit/export');
    expect(request('GET', '/v1/audit', anything, { query }).target).toBe(
      '/v1/audit?actor=site%3Aa+b&limit=5',
    );
    expect(request('GET', '/v1/audit', anything, { query: {} }).target).toBe('/v1/audit');
  });

  test.each(['', '.', '..'])('leads nowhere with the name %j', (name) => {
    expect(
      request('GET', '/v1/tasks/{task}', anything, { path: { task: name } }).target,
    ).toBeUndefined();
  });

  test('takes a name as it is, whatever it says to a replacement or to a template', () => {
    const path = { task: "$&{round}$'", round: 3 };
    const { target } = request('GET', '/v1/tasks/{task}/rounds/{round}', anything, { path });
    expect(target).toBe("/v1/tasks/%24%26%7Bround%7D%24'/rounds/3");
  });

  test('carries a body where something is changed, an empty one where nothing is said', () => {
    const path = { task };
    const schema = anything;
    expect(request('GET', '/v1/tasks', schema).body).toBeUndefined();
    expect(request('DELETE', '/v1/sessions', schema).body).toBeUndefined();
    expect(request('POST', '/v1/tasks/{task}/pause', schema, { path }).body).toEqual({});
    const body = { reason: 'a holiday' };
    expect(request('POST', '/v1/tasks/{task}/pause', schema, { path, body }).body).toBe(body);
  });
});

/** What must not compile: an error that is missing here is one of the compiler, `npm run check`. */
describe('the compiler refuses', () => {
  const path = { task };
  const asked = (...requests: readonly unknown[]) => expect(requests).not.toHaveLength(0);

  test('a path that is not in the document, or not of that method, or answers no JSON', () => {
    asked(
      // @ts-expect-error: no such path
      request('GET', '/v1/taskss', anything),
      // @ts-expect-error: nobody deletes every task
      request('DELETE', '/v1/tasks', anything),
      // @ts-expect-error: it answers a file
      request('GET', '/v1/audit/export', anything),
      // @ts-expect-error: no such path
      targetOf('/v1/audit/exports'),
    );
  });

  test('a parameter that is missing, unknown or of another type', () => {
    asked(
      // @ts-expect-error: which task is not said
      request('GET', '/v1/tasks/{task}', anything),
      // @ts-expect-error: which task is not said
      request('GET', '/v1/tasks/{task}', anything, { path: {} }),
      // @ts-expect-error: it has no site in its path
      request('GET', '/v1/tasks/{task}', anything, { path: { task, site: 'north' } }),
      // @ts-expect-error: it has no parameter at all
      request('GET', '/v1/health', anything, { path }),
      // @ts-expect-error: rounds are numbers
      targetOf('/v1/tasks/{task}/rounds/{round}', { path: { task, round: 'last' } }),
      // @ts-expect-error: there is no such order
      request('GET', '/v1/audit', anything, { query: { order: 'random' } }),
      // @ts-expect-error: the parameter is called limit
      request('GET', '/v1/audit', anything, { query: { size: 5 } }),
    );
  });

  test('a body of another shape, or none where one is needed', () => {
    asked(
      // @ts-expect-error: a promotion says of which version
      request('POST', '/v1/tasks/{task}/promote', anything, { path }),
      // @ts-expect-error: versions are numbers
      request('POST', '/v1/tasks/{task}/promote', anything, { path, body: { version: '3' } }),
      // @ts-expect-error: the member is called ifRevision
      request('POST', '/v1/tasks/{task}/pause', anything, { path, body: { ifVersion: 2 } }),
      // @ts-expect-error: nobody reads with a body
      request('GET', '/v1/tasks/{task}', anything, { path, body: {} }),
    );
  });

  test('a schema that strays from the documented answer', () => {
    const good = z.object({ status: z.string(), promotedVersion: z.number().nullable() });
    asked(
      request('GET', '/v1/tasks/{task}', good, { path }),
      // @ts-expect-error: no version need be promoted
      request('GET', '/v1/tasks/{task}', good.extend({ promotedVersion: z.number() }), { path }),
      // @ts-expect-error: a task has no such member
      request('GET', '/v1/tasks/{task}', good.extend({ owner: z.string() }), { path }),
      // @ts-expect-error: there are more states than these
      request('GET', '/v1/tasks/{task}', good.extend({ status: z.enum(['running']) }), { path }),
      // @ts-expect-error: one account is no list of them
      request('GET', '/v1/users', z.object({ user: z.string() })),
    );
  });
});
