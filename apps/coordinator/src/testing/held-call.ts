/** Calls that specs hold, so that something else comes between. */

/** A call that waits until it is let go. */
export interface HeldCall {
  /** Settles once the call has come. */
  readonly come: Promise<void>;
  readonly letGo: () => void;
}

/** Hold the next call of a method, given the prototype that it stands on; those after it go through. */
export function holdNext<Name extends string>(
  prototype: Record<Name, (...given: never[]) => Promise<unknown>>,
  name: Name,
): HeldCall {
  let hasCome = (): void => undefined;
  const come = new Promise<void>((settle) => (hasCome = settle));
  let letGo = (): void => undefined;
  const free = new Promise<void>((settle) => (letGo = settle));
  const original = prototype[name];
  prototype[name] = async function held(this: unknown, ...given: never[]): Promise<unknown> {
    prototype[name] = original;
    hasCome();
    await free;
    return original.apply(this, given);
  };
  return { come, letGo };
}
