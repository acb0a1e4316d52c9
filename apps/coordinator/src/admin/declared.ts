/**
 * What a person declares in YAML: sites that are invited and tasks by their definitions, several documents in a file. A document
 * with `task` is a definition, as the dashboard's form and `melo admin tasks example` write one; one with `site` alone is a site.
 */
import { parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import { InputError, type JsonValue } from '#core/errors';
import {
  siteIdSchema,
  taskDefinitionSchema,
  type SiteId,
  type TaskDefinition,
} from '#core/protocol';
import { valueOf } from './yaml-value.ts';

/** A site as a document declares it. */
export const declaredSiteSchema = z.strictObject({ version: z.literal(1), site: siteIdSchema });

/** What a file declares. */
export interface Declared {
  readonly sites: readonly SiteId[];
  readonly tasks: readonly TaskDefinition[];
}

const textLengthMax = 4 * 1024 * 1024;
const documentsMax = 1000;

/**
 * Read a file's documents; every problem is told with its document, and nothing is returned where there is one.
 *
 * @throws InputError CONFIG_INVALID
 */
export function parseDeclared(file: string, text: string): Declared {
  if (text.length > textLengthMax) {
    throw fileError(file, `expected ${textLengthMax} characters at most, got ${text.length}`);
  }
  const documents = parseAllDocuments(text, { prettyErrors: true });
  const problems: string[] = [];
  const sites: SiteId[] = [];
  const tasks: TaskDefinition[] = [];
  const wholes = 'empty' in documents ? [] : documents;
  if (wholes.length > documentsMax) {
    throw fileError(file, `expected ${documentsMax} documents at most, got ${wholes.length}`);
  }
  for (const [at, document] of wholes.entries()) {
    const where = `document ${at + 1}`;
    const [syntaxError] = document.errors;
    if (syntaxError !== undefined) throw fileError(file, `${where}: ${syntaxError.message}`);
    const value = valueOf(document, (problem) => fileError(file, `${where}: ${problem}`));
    if (value === null) continue; // comments alone, or nothing after a line of hyphens
    const problem = take(value, { sites, tasks });
    problems.push(...problem.map((each) => `${where}: ${each}`));
  }
  problems.push(...repeated('site', sites), ...repeated('task', nameOfEach(tasks)));
  if (problems.length > 0) throw fileError(file, `\n  ${problems.join('\n  ')}`);
  if (sites.length + tasks.length === 0) throw fileError(file, 'nothing');
  return { sites, tasks };
}

const nameOfEach = (tasks: readonly TaskDefinition[]): readonly string[] =>
  tasks.map(({ task }) => task);

/** Take one document; what does not fit is said by field. */
function take(
  value: unknown,
  { sites, tasks }: { readonly sites: SiteId[]; readonly tasks: TaskDefinition[] },
): readonly string[] {
  if (typeof value === 'object' && value !== null && 'site' in value && !('task' in value)) {
    const site = declaredSiteSchema.safeParse(value);
    if (!site.success) return problemsOf(site.error, 'a site');
    sites.push(site.data.site);
    return [];
  }
  const definition = taskDefinitionSchema.safeParse(value);
  if (!definition.success) return problemsOf(definition.error, 'a task');
  tasks.push(definition.data);
  return [];
}

const problemsOf = ({ issues }: z.ZodError, what: string): readonly string[] =>
  issues.map(({ path, message }) => `${path.join('.') || what}: ${message}`);

function repeated(kind: string, names: readonly string[]): readonly string[] {
  const twice = names.filter((name, at) => names.indexOf(name) !== at);
  return [...new Set(twice)].map((name) => `${kind} ${name} is declared more than once`);
}

function fileError(file: string, problem: string): InputError {
  return new InputError(
    'CONFIG_INVALID',
    `${file}: expected documents of tasks and sites, got: ${problem}\ncompare with "melo admin export" or "melo admin tasks example"`,
  );
}

const heading = `# Sites and tasks of MeLo Federation; "melo admin apply --file" takes this file.
`;

/** Write what {@link parseDeclared} reads: sites first, since tasks name them. */
export function formatDeclared({ sites, tasks }: Declared): string {
  const documents = [...sites.map((site) => ({ version: 1, site })), ...tasks];
  // Aliases are refused on the way back.
  const texts = documents.map((each) => stringify(each, { aliasDuplicateObjects: false }));
  return heading + texts.map((text) => `---\n${text}`).join('');
}

/** Where two definitions differ. */
export interface Difference {
  /** Names of fields with dots between them. */
  readonly field: string;
  /** Undefined where that side has no such field. */
  readonly present: JsonValue | undefined;
  readonly declared: JsonValue | undefined;
}

const recordSchema = z.record(z.string(), z.json());
const leafSchema = z.json().optional();

/** Where two definitions differ, by field; what holds numbers or names in order differs as a whole. */
export function differencesOf(
  present: unknown,
  declared: unknown,
  field = '',
): readonly Difference[] {
  const [left, right] = [recordSchema.safeParse(present), recordSchema.safeParse(declared)];
  if (left.success && right.success) {
    const names = [...new Set([...Object.keys(left.data), ...Object.keys(right.data)])];
    return names.flatMap((name) =>
      differencesOf(left.data[name], right.data[name], field === '' ? name : `${field}.${name}`),
    );
  }
  if (JSON.stringify(present) === JSON.stringify(declared)) return [];
  return [{ field, present: leafSchema.parse(present), declared: leafSchema.parse(declared) }];
}
