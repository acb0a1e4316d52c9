/** `melo admin sites`: invite, compare fingerprints, approve, suspend, resume, revoke, leave. */
import type { Command } from 'commander';
import { request } from '#api';
import { formatFingerprint } from '#core/crypto';
import { InputError } from '#core/errors';
import {
  invitationViewSchema,
  leavingViewSchema,
  siteViewSchema,
  type LeavingView,
  type SiteView,
} from '../sites/sites.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { moreHint, wantedOf, withLimit, type ListOptions } from './list-options.ts';
import { sitePages } from './whole-lists.ts';
import { formatDistance, formatPairs, formatShare, formatTable, formatTime } from './text.ts';

type InviteOptions = ConnectionOptions & { readonly siteUrl?: string; readonly again?: true };
type ApproveOptions = ConnectionOptions & { readonly fingerprint?: string };
type LeaveOptions = ConnectionOptions & { readonly reason: string; readonly rerun?: true };
type ReasonOptions = ConnectionOptions & { readonly reason: string };

/** Add the commands of sites to `admin`. */
export function addSitesCommands(admin: Command, environment: AdminEnvironment): void {
  const sites = admin.command('sites').description('hospitals: invite, approve, suspend, revoke');
  const add = (name: string, description: string) =>
    withConnection(sites.command(name).description(description), environment);

  withLimit(add('list', 'list every site')).action((options: ListOptions) =>
    runAdmin(options, environment, (context) => listSites(context, wantedOf(options))),
  );
  add('show <site>', 'show one site: fingerprint, connection, backbones it holds').action(
    (site: string, options: ConnectionOptions) =>
      runAdmin(options, environment, (context) => showSite(context, site)),
  );
  add('invite <site>', 'make a site and its one-time enrolment code')
    .option('--site-url <url>', 'address that the code carries, as the site sees the coordinator')
    .option('--again', 'make a new code for a site that was invited before')
    .action((site: string, options: InviteOptions) =>
      runAdmin(options, environment, (context) => inviteSite(context, site, options)),
    );
  add('approve <site>', 'approve an enrolled site after comparing its fingerprint')
    .option('--fingerprint <hex>', 'what the site read out; asked for where it is left out')
    .action((site: string, options: ApproveOptions) =>
      runAdmin(options, environment, (context) => approveSite(context, site, options.fingerprint)),
    );
  addStatusCommands(add, environment);
}

function addStatusCommands(
  add: (name: string, description: string) => Command,
  environment: AdminEnvironment,
): void {
  for (const name of ['suspend', 'revoke'] as const) {
    const what =
      name === 'suspend' ? 'cut a site off until it is resumed' : 'cut a site off for good';
    add(`${name} <site>`, what)
      .requiredOption('--reason <text>', 'why; it stays in the record')
      .action((site: string, { reason, ...options }: ReasonOptions) =>
        runAdmin(options, environment, async (context) => {
          const view = await context.client.send(
            request('POST', `/v1/sites/{site}/${name}`, siteViewSchema, {
              path: { site },
              body: { reason },
            }),
          );
          context.show(view, `${site} is ${view.status}: ${reason}`);
        }),
      );
  }
  add('leave <site>', 'let a site leave; say which versions have its share')
    .requiredOption('--reason <text>', 'why; it stays in the record')
    .option('--rerun', 'let its tasks go on from the last version without it')
    .addHelpText('after', leaveHelp)
    .action((site: string, { reason, rerun, ...options }: LeaveOptions) =>
      runAdmin(options, environment, async (context) => {
        const view = await context.client.send(
          request('POST', '/v1/sites/{site}/leave', leavingViewSchema, {
            path: { site },
            body: { reason, rerun: rerun === true },
          }),
        );
        showLeaving(context, view);
      }),
    );
  add('resume <site>', 'let a suspended site take part again').action(
    (site: string, options: ConnectionOptions) =>
      runAdmin(options, environment, async (context) => {
        const view = await context.client.send(
          request('POST', '/v1/sites/{site}/resume', siteViewSchema, { path: { site } }),
        );
        context.show(view, `${site} is ${view.status}`);
      }),
  );
}

const leaveHelp = `
The site is cut at once and is a member of no later round; what it sent to open rounds is not used. Published versions
stay, and those with its share are marked wherever they are shown. Its name comes back only by a new enrolment
("sites invite SITE --again").`;

function showLeaving(context: AdminContext, view: LeavingView): void {
  const { site, tasks } = view;
  const rows = tasks.map(({ task, versions, lastWithout }) => [
    task,
    versions.join(', '),
    String(lastWithout),
  ]);
  const table = formatTable(['TASK', 'VERSIONS WITH ITS SHARE', 'LAST WITHOUT'], rows);
  const text = tasks.length === 0 ? 'no version has its share' : `\n${table}`;
  context.show(view, `${site.site} is ${site.status}: ${site.reason ?? ''}\n${text}`);
  for (const { task, lastWithout, isRerunDue, isPromotedAffected } of tasks) {
    const why = `--reason '${site.site} left'`;
    if (isRerunDue) {
      context.hint(`next: melo admin tasks rerun ${task} --from ${lastWithout} ${why}`);
    }
    if (isPromotedAffected) {
      context.hint(`next: melo admin adapters promote ${task} ${lastWithout} ${why}`);
    }
  }
}

