/** `melo admin webhooks`: addresses that are told of alerts, and what became of it. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Command } from 'commander';
import { request } from '#api';
import { InputError, StateError, UnavailableError } from '#core/errors';
import { nothing } from '../common/contract.ts';
import {
  alertKindSchema,
  deliveryViewSchema,
  destinationSchema,
  webhookRoutes,
  type AlertKind,
  type DeliveryView,
} from '../webhooks/webhooks.contract.ts';
import {
  type AdminContext,
  type ConnectionOptions,
  runAdmin,
  withConnection,
} from './admin-command.ts';
import type { AdminEnvironment } from './admin-environment.ts';
import { moreHint, wantedOf, type ListOptions } from './list-options.ts';
import { formatTable, formatTime } from './text.ts';

type AddOptions = ConnectionOptions & { readonly kinds?: string };

/** Looks at a test until something came of it: 20 seconds, twice what the address has to answer. */
const looksMax = 80;
const lookMs = 250;

const knownKinds = alertKindSchema.options.join(', ');
const addHelp = `
Kinds: ${knownKinds}.
The address is https, or http to the coordinator's own machine. The secret is shown once: with it the receiver checks that what
it is told comes from this coordinator (Standard Webhooks; docs/telemetry.md has an example).`;
const testHelp = `
It is sent once. Ends with 0 where the address answered 2xx within 10 seconds, with 9 where it did not, with 10 where nothing
was heard of it.`;

/** Add the commands of webhooks to `admin`. */
export function addWebhooksCommands(admin: Command, environment: AdminEnvironment): void {
  const webhooks = admin.command('webhooks').description('addresses that are told of alerts');
  const add = (name: string, description: string) =>
    withConnection(webhooks.command(name).description(description), environment);

  add('list', 'list the addresses').action((options: ConnectionOptions) =>
    runAdmin(options, environment, listWebhooks),
  );
  add('add <address>', 'tell an address of alerts from now on, and print its secret once')
    .option('--kinds <list>', 'what it is told of, with commas between (default: everything)')
    .addHelpText('after', addHelp)
    .action((address: string, options: AddOptions) =>
      runAdmin(options, environment, (context) => addWebhook(context, address, options.kinds)),
    );
  add('test <webhook>', 'send a test and tell what came of it')
    .addHelpText('after', testHelp)
    .action((webhook: string, options: ConnectionOptions) =>
      runAdmin(options, environment, (context) => testWebhook(context, webhook)),
    );
  add('deliveries <webhook>', 'list what an address was told, newest first')
    .option('--limit <number>', 'deliveries at most', '50')
    .action((webhook: string, options: ListOptions) =>
      runAdmin(options, environment, (context) =>
        listDeliveries(context, webhook, wantedOf(options)),
      ),
    );
  add('remove <webhook>', 'tell an address nothing any more').action(
    (webhook: string, options: ConnectionOptions) =>
      runAdmin(options, environment, async (context) => {
        const answer = await context.client.send(
          request('DELETE', '/v1/webhooks/{webhook}', nothing, { path: { webhook } }),
        );
        context.show(answer, `${webhook} is removed`);
      }),
  );
}

async function listWebhooks(context: AdminContext): Promise<void> {
  const { items: webhooks, hasMore } = await context.client.list(
    (cursor) => request('GET', '/v1/webhooks', webhookRoutes.list.response, { query: { cursor } }),
    (page) => page.webhooks,
  );
  const answer = { webhooks, hasMore };
  if (webhooks.length === 0) {
    context.show(answer, 'no address is told of alerts yet');
    context.hint('next: melo admin webhooks add https://...');
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = webhooks.map(({ webhook, url, kinds, createdAtMs, pending }) => [
    webhook,
    url,
    kinds.join(', '),
    String(pending),
    formatTime(createdAtMs, nowMs),
  ]);
  context.show(answer, formatTable(['WEBHOOK', 'ADDRESS', 'TOLD OF', 'WAITING', 'SINCE'], rows));
}

async function addWebhook(
  context: AdminContext,
  address: string,
  kindsText: string | undefined,
): Promise<void> {
  const url = destinationSchema.safeParse(address);
  if (!url.success) {
    throw new InputError('USAGE', `address: ${url.error.issues[0]?.message ?? 'not valid'}`);
  }
  const kinds = kindsText === undefined ? {} : { kinds: parseKinds(kindsText) };
  const answer = await context.client.send(
    request('POST', '/v1/webhooks', webhookRoutes.create.response, {
      body: { url: url.data, ...kinds },
    }),
  );
  const { webhook } = answer.webhook;
  context.show(answer, answer.secret);
  context.hint(
    `${webhook} is told of ${answer.webhook.kinds.join(', ')}; the secret is shown this once; next: melo admin webhooks test ${webhook}`,
  );
}

function parseKinds(text: string): AlertKind[] {
  return text.split(',').map((word) => {
    const kind = alertKindSchema.safeParse(word.trim());
    if (kind.success) return kind.data;
    throw new InputError('USAGE', `--kinds: expected ${knownKinds}, got ${JSON.stringify(word)}`);
  });
}

async function testWebhook(context: AdminContext, webhook: string): Promise<void> {
  let delivery: DeliveryView = await context.client.send(
    request('POST', '/v1/webhooks/{webhook}/test', deliveryViewSchema, { path: { webhook } }),
  );
  for (let looks = 0; delivery.status === 'pending' && looks < looksMax; looks++) {
    await sleep(lookMs);
    const { deliveries } = await context.client.send(
      request('GET', '/v1/webhooks/{webhook}/deliveries', webhookRoutes.deliveries.response, {
        path: { webhook },
      }),
    );
    delivery = deliveries.find(({ id }) => id === delivery.id) ?? delivery;
  }
  const { status, lastOutcome } = delivery;
  if (status === 'delivered') {
    context.show(delivery, `${webhook} took the test (${lastOutcome ?? ''})`);
    return;
  }
  if (status === 'failed') {
    throw new StateError(
      'STATE_CONFLICT',
      `${webhook}: expected the address to answer 2xx within 10 seconds, it came to ${lastOutcome ?? 'nothing'}; check that the coordinator reaches it and that it takes what is signed`,
    );
  }
  throw new UnavailableError(
    'TIMEOUT',
    `${webhook}: expected the test to be sent, it waits behind others; see melo admin webhooks deliveries ${webhook}`,
  );
}

async function listDeliveries(
  context: AdminContext,
  webhook: string,
  wanted: number,
): Promise<void> {
  const { items: deliveries, hasMore } = await context.client.list(
    (cursor) =>
      request('GET', '/v1/webhooks/{webhook}/deliveries', webhookRoutes.deliveries.response, {
        path: { webhook },
        query: { cursor },
      }),
    (page) => page.deliveries,
    wanted,
  );
  const answer = { deliveries, hasMore };
  if (deliveries.length === 0) {
    context.show(answer, 'it was told nothing yet');
    context.hint(`next: melo admin webhooks test ${webhook}`);
    return;
  }
  const nowMs = context.environment.nowMs();
  const rows = deliveries.map((each) => [
    formatTime(each.createdAtMs, nowMs),
    `${each.kind} ${each.state}`,
    each.subject,
    each.status,
    String(each.attempts),
    each.lastOutcome ?? '',
    each.nextAtMs === null ? '' : formatTime(each.nextAtMs, nowMs),
  ]);
  const headings = ['AT', 'WHAT', 'ABOUT', 'STATUS', 'ATTEMPTS', 'LAST', 'AGAIN'];
  context.show(answer, formatTable(headings, rows));
  if (hasMore) context.hint(moreHint);
}
