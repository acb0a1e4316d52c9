/** `melo admin rounds`: every attempt, every member, what happened in order. */
import type { Command } from 'commander';
import { request } from '#api';
import { StateError } from '#core/errors';
import {
  roundDetailSchema,
  roundRoutes,
  roundViewSchema,
  verificationViewSchema,
  type VerificationView,
} from '../rounds/rounds.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { adminExitCodes } from './exit-codes.ts';
import { moreHint, wantedOf, withLimit, type ListOptions } from './list-options.ts';
import {
  describeOutliers,
  describeRound,
  formatMembers,
  formatRoundFigures,
  formatSmall,
} from './rounds-text.ts';
import { formatPairs, formatTable, formatTime, parseNumber } from './text.ts';

type ShowOptions = ConnectionOptions & { readonly attempt?: string };
type VerifyOptions = ConnectionOptions & { readonly recompute?: true };
type AbandonOptions = ConnectionOptions & { readonly reason: string; readonly ifAttempt?: string };

const verifyHelp = `
While the uploads are kept (7 days by default) the version is computed again from the sealed updates, opened with the
round's key, and the weights that the coordinator signed; later the signed chain alone is checked, which is said.
Exit codes: 0 everything that was checked holds, 9 with --recompute where the uploads are no longer kept, 11 something differs.`;

/** Add the commands of rounds to `admin`, one of them under a name of its own too. */
export function addRoundsCommands(admin: Command, environment: AdminEnvironment): void {
  const rounds = admin.command('rounds').description('attempts at rounds and their members');
  const add = (name: string, description: string) =>
    withConnection(rounds.command(name).description(description), environment);

  withLimit(add('list <task>', 'list every attempt at the rounds of a task, newest first')).action(
    (task: string, options: ListOptions) =>
      runAdmin(options, environment, (context) => listRounds(context, task, wantedOf(options))),
  );
  add('show <task> <round>', 'show the last attempt at a round, its members and events')
    .option('--attempt <number>', 'another attempt than the last')
    .action((task: string, round: string, options: ShowOptions) =>
      runAdmin(options, environment, (context) =>
        showRound(context, { task, round: parseNumber('round', round) }, options.attempt),
      ),
    );
  const addVerify = (parent: Command, name: string): void => {
    const what = 'compute the version of a round again and compare it with what was signed';
    withConnection(parent.command(`${name} <task> <round>`).description(what), environment)
      .option('--recompute', 'fail where the chain alone can be checked')
      .addHelpText('after', verifyHelp)
      .action((task: string, round: string, { recompute, ...options }: VerifyOptions) =>
        runAdmin(options, environment, (context) =>
          verifyRound(context, { task, round: parseNumber('round', round) }, recompute === true),
        ),
      );
  };
  addVerify(rounds, 'verify');
  addVerify(admin, 'verify-round');
  add('abandon <task> <round>', 'abandon the open attempt at a round')
    .requiredOption('--reason <text>', 'why; it stays in the record')
    .option('--if-attempt <attempt>', 'only where this attempt is the last one; else 9')
    .action((task: string, round: string, { reason, ifAttempt, ...options }: AbandonOptions) =>
      runAdmin(options, environment, async (context) => {
        const view = await context.client.send(
          request('POST', '/v1/tasks/{task}/rounds/{round}/abandon', roundViewSchema, {
            path: { task, round: parseNumber('round', round) },
            body: {
              reason,
              ...(ifAttempt === undefined ? {} : { ifAttempt: parseNumber('attempt', ifAttempt) }),
            },
          }),
        );
        context.show(view, `round ${describeRound(view, environment.nowMs())}`);
      }),
    );
}

