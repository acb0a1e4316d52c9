/** One piece of work at a time, in order of arrival, over all tasks; each can be called off by its key. */

/** One piece of work. */
export interface WorkItem {
  /** Two items of one key are one. */
  readonly key: string;
  /** Lets everything else go first, and is called off for it; it is run again afterwards. */
  readonly isPatient?: true;
  /** Never rejects: it reports its failures itself. */
  run(signal: AbortSignal): Promise<void>;
}

/** A queue with one consumer. */
export class WorkQueue {
  readonly #waiting: WorkItem[] = [];
  #active: {
    readonly item: WorkItem;
    readonly abort: AbortController;
    readonly ended: Promise<void>;
    isPutOff: boolean;
  } | null = null;
  #running: Promise<void> | null = null;
  #isStopped = false;
  /** Called whenever nothing is left to do. */
  onIdle: () => void = () => undefined;

  /** Add an item unless one of its key waits or runs. */
  add(item: WorkItem): void {
    if (this.#isStopped || this.has(item.key)) return;
    const firstPatient = this.#waiting.findIndex(({ isPatient }) => isPatient === true);
    const isLast = item.isPatient === true || firstPatient === -1;
    this.#waiting.splice(isLast ? this.#waiting.length : firstPatient, 0, item);
    if (this.#active?.item.isPatient === true && item.isPatient !== true) {
      this.#active.isPutOff = true;
      this.#active.abort.abort();
    }
    this.#running ??= this.#consume();
  }

  /** Whether anything waits or runs. */
  get isBusy(): boolean {
    return this.#active !== null || this.#waiting.length > 0;
  }

  /** Whether an item of this key waits or runs. */
  has(key: string): boolean {
    return this.#active?.item.key === key || this.#waiting.some((item) => item.key === key);
  }

  /** Call off every item that `isWanted` does not want. */
  keepOnly(isWanted: (key: string) => boolean): void {
    const wanted = this.#waiting.filter((item) => isWanted(item.key));
    this.#waiting.splice(0, this.#waiting.length, ...wanted);
    if (this.#active === null || isWanted(this.#active.item.key)) return;
    this.#active.isPutOff = false;
    this.#active.abort.abort();
  }

  /** Call off every item that `isUnwanted` names, and wait until none of them runs. */
  async callOff(isUnwanted: (key: string) => boolean): Promise<void> {
    this.keepOnly((key) => !isUnwanted(key));
    if (this.#active !== null && isUnwanted(this.#active.item.key)) await this.#active.ended;
  }

  /** Call off everything and take nothing more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.keepOnly(() => false);
    await this.#running;
  }

  async #consume(): Promise<void> {
    for (let item = this.#waiting.shift(); item !== undefined; item = this.#waiting.shift()) {
      const abort = new AbortController();
      const ended = item.run(abort.signal);
      const active = { item, abort, ended, isPutOff: false };
      this.#active = active;
      await ended;
      this.#active = null;
      if (active.isPutOff) this.#waiting.push(item);
    }
    this.#running = null;
    if (!this.#isStopped) this.onIdle();
  }
}
