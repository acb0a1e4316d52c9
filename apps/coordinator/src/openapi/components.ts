/** JSON Schemas of the OpenAPI document: each named once, as it is sent and, where that differs, as it is taken. */
import { z } from 'zod';
import { assert, type JsonValue } from '#core/errors';
import type { RouteContract } from '../common/contract.ts';
import { schemaNames } from './schema-names.ts';

/** Routes by area and name. */
export type RoutesByArea = Readonly<Record<string, Readonly<Record<string, RouteContract>>>>;

const objectSchema = z.record(z.string(), z.json());
/** A part of the document. */
export type JsonObject = z.infer<typeof objectSchema>;
/** `input` is what a caller may leave out, `output` what an answer always has. */
export type Direction = 'input' | 'output';

const prefix = '#/components/schemas/';

/** A JSON Schema without what zod adds for itself and what only JavaScript's regular expressions know. */
function clean({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.type === 'object') delete jsonSchema.propertyNames;
  // A number in a path or a query: its text was a pattern, its value has bounds.
  if (jsonSchema.type === 'integer') delete jsonSchema.pattern;
  if (jsonSchema.pattern === undefined) return;
  jsonSchema.pattern = jsonSchema.pattern.replaceAll('\\p{Cc}', '\\u0000-\\u001f\\u007f-\\u009f');
}

const options = { unrepresentable: 'any', override: clean } as const;

/** The JSON Schema of something small that has no name, such as a parameter. */
export function inlineSchema(schema: z.ZodType): JsonObject {
  const { $schema: _, ...rest } = objectSchema.parse(
    z.toJSONSchema(schema, { ...options, io: 'input' }),
  );
  return rest;
}

/** Every `$ref` within a part of the document. */
export function* referencesIn(part: JsonValue): Generator<string> {
  if (typeof part !== 'object' || part === null) return;
  for (const [key, value] of Object.entries(part)) {
    if (key === '$ref' && typeof value === 'string') yield value.slice(prefix.length);
    else yield* referencesIn(value);
  }
}

/** Schemas by name. */
export class Components {
  readonly #registry = z.registry<{ readonly id: string }>();
  readonly #differing: ReadonlySet<string>;
  /**
   * Every schema by name. What is taken with less than it is answered with has a second one, whose name ends with `Input`.
   */
  readonly schemas: Readonly<Record<string, JsonObject>>;

  constructor(routes: RoutesByArea) {
    for (const [id, { schema }] of Object.entries(schemaNames)) this.#registry.add(schema, { id });
    for (const [area, contracts] of Object.entries(routes)) {
      for (const [name, contract] of Object.entries(contracts)) this.#add(area, name, contract);
    }
    const outputs = this.#convert('output');
    const inputs = this.#convert('input');
    this.#differing = differingNames(outputs, inputs);
    const schemas = new Map(Object.entries(outputs));
    for (const name of this.#differing) {
      const input = inputs[name];
      if (input !== undefined) schemas.set(inputName(name), renamed(input, this.#differing));
    }
    this.schemas = Object.fromEntries([...schemas].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Give the schemas of a route a name, unless they have one: `TasksCreateBody`, `TasksListAnswer`. */
  #add(area: string, name: string, contract: RouteContract): void {
    const title = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
    const both = { Body: contract.body, Answer: contract.response };
    for (const [kind, schema] of Object.entries(both)) {
      if (this.#registry.has(schema)) continue;
      this.#registry.add(schema, { id: `${title(area)}${title(name)}${kind}` });
    }
  }

  /** A reference to a schema of a route. */
  referenceTo(schema: z.ZodType, direction: Direction): JsonObject {
    const id = this.#registry.get(schema)?.id;
    assert(id !== undefined, 'every schema of a route was added');
    return referenceTo(direction === 'input' && this.#differing.has(id) ? inputName(id) : id);
  }

  #convert(io: Direction): Record<string, JsonObject> {
    const uri = (id: string): string => `${prefix}${id}`;
    const { schemas } = z.toJSONSchema(this.#registry, { ...options, io, uri });
    const converted = Object.entries(schemas).map(([id, schema]) => {
      const { $schema: _schema, $id: _id, ...rest } = objectSchema.parse(schema);
      const { description, example } = schemaNames[id] ?? {};
      return [
        id,
        {
          ...rest,
          ...(description === undefined ? {} : { description }),
          ...(example === undefined ? {} : { examples: [example] }),
        },
      ] as const;
    });
    return Object.fromEntries(converted);
  }
}

/** The name of a schema as it is taken; what a route takes alone is nothing else. */
const inputName = (name: string): string => (name.endsWith('Body') ? name : `${name}Input`);

/** Names whose schemas differ by direction, themselves or by what they refer to. */
function differingNames(
  outputs: Readonly<Record<string, JsonObject>>,
  inputs: Readonly<Record<string, JsonObject>>,
): ReadonlySet<string> {
  const differing = new Set(
    Object.keys(outputs).filter(
      (name) => JSON.stringify(outputs[name]) !== JSON.stringify(inputs[name]),
    ),
  );
  for (let before = -1; before !== differing.size;) {
    before = differing.size;
    for (const [name, schema] of Object.entries(outputs)) {
      if ([...referencesIn(schema)].some((each) => differing.has(each))) differing.add(name);
    }
  }
  return differing;
}

/** A schema whose references lead to the input variants. */
function renamed(schema: JsonObject, names: ReadonlySet<string>): JsonObject {
  return objectSchema.parse(
    JSON.parse(JSON.stringify(schema), (key, value: unknown) =>
      key === '$ref' && typeof value === 'string' && names.has(value.slice(prefix.length))
        ? `${value}Input`
        : value,
    ),
  );
}

/** Keep the schemas that a part of the document leads to. */
export function reachable(
  schemas: Readonly<Record<string, JsonObject>>,
  from: JsonValue,
): Readonly<Record<string, JsonObject>> {
  const found = new Set<string>();
  const ahead = [...referencesIn(from)];
  for (let name = ahead.pop(); name !== undefined; name = ahead.pop()) {
    const schema = schemas[name];
    if (found.has(name) || schema === undefined) continue;
    found.add(name);
    ahead.push(...referencesIn(schema));
  }
  return Object.fromEntries(Object.entries(schemas).filter(([name]) => found.has(name)));
}

/** A reference to a schema by name. */
export const referenceTo = (name: string): JsonObject => ({ $ref: `${prefix}${name}` });
