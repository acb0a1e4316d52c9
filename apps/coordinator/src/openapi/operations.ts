/** The REST API as TypeScript types (libs/api/src/operations.ts), made of the OpenAPI document: what both clients are checked against. */
import { assert } from '#core/errors';
import { reachable, type JsonObject } from './components.ts';
import { documentSchema, shapeSchema, type Operation, type Shape } from './parsed.ts';

const heading = `/**
 * The REST API as types, made of docs/openapi.json; written by \`npm run docs:api\`, and a test fails where it is not fresh.
 */`;
const jsonMediaType = 'application/json';

const comment = (text: string): string => `/** ${text.replaceAll('*/', '*\\/')} */`;
const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
const literal = (value: unknown): string =>
  typeof value === 'string'
    ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
    : JSON.stringify(value);
const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : literal(name));

/** A member of an object type. */
function memberLines(name: string, schema: JsonObject, isRequired: boolean): string[] {
  const [first = '', ...rest] = typeLines(schema);
  const mark = isRequired ? ':' : '?:';
  const lines = [`${key(name)}${mark} ${first}`, ...rest];
  return ended(lines, ';');
}

function ended(lines: readonly string[], end: string): string[] {
  return lines.map((line, index) => (index === lines.length - 1 ? `${line}${end}` : line));
}

/** The type of a JSON Schema, as lines. */
function typeLines(schema: JsonObject): string[] {
  const shape = shapeSchema.parse(schema);
  if (shape.$ref !== undefined) return [shape.$ref.split('/').at(-1) ?? ''];
  if (shape.const !== undefined) return [literal(shape.const)];
  if (shape.enum !== undefined) return [shape.enum.map(literal).join(' | ')];
  const choices = shape.anyOf ?? shape.oneOf;
  if (choices !== undefined) return union(choices.map(typeLines));
  assert(shape.type !== undefined, 'a schema of a route says what it is');
  return union([shape.type].flat().map((type) => linesOfType(type, shape)));
}

/** `A | B`, each beginning where the one before ended. */
function union(choices: readonly string[][]): string[] {
  return choices.reduce((before, next) => [
    ...before.slice(0, -1),
    `${before.at(-1) ?? ''} | ${next[0] ?? ''}`,
    ...next.slice(1),
  ]);
}

function linesOfType(type: string, shape: Shape): string[] {
  switch (type) {
    case 'array':
      return listLines(shape);
    case 'object':
      return objectLines(shape);
    case 'integer':
      return ['number'];
    default:
      assert(['string', 'number', 'boolean', 'null'].includes(type), `${type} is a type of JSON`);
      return [type];
  }
}

function listLines({ items, prefixItems }: Shape): string[] {
  if (prefixItems !== undefined) {
    return [`[${prefixItems.map((each) => typeLines(each).join(' ')).join(', ')}]`];
  }
  assert(typeof items === 'object', 'a list says what it holds');
  const [first = '', ...rest] = typeLines(items);
  return ended([`Array<${first}`, ...rest], '>');
}

function objectLines({ properties = {}, required, additionalProperties }: Shape): string[] {
  const members = Object.entries(properties).flatMap(([name, schema]) =>
    memberLines(name, schema, required.includes(name)),
  );
  if (typeof additionalProperties === 'object') {
    const isAnything = Object.keys(additionalProperties).length === 0;
    const values = isAnything ? ['unknown'] : typeLines(additionalProperties);
    const [first = '', ...rest] = values;
    members.push(...ended([`[name: string]: ${first}`, ...rest], ';'));
  }
  return members.length === 0 ? ['Record<string, never>'] : ['{', ...indented(members), '}'];
}

/** Parameters of one place, as a member of an operation; none where the operation has none there. */
function parameterLines({ parameters }: Operation, place: 'path' | 'query'): string[] {
  const own = parameters.filter((each) => each.in === place);
  if (own.length === 0) return [];
  const members = own.flatMap(({ name, schema, required }) => memberLines(name, schema, required));
  const isRequired = own.some(({ required }) => required);
  return [`${place}${isRequired ? ':' : '?:'} {`, ...indented(members), '};'];
}

/** What a success carries: an answer in JSON, bytes of a media type, or nothing, as where a browser is sent elsewhere. */
function answerLines({ responses }: Operation): string[] {
  const success = Object.entries(responses).find(([status]) => Number(status) < 300);
  const [media] = Object.entries(success?.[1].content ?? {});
  if (media === undefined) return [];
  const [mediaType, { schema }] = media;
  if (mediaType !== jsonMediaType) return [`bytes: ${literal(mediaType)};`];
  assert(schema !== undefined, 'an answer in JSON has a schema');
  return memberLines('answer', schema, true);
}

function operationLines(path: string, operation: Operation): string[] {
  const { requestBody, summary } = operation;
  const body = requestBody?.content[jsonMediaType]?.schema;
  const members = [
    ...parameterLines(operation, 'path'),
    ...parameterLines(operation, 'query'),
    ...(body === undefined ? [] : memberLines('body', body, requestBody?.required === true)),
    ...answerLines(operation),
  ];
  return [comment(summary), `${literal(path)}: {`, ...indented(members), '};'];
}

/** Bodies and answers in JSON: where the schemas begin that a client has to do with. */
function carriedBy({ requestBody, responses }: Operation): JsonObject[] {
  const successes = Object.entries(responses).filter(([status]) => Number(status) < 300);
  const contents = [requestBody?.content ?? {}, ...successes.map(([, { content }]) => content)];
  return contents.flatMap((content) => {
    const schema = content[jsonMediaType]?.schema;
    return schema === undefined ? [] : [schema];
  });
}

/** Write the types. */
export function apiOperations(openApi: JsonObject): string {
  const { paths, components } = documentSchema.parse(openApi);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const carried = operations.flatMap(({ operation }) => carriedBy(operation));
  const types = Object.entries(reachable(components.schemas, carried)).map(([name, schema]) => {
    const { description } = shapeSchema.parse(schema);
    const about = description === undefined ? [] : [comment(description)];
    return [
      ...about,
      ...ended(
        [`export type ${name} = ${typeLines(schema)[0] ?? ''}`, ...typeLines(schema).slice(1)],
        ';',
      ),
    ];
  });
  const methods = [...new Set(operations.map(({ method }) => method))].flatMap((method) => {
    const own = operations.filter((each) => each.method === method);
    const lines = own.flatMap(({ path, operation }) => operationLines(path, operation));
    return [`${method.toUpperCase()}: {`, ...indented(lines), '};'];
  });
  const routes = [
    comment('Every route by method and path.'),
    'export interface Operations {',
    ...indented(methods),
    '}',
  ];
  return `${[heading, ...[...types, routes].map((lines) => lines.join('\n'))].join('\n\n')}\n`;
}
