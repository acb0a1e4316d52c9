/** Check npm's list of packages and leave out what differs from run to run. */
export function readSbom(output: string): unknown;
