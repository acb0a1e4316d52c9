/** `melo admin tasks evaluate|cancel-evaluation|matrix`: ask for evaluations beside the rounds, and see every version at every site. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { request } from '#api';
import { InputError, UnavailableError } from '#core/errors';
import { evaluationRoutes, type VersionEvaluation } from '../evaluation/evaluation.contract.ts';
import {
  evaluationRequestBody,
  evaluationRequestRoutes,
  evaluationRequestViewSchema,
  type EvaluationRequestView,
} from '../evaluation/evaluation-requests.contract.ts';
import type { RouteOutput } from '../common/contract.ts';
import { type AdminContext, type ConnectionOptions, runAdmin } from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { formatLocalAdapters } from './local-adapters-text.ts';
import { formatFigure, formatTable, formatTime, parseNumber } from './text.ts';
import { isPassing } from './watch.ts';

type EvaluateOptions = ConnectionOptions & {
  readonly versions: string;
  readonly sites?: string;
  readonly deadline?: string;
  readonly reason?: string;
  readonly wait?: boolean;
};
type CancelOptions = ConnectionOptions & { readonly reason?: string };
type MatrixOptions = ConnectionOptions & { readonly versions?: string };
type Figures = RouteOutput<typeof evaluationRoutes.list>;

const pollIntervalMs = 1000;
const waitedPastDeadlineMs = 60_000;

/** Versions in one table, unless they are named: the newest. */
const columnsMax = 8;

const evaluateHelp = `
Nothing is trained. Each site decides by its own policy; one that is away does it when it is back, until the deadline.
"melo admin tasks matrix" shows what came.`;

const cancelHelp = `
What has been reported stays; who has not reported is named as lost, with the reason. REQUEST is the name that "tasks evaluate"
prints and "tasks matrix" shows of open requests.`;

const matrixHelp = `
Macro AUC of each version at each site on its own held-out images, the worst site first, and over all sites from the
summed histograms. ALONE is what the site trained by itself, where the task asks for it. A figure marked with * is
without a planned site; the lines below name it. Where the task asks for it (crossEvaluation), a second table has what each
site that allows it trained by itself, at every site.`;

/** Add the commands of evaluations. */
export function addEvaluationCommands(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
): void {
  add('evaluate <task>', 'have sites evaluate versions on their held-out patients')
    .requiredOption('--versions <numbers>', 'versions, e.g. 3,5')
    .option('--sites <names>', 'sites, e.g. site-a,site-b; every member by default')
    .option('--deadline <time>', 'how long sites have: 30m, 24h or 7d', '24h')
    .option('--reason <text>', 'why; it stays in the record')
    .option('--wait', 'wait until every site has answered or the deadline passed')
    .addHelpText('after', evaluateHelp)
    .action((task: string, options: EvaluateOptions) =>
      runAdmin(options, environment, (context) => askEvaluations(context, task, options)),
    );
  add('cancel-evaluation <task> <request>', 'wait for no more reports of a request')
    .option('--reason <text>', 'why; it stays in the record')
    .addHelpText('after', cancelHelp)
    .action((task: string, name: string, options: CancelOptions) =>
      runAdmin(options, environment, async (context) => {
        const body = options.reason === undefined ? {} : { reason: options.reason };
        const view = await context.client.send(
          request(
            'POST',
            '/v1/tasks/{task}/evaluation-requests/{request}/cancel',
            evaluationRequestViewSchema,
            { path: { task, request: name }, body },
          ),
        );
        context.show(view, `${task}: ${view.summary}`);
      }),
    );
  add('matrix <task>', 'show the figures of every version at every site')
    .option('--versions <numbers>', `versions, e.g. 3,5; the newest ${columnsMax} by default`)
    .addHelpText('after', matrixHelp)
    .action((task: string, options: MatrixOptions) =>
      runAdmin(options, environment, (context) => showMatrix(context, task, options)),
    );
}

const listOf = (text: string): string[] => text.split(',').map((part) => part.trim());
const numbersOf = (text: string): number[] =>
  listOf(text).map((part) => parseNumber('--versions', part));

