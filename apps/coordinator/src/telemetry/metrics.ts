/**
 * What the coordinator counts, by the names of docs/telemetry.md. No Nest in here: calls of the database are counted before
 * the application starts.
 *
 * Labels take values out of closed lists and names of sites, which an administrator gives; never what a caller sends.
 */
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Call, CallPort } from '../common/calls.ts';

const secondsOfCalls = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5];
const secondsOfRequests = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];
const secondsOfAggregation = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120];
const secondsOfRounds = [10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600, 7 * 24 * 3600];

/** What the coordinator counts. */
export class Metrics {
  readonly registry = new Registry();

  readonly info = this.#gauge('melo_info', 'Release, protocol and database; always 1.', [
    'version',
    'protocol',
    'database',
  ]);
  readonly startTimeSeconds = this.#gauge(
    'process_start_time_seconds',
    'When the process started, in seconds since 1970-01-01T00:00:00Z.',
  );
  readonly cpuSeconds = this.#counter(
    'process_cpu_seconds_total',
    'Processor time that the process used so far.',
  );
  readonly residentMemoryBytes = this.#gauge(
    'process_resident_memory_bytes',
    'Memory that the process has in RAM.',
  );
  readonly heapUsedBytes = this.#gauge('nodejs_heap_used_bytes', 'Heap of JavaScript in use.');
  readonly eventLoopUtilization = this.#gauge(
    'nodejs_eventloop_utilization',
    'Share of the time since the last reading that the event loop was busy, 0 to 1.',
  );

  readonly sites = this.#gauge('melo_sites', 'Sites by status.', ['status']);
  readonly sitesConnected = this.#gauge('melo_sites_connected', 'Sites with a connection.');
  readonly heartbeatAgeSeconds = this.#gauge(
    'melo_site_heartbeat_age_seconds',
    'Time since an active site was last heard of.',
    ['site'],
  );
  readonly siteKeyAgeSeconds = this.#gauge(
    'melo_site_key_age_seconds',
    'Time since an active site enrolled with the keys that it has.',
    ['site'],
  );
  readonly keyAgeSeconds = this.#gauge(
    'melo_key_age_seconds',
    "Time since a key of the coordinator's data folder was written.",
    ['key'],
  );
  readonly tasks = this.#gauge('melo_tasks', 'Tasks by status.', ['status']);
  readonly rounds = this.#gauge('melo_rounds', 'Attempts at rounds that are stored, by phase.', [
    'phase',
  ]);
  readonly roundSeconds = this.#histogram(
    'melo_round_duration_seconds',
    'Time from the opening of an attempt until it was published or abandoned.',
    secondsOfRounds,
    ['outcome'],
  );
  readonly updatesReceived = this.#counter(
    'melo_updates_received_total',
    'Updates of sites that were opened, checked and taken.',
  );
  readonly updatesRefused = this.#counter(
    'melo_updates_refused_total',
    'Updates of sites that were refused, by code.',
    ['code'],
  );
  readonly aggregationSeconds = this.#histogram(
    'melo_aggregation_seconds',
    'Time to open the updates of a round and make the version of them.',
    secondsOfAggregation,
  );
  readonly siteCommands = this.#counter(
    'melo_site_commands_total',
    'Commands of sites by name and outcome: `ok` or a code.',
    ['command', 'outcome'],
  );
  readonly siteBytes = this.#counter(
    'melo_site_bytes_total',
    'Binary content exchanged with sites: `in` came from them, `out` went to them.',
    ['direction'],
  );
  readonly storeCallSeconds = this.#histogram(
    'melo_store_call_seconds',
    'Time of calls of the database (`connect`, `statement`) and of durable files (`file`).',
    secondsOfCalls,
    ['kind', 'outcome'],
  );
  readonly httpRequests = this.#counter(
    'melo_http_requests_total',
    'Requests over HTTP by method, route template and status.',
    ['method', 'route', 'status'],
  );
  readonly httpSeconds = this.#histogram(
    'melo_http_request_seconds',
    'Time until the whole answer was handed to the system, by route template.',
    secondsOfRequests,
    ['route'],
  );
  readonly diskFreeBytes = this.#gauge(
    'melo_disk_free_bytes',
    'Free bytes of the disk of the data folder.',
  );
  readonly diskReserveBytes = this.#gauge(
    'melo_disk_reserve_bytes',
    'Free bytes below which no round opens and no upload is taken.',
  );
  readonly uploadsKeptBytes = this.#gauge(
    'melo_uploads_kept_bytes',
    'Bytes of uploads that are kept for their retention.',
  );
  readonly auditEntries = this.#gauge(
    'melo_audit_chain_length',
    'Entries of the audit log that are chained.',
  );
  readonly openAlerts = this.#gauge('melo_open_alerts', 'Alerts that hold now, by kind.', ['kind']);
  readonly webhookAttempts = this.#counter(
    'melo_webhook_attempts_total',
    'Attempts to tell an address of an alert: `taken`, `again` or `given-up`.',
    ['outcome'],
  );
  readonly isDraining = this.#gauge('melo_draining', '1 while the coordinator drains, 0 else.');
  readonly readingFailures = this.#counter(
    'melo_metrics_reading_failures_total',
    'Readings of these figures in which the database or the disk did not answer.',
  );

  #gauge<Label extends string>(name: string, help: string, labelNames: Label[] = []) {
    return new Gauge<Label>({ name, help, labelNames, registers: [this.registry] });
  }

  #counter<Label extends string>(name: string, help: string, labelNames: Label[] = []) {
    return new Counter<Label>({ name, help, labelNames, registers: [this.registry] });
  }

  #histogram<Label extends string>(
    name: string,
    help: string,
    buckets: number[],
    labelNames: Label[] = [],
  ) {
    return new Histogram<Label>({ name, help, buckets, labelNames, registers: [this.registry] });
  }
}

/** A port through which every call passes and is timed on its way. */
export function timedCalls(calls: CallPort, metrics: Metrics): CallPort {
  return {
    async pass<T>(call: Call, run: () => Promise<T>): Promise<T> {
      const done = metrics.storeCallSeconds.startTimer({ kind: call.kind });
      try {
        const result = await calls.pass(call, run);
        done({ outcome: 'ok' });
        return result;
      } catch (error) {
        done({ outcome: 'failed' });
        throw error;
      }
    },
  };
}
