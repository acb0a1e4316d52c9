/** One address that is told of alerts: what of, and what came of it. */
import { Alert, Button, Group, Stack } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { send } from '../api/client.ts';
import { live } from '../api/live.ts';
import { useList } from '../api/resources.ts';
import { answerOfCommand } from '../api/schemas.ts';
import { ActionButton, type Action } from '../common/action-button.tsx';
import { useRun } from '../common/use-run.ts';
import { Ago } from '../common/ago.tsx';
import type { Column } from '../common/data-table.tsx';
import { Facts } from '../common/facts.tsx';
import { ListTable } from '../common/list-table.tsx';
import { announce } from '../common/notice.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { deliveriesSchema, kindText, type Delivery, type Webhook } from './webhook-schemas.ts';

const pageSize = 10;

const columns: readonly Column<Delivery>[] = [
  { label: 'When', cell: ({ createdAtMs }) => <Ago timeMs={createdAtMs} /> },
  {
    label: 'What',
    cell: ({ kind, state }) => `${kindText(kind)}${state === 'resolved' ? ': over' : ''}`,
  },
  { label: 'About', cell: ({ subject }) => subject },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Attempts', align: 'right', cell: ({ attempts }) => attempts },
  { label: 'It answered', cell: ({ lastOutcome }) => lastOutcome ?? '–' },
  {
    label: 'Sent again',
    cell: ({ nextAtMs, attempts }) =>
      nextAtMs === null || attempts === 0 ? '–' : <Ago timeMs={nextAtMs} />,
  },
];

function Deliveries({ webhook }: { readonly webhook: Webhook }) {
  const path = { webhook: webhook.webhook };
  const list = useList(
    (query) =>
      request('GET', '/v1/webhooks/{webhook}/deliveries', deliveriesSchema, { path, query }),
    (answer) => answer.deliveries,
    ['webhooks'],
    pageSize,
  );
  if (list.data === undefined) return <Waiting error={list.error} />;
  if (list.data.items.length === 0) return <Empty>It was told nothing yet. Send it a test.</Empty>;
  return (
    <ListTable
      name={`Deliveries to ${webhook.url}`}
      columns={columns}
      list={list}
      keyOf={({ delivery }) => String(delivery)}
    />
  );
}

const removal = (webhook: Webhook, run: () => Promise<unknown>): Action => ({
  label: 'Remove',
  fullLabel: `Remove ${webhook.url}`,
  title: 'Remove this webhook?',
  explanation: `${webhook.url} is told nothing any more, also what waits, and what it was told is forgotten. Its secret is worth nothing then.`,
  verb: 'Remove it',
  reason: 'none',
  isGrave: true,
  run,
  done: `${webhook.url} is told nothing any more.`,
});

/** One address that is told of alerts. */
export function WebhookPanel({ webhook }: { readonly webhook: Webhook }) {
  const { isBusy, failure, run } = useRun();
  const [isRemoved, setIsRemoved] = useState(false);
  const { url, kinds, createdAtMs, pending } = webhook;
  const path = { webhook: webhook.webhook };
  /** Its deliveries go with it: nobody must ask for them once they are gone. */
  const remove = async (): Promise<void> => {
    setIsRemoved(true);
    try {
      await send(request('DELETE', '/v1/webhooks/{webhook}', answerOfCommand, { path }));
    } catch (error) {
      setIsRemoved(false);
      throw error;
    }
  };
  const test = (): void => {
    run(async () => {
      await send(request('POST', '/v1/webhooks/{webhook}/test', answerOfCommand, { path }));
      void live.look();
      announce('A test is sent; what came of it stands among the deliveries.');
    });
  };
  return (
    <Panel
      title={url}
      aside={
        <Group gap="xs">
          <Button
            size="compact-sm"
            variant="default"
            loading={isBusy}
            aria-label={`Send a test to ${url}`}
            onClick={test}
          >
            Send a test
          </Button>
          <ActionButton action={removal(webhook, remove)} />
        </Group>
      }
    >
      <Stack gap="md">
        {failure !== undefined && <Alert color="red">{failure}</Alert>}
        <Facts
          facts={[
            ['Told when', kinds.map(kindText).join('; ')],
            ['Since', <Ago key="since" timeMs={createdAtMs} />],
            ['Waits to be sent', String(pending)],
            ['Name', webhook.webhook],
          ]}
        />
        {!isRemoved && <Deliveries webhook={webhook} />}
      </Stack>
    </Panel>
  );
}