async function verifyRound(
  context: AdminContext,
  path: { readonly task: string; readonly round: number },
  isRecomputed: boolean,
): Promise<void> {
  const view = await context.client.send(
    request('GET', '/v1/tasks/{task}/rounds/{round}/verification', verificationViewSchema, {
      path,
    }),
  );
  const isChainAlone = view.scope === 'chain';
  if (isChainAlone && isRecomputed && view.isGood) {
    throw new StateError(
      'ROUND_UNVERIFIABLE',
      `round ${path.round} of ${path.task}: expected its uploads, they were erased when their retention ended; without --recompute the signed chain is checked`,
    );
  }
  const rows = view.checks.map(({ name, isGood, detail }) => [
    name,
    isGood ? 'holds' : 'DIFFERS',
    detail,
  ]);
  context.show(view, `${verdictOf(view)}\n\n${formatTable(['CHECK', '', 'WHAT'], rows)}`);
  if (!view.isGood) context.environment.setExitCode(adminExitCodes.differs);
}

function verdictOf({ task, round, scope, isGood, signedDigest }: VerificationView): string {
  const where = `round ${round} of ${task}`;
  if (!isGood) return `${where}: something differs from what was signed`;
  if (scope === 'recomputed') {
    return `${where}: recomputed, byte for byte the version that was signed (${signedDigest ?? ''})`;
  }
  return `${where}: only the signed chain was checked, since the uploads were erased when their retention ended; it holds`;
}

async function listRounds(context: AdminContext, task: string, wanted: number): Promise<void> {
  const { items: rounds, hasMore } = await context.client.list(
    (cursor) =>
      request('GET', '/v1/tasks/{task}/rounds', roundRoutes.list.response, {
        path: { task },
        query: { cursor },
      }),
    (page) => page.rounds,
    wanted,
  );
  const answer = { rounds, hasMore };
  if (rounds.length === 0) {
    context.show(answer, 'no rounds yet');
    context.hint(`next: melo admin tasks start ${task}`);
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = rounds.map((round) => [
    String(round.round),
    String(round.attempt),
    round.phase,
    `${round.members.filter(({ status }) => status === 'reported').length} of ${round.members.length}`,
    formatTime(round.openedAtMs, nowMs),
    formatTime(round.settledAtMs, nowMs),
    round.summary,
  ]);
  const headings = [
    'ROUND',
    'ATTEMPT',
    'PHASE',
    'REPORTED',
    'OPENED',
    'SETTLED',
    'WHAT BECAME OF IT',
  ];
  context.show(answer, formatTable(headings, rows));
  if (hasMore) context.hint(moreHint);
}

async function showRound(
  context: AdminContext,
  path: { readonly task: string; readonly round: number },
  attempt: string | undefined,
): Promise<void> {
  const query = attempt === undefined ? {} : { attempt: parseNumber('--attempt', attempt) };
  const detail = await context.client.send(
    request('GET', '/v1/tasks/{task}/rounds/{round}', roundDetailSchema, { path, query }),
  );
  const nowMs = context.environment.nowMs();
  const { figures } = detail;
  const facts = formatPairs([
    ['round', describeRound(detail, nowMs)],
    ['opened', formatTime(detail.openedAtMs, nowMs)],
    ['deadline', formatTime(detail.deadlineAtMs, nowMs)],
    ['settled', formatTime(detail.settledAtMs, nowMs)],
    ['starts from', `version ${detail.baseVersion}`],
    ['quorum', `${detail.quorumSites} sites`],
    ['aggregation gap', figures === null ? '' : formatSmall(figures.aggregationGap)],
    ['change norm', figures === null ? '' : formatSmall(figures.changeNorm)],
    ['open digest', detail.openDigest],
    ['membership', detail.membership === null ? 'not signed yet' : 'signed'],
  ]);
  const events = detail.events.map(({ sequence, atMs, event }) => [
    String(sequence),
    formatTime(atMs, nowMs),
    event.type,
    'site' in event ? event.site : '',
    'reason' in event ? event.reason : '',
  ]);
  const history = formatTable(['EVENT', 'AT', 'WHAT', 'SITE', 'REASON'], events);
  const parts = [facts, formatMembers(detail.members)];
  if (figures !== null) {
    parts.push(formatRoundFigures(figures), describeOutliers(figures).join('\n'));
  }
  context.show(detail, [...parts, history].filter((part) => part !== '').join('\n\n'));
}
