/**
 * Requests to the REST API as the dashboard and `melo admin` make them: checked against docs/openapi.json by the compiler, sent by
 * whoever has the means. Nothing but the path is made up at run time.
 */
import type { z } from 'zod';
import type { Operations } from './operations.ts';

export type * from './operations.ts';

/** A method of HTTP. */
export type Method = keyof Operations;

/** Paths of a method whose operations have a member: `answer` where they answer JSON, `bytes` where they answer a file. */
type PathWith<M extends Method, Member extends string> = {
  [P in keyof Operations[M]]: Operations[M][P] extends Readonly<Record<Member, unknown>>
    ? P
    : never;
}[keyof Operations[M]];

/** Paths of a method that answer JSON. */
export type PathOf<M extends Method> = PathWith<M, 'answer'>;
/** Paths that answer a file. */
export type FilePath = PathWith<'GET', 'bytes'>;
/** Every path that can be read, those included that lead a browser elsewhere. */
export type ReadPath = keyof Operations['GET'];

/** What an operation takes. */
type PartName = 'path' | 'query' | 'body';
/** What is sent: nobody changes a list that was handed over, and undefined is left out. */
type Sent<T> = T extends readonly unknown[]
  ? { readonly [Index in keyof T]: Sent<T[Index]> }
  : T extends object
    ? { readonly [Name in keyof T]: Sent<T[Name]> | Omissible<T, Name> }
    : T;
type Omissible<T, Name extends keyof T> = object extends Pick<T, Name> ? undefined : never;
/** What an operation takes, and nothing else. */
type PartsOf<Operation> = Operation extends unknown
  ? Sent<Pick<Operation, keyof Operation & PartName>> & {
      readonly [Name in Exclude<PartName, keyof Operation>]?: never;
    }
  : never;
/** The last argument: it may be left out where an operation needs nothing. */
export type PartsArgument<Operation> =
  object extends PartsOf<Operation> ? [parts?: PartsOf<Operation>] : [parts: PartsOf<Operation>];

/** Parameters after the question mark. */
export type QueryOf<M extends Method, P extends keyof Operations[M]> = Operations[M][P] extends {
  readonly query?: infer Query;
}
  ? NonNullable<Sent<Query>>
  : never;
/** What a POST takes. */
export type BodyOf<P extends PathOf<'POST'>> = Operations['POST'][P] extends {
  readonly body?: infer Body;
}
  ? NonNullable<Sent<Body>>
  : never;

/** What the document says that a route answers. */
export type AnswerOf<M extends Method, P extends PathOf<M>> = Operations[M][P] extends {
  readonly answer: infer Answer;
}
  ? Answer
  : never;
/** Members of an answer that a schema would refuse, or miss. */
type Strays<Answer, Taken> = {
  [Name in keyof Taken]: Name extends keyof Answer
    ? Answer[Name] extends Taken[Name]
      ? never
      : Name
    : undefined extends Taken[Name]
      ? never
      : Name;
}[keyof Taken];
/** A schema that takes whatever is documented as the answer. */
export type Taking<Schema extends z.ZodType, Answer> = [Answer] extends [z.input<Schema>]
  ? Schema
  : { readonly 'strays from docs/openapi.json at': Strays<Answer, z.input<Schema>> };

/** A request, ready to be sent. */
export interface ApiRequest<Schema extends z.ZodType> {
  readonly method: Method;
  /** Path and query; undefined where a parameter cannot stand in a path. */
  readonly target: string | undefined;
  /** What a POST carries; undefined otherwise. */
  readonly body: unknown;
  /** What parses the answer. */
  readonly schema: Schema;
}

/** Parts as they are sent. */
interface Parts {
  readonly path?: Readonly<Record<string, string | number>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly body?: unknown;
}

/**
 * Make a request.
 *
 * @param path   - as the document has it, such as `/v1/tasks/{task}`
 * @param schema - parses the answer; it must take whatever the document says of it
 * @param parts  - parameters and body
 */
export function request<M extends Method, P extends PathOf<M>, Schema extends z.ZodType>(
  method: M,
  path: P,
  schema: Schema & Taking<Schema, AnswerOf<M, P>>,
  ...parts: PartsArgument<Operations[M][P]>
): ApiRequest<Schema>;
export function request<Schema extends z.ZodType>(
  method: Method,
  path: string,
  schema: Schema,
  parts: Parts = {},
): ApiRequest<Schema> {
  const body = method === 'POST' ? (parts.body ?? {}) : undefined;
  return { method, target: fill(path, parts), body, schema };
}

/** Path and query of something that is read without parsing, such as a file; undefined where a parameter cannot stand in a path. */
export function targetOf<P extends ReadPath>(
  path: P,
  ...parts: PartsArgument<Operations['GET'][P]>
): string | undefined;
export function targetOf(path: string, parts: Parts = {}): string | undefined {
  return fill(path, parts);
}

/** Put parameters into a path. A name that a path would take for a step (`..`) or for nothing leads nowhere: no encoding saves it. */
function fill(path: string, { path: names = {}, query = {} }: Parts): string | undefined {
  const given = Object.entries(names).map(([name, value]) => [name, String(value)] as const);
  if (given.some(([, value]) => /^\.{0,2}$/.test(value))) return undefined;
  const filled = given.reduce(
    (text, [name, value]) => text.replace(`{${name}}`, () => encodeURIComponent(value)),
    path,
  );
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.append(name, String(value));
  }
  const asked = search.toString();
  return asked === '' ? filled : `${filled}?${asked}`;
}
