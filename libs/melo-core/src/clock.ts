/** The clock as a port: core code never reads the time by itself. */

/** Wall time for records, monotonic time for durations. */
export interface Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  wallTimeMs(): number;
  /** Milliseconds since an arbitrary start; never goes back within a process. */
  monotonicTimeMs(): number;
}
