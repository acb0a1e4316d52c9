/** The end of a demo that stays up for a look at the dashboard. */
import type { Federation } from '../../test/support/federation.ts';
import type { ProgressView } from './progress.ts';
import { signInText, tokenText } from './sign-in.ts';

const controlC = '\u0003';

/** A terminal's keyboard. */
export interface Keyboard {
  readonly isTTY?: boolean;
  setRawMode?(isRaw: boolean): unknown;
  on(event: 'data', listener: (keys: Buffer) => void): unknown;
  on(event: 'error', listener: () => void): unknown;
  off(event: 'data', listener: (keys: Buffer) => void): unknown;
  pause(): unknown;
}

/**
 * Wait for Ctrl-C as a key; where there is no keyboard wait for `otherwise` alone. As a signal it would reach the shell
 * between npm and the demo too, which then ends by it, and npm would call a demo a failure that ended as it should.
 */
export async function untilControlC(
  keyboard: Keyboard,
  otherwise: Promise<unknown>,
): Promise<void> {
  if (keyboard.isTTY !== true || keyboard.setRawMode === undefined) {
    await otherwise;
    return;
  }
  let listener: (keys: Buffer) => void = () => undefined;
  const pressed = new Promise<void>((resolve) => {
    listener = (keys) => {
      if (keys.includes(controlC)) resolve();
    };
  });
  keyboard.on('error', () => undefined); // the terminal is gone, which a signal tells
  keyboard.setRawMode(true);
  keyboard.on('data', listener);
  await Promise.race([pressed, otherwise]);
  keyboard.off('data', listener);
  keyboard.pause();
  try {
    keyboard.setRawMode(false);
  } catch {
    // a terminal that is gone has no mode
  }
}

/** Say how to sign in, and stay up until Ctrl-C or a signal. */
export async function stayUp(
  federation: Federation,
  view: ProgressView,
  interrupted: Promise<never>,
): Promise<void> {
  view.say(await signInText(federation));
  view.say(tokenText(federation));
  view.say('The coordinator and the hospitals stay up; Ctrl-C ends them.');
  await untilControlC(
    process.stdin,
    interrupted.catch(() => undefined),
  );
}
