/** The definition of a task out of a YAML file, as this page and `melo admin export` write it. */
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import type { BodyOf } from '#api';
import { definitionSchema } from '../api/schemas.ts';

/** More than any definition has. */
const charactersMax = 500_000;

const dayQuarterMs = 6 * 3_600_000;

/** What is shown of a definition before it is sent, with what holds where it is left out; the coordinator checks the whole. */
const fileSchema = definitionSchema.pick({ classes: true, backbone: true, members: true }).extend({
  task: z.string(),
  title: z.string(),
  rounds: z.number(),
  rank: z.number().default(4),
  trainedTensors: definitionSchema.shape.trainedTensors.default('all'),
  rules: z.looseObject({ deadlineMs: z.number().default(dayQuarterMs) }),
});
/** A definition out of a file. */
export type FileDefinition = z.infer<typeof fileSchema>;

/** What is sent: the coordinator checks the whole of it, and says by field what it does not take. */
const bodySchema = z.custom<BodyOf<'/v1/tasks'>>((value) => fileSchema.safeParse(value).success);
/** What is sent. */
export type FileBody = z.infer<typeof bodySchema>;

/** A definition with the whole content of its document, or what hinders. */
export type ReadDefinition =
  | { readonly definition: FileDefinition; readonly content: FileBody; readonly problem?: never }
  | { readonly problem: string; readonly definition?: never };

/** Read a file's text; documents of sites, which an export has too, are passed over. */
export function readDefinition(fileName: string, text: string): ReadDefinition {
  const refuse = (what: string): ReadDefinition => ({
    problem: `${fileName}: expected the definition of one task, as “Save as YAML” and “melo admin export TASK” write it; got ${what}.`,
  });
  if (text.length > charactersMax) return refuse(`a file of ${text.length} characters`);
  const documents = parseAllDocuments(text);
  if ('empty' in documents) return refuse('an empty file');
  const [error] = documents.flatMap(({ errors }) => errors);
  if (error !== undefined) return refuse(`no YAML: ${error.message.split('\n')[0] ?? ''}`);
  let contents: readonly unknown[];
  try {
    contents = documents.map((document): unknown => document.toJS({ maxAliasCount: 100 }));
    JSON.stringify(contents); // an alias of what it stands in cannot be sent
  } catch (cause) {
    return refuse(`aliases that cannot be followed: ${String(cause)}`);
  }
  const tasks = contents.filter(
    (content) => z.looseObject({ task: z.string() }).safeParse(content).success,
  );
  if (tasks.length !== 1) return refuse(`${tasks.length} tasks`);
  const [content] = tasks;
  const read = fileSchema.safeParse(content);
  if (read.success) return { definition: read.data, content: bodySchema.parse(content) };
  const [issue] = read.error.issues;
  return refuse(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`);
}
