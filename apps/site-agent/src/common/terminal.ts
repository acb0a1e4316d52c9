/** Questions to the person at the terminal, and the end that a person puts to a command. */
import { createInterface } from 'node:readline/promises';
import { systemErrorCode } from './durable-file.ts';

/** What a command that a person stopped ends with: 128 + SIGINT, as shells have it. */
export const interruptedExitCode = 130;

/** A person stopped the command: no failure, its message is what to do to go on. */
export class Interrupted extends Error {}

/**
 * Ask one question; the terminal is given back whatever comes.
 *
 * @throws Interrupted with this message where Ctrl-C, Ctrl-D or the end of the input came instead of an answer
 */
export async function ask(
  question: string,
  whenStopped: string,
  streams: {
    readonly input: NodeJS.ReadableStream;
    readonly output: NodeJS.WritableStream;
    readonly terminal?: boolean;
  } = { input: process.stdin, output: process.stderr },
): Promise<string> {
  const prompt = createInterface(streams);
  const ending = new AbortController();
  prompt.once('close', () => ending.abort()); // the end of the input alone rejects nothing
  try {
    return await prompt.question(question, { signal: ending.signal });
  } catch (cause) {
    if (systemErrorCode(cause) !== 'ABORT_ERR') throw cause;
    streams.output.write('\n');
    throw new Interrupted(whenStopped, { cause });
  } finally {
    prompt.close();
  }
}