const unitsMs = { m: 60_000, h: 3_600_000, d: 24 * 3_600_000 } as const;

function durationOf(text: string): number {
  const match = /^(\d{1,6})([mhd])$/.exec(text);
  const unit = match?.[2];
  if (unit === 'm' || unit === 'h' || unit === 'd') return Number(match?.[1]) * unitsMs[unit];
  throw new InputError(
    'USAGE',
    `--deadline: expected a time such as 30m, 24h or 7d, got ${JSON.stringify(text)}`,
  );
}

async function askEvaluations(
  context: AdminContext,
  task: string,
  { versions, sites, deadline, reason, wait }: EvaluateOptions,
): Promise<void> {
  const parsed = evaluationRequestBody.safeParse({
    versions: numbersOf(versions),
    ...(sites === undefined ? {} : { sites: listOf(sites) }),
    ...(deadline === undefined ? {} : { deadlineMs: durationOf(deadline) }),
    ...(reason === undefined ? {} : { reason }),
  });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new InputError(
      'USAGE',
      `tasks evaluate: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}; see --help`,
    );
  }
  const view = await context.client.send(
    request('POST', '/v1/tasks/{task}/evaluation-requests', evaluationRequestViewSchema, {
      path: { task },
      body: parsed.data,
    }),
  );
  const until = formatTime(view.deadlineAtMs, context.environment.nowMs());
  const asked = `${task}: asked for ${view.items.length} evaluations, request ${view.request}, until ${until}`;
  if (wait === true) {
    context.hint(asked);
    const closed = await untilClosed(context, view);
    context.show(closed, `${task}: ${closed.summary}`);
  } else {
    context.show(view, asked);
  }
  context.hint(`next: melo admin tasks matrix ${task}`);
}

/** Look at a request until nobody is waited for any more, and tell whenever somebody has answered. */
async function untilClosed(
  context: AdminContext,
  asked: EvaluationRequestView,
): Promise<EvaluationRequestView> {
  const { environment } = context;
  // The coordinator closes what is past its deadline; a little later something is wrong there.
  const endMs = asked.deadlineAtMs + waitedPastDeadlineMs;
  let told = asked.summary;
  const tell = (text: string): void => {
    if (text !== told) context.hint(text);
    told = text;
  };
  for (;;) {
    const now = await look(context, asked, endMs, tell);
    if (now !== undefined && now.closedAtMs !== null) return now;
    if (now !== undefined) tell(now.summary);
    if (environment.nowMs() > endMs) {
      throw new UnavailableError(
        'TIMEOUT',
        `tasks evaluate: expected request ${asked.request} to be closed at its deadline, it is not; see "melo admin tasks matrix ${asked.task}"`,
      );
    }
    await sleep(pollIntervalMs);
  }
}

/** Look at a request; undefined while the coordinator is away, which ends nobody's waiting before its time. */
async function look(
  context: AdminContext,
  asked: EvaluationRequestView,
  endMs: number,
  tell: (text: string) => void,
): Promise<EvaluationRequestView | undefined> {
  try {
    const requests = await listRequests(context, asked.task);
    return requests.find((each) => each.request === asked.request);
  } catch (error) {
    if (!isPassing(error) || context.environment.nowMs() > endMs) throw error;
    tell(`request ${asked.request} is waited for all the same: ${error.message}`);
    return undefined;
  }
}

async function listRequests(
  { client }: AdminContext,
  task: string,
): Promise<readonly EvaluationRequestView[]> {
  const { items } = await client.list(
    (cursor) =>
      request(
        'GET',
        '/v1/tasks/{task}/evaluation-requests',
        evaluationRequestRoutes.list.response,
        { path: { task }, query: { cursor } },
      ),
    (page) => page.requests,
  );
  return items;
}

