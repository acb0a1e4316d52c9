/** What the admin commands need of the world: ports, so that specs run them without a network, a terminal or a clock. */
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createInterface, type Interface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { systemErrorCode } from '../common/durable-files.ts';
import { receiveFile } from '../common/received-file.ts';
import { printable } from './text.ts';

/** 128 + SIGINT, as shells have it. */
const interruptedExitCode = 130;

/** The world as the admin commands see it. */
export interface AdminEnvironment {
  readonly fetch: typeof fetch;
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  nowMs(): number;
  readText(path: string): Promise<string>;
  doesExist(path: string): Promise<boolean>;
  /** Make a folder and those above it; one that is there is no hindrance. */
  makeFolder(path: string): Promise<void>;
  /** Write a whole file so that nobody ever sees half of it. */
  writeWhole(path: string, bytes: Uint8Array): Promise<void>;
  /** The same from pieces of any number, which never are in memory all at once; returns the bytes written. */
  receive(path: string, pieces: AsyncIterable<Uint8Array>): Promise<number>;
  /** Standard output: results. */
  print(line: string): void;
  /** Standard error: hints and failures. */
  tell(line: string): void;
  /** Ask a person and return the answer; undefined where nobody is there. */
  ask(question: string): Promise<string | undefined>;
  /** The same without showing what is typed; from standard input where nobody is there. */
  askSecret(question: string): Promise<string>;
  setExitCode(exitCode: number): void;
}

/** The real world. */
export function nodeEnvironment(): AdminEnvironment {
  return {
    fetch: globalThis.fetch,
    variables: process.env,
    nowMs: () => Date.now(),
    readText: (path) => readFile(path, 'utf8'),
    doesExist,
    makeFolder: async (path) => {
      await mkdir(path, { recursive: true });
    },
    writeWhole,
    receive: (path, pieces) => receiveFile(path, pieces, countBytes),
    print: (line) => process.stdout.write(`${printable(line)}\n`),
    tell: (line) => process.stderr.write(`${printable(line)}\n`),
    ask,
    askSecret,
    setExitCode: (exitCode) => {
      process.exitCode = exitCode;
    },
  };
}

async function countBytes(pieces: AsyncIterable<Uint8Array>): Promise<number> {
  let bytes = 0;
  for await (const piece of pieces) bytes += piece.length;
  return bytes;
}

async function doesExist(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch {
    return false; // whatever hinders looking also hinders writing, and that failure is told
  }
}

async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await writeFile(partial, bytes, { flush: true });
    await rename(partial, path);
  } finally {
    await rm(partial, { force: true });
  }
}

/** Ask one question; undefined where Ctrl-C, Ctrl-D or the end of the input came instead of an answer. */
export async function answerOf(terminal: Interface, question: string): Promise<string | undefined> {
  const ending = new AbortController();
  terminal.once('close', () => ending.abort()); // the end of the input alone rejects nothing
  try {
    return await terminal.question(question, { signal: ending.signal });
  } catch (error) {
    if (systemErrorCode(error) !== 'ABORT_ERR') throw error;
    return undefined;
  } finally {
    terminal.close();
  }
}

/** End as a program that Ctrl-C ends: nothing was sent yet. */
function stop(): never {
  process.stderr.write('\n');
  process.exit(interruptedExitCode);
}

async function ask(question: string): Promise<string | undefined> {
  if (!process.stdin.isTTY) return undefined;
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  return (await answerOf(terminal, question)) ?? stop();
}

async function askSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).replace(/\r?\n$/, '');
  const unseen = new Writable({ write: (_piece, _encoding, done) => done() });
  process.stderr.write(question);
  const terminal = createInterface({ input: process.stdin, output: unseen, terminal: true });
  const answer = (await answerOf(terminal, '')) ?? stop();
  process.stderr.write('\n');
  return answer;
}
