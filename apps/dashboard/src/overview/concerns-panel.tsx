/** What needs a person, each with where to go. */
import { Group, Stack, Text } from '@mantine/core';
import { health, sites, tasks, useResource } from '../api/resources.ts';
import { Link } from '../common/link.tsx';
import { Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { useNowMs } from '../common/use-now.ts';
import { concernsOf, type Concern } from './concerns.ts';

function ConcernRow({ concern }: { readonly concern: Concern }) {
  const { urgency, about, text, to } = concern;
  return (
    <li className="concern">
      <StatusBadge status={urgency === 'act' ? 'to do' : 'to know'} />
      <Text size="sm" component="div">
        <b>{to === undefined ? about : <Link to={to}>{about}</Link>}</b> {text}
      </Text>
    </li>
  );
}

/** What needs a person. */
export function ConcernsPanel() {
  const siteList = useResource(sites);
  const taskList = useResource(tasks);
  const { data } = useResource(health);
  const nowMs = useNowMs();
  if (siteList.data === undefined || taskList.data === undefined) {
    return (
      <Panel title="Needs a person">
        <Waiting error={siteList.error ?? taskList.error} />
      </Panel>
    );
  }
  const concerns = concernsOf({
    health: data,
    sites: siteList.data.sites,
    tasks: taskList.data.tasks,
    nowMs,
  });
  return (
    <Panel title="Needs a person">
      {concerns.length === 0 ? (
        <Group gap="xs">
          <StatusBadge status="nothing" />
          <Text size="sm">Everything goes on by itself.</Text>
        </Group>
      ) : (
        <Stack component="ul" gap="xs" className="plain-list">
          {concerns.map((concern) => (
            <ConcernRow key={`${concern.about} ${concern.text}`} concern={concern} />
          ))}
        </Stack>
      )}
    </Panel>
  );
}
