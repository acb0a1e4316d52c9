/**
 * The calls that can fail for reasons outside this program: statements of the database and durable files. All of them pass
 * through one port, which does nothing in production; a test lets any of them fail.
 */

/** A call that can fail for reasons outside this program. */
export interface Call {
  readonly kind: 'connect' | 'statement' | 'file';
  /** The statement, or what is done to a file. */
  readonly name: string;
  /** Break the connection that the call goes over; absent where it goes over none. */
  readonly cut?: () => void;
}

/** What every such call passes through. */
export interface CallPort {
  pass<T>(call: Call, run: () => Promise<T>): Promise<T>;
}

/** The port of production: every call is simply made. */
export const throughPort: CallPort = { pass: (_call, run) => run() };
