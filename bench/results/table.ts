/** What a module of this folder makes, and how it stands in docs/results.md: a section between markers for each table. */

/** Which images a table is about, where it can be asked for several. */
export const resultsParts = [
  'nano',
  'thirty-two-rounds',
  'breast-ultrasound',
  'chest-xray',
] as const;
/** Which images a table is about, where it can be asked for several. */
export type ResultsPart = (typeof resultsParts)[number];

/** Where a table trains, where it can be asked for: onnx on the CPU, or TensorFlow.js on a GPU. */
export const resultsDevices = ['cpu', 'gpu'] as const;
/** Where a table trains, where it can be asked for: onnx on the CPU, or TensorFlow.js on a GPU. */
export type ResultsDevice = (typeof resultsDevices)[number];

/** What a table's module is given. */
export interface ResultsContext {
  /** The read-only folder of images and backbones; empty where it is absent and the table does not need it. */
  readonly sharedDirectory: string;
  /** An empty folder for the run, removed afterwards. */
  readonly workDirectory: string;
  readonly seeds: readonly number[];
  /** Of a table that has several. */
  readonly part: ResultsPart;
  /** Of a table that trains on either. */
  readonly device: ResultsDevice;
  /** Whether the smallest sizes will do, to see that all of it works: the page stays as it is. */
  readonly isQuick: boolean;
  /** Say where the run stands, with what is left where that is known. */
  progress(message: string): void;
}

/** One table. */
export interface ResultsTable {
  readonly title: string;
  /** Its section of the page; the table's name where it is left out. */
  readonly section?: string;
  /** The command that makes it again. */
  readonly command: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
  /** What a reader must know to judge it, a paragraph each. */
  readonly notes: readonly string[];
}

/** What the table was made on: never a host's name or a path. */
export interface Machine {
  readonly cores: number;
  readonly cpu: string;
  readonly node: string;
  /** Null where none was asked for. */
  readonly gpu: string | null;
}

const opening = (name: string): string => `<!-- results:${name} -->`;
const closing = (name: string): string => `<!-- /results:${name} -->`;

const preface = `# Results

Each table is made again by the command under it, and replaces itself alone. Figures are of research software:
investigational, not a medical device.
`;

const cell = (value: string | number): string => String(value).replaceAll('|', '\\|');

/** Write a table as Markdown, columns aligned as Prettier does. */
export function renderTable(table: Pick<ResultsTable, 'columns' | 'rows'>): string {
  const rows = [table.columns, ...table.rows].map((row) => row.map(cell));
  const widths = table.columns.map((_column, at) =>
    Math.max(3, ...rows.map((row) => (row[at] ?? '').length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, at) => text.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  const [head = [], ...body] = rows;
  const rule = line(widths.map((width) => '-'.repeat(width)));
  return [line(head), rule, ...body.map(line)].join('\n');
}

/** Write one section: title, table, notes, command, machine and date. */
export function renderSection(
  name: string,
  table: ResultsTable,
  made: { readonly machine: Machine; readonly date: string },
): string {
  const { cores, cpu, node, gpu } = made.machine;
  const trainedOn = gpu === null ? '' : `, trained on one ${gpu}`;
  return [
    opening(name),
    `## ${table.title}`,
    renderTable(table),
    ...table.notes,
    `Made by \`${table.command}\` on ${made.date}: ${cores} cores, ${cpu}, Node ${node}${trainedOn}.`,
    closing(name),
  ].join('\n\n');
}

/** Put a section into the page in place of its earlier self, or at the end. */
export function replaceSection(page: string | undefined, name: string, section: string): string {
  const text = page ?? preface;
  const start = text.indexOf(opening(name));
  const end = text.indexOf(closing(name));
  if (start < 0 || end < start) return `${text.trimEnd()}\n\n${section}\n`;
  return text.slice(0, start) + section + text.slice(end + closing(name).length);
}

/** Guess what is left of a run from what is done, as text for people. */
export function remainingText(startedAtMs: number, nowMs: number, shareDone: number): string {
  if (shareDone <= 0) return 'time left not known yet';
  const leftSeconds = Math.round(((nowMs - startedAtMs) / 1000) * (1 / shareDone - 1));
  const minutes = Math.floor(leftSeconds / 60);
  return minutes > 0 ? `about ${minutes} min left` : `about ${leftSeconds} s left`;
}
