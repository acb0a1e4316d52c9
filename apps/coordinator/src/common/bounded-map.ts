/**
 * A map of so many entries at most: the one that was not used for longest gives way, of those that `givesWay` holds for while
 * there are any beside the new one.
 */
export class BoundedMap<Key, Value> {
  readonly #entries = new Map<Key, Value>();
  readonly #sizeMax: number;
  readonly #givesWay: (value: Value) => boolean;

  constructor(sizeMax: number, givesWay: (value: Value) => boolean = () => true) {
    this.#sizeMax = sizeMax;
    this.#givesWay = givesWay;
  }

  /** Find a value, which is then the last used. */
  get(key: Key): Value | undefined {
    const value = this.#entries.get(key);
    if (value === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, value);
    return value;
  }

  /** Keep a value, which is then the last used. */
  set(key: Key, value: Value): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#sizeMax) this.#makeRoom(key);
  }

  #makeRoom(newest: Key): void {
    let leaving = newest;
    for (const [key, value] of this.#entries) {
      if (key === newest) break;
      if (leaving === newest) leaving = key;
      if (!this.#givesWay(value)) continue;
      leaving = key;
      break;
    }
    this.#entries.delete(leaving);
  }

  /** Every value. */
  values(): IterableIterator<Value> {
    return this.#entries.values();
  }

  /** Let go of a value. */
  delete(key: Key): void {
    this.#entries.delete(key);
  }
}
