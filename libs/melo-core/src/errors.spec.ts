import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  assert,
  AuthError,
  type ErrorCode,
  errorCatalog,
  type ErrorCatalogEntry,
  type ErrorFamily,
  InputError,
  InvariantError,
  isErrorCode,
  MeloError,
  PrivacyError,
  ProtocolError,
  StateError,
  toPublicError,
  UnavailableError,
} from './errors.ts';

const repository = path.resolve(fileURLToPath(import.meta.url), '../../../..');

/** Codes that nothing throws: what a later release will, and what an earlier one did. */
const tombstones: readonly ErrorCode[] = ['BUDGET_EXHAUSTED'];

const codes = Object.keys(errorCatalog).filter(isErrorCode);
const entryOf = (code: ErrorCode): ErrorCatalogEntry => errorCatalog[code];

const statusesOfFamily: Readonly<Record<ErrorFamily, readonly number[]>> = {
  input: [400, 404, 405, 409, 413, 422],
  auth: [401, 403, 500],
  state: [403, 404, 409],
  protocol: [400, 403, 422, 429],
  privacy: [409],
  unavailable: [503, 504, 507],
  invariant: [500],
};

describe('the catalogue', () => {
  test.each(codes)('%s has a family, a fitting status and a whole sentence', (code) => {
    const entry = entryOf(code);
    expect(statusesOfFamily[entry.family]).toContain(entry.httpStatus);
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    expect(entry.publicMessage).toMatch(/^[A-Z].{10,100}\.$/);
  });

  test('no two codes say the same', () => {
    const messages = codes.map((code) => entryOf(code).publicMessage);
    expect(new Set(messages).size).toBe(messages.length);
  });

  test('an unknown code is not one, not even a name that every object has', () => {
    expect(isErrorCode('INTERNAL')).toBe(true);
    for (const text of ['NO_SUCH_CODE', 'toString', '__proto__', '', 7, null]) {
      expect(isErrorCode(text)).toBe(false);
    }
  });
});

describe('where codes are used', () => {
  const used = codesInSources();

  test('every code is thrown somewhere or is a tombstone', () => {
    const unused = codes.filter((code) => !used.has(code) && !tombstones.includes(code));
    expect(unused).toEqual([]);
  });

  test('no tombstone is in use', () => {
    expect(tombstones.filter((code) => used.has(code))).toEqual([]);
  });
});

describe('docs/errors.md', () => {
  const text = readFileSync(path.join(repository, 'docs/errors.md'), 'utf8');
  const rows = new Map(
    [
      ...text.matchAll(/^\| <a id="[A-Z_]+"><\/a>`([A-Z_]+)` \| (\d+) \| (yes|no) \| (.+) \|$/gm),
    ].map(
      ([, code = '', status, retryable, message]) =>
        [code, { status, retryable, message }] as const,
    ),
  );

  test('has exactly the codes of the catalogue', () => {
    expect([...rows.keys()].sort()).toEqual([...codes].sort());
  });

  test.each(codes)('says of %s what the catalogue says', (code) => {
    const { httpStatus, retryable, publicMessage } = entryOf(code);
    expect(rows.get(code)).toEqual({
      status: String(httpStatus),
      retryable: retryable ? 'yes' : 'no',
      message: publicMessage,
    });
  });
});

describe('errors', () => {
  const cause = new Error('below');
  const one = { site: 'north' };

  test.each([
    ['InputError', new InputError('NOT_FOUND', 'private', one, { cause }), 'input'],
    ['AuthError', new AuthError('FORBIDDEN', 'private', one, { cause }), 'auth'],
    ['StateError', new StateError('ROUND_CLOSED', 'private', one, { cause }), 'state'],
    ['ProtocolError', new ProtocolError('SEAL_INVALID', 'private', one, { cause }), 'protocol'],
    ['PrivacyError', new PrivacyError('BUDGET_EXHAUSTED', 'private', one, { cause }), 'privacy'],
    ['UnavailableError', new UnavailableError('TIMEOUT', 'private', one, { cause }), 'unavailable'],
    ['InvariantError', new InvariantError('private', one, { cause }), 'invariant'],
  ] as const)('%s carries its name, details, cause and family', (name, error, family) => {
    expect(error).toBeInstanceOf(MeloError);
    expect(error.name).toBe(name);
    expect(error.details).toEqual(one);
    expect(error.cause).toBe(cause);
    expect(error.catalogEntry.family).toBe(family);
  });

  test('a protocol error names the sites at fault, none where it cannot be told', () => {
    expect(new ProtocolError('SEAL_INVALID', 'm').sites).toEqual([]);
    expect(new ProtocolError('SEAL_INVALID', 'm', {}, { sites: ['north'] }).sites).toEqual([
      'north',
    ]);
  });

  test('assert throws what stops the process, and only when the condition fails', () => {
    expect(() => assert(true, 'fine')).not.toThrow();
    expect(() => assert(false, 'bytes add up')).toThrow(
      expect.objectContaining({ code: 'INTERNAL', message: 'bytes add up' }),
    );
  });
});

describe('what a peer sees', () => {
  test.each([
    ['input', new InputError('NOT_FOUND', 'task x: no such task'), 'task x: no such task'],
    ['state', new StateError('ROUND_CLOSED', 'round 3 is closed'), 'round 3 is closed'],
    ['protocol', new ProtocolError('PLAN_INVALID', 'rank is 0'), 'rank is 0'],
  ])('of an %s error is its own message', (_, error, message) => {
    expect(toPublicError(error).message).toBe(message);
  });

  test.each([
    ['auth', new AuthError('FORBIDDEN', 'key 12ab of north')],
    ['unavailable', new UnavailableError('STORE_UNAVAILABLE', 'postgres://user:secret@host')],
    ['privacy', new PrivacyError('BUDGET_EXHAUSTED', 'epsilon is 9.7')],
    ['invariant', new InvariantError('member 4 of 3')],
  ])('of an %s error is the catalogue alone', (_, error) => {
    const { code, message, retryable } = toPublicError(error);
    expect({ code, message, retryable }).toEqual({
      code: error.code,
      message: error.catalogEntry.publicMessage,
      retryable: error.catalogEntry.retryable,
    });
  });

  test.each([new Error('path and password'), 'text', undefined, { code: 'NOT_FOUND' }])(
    'of something unknown is INTERNAL (%#)',
    (thrown) => {
      expect(toPublicError(thrown)).toEqual({
        code: 'INTERNAL',
        message: errorCatalog.INTERNAL.publicMessage,
        retryable: false,
      });
    },
  );
});

/** Codes that stand in quotes in any source but the catalogue and the specs. */
function codesInSources(): ReadonlySet<string> {
  const files = ['libs', 'apps'].flatMap((folder) => listSources(path.join(repository, folder)));
  const found = new Set<string>();
  for (const file of files) {
    for (const [, code = ''] of readFileSync(file, 'utf8').matchAll(
      /['"]([A-Z]+(?:_[A-Z]+)*)['"]/g,
    )) {
      found.add(code);
    }
  }
  found.add('INTERNAL'); // InvariantError carries it without naming it
  return found;
}

function listSources(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /(?<!\.spec)\.ts$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => !file.endsWith(path.join('melo-core', 'src', 'errors.ts')));
}
