/**
 * How many ranges may be on their way: one at first, one more for each that is answered quickly, half as many after one
 * that took long. A fast line is filled, and a slow one never holds more than it can deliver before somebody gives up.
 */
import { limits } from '#core/protocol';

const quickMs = 2000;
const slowMs = 10_000;

/** The window of one upload or download. */
export class RangeWindow {
  #size = 1;

  /** Ranges that may be on their way now. */
  get size(): number {
    return this.#size;
  }

  /** A range was answered after so long. */
  answered(tookMs: number): void {
    if (tookMs < quickMs) this.#size = Math.min(limits.rangesUnderWayMax, this.#size + 1);
    else if (tookMs > slowMs) this.#size = Math.max(1, Math.floor(this.#size / 2));
  }

  /**
   * Do the work of every item, as many at a time as the window allows; after a failure none is begun.
   *
   * @throws the first failure, once nothing is under way any more
   */
  async run<Item>(items: Iterable<Item>, work: (item: Item) => Promise<void>): Promise<void> {
    const running = new Set<Promise<void>>();
    const failures: unknown[] = [];
    for (const item of items) {
      while (running.size >= this.#size) await Promise.race(running);
      if (failures.length > 0) break;
      const startedMs = performance.now();
      const one: Promise<void> = work(item)
        .then(
          () => this.answered(performance.now() - startedMs),
          (error: unknown) => void failures.push(error),
        )
        .finally(() => running.delete(one));
      running.add(one);
    }
    await Promise.all(running);
    if (failures.length > 0) throw failures[0];
  }
}
