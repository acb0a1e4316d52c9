/** The benchmark's end of a site process. */
import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { replySchema, type Order } from './messages.ts';

const program = fileURLToPath(new URL('./site.js', import.meta.url));

/** One site, a process of its own. */
export class SiteProcess {
  readonly #child: ChildProcess;
  #isExpectedToEnd = false;

  constructor() {
    this.#child = fork(program, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  }

  /** Whether it has ended by itself. */
  get hasFailed(): boolean {
    return this.#child.exitCode !== null && !this.#isExpectedToEnd;
  }

  /** Its process id; -1 where it could not be started. */
  get pid(): number {
    return this.#child.pid ?? -1;
  }

  /** Give an order and wait until it is done. */
  obey(order: Order): Promise<void> {
    return new Promise((done, failed) => {
      const onExit = (): void => failed(new Error(`site process: ended during ${order.order}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (message) => {
        this.#child.off('exit', onExit);
        if (replySchema.parse(message).done === order.order) done();
        else failed(new Error(`site process: expected a reply to ${order.order}, got another`));
      });
      this.#child.send(order);
    });
  }

  /** End it. */
  stop(): void {
    this.#isExpectedToEnd = true;
    this.#child.kill('SIGKILL');
  }
}
