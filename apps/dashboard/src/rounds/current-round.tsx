/** The round that is open, or the last one: its phase, its members, what each has done. */
import { Alert, Group, Progress, Stack, Text } from '@mantine/core';
import { sites, useResource } from '../api/resources.ts';
import type { Member, Round, Site, Task } from '../api/schemas.ts';
import { Ago } from '../common/ago.tsx';
import { DataTable, type Column } from '../common/data-table.tsx';
import { formatCount, formatFigure, plural } from '../common/format.ts';
import { Link, LinkButton } from '../common/link.tsx';
import { Empty, Panel } from '../common/panel.tsx';
import { StatusBadge } from '../common/status-badge.tsx';
import { HeartbeatText } from '../sites/heartbeat-text.tsx';
import { useMay } from '../session/access.ts';
import { memberProgress } from './member-state.ts';

const phases = ['inviting', 'training', 'aggregating', 'published'] as const;

function Phases({ round }: { readonly round: Round }) {
  const at = phases.findIndex((phase) => phase === round.phase);
  const isAbandoned = round.phase === 'abandoned';
  return (
    <ol className="phases" aria-label="Phases of the round">
      {phases.map((phase, index) => {
        const isDone = index < at || (phase === 'published' && index === at);
        const state = isDone ? 'done' : index === at ? 'now' : 'open';
        return (
          <li key={phase} data-state={state} aria-current={index === at ? 'step' : undefined}>
            {phase}
          </li>
        );
      })}
      {isAbandoned && (
        <li data-state="ended" aria-current="step">
          abandoned
        </li>
      )}
    </ol>
  );
}

function MemberBar({ member }: { readonly member: Member }) {
  const { percent, text } = memberProgress(member);
  return (
    <Stack gap={4} miw={120}>
      <span className="number">{text}</span>
      {percent !== null && (
        <Progress value={percent} size="sm" aria-label={`${member.site}: ${text}`} />
      )}
    </Stack>
  );
}

/** A member and what is known of its site. */
type Row = Member & { readonly known: Site | undefined };

const columns: readonly Column<Row>[] = [
  { label: 'Site', cell: ({ site }) => <Link to={{ page: 'site', site }}>{site}</Link> },
  {
    label: 'State',
    cell: ({ status, reason }) => (
      <Stack gap={2} align="flex-start">
        <StatusBadge status={status} />
        {reason !== null && <Text size="xs">{reason}</Text>}
      </Stack>
    ),
  },
  { label: 'Progress', isWide: true, cell: (member) => <MemberBar member={member} /> },
  {
    label: 'Heartbeat',
    isWide: true,
    cell: ({ known }) => (known === undefined ? '–' : <HeartbeatText site={known} />),
  },
  { label: 'Images', align: 'right', cell: ({ samples }) => formatCount(samples) },
  { label: 'Training loss', align: 'right', cell: (member) => formatFigure(member.trainingLoss) },
];

function Times({ round }: { readonly round: Round }) {
  const reported = round.members.filter(({ status }) => status === 'reported').length;
  return (
    <Text size="sm" c="dimmed">
      {`${reported} of ${plural(round.members.length, 'site')} reported, ${round.quorumSites} needed · opened `}
      <Ago timeMs={round.openedAtMs} />
      {round.settledAtMs === null ? (
        <>
          {' · deadline '}
          <Ago timeMs={round.deadlineAtMs} />
        </>
      ) : (
        <>
          {' · settled '}
          <Ago timeMs={round.settledAtMs} />
        </>
      )}
    </Text>
  );
}

/** Members of a round with what is known of their sites. */
function Members({ round }: { readonly round: Round }) {
  const { data } = useResource(sites);
  const rows = round.members.map((member) => ({
    ...member,
    known: data?.sites.find(({ site }) => site === member.site),
  }));
  return (
    <DataTable
      name="Members of the round"
      columns={columns}
      rows={rows}
      keyOf={({ site }) => site}
    />
  );
}

function NoRound({ task }: { readonly task: Task }) {
  const mayTrain = useMay('train');
  const { status, openingRefusal } = task;
  const next = mayTrain
    ? '“Start”, at the top of its page, opens the first round.'
    : 'Administrators and scientists can start it.';
  const text =
    status === 'created'
      ? `The task has not been started. ${next}`
      : status === 'running'
        ? 'No round is open yet: it opens as soon as enough of the members are connected.'
        : 'No round was opened.';
  return (
    <Panel title="Round">
      <Empty>{openingRefusal?.message ?? text}</Empty>
    </Panel>
  );
}

/** The round that is open, or the last one. */
export function CurrentRound({ task }: { readonly task: Task }) {
  const round = task.currentRound;
  if (round === null) return <NoRound task={task} />;
  const attempt = round.attempt > 1 ? `, attempt ${round.attempt}` : '';
  const isOpen = round.settledAtMs === null;
  return (
    <Panel
      title={`${isOpen ? 'Current round' : 'Last round'}: ${round.round} of ${task.rounds}${attempt}`}
      aside={
        <Group gap="xs">
          <StatusBadge status={round.phase} />
          <LinkButton to={{ page: 'round', task: task.task, round: round.round, attempt: null }}>
            Details
          </LinkButton>
        </Group>
      }
    >
      <Stack gap="md">
        <Phases round={round} />
        {round.reason !== null && <Alert color="red">{round.reason}</Alert>}
        <Times round={round} />
        <Members round={round} />
      </Stack>
    </Panel>
  );
}
