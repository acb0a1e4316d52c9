/** The agent process never loads an engine or sharp: those belong to the trainer process alone. */
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = dirname(fileURLToPath(import.meta.url));
const core = resolve(source, '../../../libs/melo-core/src');

/** Modules that a file imports when it is loaded: `import()` is not among them, types neither. */
function importsOf(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const pattern = /^(?:import|export)\s+(?!type\b)[^;]*?from\s+'([^']+)'|^import\s+'([^']+)'/gm;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '');
}

function resolveImport(name: string, from: string): string | null {
  if (name.startsWith('.')) return resolve(dirname(from), name);
  if (!name.startsWith('#core/')) return null;
  const part = name.slice('#core/'.length);
  const isFile = ['errors', 'check', 'rng', 'clock', 'bytes', 'crash-points'].includes(part);
  return isFile ? join(core, `${part}.ts`) : join(core, part, 'index.ts');
}

/** Every module reachable from an entry, files and packages. */
function graphOf(entry: string): Set<string> {
  const seen = new Set<string>();
  const queue = [entry];
  for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    for (const name of importsOf(file)) {
      const path = resolveImport(name, file);
      if (path === null) seen.add(name);
      else queue.push(path);
    }
  }
  return seen;
}

const heavy = (graph: Set<string>): string[] =>
  [...graph].filter((name) => /^(onnxruntime|sharp|@tensorflow|protobufjs)/.test(name));

test.each(['commands/agent-run.ts', 'commands/agent-setup.ts', 'main.ts'])(
  '%s loads neither an engine nor sharp',
  (entry) => {
    const graph = graphOf(join(source, entry));
    expect(graph.size).toBeGreaterThan(3);
    expect(heavy(graph)).toEqual([]);
  },
);

test('the same walk finds sharp where it is loaded', () => {
  expect(heavy(graphOf(join(source, 'trainer/trainer-process.ts')))).toContain('sharp');
});
