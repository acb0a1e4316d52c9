/** `melo admin` in this process for specs: a coordinator of a few routes, and files and a terminal in memory. */
import { Command } from 'commander';
import { registerAdminCommands } from '../admin/admin.command.ts';
import type { AdminEnvironment } from '../admin/admin-environment.ts';
import type { Problem } from '../common/contract.ts';

/** The token of {@link World}. */
export const token = 'a-token-of-thirty-two-characters';
/** Some digest. */
export const digest = '0123456789abcdef'.repeat(4);
/** The time of {@link World}. */
export const nowMs = Date.UTC(2026, 2, 1, 12);

/** What a route answers. */
export interface Answer {
  readonly status?: number;
  readonly body: unknown;
}
/** One route. */
export type Handler = (request: Request, body: unknown) => Answer | Promise<Answer>;

/** A coordinator of a few routes and the world around one command. */
export class World {
  readonly files = new Map<string, string>([['token', `${token}\n`]]);
  readonly written = new Map<string, Uint8Array>();
  readonly requests: Request[] = [];
  printed = '';
  told = '';
  exitCode = 0;
  answer: string | undefined;
  readonly handlers: Readonly<Record<string, Handler>>;

  constructor(handlers: Readonly<Record<string, Handler>>) {
    this.handlers = handlers;
  }

  async run(...commandArguments: string[]): Promise<void> {
    const program = new Command().exitOverride();
    registerAdminCommands(program, this.environment());
    const connection = ['--token-file', 'token'];
    await program.parseAsync(['node', 'melo', 'admin', ...commandArguments, ...connection]);
  }

  environment(): AdminEnvironment {
    return {
      fetch: async (input) => this.#fetch(new Request(input)),
      variables: {},
      nowMs: () => nowMs,
      readText: async (path) => {
        const text = this.files.get(path);
        if (text === undefined) throw new Error('no such file');
        return text;
      },
      doesExist: async (path) => this.files.has(path),
      makeFolder: () => Promise.resolve(),
      writeWhole: async (path, bytes) => {
        this.written.set(path, bytes);
      },
      receive: async (path, pieces) => {
        const received: Uint8Array[] = [];
        for await (const piece of pieces) received.push(piece);
        const bytes = Buffer.concat(received);
        this.written.set(path, bytes);
        return bytes.length;
      },
      print: (line) => {
        this.printed += `${line}\n`;
      },
      tell: (line) => {
        this.told += `${line}\n`;
      },
      ask: async () => this.answer,
      askSecret: async () => this.answer ?? '',
      setExitCode: (exitCode) => {
        this.exitCode = exitCode;
      },
    };
  }

  async #fetch(request: Request): Promise<Response> {
    this.requests.push(request.clone());
    const { pathname } = new URL(request.url);
    const handler = this.handlers[`${request.method} ${pathname}`];
    if (handler === undefined) throw new Error(`no route ${request.method} ${pathname}`);
    const text = await request.text();
    const { status = 200, body } = await handler(
      request,
      text === '' ? undefined : JSON.parse(text),
    );
    const isRaw = body instanceof Uint8Array || body instanceof ReadableStream;
    const content = isRaw ? body : JSON.stringify(body);
    return new Response(content, { status });
  }
}

const correlationId = '00000000-0000-4000-8000-000000000001';

/** A refusal as the coordinator gives it. */
export const refusal = (status: number, code: string, message: string): Answer => ({
  status,
  body: {
    type: `/v1/errors/${code}`,
    title: 'What the code means.',
    status,
    detail: message,
    instance: `urn:uuid:${correlationId}`,
    code,
    retryable: false,
    correlationId,
    message,
  } satisfies Problem,
});