async function showMatrix(
  context: AdminContext,
  task: string,
  { versions }: MatrixOptions,
): Promise<void> {
  const figures = await context.client.send(
    request('GET', '/v1/tasks/{task}/evaluations', evaluationRoutes.list.response, {
      path: { task },
    }),
  );
  const requests = await listRequests(context, task);
  const wanted = versions === undefined ? null : numbersOf(versions);
  const shown =
    wanted === null
      ? figures.evaluations.slice(-columnsMax)
      : figures.evaluations.filter(({ version }) => wanted.includes(version));
  const open = requests.filter(({ closedAtMs }) => closedAtMs === null);
  const answer = { ...figures, evaluations: shown, requests };
  const local = formatLocalAdapters(figures.localAdapters);
  if (shown.length === 0) {
    context.show(answer, [`${task}: no version was evaluated yet`, ...local].join('\n\n'));
    context.hint(`next: melo admin tasks evaluate ${task} --versions 0`);
    return;
  }
  const versionsTable = formatMatrix(figures, shown, open, context.environment.nowMs());
  context.show(answer, [versionsTable, ...local].join('\n\n'));
}

function formatMatrix(
  { baselines }: Figures,
  shown: readonly VersionEvaluation[],
  open: readonly EvaluationRequestView[],
  nowMs: number,
): string {
  const headings = [
    'SITE',
    'IMAGES',
    'PATIENTS',
    'ALONE',
    ...shown.map((each) => `V${each.version}`),
  ];
  const newest = shown.at(-1);
  const names = siteOrder(shown);
  const siteRows = names.map((site) => {
    const last = shown.flatMap(({ sites }) => sites.filter((each) => each.site === site)).at(-1);
    const alone = baselines.find((each) => each.site === site);
    return [
      site,
      last === undefined ? '' : String(last.heldOutImages),
      last === undefined || last.heldOutGroups === null ? '' : String(last.heldOutGroups),
      alone === undefined ? '' : formatFigure(alone.summary.macroAuc),
      ...shown.map((each) => cellOf(each, site)),
    ];
  });
  const pooledRow = [
    'all sites (pooled)',
    String(newest?.pooled?.count ?? ''),
    '',
    '',
    ...shown.map(pooledCell),
  ];
  const intervalRow = ['  95 % interval', '', '', '', ...shown.map(intervalCell)];
  const lines = [
    ...shown.flatMap(({ version, absent }) =>
      absent.map(({ site, reason }) => `* version ${version} is without ${site}: ${reason}`),
    ),
    ...shown.flatMap(({ version, decision }) =>
      decision === null || decision.promotion === 'none'
        ? []
        : [`version ${version} was ${decision.promotion} by rule: ${decision.reason}`],
    ),
    ...open.map(
      ({ request: name, owner, summary, deadlineAtMs }) =>
        `request ${name}${owner === null ? '' : `, the adapter of ${owner}`}, until ${formatTime(deadlineAtMs, nowMs)}: ${summary}`,
    ),
  ];
  const table = formatTable(headings, [pooledRow, intervalRow, ...siteRows]);
  return [table, ...(lines.length === 0 ? [] : [lines.join('\n')])].join('\n\n');
}

/** The worst site of the newest version first, then whoever has no figure of it. */
function siteOrder(shown: readonly VersionEvaluation[]): string[] {
  const newestFirst = shown.toReversed();
  const named = newestFirst.flatMap(({ sites, absent }) => [
    ...sites.map(({ site }) => site),
    ...absent.map(({ site }) => site),
  ]);
  return [...new Set<string>(named)];
}

function cellOf({ sites, absent }: VersionEvaluation, site: string): string {
  const found = sites.find((each) => each.site === site);
  if (found !== undefined) return formatFigure(found.summary.macroAuc);
  return absent.find((each) => each.site === site)?.state ?? '-';
}

function pooledCell({ pooled, absent }: VersionEvaluation): string {
  if (pooled === null) return '-';
  return `${formatFigure(pooled.macroAuc)}${absent.length === 0 ? '' : '*'}`;
}

function intervalCell({ pooledIntervals }: VersionEvaluation): string {
  const ends = pooledIntervals?.macroAuc ?? null;
  return ends === null ? '' : ends.map((end) => end.toFixed(2)).join(' to ');
}
