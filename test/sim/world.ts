/** Virtual time and chance: all that happens in a simulated federation is one queue of events, drawn from one seed. */
import { createHash } from 'node:crypto';
import { seededRng, type SeededRng } from '#core/rng';

/** Something that will happen. */
interface Planned {
  readonly atMs: number;
  readonly sequence: number;
  readonly what: string;
  readonly run: () => void;
}

const isBefore = (a: Planned, b: Planned): boolean =>
  a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);

/** A binary heap: the next event is at its top. */
class Agenda {
  readonly #items: Planned[] = [];

  get size(): number {
    return this.#items.length;
  }

  add(item: Planned): void {
    const items = this.#items;
    items.push(item);
    for (let at = items.length - 1; at > 0;) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) break;
      at = parent;
    }
  }

  take(): Planned | undefined {
    const items = this.#items;
    const [first] = items;
    const last = items.pop();
    if (first === undefined || last === undefined || items.length === 0) return first;
    items[0] = last;
    for (let at = 0; ;) {
      const left = 2 * at + 1;
      const [a, b] = [items[left], items[left + 1]];
      if (a === undefined) break;
      const least = b !== undefined && isBefore(b, a) ? left + 1 : left;
      if (!this.#swapIfBefore(least, at)) break;
      at = least;
    }
    return first;
  }

  #swapIfBefore(at: number, other: number): boolean {
    const [a, b] = [this.#items[at], this.#items[other]];
    if (a === undefined || b === undefined || !isBefore(a, b)) return false;
    [this.#items[at], this.#items[other]] = [b, a];
    return true;
  }
}

/** The clock, the queue and the one stream of chance of a run. */
export class World {
  readonly rng: SeededRng;
  nowMs = 0;
  readonly #agenda = new Agenda();
  readonly #trace = createHash('sha256');
  readonly #onLine: ((line: string) => void) | undefined;
  #sequence = 0;

  constructor(seed: number, onLine?: (line: string) => void) {
    this.rng = seededRng(`simulation/${seed}`);
    this.#onLine = onLine;
  }

  /** SHA-256 of everything that was noted so far: two runs of one seed must agree in it. */
  get traceDigest(): string {
    return this.#trace.copy().digest('hex');
  }

  note(line: string): void {
    const full = `${this.nowMs} ${line}`;
    this.#trace.update(`${full}\n`);
    this.#onLine?.(full);
  }

  /** Plan an event; what it is called stands in the trace when it happens. */
  after(delayMs: number, what: string, run: () => void): void {
    this.#sequence += 1;
    this.#agenda.add({ atMs: this.nowMs + delayMs, sequence: this.#sequence, what, run });
  }

  /** Let events happen until nothing is left, the time is up or `isDone` says so; tells how many there were. */
  run(limits: {
    readonly untilMs: number;
    readonly eventsMax: number;
    readonly isDone: () => boolean;
  }): number {
    for (let events = 0; ; events++) {
      if (limits.isDone() || events >= limits.eventsMax) return events;
      const next = this.#agenda.take();
      if (next === undefined || next.atMs > limits.untilMs) return events;
      this.nowMs = next.atMs;
      if (next.what !== '') this.note(next.what);
      next.run();
    }
  }

  isChance(probability: number): boolean {
    return this.rng.nextFloat() < probability;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + this.rng.nextInteger(most - least + 1);
  }
}

/** A process that can crash: what it planned before does not happen after. */
export class Process {
  readonly world: World;
  readonly name: string;
  isUp = true;
  #life = 0;

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
  }

  /** Plan an event of this life of the process. */
  after(delayMs: number, what: string, run: () => void): void {
    const life = this.#life;
    this.world.after(delayMs, '', () => {
      if (life !== this.#life || !this.isUp) return;
      if (what !== '') this.world.note(`${this.name}: ${what}`);
      run();
    });
  }

  /** Guard a callback: it does nothing once this life is over. */
  alive<Values extends readonly unknown[]>(
    run: (...values: Values) => void,
  ): (...values: Values) => void {
    const life = this.#life;
    return (...values) => {
      if (life === this.#life && this.isUp) run(...values);
    };
  }

  protected end(): void {
    this.#life += 1;
    this.isUp = false;
  }
}
