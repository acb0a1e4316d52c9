/** How the agent speaks: NDJSON or lines for people on standard output, the log on standard error. */
import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { AgentEvent, EmitEvent, Logger } from '../common/events.ts';
import type { AgentConfig } from '../config/agent-config.ts';

const share = (done: number, total: number): string =>
  total === 0 ? '' : `${Math.floor((100 * done) / total)} %`;

const duration = (seconds: number | null): string => {
  if (seconds === null) return '';
  if (seconds < 90) return `, about ${Math.ceil(seconds)} s left`;
  return `, about ${Math.ceil(seconds / 60)} min left`;
};

const bytesText = (bytes: number): string =>
  bytes < 1_000_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;

const roundText = (task: string, round: number | null): string =>
  round === null ? task : `${task} round ${round}`;

/** Write an event as one line for people. */
export function eventText(event: AgentEvent): string {
  switch (event.event) {
    case 'connected':
      return `connected to ${event.coordinator} as ${event.site}`;
    case 'disconnected':
      return `connection lost (${event.reason}); connecting again`;
    case 'refused':
      return `not connected: ${event.code}: ${event.message} Trying again every ${Math.ceil(event.retryInMs / 1000)} s.`;
    case 'waiting':
      return `waiting ${event.reason}`;
    case 'audit-fork':
      return `AUDIT_FORK, rounds are declined: ${event.reason}; the proof is ${event.proof}; after asking the administrator: melo agent audit accept`;
    case 'version-fork':
      return `${event.task}: VERSION_FORK, its rounds are declined: ${event.reason}; after asking the administrator: melo agent audit accept`;
    case 'fork-accepted':
      return 'accepted: versions are pulled again from the first, and rounds are taken again';
    case 'upload-again':
      return `${roundText(event.task, event.round)}: the coordinator lacks the update that it had acknowledged; the same bytes are sent again`;
    case 'round-accepted':
      return `${roundText(event.task, event.round)}: accepted with ${event.samples} training images`;
    case 'round-declined':
      return `${roundText(event.task, event.round)}: declined, ${event.code}: ${event.reason}`;
    case 'round-held-back':
      return `${roundText(event.task, event.round)}: held back, ${event.code}: ${event.reason}`;
    case 'round-withdrawn':
      return `${roundText(event.task, event.round)}: withdrawn, ${event.code}: ${event.reason}`;
    case 'task-withdrawn':
      return `${event.task}: withdrawn from the task (${event.reason}); \`melo agent rejoin ${event.task}\` takes part again`;
    case 'task-rejoined':
      return `${event.task}: takes part again from the next round on`;
    case 'preparing':
    case 'training':
    case 'evaluating':
      return `${roundText(event.task, event.round)}: ${event.event} ${event.step}/${event.steps} ${share(event.step, event.steps)}${duration(event.etaSeconds)}`;
    case 'upload':
      return `${roundText(event.task, event.round)}: sent ${bytesText(event.bytesStored)} of ${bytesText(event.bytes)}${duration(event.etaSeconds)}`;
    case 'download':
      return `${event.task}: fetched ${bytesText(event.bytesDone)} of ${bytesText(event.bytes)} of version ${event.version}${duration(event.etaSeconds)}`;
    case 'uploaded':
      return `${roundText(event.task, event.round)}: update of ${bytesText(event.bytes)} is with the coordinator (${event.status}); ${bytesText(event.egressBytes)} left this site for it in all`;
    case 'evaluation-declined':
      return `${event.task}: version ${event.version} is not evaluated as asked, ${event.code}: ${event.reason}`;
    case 'baseline-shared':
      return `${event.task}: the adapter that this site trained alone is with the coordinator (${bytesText(event.bytes)}), as the task asks and the policy allows`;
    case 'evaluated':
      if (event.subject === 'cross')
        return `${event.task}: an adapter that one site trained alone is evaluated on the held-out images`;
      return `${event.task}: ${event.subject} version ${event.version} evaluated on the held-out images`;
    case 'version':
      return `${event.task}: version ${event.version}${event.isFinal ? ', the last one' : ''}: ${event.summary}`;
    case 'trainer-failed':
      return `${roundText(event.task, event.round)}: training failed, ${event.code}: ${event.message}`;
    case 'round-dropped':
      return `${roundText(event.task, event.round)}: the update was not taken, ${event.reason}`;
  }
}

/** Make the sink of events. */
export function eventSink(isJson: boolean): EmitEvent {
  const write = (line: string): void => {
    process.stdout.write(`${line}\n`);
  };
  if (isJson) {
    return (event) => {
      write(JSON.stringify(event));
    };
  }
  return (event) => {
    write(`${new Date().toISOString().slice(11, 19)} ${eventText(event)}`);
  };
}

/** Make the log: JSON lines under --json and where nobody watches, else readable; always on standard error. */
export function createLogger(isJson: boolean, level: AgentConfig['logLevel']): Logger {
  if (!isJson && process.stderr.isTTY) {
    return pino({ level: 'warn' }, pretty({ destination: 2, sync: true, colorize: true }));
  }
  return pino({ level, base: null }, pino.destination({ fd: 2, sync: true }));
}
