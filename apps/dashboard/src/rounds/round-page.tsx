/** One round: who did what and how long, who is in it and who is not, what came of it, what proves it. */
import { Alert, Group, Stack, Text } from '@mantine/core';
import { request } from '#api';
import { roundRequest, tasks, useFresh, useList, useResource } from '../api/resources.ts';
import type { RoundDetail } from '../api/detail-schemas.ts';
import { roundsSchema, type Member } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import {
  formatBytes,
  formatCount,
  formatFigure,
  formatShortSpan,
  formatSpan,
} from '../common/format.ts';
import { Link, LinkButton } from '../common/link.tsx';
import { NotFound } from '../common/not-found.tsx';
import { PageTitle } from '../common/page-title.tsx';
import { Empty, Panel, Waiting } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { ProofPanel } from './proof-panel.tsx';
import { SiteFiguresTable } from './site-figures-panel.tsx';
import { TimelinePanel } from './timeline-panel.tsx';

const memberColumns: readonly Column<Member>[] = [
  { label: 'Site', cell: ({ site }) => <Link to={{ page: 'site', site }}>{site}</Link> },
  { label: 'State', cell: ({ status }) => <StatusBadge status={status} /> },
  { label: 'Why not in it', isWide: true, cell: ({ status, reason }) => reasonOf(status, reason) },
  { label: 'Images', align: 'right', cell: ({ samples }) => formatCount(samples) },
  { label: 'Received', align: 'right', cell: ({ bytesReceived }) => formatBytes(bytesReceived) },
  { label: 'Training loss', align: 'right', cell: (member) => formatFigure(member.trainingLoss) },
  {
    label: 'Digest of its update',
    cell: ({ updateDigest }) =>
      updateDigest === null ? '–' : <code title={updateDigest}>{updateDigest.slice(0, 12)}…</code>,
  },
];

function reasonOf(status: string, reason: string | null): string {
  return status === 'reported' ? '–' : (reason ?? 'no reason was given');
}

type Event = RoundDetail['events'][number];

const eventColumnsOf = ({ openedAtMs }: RoundDetail): readonly Column<Event>[] => [
  { label: 'What', cell: ({ event }) => event.type },
  {
    label: 'Site',
    cell: ({ event: { site } }) =>
      site === undefined ? '–' : <Link to={{ page: 'site', site }}>{site}</Link>,
  },
  { label: 'When', cell: ({ atMs }) => <Ago timeMs={atMs} /> },
  {
    label: 'After the opening',
    align: 'right',
    cell: ({ atMs }) => formatShortSpan(atMs - openedAtMs),
  },
  { label: 'Why', isWide: true, cell: ({ event }) => event.reason ?? '–' },
];

function Attempts({ task, round }: { readonly task: string; readonly round: RoundDetail }) {
  const { data } = useList(
    (part) =>
      request('GET', '/v1/tasks/{task}/rounds', roundsSchema, {
        path: { task },
        query: { ...part, round: round.round },
      }),
    (answer) => answer.rounds,
    ['rounds'],
  );
  const others = data?.items.filter(({ attempt }) => attempt !== round.attempt);
  if (others === undefined || others.length === 0) return null;
  return (
    <Text size="sm" component="div">
      {'Other attempts: '}
      {others.map(({ attempt, phase }) => (
        <span key={attempt}>
          <Link to={{ page: 'round', task, round: round.round, attempt }}>
            {`attempt ${attempt} (${phase})`}
          </Link>{' '}
        </span>
      ))}
    </Text>
  );
}

function Times({ round }: { readonly round: RoundDetail }) {
  return (
    <Text size="sm" c="dimmed">
      {`attempt ${round.attempt} · from version ${round.baseVersion} · ${round.quorumSites} sites needed · opened `}
      <Ago timeMs={round.openedAtMs} />
      {round.settledAtMs === null ? (
        <>
          {', deadline '}
          <Ago timeMs={round.deadlineAtMs} />
        </>
      ) : (
        `, took ${formatSpan(round.settledAtMs - round.openedAtMs)}`
      )}
    </Text>
  );
}

function Details({ task, round }: { readonly task: string; readonly round: RoundDetail }) {
  return (
    <Stack gap="md">
      <Times round={round} />
      {round.summary !== '' && (
        <Alert color={round.phase === 'abandoned' ? 'red' : 'gray'}>{round.summary}</Alert>
      )}
      <Attempts task={task} round={round} />
      <TimelinePanel round={round} />
      <Panel title="Members">
        <DataTable
          name="Members of the round"
          columns={memberColumns}
          rows={round.members}
          keyOf={({ site }) => site}
        />
      </Panel>
      <Panel title="Updates by site">
        {round.figures === null ? (
          <Empty>They come with the aggregate, once enough sites have reported.</Empty>
        ) : (
          <SiteFiguresTable figures={round.figures} />
        )}
      </Panel>
      <ProofPanel key={`${round.round}/${round.attempt}`} task={task} round={round} />
      <Panel title="Events">
        <DataTable
          name="Events of the round"
          columns={eventColumnsOf(round)}
          rows={round.events}
          keyOf={({ sequence }) => String(sequence)}
        />
      </Panel>
    </Stack>
  );
}

/** One round. */
export function RoundPage(props: {
  readonly task: string;
  readonly round: number;
  readonly attempt: number | null;
}) {
  const { task, round: number, attempt } = props;
  const { data, error } = useFresh(roundRequest(task, number, attempt), ['rounds']);
  const toRounds = { page: 'task', task, section: 'rounds' } as const;
  const newest = useResource(tasks).data?.tasks.find((each) => each.task === task)?.currentRound;
  const hasNext = newest !== undefined && newest !== null && number < newest.round;
  const to = (round: number) => ({ page: 'round', task, round, attempt: null }) as const;
  if (data === undefined && (error?.code === 'ROUND_NOT_FOUND' || error?.code === 'NOT_FOUND')) {
    const which = attempt === null ? `round ${number}` : `attempt ${attempt} at round ${number}`;
    return <NotFound title={`There is no ${which} of ${task}`} to={toRounds} label="All rounds" />;
  }
  return (
    <>
      <PageTitle
        title={`Round ${number} of ${task}`}
        mark={data === undefined ? undefined : <StatusBadge status={data.phase} />}
        aside={
          <Group gap="xs">
            {number > 1 && <LinkButton to={to(number - 1)}>{`Round ${number - 1}`}</LinkButton>}
            {hasNext && <LinkButton to={to(number + 1)}>{`Round ${number + 1}`}</LinkButton>}
            <LinkButton to={toRounds}>All rounds</LinkButton>
          </Group>
        }
      />
      {data === undefined ? <Waiting error={error} /> : <Details task={task} round={data} />}
    </>
  );
}
