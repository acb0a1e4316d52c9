/** The reference of the REST API in Markdown (docs/api.md), made of the OpenAPI document. */
import type { JsonObject } from './components.ts';
import { documentSchema, shapeSchema, type Operation, type Shape } from './parsed.ts';

const code = (text: string): string => `\`${text}\``;
const cell = (text: string): string => text.replaceAll('|', '\\|');
const linkTo = (reference: string): string => {
  const name = reference.split('/').at(-1) ?? reference;
  return `[${name}](#${name.toLowerCase()})`;
};

const wordOf = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value);

/** A type in words: `whole number, 1 to 64`. */
function typeText(schema: JsonObject): string {
  const shape = shapeSchema.parse(schema);
  if (shape.$ref !== undefined) return linkTo(shape.$ref);
  if (shape.const !== undefined) return code(JSON.stringify(shape.const));
  if (shape.enum !== undefined) return shape.enum.map((each) => code(wordOf(each))).join(', ');
  const choices = shape.anyOf ?? shape.oneOf;
  if (choices !== undefined) return choices.map(typeText).join(' or ');
  const types = [shape.type ?? 'anything'].flat();
  return types.map((type) => nameOfType(type, shape)).join(' or ');
}

function nameOfType(type: string, shape: Shape): string {
  switch (type) {
    case 'array':
      return listText(shape);
    case 'object':
      return objectText(shape);
    case 'string':
      return `text${range(shape.minLength, shape.maxLength, ' characters')}${shape.pattern === undefined ? '' : ` of the form ${code(shape.pattern)}`}`;
    case 'integer':
      return `whole number${range(shape.minimum, shape.maximum)}`;
    case 'number':
      return `number${above(shape)}${range(shape.minimum, shape.maximum)}`;
    default:
      return type;
  }
}

function listText({ items, prefixItems, minItems, maxItems }: Shape): string {
  if (prefixItems !== undefined) return `[${prefixItems.map(typeText).join(', ')}]`;
  const each = typeof items === 'object' ? typeText(items) : 'anything';
  return `list of ${each}${range(minItems, maxItems, ' items')}`;
}

function objectText({ properties, required, additionalProperties }: Shape): string {
  if (properties === undefined || Object.keys(properties).length === 0) {
    const values = typeof additionalProperties === 'object' ? typeText(additionalProperties) : '';
    return values === '' ? 'object' : `object with values ${values}`;
  }
  const members = Object.entries(properties).map(
    ([name, schema]) => `${code(name)}${required.includes(name) ? '' : '?'}: ${typeText(schema)}`,
  );
  return `{ ${members.join('; ')} }`;
}

const above = ({ exclusiveMinimum }: Shape): string =>
  exclusiveMinimum === undefined ? '' : ` above ${exclusiveMinimum}`;

function range(minimum: number | undefined, maximum: number | undefined, unit = ''): string {
  if (minimum !== undefined && maximum !== undefined) return `, ${minimum} to ${maximum}${unit}`;
  if (minimum !== undefined) return `, ${minimum}${unit} at least`;
  return maximum === undefined ? '' : `, ${maximum}${unit} at most`;
}

function defaultText({ default: value }: Shape): string {
  return value === undefined ? '' : ` (${code(JSON.stringify(value))} where left out)`;
}

function operationText(method: string, path: string, operation: Operation): string {
  const roles = operation['x-roles'].join(', ');
  const parts = [`### ${method.toUpperCase()} ${path}`, `${operation.summary}. Roles: ${roles}.`];
  if (operation.parameters.length > 0) {
    const rows = operation.parameters.map((each) => {
      const shape = shapeSchema.parse(each.schema);
      const kind = `${typeText(each.schema)}${defaultText(shape)}`;
      return `| ${code(each.name)} | ${each.in}${each.required ? '' : ', optional'} | ${cell(kind)} | ${cell(each.description ?? '')} |`;
    });
    parts.push(['| parameter | in | type | what |', '|---|---|---|---|', ...rows].join('\n'));
  }
  const body = operation.requestBody?.content['application/json']?.schema;
  if (body !== undefined) parts.push(`Body: ${typeText(body)}.`);
  parts.push(['| status | answer |', '|---|---|', ...answerRows(operation)].join('\n'));
  return parts.join('\n\n');
}

function answerRows({ responses }: Operation): string[] {
  return Object.entries(responses).map(([status, { content, description, headers }]) => {
    const [[mediaType, { schema }] = ['', { schema: undefined }]] = Object.entries(content);
    if (Number(status) >= 400 && mediaType.startsWith('application/problem')) {
      const codes = [...description.matchAll(/`([A-Z0-9_]+)`:/g)].map((match) => match[1] ?? '');
      return `| ${status} | ${codes.map((each) => `[${code(each)}](errors.md#${each})`).join(', ')} |`;
    }
    const what = schema === undefined ? code(mediaType) : typeText(schema);
    const extra = Object.entries(headers ?? {}).map(
      ([name, each]) => `${code(name)}: ${each.description}`,
    );
    return `| ${status} | ${[`${description}: ${what}`, ...extra].map(cell).join('; ')} |`;
  });
}

function schemaText(name: string, schema: JsonObject): string {
  const shape = shapeSchema.parse(schema);
  const title = `### ${name}`;
  const about = shape.description === undefined ? [] : [shape.description];
  if (shape.properties === undefined || shape.oneOf !== undefined || shape.anyOf !== undefined) {
    return [title, ...about, `Type: ${typeText(schema)}.`].join('\n\n');
  }
  const rows = Object.entries(shape.properties).map(([property, each]) => {
    const isOptional = !shape.required.includes(property);
    const kind = `${typeText(each)}${defaultText(shapeSchema.parse(each))}`;
    return `| ${code(property)}${isOptional ? ', optional' : ''} | ${cell(kind)} |`;
  });
  if (rows.length === 0) return [title, ...about].join('\n\n');
  return [title, ...about, ['| member | type |', '|---|---|', ...rows].join('\n')].join('\n\n');
}

/** Write the reference; `introduction` is what stands before it. */
export function apiReference(openApi: JsonObject): string {
  const { tags, paths, components } = documentSchema.parse(openApi);
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, operation })),
  );
  const areas = tags.map(({ name, description }) => {
    const own = operations.filter(({ operation }) => operation.tags.includes(name));
    const texts = own.map(({ method, path, operation }) => operationText(method, path, operation));
    return [`## ${name}`, description, ...texts].join('\n\n');
  });
  const schemas = Object.entries(components.schemas).map(([name, schema]) =>
    schemaText(name, schema),
  );
  return `${[...areas, '## Schemas', ...schemas].join('\n\n')}\n`;
}