async function listSites(context: AdminContext, wanted: number): Promise<void> {
  const { items: sites, hasMore } = await context.client.list(
    sitePages,
    (page) => page.sites,
    wanted,
  );
  const answer = { sites, hasMore };
  if (sites.length === 0) {
    context.show(answer, 'no sites yet');
    context.hint('next: melo admin sites invite SITE');
    return;
  }
  const nowMs = context.environment.nowMs();
  const headings = ['SITE', 'STATUS', 'CONNECTED', 'LAST SEEN', 'DOING', 'AGENT'];
  context.show(
    answer,
    formatTable(
      headings,
      sites.map((site) => siteRow(site, nowMs)),
    ),
  );
  if (hasMore) context.hint(moreHint);
  const pending = sites.filter(({ status }) => status === 'pending');
  for (const { site } of pending) context.hint(`next: melo admin sites approve ${site}`);
}

function siteRow(site: SiteView, nowMs: number): readonly string[] {
  const lastSeen = site.lastSeenAtMs === null ? 'never' : formatDistance(site.lastSeenAtMs, nowMs);
  return [
    site.site,
    site.status,
    site.isConnected ? 'yes' : 'no',
    lastSeen,
    describeWork(site),
    site.agentVersion ?? '',
  ];
}

function describeWork({ heartbeat }: SiteView): string {
  if (heartbeat === null) return '';
  const where = heartbeat.task === null ? '' : ` ${heartbeat.task}/${heartbeat.round ?? '?'}`;
  return `${heartbeat.phase}${where} ${formatShare(heartbeat.progress)}`.trim();
}

async function showSite(context: AdminContext, site: string): Promise<void> {
  const view = await context.client.send(
    request('GET', '/v1/sites/{site}', siteViewSchema, { path: { site } }),
  );
  const nowMs = context.environment.nowMs();
  const { capabilities } = view;
  context.show(
    view,
    formatPairs([
      ['site', view.site],
      ['status', view.status],
      ['reason', view.reason ?? ''],
      ['fingerprint', view.fingerprint === null ? '' : formatFingerprint(view.fingerprint)],
      ['connected', view.isConnected ? 'yes' : 'no'],
      ['doing', describeWork(view)],
      ['last seen', formatTime(view.lastSeenAtMs, nowMs)],
      ['invited', formatTime(view.invitedAtMs, nowMs)],
      ['enrolled', formatTime(view.enrolledAtMs, nowMs)],
      ['approved', formatTime(view.approvedAtMs, nowMs)],
      ['agent', view.agentVersion ?? ''],
      ['rounds lost', view.lostRounds === 0 ? '' : `${view.lostRounds} in a row`],
      ['cores', capabilities === null ? '' : String(capabilities.cores)],
      [
        'engines',
        capabilities?.engines.map(({ name, device }) => `${name} on ${device}`).join(', ') ?? '',
      ],
      ['tasks', capabilities?.approvedTasks.join(', ') ?? ''],
      ...(capabilities?.backbones.map((digest) => ['backbone', digest] as const) ?? []),
    ]),
  );
}

async function inviteSite(context: AdminContext, site: string, options: InviteOptions) {
  const body = options.siteUrl === undefined ? {} : { url: options.siteUrl };
  const invite =
    options.again === true
      ? request('POST', '/v1/sites/{site}/invitations', invitationViewSchema, {
          path: { site },
          body,
        })
      : request('POST', '/v1/sites', invitationViewSchema, { body: { site, ...body } });
  const invitation = await context.client.send(invite);
  const nowMs = context.environment.nowMs();
  context.show(invitation, invitation.code);
  context.hint(
    `${site}: the code above works once, until ${formatTime(invitation.expiresAtMs, nowMs)}; hand it over in private`,
  );
  context.hint('next, at the site: melo agent enroll --config agent.yaml, then paste the code');
}

async function approveSite(context: AdminContext, site: string, given: string | undefined) {
  const text = given ?? (await askFingerprint(context, site));
  const fingerprint = text.replace(/[\s:-]/g, '').toLowerCase();
  if (!/^[0-9a-f]{64}$/.test(fingerprint)) {
    throw new InputError(
      'USAGE',
      `--fingerprint: expected 64 hexadecimal digits, got ${fingerprint.length} characters; copy what "melo agent enroll" printed at ${site}`,
    );
  }
  const view = await context.client.send(
    request('POST', '/v1/sites/{site}/approve', siteViewSchema, {
      path: { site },
      body: { fingerprint },
    }),
  );
  context.show(view, `${site} is ${view.status}`);
  context.hint('next: melo admin tasks example > task.yaml');
}

async function askFingerprint({ environment }: AdminContext, site: string): Promise<string> {
  const question = `Fingerprint as ${site} reads it out (from "melo agent enroll"): `;
  const answer = await environment.ask(question);
  if (answer !== undefined) return answer;
  throw new InputError(
    'USAGE',
    `approve ${site}: expected --fingerprint, since nobody can be asked here; pass what "melo agent enroll" printed`,
  );
}
