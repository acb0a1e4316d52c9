/** A YAML file that a person wrote: parsed by a schema, and what does not fit is told with its key and its line. */
import { LineCounter, parseDocument, visit, type Document } from 'yaml';
import { z } from 'zod';
import { InputError } from '#core/errors';

/** Find the line of the innermost part of `path` that the document has. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let length = path.length; length > 0; length--) {
    const node = document.getIn(path.slice(0, length), true);
    const range = z.object({ range: z.array(z.number()).min(1) }).safeParse(node);
    const offset = range.success ? range.data.range[0] : undefined;
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return 1;
}

/** Find the line of the first alias that leads nowhere; the first of all where each leads somewhere. */
function lineOfAlias(document: Document, lines: LineCounter): number {
  let line = 1;
  visit(document, {
    Alias: (_key, alias) => {
      const offset = alias.range?.[0];
      if (alias.resolve(document) !== undefined || offset === undefined) return undefined;
      line = lines.linePos(offset).line;
      return visit.BREAK;
    },
  });
  return line;
}

/** A union reports its branches: the first issue inside is the one a person can act on. */
function firstIssue(error: z.ZodError): { path: PropertyKey[]; message: string } {
  const issue = error.issues[0];
  if (issue?.code === 'unrecognized_keys') {
    return {
      path: [...issue.path, ...issue.keys.slice(0, 1)],
      message: `unknown key ${issue.keys.join(', ')}`,
    };
  }
  return { path: issue?.path ?? [], message: issue?.message ?? 'not valid' };
}

/** Say what does not fit in a value that a schema refused, `key: why`. */
export function issueText(error: z.ZodError): string {
  const { path, message } = firstIssue(error);
  return `${path.join('.') || 'file'}: ${message}`;
}

/**
 * Parse YAML.
 *
 * @param advice - what to do about it, the end of every message
 * @throws InputError CONFIG_INVALID naming the key and the line
 */
export function parseYaml<Schema extends z.ZodType>(
  text: string,
  { file, schema, advice }: { readonly file: string; readonly schema: Schema; advice: string },
): z.infer<Schema> {
  const invalid = (line: number, what: string, cause: unknown): InputError =>
    new InputError('CONFIG_INVALID', `${file}:${line}: ${what}; ${advice}`, {}, { cause });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const valueOf = (): unknown => {
    try {
      return document.toJS({ maxAliasCount: 100 });
    } catch (cause) {
      const what = cause instanceof Error ? cause.message : String(cause);
      throw invalid(
        lineOfAlias(document, lines),
        `expected aliases that can be followed, ${what}`,
        cause,
      );
    }
  };
  const syntaxError = document.errors[0];
  if (syntaxError !== undefined) {
    const { line } = lines.linePos(syntaxError.pos[0]);
    throw invalid(line, 'expected YAML, it does not parse', syntaxError);
  }
  const parsed = schema.safeParse(valueOf() ?? {});
  if (parsed.success) return parsed.data;
  const { path } = firstIssue(parsed.error);
  throw invalid(lineOf(document, lines, path), issueText(parsed.error), parsed.error);
}
