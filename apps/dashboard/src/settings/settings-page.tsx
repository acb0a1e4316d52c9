/** What the coordinator keeps to, as far as administrators set it here: who is told of alerts. */
import { Button, Text } from '@mantine/core';
import { useState } from 'react';
import { request } from '#api';
import { useList } from '../api/resources.ts';
import { Link } from '../common/link.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { AddWebhookDialog } from './add-webhook-dialog.tsx';
import { WebhookPanel } from './webhook-panel.tsx';
import { webhooksSchema } from './webhook-schemas.ts';

function Webhooks() {
  const { data, error } = useList(
    (query) => request('GET', '/v1/webhooks', webhooksSchema, { query }),
    (answer) => answer.webhooks,
    ['webhooks'],
  );
  const [isAdding, setIsAdding] = useState(false);
  return (
    <>
      <Panel
        title="Webhooks"
        aside={
          <Button size="compact-sm" variant="default" onClick={() => setIsAdding(true)}>
            Add a webhook
          </Button>
        }
      >
        <Text size="sm">
          Addresses that are told of alerts, signed, and again until they take it: silent sites, old
          keys, a low disk, abandoned rounds. Nothing of an image, a patient or a weight is told.
        </Text>
        {data?.items.length === 0 && (
          <Empty command="npx melo admin webhooks add https://...">
            No address is told of alerts yet.
          </Empty>
        )}
      </Panel>
      {data === undefined ? (
        <Waiting error={error} />
      ) : (
        data.items.map((webhook) => <WebhookPanel key={webhook.webhook} webhook={webhook} />)
      )}
      {isAdding && <AddWebhookDialog onClose={() => setIsAdding(false)} />}
    </>
  );
}

function Elsewhere() {
  return (
    <Panel title="Set elsewhere">
      <Text size="sm">
        Room on the disk, how long uploads are kept, limits, backups and draining stand under{' '}
        <Link to={{ page: 'coordinator' }}>Coordinator</Link>; they are set where the coordinator is
        started: <code>npx melo coordinator start --help</code>.
      </Text>
    </Panel>
  );
}

/** What the coordinator keeps to. */
export function SettingsPage() {
  return (
    <>
      <PageTitle title="Settings" />
      <Webhooks />
      <Elsewhere />
    </>
  );
}
